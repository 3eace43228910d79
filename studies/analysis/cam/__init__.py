"""Where a class is seen."""
