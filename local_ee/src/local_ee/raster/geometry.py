"""Geometries: a shape with its coordinate system, and the same shape in another one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.affinity import translate
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.lazy import lazy_property
from local_ee.raster import geodesic
from local_ee.raster.projection import METRES_PER_DEGREE, Projection, crs_of, key_of, transformer

LONLAT = "EPSG:4326"
_FEW_CORNERS = 200  # of shapes that are composed at once
MOST_EDGES = 2_000_000  # as seen in openforis/pysepal#996
_OUTSIDE = "The geometry cannot be transformed to '{}': some of its points have no coordinates there."
_NOISE_DEG = 1e-9  # by which the edges of a grid of the whole globe may lie beyond it
_SEGMENTS = 24  # pieces of the longest edge when a shape changes its coordinate system


@dataclass(frozen=True, eq=False)
class Geometry:
    """shape has x before y in the coordinate system `crs`; geodesic tells whether its edges are shortest paths."""

    shape: BaseGeometry
    crs: str = LONLAT
    geodesic: bool = True
    unbounded: bool = False

    def in_crs(self, crs: str) -> Geometry:
        """The same place in another coordinate system; long edges are cut so that they bend with the projection."""
        if crs == self.crs or self.unbounded or self.shape.is_empty:
            return self if crs == self.crs else Geometry(self.shape, crs, self.geodesic, self.unbounded)
        step = _longest_side(self.shape) / _SEGMENTS
        return self.moved(shapely.segmentize(self.drawn, step) if step > 0 else self.shape, crs)

    def moved(self, shape: BaseGeometry, crs: str) -> Geometry:
        """A shape of this coordinate system in another one, with the same points and straight edges between them."""
        move = transformer(self.crs, crs)
        try:
            moved = shapely.transform(shape, lambda xy: np.column_stack(move.transform(xy[:, 0], xy[:, 1])))
        except shapely.errors.ShapelyError as error:  # a ring that does not close, because some points are nowhere
            raise EngineError(_OUTSIDE.format(crs)) from error
        if not np.isfinite(shapely.get_coordinates(moved)).all():
            raise EngineError(_OUTSIDE.format(crs))
        return Geometry(moved, crs, crs_of(crs).geographic and self.geodesic)

    @lazy_property
    def drawn(self) -> BaseGeometry:
        """The shape with straight edges only: those that are shortest paths are cut into short pieces."""
        if not self.geodesic or self.unbounded or not crs_of(self.crs).geographic:
            return self.shape
        return geodesic.bent(self.shape)

    @lazy_property
    def lonlat(self) -> BaseGeometry:
        """The shape in degrees of WGS84, with straight edges."""
        return self.in_crs(LONLAT).drawn

    @lazy_property
    def on_globe(self) -> BaseGeometry:
        """`lonlat` with its longitudes from -180 to 180: what lies beyond comes in again on the other side."""
        shape = self.lonlat
        if self.unbounded or shape.is_empty or (shape.bounds[0] >= -180 and shape.bounds[2] <= 180):
            return shape
        return composed(lambda: _turned(shape), shape)

    @lazy_property
    def metric_crs(self) -> str:
        """A coordinate system of metres around the shape's centre (azimuthal equidistant), or its own if it has one."""
        if not crs_of(self.crs).geographic:
            return self.crs
        check_filled(self)
        centre = self.shape.envelope.centroid
        return f"+proj=aeqd +lat_0={centre.y:.6f} +lon_0={centre.x:.6f} +datum=WGS84 +units=m +no_defs"

    @property
    def type(self) -> str:
        return "Polygon" if self.unbounded else self.shape.geom_type

    def to_json(self) -> dict[str, Any]:
        """GeoJSON, as Earth Engine gives it: crs only where it is not WGS84, geodesic where it says something."""
        answer = _lists(mapping(self.shape))
        if self.crs != LONLAT:
            answer["crs"] = {"type": "name", "properties": {"name": self.crs}}
        if self.unbounded:
            answer = {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]}
        if self.type in ("Polygon", "MultiPolygon", "LineString", "MultiLineString", "LinearRing"):
            answer["geodesic"] = self.geodesic
        return answer


def _turned(shape: BaseGeometry) -> BaseGeometry:
    """A shape in degrees, cut at the date line, its parts moved by whole turns to -180 to 180."""
    west, _, east, _ = shape.bounds
    parts = []
    for turn in range(math.floor((west + 180) / 360), math.floor((east + 180) / 360) + 1):
        strip = shapely.intersection(shape, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        parts.append(translate(strip, -360 * turn))
    return shapely.unary_union([piece for piece in parts if not piece.is_empty])


def _longest_side(shape: BaseGeometry) -> float:
    west, south, east, north = shape.bounds
    return max(east - west, north - south)


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple | list) else value


