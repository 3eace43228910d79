"""The files that every analysis writes: JSON, a page that opens offline, grids of images."""
