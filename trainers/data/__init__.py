"""Images in memory: read, split and converted."""
