"""A search from start to end: opened, driven, continued, extended."""
