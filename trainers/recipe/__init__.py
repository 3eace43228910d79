"""Recipes: optimiser, schedule and augmentation of a training, as a tree of choices."""
