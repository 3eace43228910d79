"""`skipsearch analyze`: why a network works. Each analysis takes subjects (a network and images to
look at it with) and gives a table, a JSON file and a page that opens offline.
"""
