"""Layers' operations compiled for this machine's CPU, where torch's would go to memory more often.

Nothing here is needed, or exported: without numba or GNU OpenMP torch's own operations stay.
"""
