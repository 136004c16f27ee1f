"""Windows of an image's grid at a place given in metres of its zone."""

from __future__ import annotations

from odc.geo.geobox import GeoBox

from local_ee.catalog import SourceImage
from local_ee.raster.window import Window, crop

HANKOU = (237_000.0, 3_386_600.0)  # dense blocks, EPSG:32650
RIVER = (239_700.0, 3_383_000.0)  # the middle of the Yangtze by the bridges
COUNTRY = (262_000.0, 3_389_000.0)  # fields and ponds


def window(image: SourceImage, band: str, corner: tuple[float, float], size: tuple[int, int]) -> GeoBox:
    """The window of a band whose upper-left pixel holds the corner; size is (height, width)."""
    grid = next(b.grid for b in image.bands if b.name == band)
    col, row = (corner[0] - grid.affine.c) / grid.affine.a, (corner[1] - grid.affine.f) / grid.affine.e
    return crop(grid, Window(int(row), int(col), *size))


def part(box: GeoBox, row: int, col: int, height: int, width: int) -> GeoBox:
    """A part of a window."""
    return crop(box, Window(row, col, height, width))
