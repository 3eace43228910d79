"""Train chosen networks again for the test error: full budget, several seeds, on the images of
training and validation together.
"""
