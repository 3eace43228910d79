"""Ablations: the error of a trained network without one of its parts, and the cost saved."""
