"""Architectures: `Arch`, the tree of choices that define a network."""
