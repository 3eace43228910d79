"""What each block reads of the outputs before it."""
