"""How a network is trained: optimiser, schedule, augmentation, as a tree of choices."""
