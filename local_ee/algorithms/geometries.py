"""Geometries (GeometryConstructors.*, Geometry.*).

Assumptions: lengths and areas in degrees are those on the ellipsoid of WGS84; a shape composed of others has points
on its edges where theirs were shortest paths (raster/geodesic.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import shapely
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from local_ee.errors import EngineError
from local_ee.evaluation.features import Element, ErrorMargin, Feature, geometry_of
from local_ee.evaluation.registry import add, algorithm
from local_ee.raster import geodesic as geodesic_edges
from local_ee.raster.geodesic import ELLIPSOID, SPHERE
from local_ee.raster.geometry import LONLAT, Geometry, check_edges, composed
from local_ee.raster.geometry import rectangle as corners
from local_ee.raster.projection import Projection, crs_of

_ARC_SEGMENTS = 16  # per quarter circle of a buffer


def _made(shape: BaseGeometry, crs: Projection | None, geodesic: bool | None) -> Geometry:
    """Coordinates are pixels of the projection: an export's crsTransform and dimensions come as such a rectangle
    (ee/image.py, _apply_crs_and_affine)."""
    code = crs.crs if crs else LONLAT
    geographic = bool(crs_of(code).geographic)
    if crs is not None and not crs.transform.is_identity:
        a, b, c, d, e, f = tuple(crs.transform)[:6]
        shape = affine_transform(shape, [a, b, d, e, c, f])
    return Geometry(shape, code, geographic if geodesic is None else geodesic)


def _rings(coordinates: list) -> list:
    """Rings of points, however flat the coordinates came."""
    if coordinates and not isinstance(coordinates[0], list):
        pairs = [list(pair) for pair in zip(coordinates[::2], coordinates[1::2], strict=True)]
        return [pairs]
    if coordinates and coordinates[0] and not isinstance(coordinates[0][0], list):
        return [coordinates]
    return coordinates


def _of_coordinates(make: Callable[[], BaseGeometry]) -> BaseGeometry:
    """The geometry that coordinates make; EngineError where they make none."""
    try:
        return make()
    except (TypeError, ValueError, IndexError, AttributeError, shapely.errors.ShapelyError) as error:
        raise EngineError(f"Invalid GeoJSON geometry: {error}.") from error


def _polygon(rings: list) -> shapely.Polygon:
    try:
        shape = shapely.Polygon(rings[0], rings[1:])
    except (ValueError, TypeError, IndexError) as error:
        raise EngineError("Invalid geometry: a polygon needs rings of at least three points.") from error
    return shape if shape.is_valid else shape.buffer(0)


_INSIDE_OUT = (
    "The local engine has no polygon whose interior lies outside of its ring (evenOdd=false and a ring that runs "
    "clockwise): turn the ring around, or leave evenOdd out."
)


def _check_left_inside(coordinates: list, even_odd: bool) -> None:
    """EngineError where the left-inside rule makes another area of a shell than the even/odd rule."""
    if even_odd:
        return
    shell = _of_coordinates(lambda: shapely.LinearRing(_rings(coordinates)[0]))
    if not shell.is_ccw:
        raise EngineError(_INSIDE_OUT)


@algorithm("GeometryConstructors.Point")
def point(coordinates: list, crs: Projection | None) -> Geometry:
    """A point."""
    return _made(_of_coordinates(lambda: shapely.Point(*coordinates)), crs, None)


@algorithm("GeometryConstructors.MultiPoint")
def multi_point(coordinates: list, crs: Projection | None) -> Geometry:
    """Points."""
    return _made(_of_coordinates(lambda: shapely.MultiPoint(coordinates)), crs, None)


@algorithm("GeometryConstructors.LineString")
def line_string(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """A line through points."""
    return _made(_of_coordinates(lambda: shapely.LineString(_rings(coordinates)[0])), crs, geodesic)


@algorithm("GeometryConstructors.LinearRing")
def linear_ring(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """A closed line through points."""
    return _made(_of_coordinates(lambda: shapely.LinearRing(_rings(coordinates)[0])), crs, geodesic)


@algorithm("GeometryConstructors.MultiLineString")
def multi_line_string(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """Lines."""
    return _made(_of_coordinates(lambda: shapely.MultiLineString(coordinates)), crs, geodesic)


@algorithm("GeometryConstructors.Polygon")
def polygon(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any, evenOdd: bool) -> Geometry:
    """An area within rings of points."""
    _check_left_inside(coordinates, evenOdd)
    return _made(_of_coordinates(lambda: _polygon(_rings(coordinates))), crs, geodesic)


@algorithm("GeometryConstructors.MultiPolygon")
def multi_polygon(
    coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any, evenOdd: bool
) -> Geometry:
    """Several areas."""
    for rings in coordinates:
        _check_left_inside(rings, evenOdd)
    shapes = [_of_coordinates(partial(_polygon, rings)) for rings in coordinates]
    return _made(composed(lambda: shapely.unary_union(shapes), *shapes), crs, geodesic)


@algorithm("GeometryConstructors.Rectangle")
def rectangle(coordinates: list, crs: Projection | None, geodesic: bool | None, evenOdd: bool) -> Geometry:
    """A box from two opposite corners."""
    numbers = [coordinate for item in coordinates for coordinate in (item if isinstance(item, list) else [item])]
    if len(numbers) < 4 or not all(isinstance(coordinate, int | float) for coordinate in numbers[:4]):
        raise EngineError("Geometry.Rectangle: expected two corners of two numbers each.")
    west, south, east, north = numbers[:4]
    if not evenOdd and (east < west) != (north < south):
        raise EngineError(_INSIDE_OUT)
    return _made(corners(min(west, east), min(south, north), max(west, east), max(south, north)), crs, geodesic)


@algorithm("GeometryConstructors.BBox")
def bbox(west: float, south: float, east: float, north: float) -> Geometry:
    """A box of longitudes and latitudes, its edges along meridians and parallels."""
    if north < south:
        raise EngineError(f"Geometry.BBox: north ({north:g}) must not be less than south ({south:g}).")
    return Geometry(corners(west, south, east, north), LONLAT, False)


@algorithm("GeometryConstructors.MultiGeometry")
def multi_geometry(geometries: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """Several geometries together."""
    code = crs.crs if crs else LONLAT
    collection = shapely.GeometryCollection([each.in_crs(code).shape for each in geometries])
    return _made(collection, Projection(code), geodesic)


def _in(geometry: Geometry, proj: Projection | None) -> Geometry:
    return geometry if proj is None else geometry.in_crs(proj.crs)


def area_m2(geometry: Geometry, proj: Projection | None) -> float:
    """The area in square metres, or in squared units of a projection."""
    shape = _in(geometry, proj)
    if proj is not None or not crs_of(shape.crs).geographic:
        return shape.drawn.area
    return abs(ELLIPSOID.geometry_area_perimeter(shapely.normalize(_geodesic(shape)).reverse())[0])


def length_m(geometry: Geometry, proj: Projection | None) -> float:
    """The length of lines in metres, or in units of a projection."""
    shape = _in(geometry, proj)
    if proj is not None or not crs_of(shape.crs).geographic:
        return shape.drawn.length
    return ELLIPSOID.geometry_length(_geodesic(shape))


def _geodesic(geometry: Geometry) -> BaseGeometry:
    """The shape as one whose edges are shortest paths."""
    return geometry.shape if geometry.geodesic else geodesic_edges.straight(geometry.shape)


def buffered(geometry: Geometry, distance: float, proj: Projection | None) -> Geometry:
    """Grown by metres (by units of a projection if one is given); shrunk by negative distances."""
    corners = shapely.get_num_coordinates(geometry.shape)
    check_edges(corners * 4 * _ARC_SEGMENTS if "Point" in geometry.shape.geom_type else corners)
    home = geometry.in_crs(proj.crs if proj else geometry.metric_crs)
    shape = composed(lambda: home.shape.buffer(distance, quad_segs=_ARC_SEGMENTS), home.shape)
    grown = Geometry(shape, home.crs, False)
    return grown if proj else replace(grown.in_crs(geometry.crs), geodesic=geometry.geodesic)


def bounds(geometry: Geometry, proj: Projection | None) -> Geometry:
    """The bounding box in its own or another projection."""
    shape = _in(geometry, proj)
    return Geometry(corners(*shape.drawn.bounds), shape.crs, False)


def centroid(geometry: Geometry, proj: Projection | None) -> Geometry:
    """The centre of mass."""
    home = geometry.in_crs(proj.crs if proj else geometry.metric_crs)
    centre = Geometry(home.shape.centroid, home.crs, False)
    return centre if proj else centre.in_crs(geometry.crs)


def dissolved(geometry: Geometry, proj: Projection | None) -> Geometry:
    """Its parts as one."""
    home = _in(geometry, proj)
    return replace(home, shape=composed(lambda: shapely.unary_union(home.drawn), home.drawn))


_SHAPES: dict[str, Callable[[Geometry, Projection | None], Geometry]] = {
    "bounds": bounds,
    "centroid": centroid,
    "dissolve": dissolved,
    "convexHull": lambda geometry, proj: replace(_in(geometry, proj), shape=_in(geometry, proj).drawn.convex_hull),
}
_MEASURES: dict[str, Callable[[Geometry, Projection | None], float]] = {
    "area": area_m2,
    "perimeter": lambda geometry, proj: length_m(geometry, proj) if geometry.shape.area else 0.0,
    "length": lambda geometry, proj: 0.0 if geometry.shape.area else length_m(geometry, proj),
}
_PAIRS: dict[str, Callable[[BaseGeometry, BaseGeometry], BaseGeometry]] = {
    "intersection": shapely.intersection,
    "union": shapely.union,
    "difference": shapely.difference,
    "symmetricDifference": shapely.symmetric_difference,
}
_RELATIONS: dict[str, Callable[[BaseGeometry, BaseGeometry], bool]] = {
    "intersects": shapely.intersects,
    "contains": shapely.contains,
    "containedIn": shapely.within,
    "disjoint": shapely.disjoint,
}


def _together(left: Geometry, right: Geometry, proj: Projection | None) -> tuple[Geometry, Geometry]:
    """Both in one coordinate system, their edges straight."""
    code = proj.crs if proj else left.crs
    first, second = left.in_crs(code), right.in_crs(code)
    return replace(first, shape=first.drawn), replace(second, shape=second.drawn)


def _place(feature: Element) -> Geometry:
    """Where a feature is; EngineError for one without a geometry."""
    geometry = geometry_of(feature)
    if geometry is None:
        raise EngineError("The feature has no geometry.")
    return geometry


def _shape(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometry(geometry: Geometry, maxError: ErrorMargin | None, proj: Projection | None) -> Geometry:
        return compute(geometry, proj)

    def of_feature(feature: Element, maxError: ErrorMargin | None, proj: Projection | None) -> Feature:
        return Feature(compute(_place(feature), proj), feature.properties, feature.id)

    return of_geometry, of_feature


def _measure(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometry(geometry: Geometry, maxError: ErrorMargin | None, proj: Projection | None) -> float:
        return float(compute(geometry, proj))

    def of_feature(feature: Element, maxError: ErrorMargin | None, proj: Projection | None) -> float:
        return float(compute(_place(feature), proj))

    return of_geometry, of_feature


def _pair(compute: Callable) -> tuple[Callable, Callable]:
    def joined(left: Geometry, right: Geometry, proj: Projection | None) -> Geometry:
        if left.unbounded or right.unbounded:
            left, right = (right, right) if left.unbounded else (left, left)
        first, second = _together(left, right, proj)
        shape = composed(lambda: compute(first.shape, second.shape), first.shape, second.shape)
        return replace(first, shape=shape)

    def of_geometries(left: Geometry, right: Geometry, maxError: Any, proj: Projection | None) -> Geometry:
        return joined(left, right, proj)

    def of_features(left: Element, right: Element, maxError: Any, proj: Projection | None) -> Feature:
        return Feature(joined(_place(left), _place(right), proj), left.properties, left.id)

    return of_geometries, of_features


def _relation(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometries(left: Geometry, right: Geometry, maxError: Any, proj: Projection | None) -> bool:
        first, second = _together(left, right, proj)
        return bool(compute(first.shape, second.shape))

    def of_features(left: Element, right: Element, maxError: Any, proj: Projection | None) -> bool:
        return of_geometries(_place(left), _place(right), maxError, proj)

    return of_geometries, of_features


for _table, _wrap in ((_SHAPES, _shape), (_MEASURES, _measure), (_PAIRS, _pair), (_RELATIONS, _relation)):
    for _name, _compute in _table.items():
        _of_geometry, _of_feature = _wrap(_compute)
        add(f"Geometry.{_name}", _of_geometry)
        add(f"Feature.{_name}", _of_feature)


@algorithm("Geometry.buffer")
def buffer(geometry: Geometry, distance: float, maxError: ErrorMargin | None, proj: Projection | None) -> Geometry:
    """Grown by a distance in metres, or in units of a projection."""
    return buffered(geometry, distance, proj)


@algorithm("Feature.buffer")
def buffer_feature(feature: Element, distance: float, maxError: ErrorMargin | None, proj: Projection | None) -> Feature:
    """A feature whose geometry is grown by a distance."""
    return Feature(buffered(_place(feature), distance, proj), feature.properties, feature.id)


@algorithm("Geometry.transform")
def transform(geometry: Geometry, proj: Projection, maxError: ErrorMargin | None, geodesic: bool | None) -> Geometry:
    """The same place in another projection."""
    moved = geometry.in_crs(proj.crs)
    return moved if geodesic is None else replace(moved, geodesic=geodesic)


@algorithm("Feature.transform")
def transform_feature(
    feature: Element, proj: Projection, maxError: ErrorMargin | None, geodesic: bool | None
) -> Feature:
    """A feature with its geometry in another projection."""
    return Feature(transform(_place(feature), proj, maxError, geodesic), feature.properties, feature.id)


@algorithm("Geometry.simplify")
def simplify(geometry: Geometry, maxError: ErrorMargin, proj: Projection | None) -> Geometry:
    """With fewer points, off by at most the error margin; an infinite one leaves the ends of edges."""
    if maxError.value is None:
        raise EngineError("Geometry.simplify: The error margin must not be infinite.")
    home = geometry.in_crs(proj.crs if proj else geometry.metric_crs)
    simple = Geometry(home.shape.simplify(maxError.value), home.crs, False)
    return simple if proj else replace(simple.in_crs(geometry.crs), geodesic=geometry.geodesic)


@algorithm("Geometry.coordinates")
def coordinates(geometry: Geometry) -> list:
    """The coordinates as in GeoJSON."""
    return geometry.to_json().get("coordinates", [])


@algorithm("Geometry.type")
def type_of(geometry: Geometry) -> str:
    """The GeoJSON type."""
    return geometry.type


@algorithm("Geometry.geometries")
def geometries(geometry: Geometry) -> list[Geometry]:
    """The parts of a geometry of several parts."""
    return [replace(geometry, shape=member) for member in getattr(geometry.shape, "geoms", [geometry.shape])]


@algorithm("Geometry.projection")
def projection(geometry: Geometry) -> Projection:
    """The projection of the coordinates."""
    return Projection(geometry.crs)


@algorithm("Geometry.geodesic", "Geometry.edgesAreGeodesics")
def geodesic(geometry: Geometry) -> bool:
    """Whether edges are shortest paths on the Earth."""
    return geometry.geodesic


@algorithm("Geometry.isUnbounded")
def is_unbounded(geometry: Geometry) -> bool:
    """Whether it is the whole Earth."""
    return geometry.unbounded


@algorithm("Geometry.distance")
def distance(
    left: Geometry, right: Geometry, maxError: ErrorMargin | None, proj: Projection | None, spherical: bool
) -> float:
    """The least distance: in metres on the ellipsoid or the sphere, or in units of a projection."""
    home = left.in_crs(proj.crs if proj else left.metric_crs)
    other = right.in_crs(home.crs)
    if proj is not None or home.drawn.intersects(other.drawn):
        return float(home.drawn.distance(other.drawn))
    nearest = shapely.shortest_line(home.drawn, other.drawn)
    start, end = shapely.get_coordinates(Geometry(nearest, home.crs, False).lonlat)[[0, -1]]
    return float((SPHERE if spherical else ELLIPSOID).inv(*start, *end)[2])
