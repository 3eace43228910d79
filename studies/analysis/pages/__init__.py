"""The page that an analysis writes: its sections and files, grids of images, names and colours."""
