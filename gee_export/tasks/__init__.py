"""Pixels brought by Earth Engine's Export tasks through a bucket."""
