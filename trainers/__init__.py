"""How one model is trained: data in memory, recipe, augmentation and the training itself."""
