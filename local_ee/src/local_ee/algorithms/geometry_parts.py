"""Geometries in parts: lines cut at distances, and grids of cells that cover a geometry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import shapely
from affine import Affine
from shapely.ops import substring

from local_ee import budget
from local_ee.algorithms.geometries import place_of
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, Element, ErrorMargin, Feature
from local_ee.evaluation.registry import algorithm
from local_ee.raster.drawing import edges
from local_ee.raster.geodesic import ELLIPSOID
from local_ee.raster.geometry import LONLAT, Geometry
from local_ee.raster.projection import Projection

_CELL_BYTES = 400
_LINES = ("LineString", "LinearRing", "MultiLineString", "GeometryCollection")


@algorithm("Geometry.cutLines")
def cut_lines(geometry: Geometry, distances: list, maxError: ErrorMargin | None, proj: Projection | None) -> Geometry:
    """Each line in pieces that begin at distances along it: metres, or units of the projection of the result.

    Of other geometries an empty MultiLineString.
    """
    cuts = sorted({float(each) for each in distances if each > 0})
    home = geometry.in_crs(proj.crs if proj else LONLAT)
    lines = edges(home.shape) if home.shape.geom_type in _LINES and not home.unbounded else []
    if proj is not None:
        pieces = [piece for line in lines for piece in _planar_pieces(line, cuts)]
    else:
        pieces = [piece for line in lines for piece in _geodesic_pieces(line, cuts, geodesic=home.geodesic)]
    return Geometry(shapely.MultiLineString(pieces), home.crs, home.geodesic)


@algorithm("Feature.cutLines")
def cut_feature_lines(
    feature: Element, distances: list, maxError: ErrorMargin | None, proj: Projection | None
) -> Feature:
    """A feature whose lines are cut into pieces."""
    return Feature(cut_lines(place_of(feature), distances, maxError, proj), feature.properties, feature.id)


def _planar_pieces(line: shapely.Geometry, cuts: Sequence[float]) -> list[shapely.Geometry]:
    inner = [cut for cut in cuts if cut < line.length]
    return [substring(line, *ends) for ends in zip([0, *inner], [*inner, line.length], strict=True)]


def _geodesic_pieces(line: shapely.Geometry, cuts: Sequence[float], *, geodesic: bool) -> Iterator[shapely.Geometry]:
    """Pieces of a line in degrees, measured on the ellipsoid."""
    points = [tuple(xy) for xy in shapely.get_coordinates(line)]
    piece, travelled, left = [points[0]], 0.0, list(cuts)
    for start, end in pairwise(points):
        bearing, _, length = ELLIPSOID.inv(start[0], start[1], end[0], end[1])
        while left and left[0] < travelled + length:
            way = left.pop(0) - travelled
            share = way / length
            straight = (start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1]))
            at = ELLIPSOID.fwd(start[0], start[1], bearing, way)[:2] if geodesic else straight
            yield shapely.LineString([*piece, at])
            piece = [at]
        piece.append(end)
        travelled += length
    yield shapely.LineString(piece)


@algorithm("Geometry.coveringGrid")
def covering_grid(geometry: Geometry, proj: Projection, scale: float | None) -> Collection:
    """A rectangle for each cell of the projection's grid that a geometry reaches into, row by row.

    Assumptions (not documented): a cell is called by its column and row; an area does not reach into cells that it
    only touches.
    """
    if geometry.unbounded:
        raise EngineError("The geometry has no bounds.")
    grid = proj if scale is None else _scaled(proj, scale)
    shape = geometry.in_crs(grid.crs).drawn
    if shape.is_empty:
        return Collection(list)
    rows, cols = _cells(shape, grid.transform)
    budget.check_value(len(rows) * len(cols) * _CELL_BYTES)

    def find() -> list[Feature]:
        across, down = (side.ravel() for side in np.meshgrid(cols, rows))
        boxes = _boxes(across, down, grid.transform)
        reached = budget.abandonable(lambda: _reaches(shape, boxes))
        return [
            Feature(Geometry(boxes[i], grid.crs, False), {"system:index": f"{across[i]},{down[i]}"})
            for i in np.flatnonzero(reached)
        ]

    return Collection(find)


def _scaled(proj: Projection, scale_m: float) -> Projection:
    if not scale_m > 0:
        raise EngineError(f"The scale must be positive, got {scale_m:g}.")
    return Projection(proj.crs, proj.transform * Affine.scale(scale_m / proj.nominal_scale_m))


def _cells(shape: shapely.Geometry, transform: Affine) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the cells under a shape's bounds."""
    left, bottom, right, top = shape.bounds
    cols, rows = zip(*(~transform * corner for corner in ((left, bottom), (right, top))), strict=True)
    budget.check_value((max(cols) - min(cols) + 1) * (max(rows) - min(rows) + 1) * _CELL_BYTES)
    first, second = (np.arange(math.floor(min(side)), math.floor(max(side)) + 1) for side in (rows, cols))
    return first, second


def _boxes(cols: np.ndarray, rows: np.ndarray, transform: Affine) -> np.ndarray:
    x, y = transform * (cols, rows)
    x2, y2 = transform * (cols + 1, rows + 1)
    return shapely.box(np.minimum(x, x2), np.minimum(y, y2), np.maximum(x, x2), np.maximum(y, y2))


def _reaches(shape: shapely.Geometry, boxes: np.ndarray) -> np.ndarray:
    shapely.prepare(shape)
    reached = shapely.intersects(shape, boxes)
    if shape.area:
        reached &= ~shapely.touches(shape, boxes)
    return np.asarray(reached)
