"""Constructors of geometries (GeometryConstructors.*)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import shapely
from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.raster.geometry import LONLAT, Geometry, composed
from local_ee.raster.geometry import rectangle as corners
from local_ee.raster.projection import Projection, crs_of


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


def _numbers(coordinates: list, crs: Projection | None) -> list:
    """Coordinates in which geometries (points of a line, rings of a polygon) may stand for their own."""
    return [_own(item, crs) if isinstance(item, Geometry) else item for item in coordinates]


def _own(geometry: Geometry, crs: Projection | None) -> list:
    shape = (geometry if crs is None else geometry.in_crs(crs.crs)).shape
    if shape.is_empty or not isinstance(shape, shapely.Point | shapely.LineString):
        raise EngineError(f"Invalid GeoJSON geometry: a {geometry.type} stands where a point or a line is expected.")
    points = [list(point) for point in shape.coords]
    return points[0] if isinstance(shape, shapely.Point) else points


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
    return shape if shape.is_valid else _even_odd(shape)


def _even_odd(shape: BaseGeometry) -> BaseGeometry:
    """The areas of which a path to the outside crosses an odd number of edges (apidocs, evenOdd)."""
    areas = [surface for surface in shapely.get_parts(shapely.make_valid(shape)) if surface.area]
    flat = [area for surface in areas for area in shapely.get_parts(surface)]
    return flat[0] if len(flat) == 1 else shapely.MultiPolygon(flat)


_INSIDE_OUT = (
    "The local engine has no polygon whose interior lies outside of its ring (evenOdd=false and a ring that runs "
    "clockwise) but in EPSG:4326: turn the ring around, or leave evenOdd out."
)
_GLOBE = [(-180, -90), (-90, -90), (0, -90), (90, -90), (180, -90), (180, 0), (180, 90), (90, 90), (0, 90), (-90, 90)]
_GLOBE += [(-180, 90), (-180, 0)]  # with corners between, so that no edge spans half the globe


def _area(rings: list, crs: Projection | None, even_odd: bool) -> BaseGeometry:
    """The area of rings; by the left-inside rule that outside of a shell which runs clockwise."""
    inside = _of_coordinates(lambda: _polygon(rings))
    if even_odd or _of_coordinates(lambda: shapely.LinearRing(rings[0])).is_ccw:
        return inside
    if crs is not None and crs.crs != LONLAT:
        raise EngineError(_INSIDE_OUT)
    return shapely.Polygon(_GLOBE).difference(inside)


@algorithm("GeometryConstructors.Point")
def point(coordinates: list, crs: Projection | None) -> Geometry:
    """A point."""
    return _made(_of_coordinates(lambda: shapely.Point(*coordinates)), crs, None)


@algorithm("GeometryConstructors.MultiPoint")
def multi_point(coordinates: list, crs: Projection | None) -> Geometry:
    """Points."""
    return _made(_of_coordinates(lambda: shapely.MultiPoint(_numbers(coordinates, crs))), crs, None)


@algorithm("GeometryConstructors.LineString")
def line_string(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """A line through points."""
    return _made(_of_coordinates(lambda: shapely.LineString(_rings(_numbers(coordinates, crs))[0])), crs, geodesic)


@algorithm("GeometryConstructors.LinearRing")
def linear_ring(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """A closed line through points."""
    return _made(_of_coordinates(lambda: shapely.LinearRing(_rings(_numbers(coordinates, crs))[0])), crs, geodesic)


@algorithm("GeometryConstructors.MultiLineString")
def multi_line_string(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any) -> Geometry:
    """Lines."""
    return _made(_of_coordinates(lambda: shapely.MultiLineString(_numbers(coordinates, crs))), crs, geodesic)


@algorithm("GeometryConstructors.Polygon")
def polygon(coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any, evenOdd: bool) -> Geometry:
    """An area within rings of points."""
    rings = _of_coordinates(lambda: _rings(_numbers(coordinates, crs)))
    return _made(_area(rings, crs, evenOdd), crs, geodesic)


def _rings_of(area: Geometry, crs: Projection | None) -> list[list[list[float]]]:
    """The coordinates of a polygon's rings in a projection; EngineError where the geometry is none."""
    polygon = (area if crs is None else area.in_crs(crs.crs)).shape
    if not isinstance(polygon, shapely.Polygon):
        raise EngineError(f"Geometry.MultiPolygon: expected polygons, got a {area.type}.")
    polygon = orient(polygon)  # a geometry's inside is known, whichever way its rings run
    return [[list(point) for point in ring.coords] for ring in (polygon.exterior, *polygon.interiors)]


@algorithm("GeometryConstructors.MultiPolygon")
def multi_polygon(
    coordinates: list, crs: Projection | None, geodesic: bool | None, maxError: Any, evenOdd: bool
) -> Geometry:
    """Several areas, each by its rings or a Polygon."""
    areas = [_rings_of(area, crs) if isinstance(area, Geometry) else area for area in coordinates]
    shapes = [_area(_of_coordinates(partial(_rings, rings)), crs, evenOdd) for rings in areas]
    area = composed(lambda: shapely.unary_union(shapes), *shapes)
    return _made(shapely.MultiPolygon([area]) if isinstance(area, shapely.Polygon) else area, crs, geodesic)


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
