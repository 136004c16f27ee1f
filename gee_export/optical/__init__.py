"""Sentinel-2 of Earth Engine to cloud-free composites: masks, shadows, levels, the best pixel."""
