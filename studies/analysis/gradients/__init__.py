"""Gradient flow: the gradients that reach each layer and stage of a network."""
