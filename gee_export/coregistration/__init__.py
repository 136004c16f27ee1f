"""Sentinel-1 brought onto Sentinel-2: tie points, polynomials, displacements, and when not to."""
