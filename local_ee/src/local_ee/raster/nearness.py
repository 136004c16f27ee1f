"""Distances on the sphere from places to points and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from scipy.spatial import cKDTree

from local_ee import budget
from local_ee.raster.geodesic import SPHERE

_METRES_PER_DEGREE = np.radians(1) * SPHERE.a
_CANDIDATES = 4  # pieces of edges that are measured exactly
_MOST_PIECES = 5_000_000
_ROWS = 1 << 16  # places at a time


@dataclass(frozen=True)
class Nearness:
    """Pieces of edges, as unit vectors from the Earth's middle to both ends [piece, 3], by their midpoints."""

    starts: np.ndarray
    ends: np.ndarray
    tree: cKDTree

    @classmethod
    def of(cls, shapes: Sequence[shapely.Geometry], step_m: float) -> Nearness:
        """The edges of shapes in degrees, in pieces of at most so many metres; a point is a piece without length."""
        pairs = [_pieces(member, step_m) for shape in shapes for member in _lines(shape)]
        starts, ends = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        budget.allocate(starts.nbytes * 4)
        return cls(starts, ends, cKDTree((starts + ends) / 2))

    def metres(self, lon: np.ndarray, lat: np.ndarray, radius_m: float) -> np.ndarray:
        """Distances of places in degrees; infinite beyond a radius."""
        points = _vectors(lon.ravel(), lat.ravel())
        away = np.empty(len(points))
        for top in range(0, len(points), _ROWS):
            budget.check()
            away[top : top + _ROWS] = self._nearest(points[top : top + _ROWS])
        away[away > radius_m] = np.inf
        return away.reshape(lon.shape)

    def _nearest(self, points: np.ndarray) -> np.ndarray:
        count = min(_CANDIDATES, len(self.starts))
        _, nearest = self.tree.query(points, k=count)
        pieces = nearest.reshape(len(points), count)
        return _to_pieces(points[:, None, :], self.starts[pieces], self.ends[pieces]).min(axis=1)


def _to_pieces(points: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Metres along the sphere to pieces so short that their chord stands for the arc."""
    # The foot of the perpendicular onto the chord, kept between its ends, is pushed out to the sphere.
    # The chord between it and the place, halved, is the sine of half the angle between them.
    # That angle times the radius is the way along the great circle.
    along = ends - starts
    length = (along * along).sum(axis=-1)
    share = np.divide(((points - starts) * along).sum(axis=-1), length, out=np.zeros_like(length), where=length > 0)
    foot = starts + np.clip(share, 0, 1)[..., None] * along
    foot /= np.linalg.norm(foot, axis=-1, keepdims=True)
    chord = np.linalg.norm(points - foot, axis=-1)
    return np.asarray(2 * SPHERE.a * np.arcsin(np.clip(chord / 2, 0, 1)))


def _lines(shape: shapely.Geometry) -> list[shapely.Geometry]:
    """The points, lines and rings of a shape."""
    if shape.geom_type == "Polygon":
        return [shape.exterior, *shape.interiors]
    return [line for member in shape.geoms for line in _lines(member)] if hasattr(shape, "geoms") else [shape]


def _pieces(line: shapely.Geometry, step_m: float) -> tuple[np.ndarray, np.ndarray]:
    degrees = step_m / _METRES_PER_DEGREE
    count = line.length / degrees
    if count > _MOST_PIECES:
        degrees *= count / _MOST_PIECES
    cut = shapely.segmentize(line, degrees) if line.length else line
    vectors = _vectors(*shapely.get_coordinates(cut).T)
    return (vectors, vectors) if len(vectors) == 1 else (vectors[:-1], vectors[1:])


def _vectors(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Unit vectors of places."""
    x, y = np.radians(lon), np.radians(lat)
    return np.column_stack([np.cos(y) * np.cos(x), np.cos(y) * np.sin(x), np.sin(y)])
