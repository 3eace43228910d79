"""What a network is made of: `Arch`, the tree of its choices."""
