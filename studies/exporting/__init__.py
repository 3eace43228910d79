"""`skipsearch export`: write a network as files that work without this project."""
