"""A region's outline on its grid: in metres, and which pixels lie in it."""

from __future__ import annotations

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from gee_export.regions import Region

DENSE_DEG = 0.01  # a line that is straight in degrees is not straight in metres: points this close follow it


def in_metres(region: Region) -> BaseGeometry | None:
    """The outline in metres of the region's zone, or None where the whole rectangle is wanted."""
    if region.outline is None:
        return None
    transformer = Transformer.from_crs(4326, region.epsg, always_xy=True)
    dense = shapely.segmentize(region.outline, DENSE_DEG)
    return shapely.transform(dense, lambda points: np.column_stack(transformer.transform(*points.T)))


def inside(outline_m: BaseGeometry, geobox: GeoBox) -> np.ndarray:
    """Which pixels of a grid have their centre in the outline (in the grid's metres), bool (rows, columns)."""
    from rasterio.features import geometry_mask

    return geometry_mask([outline_m], tuple(geobox.shape), geobox.affine, invert=True)
