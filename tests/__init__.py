"""The suite: rooms as in the packages, helpers in support/."""
