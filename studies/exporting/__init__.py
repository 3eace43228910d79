"""`skipsearch export`: a network as files that need nothing of this project."""
