"""Training of one model: data in memory, recipe, augmentation, epochs and evaluation."""
