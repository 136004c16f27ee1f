"""Sentinel-1 of Earth Engine to analysis-ready composites: borders, speckle, slopes, decibels."""
