"""The study file: read, checked, and written again; the space that it opens."""
