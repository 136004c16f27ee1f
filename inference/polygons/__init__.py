"""Polygons and coarse grids made of maps."""
