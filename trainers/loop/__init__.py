"""The training loop: augmentation, epochs, evaluation, devices."""
