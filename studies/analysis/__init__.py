"""`skipsearch analyze`: why a network works. Each analysis takes subjects (networks, each with the
images it is examined on) and writes a table, a JSON file and a page that opens offline.
"""
