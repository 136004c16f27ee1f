"""A region's outline on its grid: in metres, and which pixels lie in it."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import regions
from isamap.gee_export.base.regions import Region


def in_metres(region: Region) -> BaseGeometry | None:
    """The outline in metres of the region's zone, or None for the whole rectangle."""
    return None if region.outline is None else regions.in_metres(region.outline, region.epsg)


def inside(outline_m: BaseGeometry, geobox: GeoBox) -> np.ndarray:
    """Which pixels of a grid have their centre in the outline (in the grid's metres), bool (rows, columns)."""
    from rasterio.features import geometry_mask

    mask: np.ndarray = geometry_mask([outline_m], tuple(geobox.shape), geobox.affine, invert=True)
    return mask
