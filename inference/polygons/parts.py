"""The polygons of one piece of a map: one for each component of equal class, simplified without gaps between them.

Borders between neighbours are simplified once, for both (coverage simplification of GEOS). The piece's own edge is left
as it is, so parts of neighbouring pieces fit whatever is done to either.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from isamap.gee_export.base.scheme import UNKNOWN


@dataclass(frozen=True, eq=False)
class PolygonPart:
    """One component of a piece: its class, polygon, number of pixels, and the sum and number of its known shares."""

    value: int
    shape: shapely.Polygon
    pixels: int
    share_sum: float
    share_pixels: int


@dataclass(frozen=True, eq=False)
class PieceParts:
    """The parts of a piece, and which of them (index, -1 none) each pixel of it belongs to."""

    parts: list[PolygonPart]
    number_HW: np.ndarray


def parts_of(
    class_HW: np.ndarray, share_HW: np.ndarray | None, corner: tuple[int, int], values: frozenset[int], tolerance: float
) -> PieceParts:
    """The components of the wanted classes; share_HW: steps, UNKNOWN where none. corner: column and row of the first
    pixel on the lattice, in whose columns and rows the polygons are: whole numbers, so neighbours fit exactly.

    tolerance: triangles of less than its square (pixels) are cut from borders (Visvalingam and Whyatt 1993); 0: none.
    """
    number_HW = components(class_HW)
    shapes = _polygons(number_HW)
    if tolerance:
        # As a coverage: a border is simplified once, for both of its sides.
        shapes = shapely.coverage_simplify(_noded(shapes), tolerance, simplify_boundary=False)
    # Moved last: whole numbers of a piece stay small and exact.
    shapes = shapely.transform(shapes, lambda points: points + corner)
    first_N = np.unique(number_HW, return_index=True)[1]
    value_N = class_HW.ravel()[first_N]
    pixels_N = np.bincount(number_HW.ravel())
    sum_N, known_N = _shares(number_HW, share_HW, len(shapes))
    indices = [at for at, value in enumerate(value_N.tolist()) if value in values]
    index_N = np.full(len(shapes), -1, np.int64)
    index_N[indices] = np.arange(len(indices))
    parts = [
        PolygonPart(int(value_N[at]), shapes[at], int(pixels_N[at]), float(sum_N[at]), int(known_N[at]))
        for at in indices
    ]
    return PieceParts(parts, index_N[number_HW])


def components(class_HW: np.ndarray) -> np.ndarray:
    """Numbers 0, 1, ... of the pixels of one class that touch at their sides, unknown ground being one more class."""
    from scipy import ndimage

    number_HW, first = np.zeros(class_HW.shape, np.int32), 0
    for value in np.unique(class_HW).tolist():
        own_HW, count = ndimage.label(class_HW == value)
        number_HW += np.where(own_HW > 0, own_HW + (first - 1), 0).astype(np.int32)
        first += count
    return number_HW


def _polygons(number_HW: np.ndarray) -> np.ndarray:
    """The polygon of each number along the pixels' edges, in columns and rows."""
    import rasterio.features

    shapes = np.empty(int(number_HW.max()) + 1, dtype=object)
    for geometry, label in rasterio.features.shapes(number_HW):
        rings = geometry["coordinates"]
        shapes[int(label)] = shapely.Polygon(rings[0], rings[1:])
    return shapes


def _noded(shapes: np.ndarray) -> np.ndarray:
    """The same polygons with a vertex at every corner of a pixel, so that neighbours have the same ones."""
    # A hair more than a pixel, as rounding would else cut a side of one pixel in two.
    noded: np.ndarray = shapely.transform(shapely.segmentize(shapes, 1 + 1e-9), np.round)
    return noded


def _shares(number_HW: np.ndarray, share_HW: np.ndarray | None, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Sum and number of the known shares (steps) of each component."""
    if share_HW is None:
        return np.zeros(count), np.zeros(count, np.int64)
    known_HW = share_HW != UNKNOWN
    weight = np.where(known_HW, share_HW, 0).ravel()
    return np.bincount(number_HW.ravel(), weight, count), np.bincount(number_HW.ravel(), known_HW.ravel(), count)
