"""The discrete medial axis of the zero pixels of a band (Image.medialAxis).

Source: D. Coeurjolly, A. Montanvert, IEEE Trans. Pattern Anal. 29 (2007), 437-448: the balls that the power diagram of
all largest balls keeps.
"""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import FLOAT, NAMED
from local_ee.raster.pixels import Pixels, opaque

MOST_PX = 256  # of the neighbourhood; the margin of a window is three times as wide
_NONE = -math.inf


@algorithm("Image.medialAxis")
def medial_axis(image: Image, neighborhood: int, units: str) -> Image:
    """Bands medial (the radius of a pixel's ball), coverage, xlabel and ylabel (columns and rows to the power point).

    A pixel's ball reaches to the nearest non-zero pixel of the first band; its power point is the pixel whose ball
    covers it most (radius squared less distance squared), and coverage counts the pixels that have it as theirs.
    Assumptions (not documented): balls of more than `neighborhood` pixels are left out; of equal ones the nearest
    counts, and then the upper left; non-zero and masked pixels are masked, and medial is where coverage is 0; masked
    pixels are none to measure to; rows count downwards.
    """
    if units != "pixels":
        raise EngineError(f"Unsupported units '{units}'. Only 'pixels' are supported.")
    if not 0 < neighborhood <= MOST_PX:
        raise EngineError(f"neighborhood must be 1 to {MOST_PX} pixels, got {neighborhood}.")
    margin, step = Margin.all_round(3 * neighborhood), Margin.all_round(neighborhood)
    whole = NAMED["int32"]
    types = {"medial": FLOAT, "coverage": whole, "xlabel": whole, "ylabel": whole}
    model = image.bands[0]
    bands = [Band(name, each, model.projection, model.dimensions) for name, each in types.items()]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(margin.around(geobox), (0,))
        values, valid = np.asarray(pixels.values[0]), opaque(pixels.masks[0])
        budget.allocate(values.size * 64)
        squares = _balls(values, valid, neighborhood)
        own = step.moved(squares, 0, 0)  # pixels whose ball is known, as margins only are cut off
        rows, cols = _power_points(own, neighborhood)
        inside = np.isfinite(step.moved(own, 0, 0))  # of the labels
        coverage = _counts(rows, cols, inside, neighborhood)
        radius = step.moved(step.moved(own, 0, 0), 0, 0)
        shown = np.isfinite(radius)
        labels = (step.moved(each, 0, 0) for each in (cols, rows))
        planes = [np.sqrt(np.where(shown, radius, 0)), coverage, *(np.where(shown, each, 0) for each in labels)]
        masks = [shown & (coverage > 0), shown, shown, shown]
        kept = tuple(planes[i].astype(bands[i].type.dtype) for i in positions)
        return Pixels(kept, tuple(masks[i] for i in positions))

    return recomputed(image, bands, reading, needs=lambda positions: [(0,)], around=margin.around)


def _balls(values: np.ndarray, valid: np.ndarray, reach: int) -> np.ndarray:
    """The squared distance of each valid zero pixel to the nearest non-zero one; -inf for others and beyond reach."""
    from scipy import ndimage

    hit = (values != 0) & valid
    if not hit.any():
        return np.full(values.shape, _NONE)
    squares = np.rint(ndimage.distance_transform_edt(~hit) ** 2)
    return np.where(valid & ~hit & (squares <= reach * reach), squares, _NONE)


def _power_points(squares: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns to the power point of each pixel that has the reach around it."""
    # As the squared distance is a sum over both axes, the best of each column comes first.
    finite = squares[np.isfinite(squares)]
    far = min(reach, math.isqrt(int(finite.max(initial=0))) + 1)
    steps = sorted(range(-far, far + 1), key=lambda each: (abs(each), each))
    height, width = squares.shape[0] - 2 * reach, squares.shape[1] - 2 * reach
    column, down = np.full((height, squares.shape[1]), _NONE), np.zeros((height, squares.shape[1]), np.int32)
    for each in steps:
        budget.check()
        seen = squares[reach + each : reach + each + height] - each * each
        better = seen > column
        column[better], down[better] = seen[better], each
    best, rows, cols = (np.full((height, width), _NONE), *(np.zeros((height, width), np.int32) for _ in range(2)))
    for each in steps:
        budget.check()
        cut = slice(reach + each, reach + each + width)
        seen = column[:, cut] - each * each
        better = seen > best
        best[better], rows[better], cols[better] = seen[better], down[:, cut][better], each
    return rows, cols


def _counts(rows: np.ndarray, cols: np.ndarray, inside: np.ndarray, reach: int) -> np.ndarray:
    """How many pixels have each pixel as their power point, without the margin of reach."""
    height, width = inside.shape
    own_rows, own_cols = np.nonzero(inside)
    targets = (own_rows + rows[inside]) * width + own_cols + cols[inside]
    on = (own_cols + cols[inside] >= 0) & (own_cols + cols[inside] < width)
    on &= (own_rows + rows[inside] >= 0) & (own_rows + rows[inside] < height)
    counts = np.bincount(targets[on], minlength=height * width).reshape(height, width)
    return counts[reach : height - reach, reach : width - reach]
