"""The parameters of a space: their domains, and the one walk over them."""
