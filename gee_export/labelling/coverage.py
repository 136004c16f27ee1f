"""The share of each pixel's area that polygons cover, exact: sums of signed areas along the polygons' edges.

Each edge is cut at the pixels' sides. A piece of height dy whose middle lies a share f into its pixel covers dy (1 - f)
of that pixel and dy of every pixel right of it; running sums along the rows add these up (Green's theorem, as scan
converters of outline fonts reckon it).
"""

from __future__ import annotations

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

_DECIMALS = 9  # of a share; rounding errors are smaller


def covered(polygons: np.ndarray, geobox: GeoBox) -> np.ndarray:
    """Share of each pixel, 0 to 1, float64, that valid polygons without overlaps cover; those are in the grid's system.

    Exact but for rounding (1e-9). Ties are exact: a pixel half covered is 0.5.
    """
    height, width = geobox.shape
    sums = np.zeros((height, width + 1))
    start, end = _edges(polygons, geobox)
    # Cut along both axes first: then each piece lies in one pixel, and its middle tells which.
    start, end = _cut(start, end, axis=1)
    start, end = _cut(start, end, axis=0)
    middle, rise = (start + end) / 2, end[:, 1] - start[:, 1]
    col = np.clip(np.floor(middle[:, 0]).astype(np.int64), 0, width)
    row = np.clip(np.floor(middle[:, 1]).astype(np.int64), 0, height - 1)
    share = np.clip(middle[:, 0] - col, 0, 1)
    flat = row * (width + 1) + col
    # bincount adds equal places up, where plain indexing would keep the last piece of a pixel alone.
    sums += np.bincount(flat, rise * (1 - share), sums.size).reshape(sums.shape)
    inner = col < width
    sums += np.bincount(flat[inner] + 1, (rise * share)[inner], sums.size).reshape(sums.shape)
    area = np.abs(sums.cumsum(axis=1)[:, :width])
    return np.clip(np.round(area, _DECIMALS), 0, 1)


def apart(polygons: np.ndarray) -> np.ndarray:
    """The same ground as valid polygons that do not overlap; only those that meet others are united."""
    wrong = ~shapely.is_valid(polygons)
    if wrong.any():
        polygons = np.append(polygons[~wrong], shapely.get_parts(shapely.make_valid(polygons[wrong])))
        polygons = polygons[shapely.get_dimensions(polygons) == 2]
    left, right = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    meets = np.zeros(len(polygons), bool)
    meets[left[left != right]] = True
    return np.append(polygons[~meets], shapely.union_all(polygons[meets])) if meets.any() else polygons


def _edges(polygons: np.ndarray, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends (n, 2) of all edges within the grid, in columns and rows; outer rings run one way, holes back."""
    height, width = geobox.shape
    to_pixels = ~geobox.affine
    matrix = np.array([[to_pixels.a, to_pixels.b], [to_pixels.d, to_pixels.e]])
    # In pixels of the grid before edges are cut, so that cuts are whole numbers.
    placed = shapely.transform(polygons, lambda points: points @ matrix.T + (to_pixels.c, to_pixels.f))
    clipped = shapely.clip_by_rect(placed, 0, 0, width, height)
    parts = shapely.get_parts(clipped)
    parts = parts[shapely.get_type_id(parts) == shapely.GeometryType.POLYGON]
    rings = shapely.get_rings(shapely.orient_polygons(parts))
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[1:] == ring[:-1]
    return points[:-1][joined], points[1:][joined]


def _cut(start: np.ndarray, end: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The same edges cut wherever a coordinate is a whole number."""
    low = np.minimum(start[:, axis], end[:, axis])
    high = np.maximum(start[:, axis], end[:, axis])
    first, last = np.floor(low).astype(np.int64) + 1, np.ceil(high).astype(np.int64) - 1
    cuts = np.maximum(last - first + 1, 0)
    edge = np.repeat(np.arange(len(start)), cuts + 1)
    step = np.arange(len(edge)) - np.repeat(np.cumsum(cuts + 1) - (cuts + 1), cuts + 1)
    rising = end[edge, axis] >= start[edge, axis]
    total = cuts[edge]

    def point(step: np.ndarray) -> np.ndarray:
        """The step-th cut along each edge; 0 is its start and one more than its cuts its end."""
        line = np.where(rising, first[edge] + step - 1, last[edge] - step + 1).astype(float)
        run = end[edge, axis] - start[edge, axis]
        along = np.where(run == 0, 0.0, (line - start[edge, axis]) / np.where(run == 0, 1, run))
        points = start[edge] + (end[edge] - start[edge]) * along[:, None]
        points[:, axis] = line
        points[step == 0] = start[edge[step == 0]]
        over = step == total + 1
        points[over] = end[edge[over]]
        return points

    return point(step), point(step + 1)
