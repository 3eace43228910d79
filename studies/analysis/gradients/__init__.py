"""How gradients reach the layers of a network."""