def check_edges(count: int) -> None:
    """EngineError for a geometry of too many edges."""
    if count > MOST_EDGES:
        raise EngineError(f"Geometry has too many edges ({count} > {MOST_EDGES}).")


def check_filled(geometry: Geometry) -> None:
    """EngineError for a geometry that holds no place."""
    if geometry.shape.is_empty and not geometry.unbounded:
        raise EngineError("The geometry is empty: it has no place, no centre and no bounds.")


def composed(compute: Callable[[], BaseGeometry], *shapes: BaseGeometry) -> BaseGeometry:
    """A shape composed of others; a thread's own work where it could take long, so that the computation can end."""
    corners = sum(int(shapely.get_num_coordinates(shape)) for shape in shapes)
    check_edges(corners)
    return compute() if corners < _FEW_CORNERS else budget.abandonable(compute)


def everywhere() -> Geometry:
    """The whole Earth: the footprint of constants."""
    return Geometry(rectangle(-180, -90, 180, 90), unbounded=True)


def rectangle(west: float, south: float, east: float, north: float) -> shapely.Polygon:
    """A box whose ring begins in the south-west and runs to the east, as Earth Engine's do."""
    return shapely.Polygon([(west, south), (east, south), (east, north), (west, north)])


def outline(geobox: GeoBox, crs: str) -> BaseGeometry:
    """The area under a grid's window, in a coordinate system; its edges are cut to bend with the projection.

    In degrees, a window across the antimeridian has the parts of either side.
    """
    return _outline(key_of(geobox), crs)


@lru_cache(maxsize=256)
def _outline(key: tuple, crs: str) -> BaseGeometry:
    height, width, *numbers, own = key
    affine = Affine(*numbers)
    corners = [affine * corner for corner in ((0, 0), (width, 0), (width, height), (0, height))]
    shape = Geometry(shapely.Polygon(corners), own, False).in_crs(crs).shape
    return _cut_at_date_line(shape) if crs == LONLAT and own != LONLAT else shape


def _cut_at_date_line(shape: BaseGeometry) -> BaseGeometry:
    """A ring in degrees whose neighbouring corners are never half the globe apart, unless they lie across +-180."""
    corners = shapely.get_coordinates(shape)
    lon = np.unwrap(corners[:, 0], period=360)
    if np.array_equal(lon, corners[:, 0]):
        return shape
    if abs(lon[-1] - lon[0]) > 180:  # the ring goes around a pole
        south, north = corners[:, 1].min(), corners[:, 1].max()
        return rectangle(-180, south, 180, 90) if south > 0 else rectangle(-180, -90, 180, north)
    return _turned(shapely.make_valid(shapely.Polygon(np.column_stack([lon, corners[:, 1]]))))


def on_globe(outline: BaseGeometry, grid: GeoBox) -> BaseGeometry:
    """A grid's outline in degrees, within -180 to 180: in two parts where it lies across the antimeridian."""
    # The corners of a grid in degrees may be half the globe apart; only between those of others that is a jump.
    whole = outline if grid.crs is None or grid.crs.geographic else _cut_at_date_line(outline)
    west, _, east, _ = whole.bounds
    return whole if west >= -180 - _NOISE_DEG and east <= 180 + _NOISE_DEG else _turned(whole)


def metres_between(left: Geometry, right: Geometry, *, spherical: bool = False) -> float:
    """The least distance of two places, on the ellipsoid or the sphere."""
    if left.unbounded or right.unbounded:
        return 0.0
    home = left.in_crs(left.metric_crs)
    right_here = right.in_crs(home.crs)
    if home.drawn.intersects(right_here.drawn):
        return 0.0
    nearest = shortest_line(home.drawn, right_here.drawn)
    start, end = shapely.get_coordinates(Geometry(nearest, home.crs, False).lonlat)[[0, -1]]
    return float((geodesic.SPHERE if spherical else geodesic.ELLIPSOID).inv(*start, *end)[2])


def shortest_line(first: BaseGeometry, second: BaseGeometry) -> BaseGeometry:
    """The line from the nearest point of one shape to that of another; EngineError where there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        line = shapely.shortest_line(first, second)
    if line is None or shapely.is_empty(line):
        raise EngineError("No line joins the geometries: a coordinate is too large, or a box has no height or width.")
    return line


def metres(geometry: Geometry, distance_m: float) -> float:
    """A distance in the units of the geometry's own coordinate system."""
    return distance_m / Projection(geometry.crs).unit_m if geometry.crs else distance_m / METRES_PER_DEGREE
