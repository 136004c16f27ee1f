"""Sentinel-1 and Sentinel-2: scenes, cloud masks, speckle filters, terrain, and composites of a region and period."""
