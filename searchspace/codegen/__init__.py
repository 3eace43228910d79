"""A network as source code that needs torch alone."""
