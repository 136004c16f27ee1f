"""Outlines of scenes, and the pixels in them."""

from __future__ import annotations

import itertools

import numpy as np
import shapely
from odc.geo.geobox import GeoBox


def inside(outline: shapely.Polygon, window: GeoBox) -> np.ndarray:
    """Which pixels of a window have their centres in a convex outline that runs clockwise."""
    corners = np.asarray(outline.exterior.coords)
    x = window.affine.c + (np.arange(window.shape[1]) + 0.5) * window.affine.a
    y = window.affine.f + (np.arange(window.shape[0]) + 0.5) * window.affine.e
    within = np.ones(window.shape.yx, bool)
    for (left, low), (right, top) in itertools.pairwise(corners):
        across = (x - left) * (top - low)
        within &= across[None, :] > ((y - low) * (right - left))[:, None]
    return within
