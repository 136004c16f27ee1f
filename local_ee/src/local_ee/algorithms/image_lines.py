"""HoughTransform: straight lines of images of edges (guides/image_edges)."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_grid import elsewhere
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, recomputed
from local_ee.raster import hough
from local_ee.raster.blocks import blocks
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, opaque

_MOST = 1024


@algorithm("HoughTransform")
def hough_transform(image: Image, gridSize: int, inputThreshold: float, lineThreshold: float, smooth: bool) -> Image:
    """Of each band one more, band_lines: 1 on the straight lines that enough active pixels vote for, else 0.

    Pixels at or above inputThreshold are active; lines are sought in each square of gridSize pixels of the grid.
    Assumptions (not documented): directions are one degree and lengths one pixel apart; smooth takes the mean of 3 x 3
    votes; a line is drawn through its whole square; masked pixels are not active, and stay masked.
    """
    if not 1 <= gridSize <= _MOST:
        raise EngineError(f"HoughTransform: gridSize must be 1 to {_MOST} pixels, got {gridSize}.")
    bands = [band.renamed(f"{band.name}_lines").typed(NAMED["uint8"]) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        masks = image.read_at(geobox, positions).masks
        planes = [np.zeros(tuple(geobox.shape), np.uint8) for _ in positions]
        for block, window, inner in blocks(geobox, 0, side=gridSize):
            pixels = image.read_at(window, positions)
            for plane, values, mask in zip(planes, pixels.values, pixels.masks, strict=True):
                active = opaque(mask) & (np.asarray(values) >= inputThreshold)
                plane[block] = hough.lines(active, lineThreshold, smooth=smooth)[inner]
        return Pixels(tuple(planes), masks)

    return recomputed(image, bands, reading, needs=lambda positions: [positions], around=elsewhere)
