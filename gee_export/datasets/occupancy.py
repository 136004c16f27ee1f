"""Which patches of a lattice hold a pixel of an outline: whole blocks of patches are compared with it first."""

from __future__ import annotations

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import outline as outlines
from isamap.gee_export.base.grid import Window, crop

_SIDE = 32  # patches of a block's side
_AT_ONCE = 65_536  # patches that are compared with the outline in one call
_SURE = 1e-3  # of a pixel: a centre so far inside the outline is inside for every way to count pixels


def occupied(outline: BaseGeometry, lattice: GeoBox, row: np.ndarray, col: np.ndarray, size: int) -> np.ndarray:
    """Whether the outline (prepared, in the lattice's CRS) holds a pixel's centre of each patch, bool (rows, columns).

    row, col: first pixels of the patches, rising; size: of their sides in pixels.
    """
    top, bottom = row[::_SIDE], row[_ends(len(row))] + size
    left, right = col[::_SIDE], col[_ends(len(col))] + size
    blocks = _boxes(lattice, top[:, None], left[None], bottom[:, None], right[None])
    covered = shapely.covers(outline, blocks)
    mask = _spread(covered, len(row), len(col))
    open_row, open_col = np.nonzero(_spread(shapely.intersects(outline, blocks) & ~covered, len(row), len(col)))
    for start in range(0, len(open_row), _AT_ONCE):
        at = open_row[start : start + _AT_ONCE], open_col[start : start + _AT_ONCE]
        mask[at] = _touching(outline, lattice, row[at[0]], col[at[1]], size)
    return mask


def _ends(count: int) -> np.ndarray:
    """Number of the last patch of each block."""
    return np.minimum(np.arange(0, count, _SIDE) + _SIDE, count) - 1


def _spread(of_block: np.ndarray, height: int, width: int) -> np.ndarray:
    return of_block.repeat(_SIDE, axis=0)[:height].repeat(_SIDE, axis=1)[:, :width]


def _boxes(lattice: GeoBox, top: np.ndarray, left: np.ndarray, bottom: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Upright rectangles around windows of the lattice, in its CRS."""
    corners = [lattice.affine * np.broadcast_arrays(x, y) for x in (left, right) for y in (top, bottom)]
    x, y = np.stack([corner[0] for corner in corners]), np.stack([corner[1] for corner in corners])
    boxes: np.ndarray = shapely.box(x.min(axis=0), y.min(axis=0), x.max(axis=0), y.max(axis=0))
    return boxes


def _touching(outline: BaseGeometry, lattice: GeoBox, row: np.ndarray, col: np.ndarray, size: int) -> np.ndarray:
    boxes = _boxes(lattice, row, col, row + size, col + size)
    mask: np.ndarray = shapely.covers(outline, boxes)
    edge = np.flatnonzero(~mask & shapely.intersects(outline, boxes))
    mask[edge] = _has_sure_pixel(outline, lattice, row[edge], col[edge], size)
    for patch in edge[~mask[edge]]:
        window = Window(int(row[patch]), int(col[patch]), size, size)
        mask[patch] = _has_pixel(outline, lattice, window, boxes[patch])
    return mask


def _has_sure_pixel(outline: BaseGeometry, lattice: GeoBox, row: np.ndarray, col: np.ndarray, size: int) -> np.ndarray:
    """Whether one of five pixels, in the corners and the middle, clearly lies in the outline."""
    last, middle = size - 1, size // 2
    sure = np.zeros(len(row), bool)
    for down, across in ((0, 0), (0, last), (last, 0), (last, last), (middle, middle)):
        y, x = row + down + 0.5, col + across + 0.5
        sure |= shapely.covers(outline, _boxes(lattice, y - _SURE, x - _SURE, y + _SURE, x + _SURE))
    return sure


def _has_pixel(outline: BaseGeometry, lattice: GeoBox, window: Window, box: BaseGeometry) -> bool:
    """Whether a pixel's centre lies in the outline, of which only what is near counts: it may be long."""
    margin = abs(lattice.affine.a) + abs(lattice.affine.b)
    near = shapely.clip_by_rect(outline, *box.buffer(margin).bounds)
    return not near.is_empty and bool(outlines.inside(near, crop(lattice, window)).any())
