"""Learning curves of trained networks as a table, and studies replayed on it."""
