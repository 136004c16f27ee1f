"""Geometries: their measures, shapes and relations (Geometry.*, Feature.*).

Areas in degrees are those between great circles on the sphere that is as large as WGS84 (R = 6,371,007.181 m): so
Google printed 9,918,985.748 km2 for (-5, 40), (65, 40), (65, 60), (-5, 60), where the ellipsoid has 9,951,106.6.

Assumptions: lengths in degrees are Andoyer's, which give the one perimeter that Google printed; a shape composed of
others has points on its edges where theirs were shortest paths (raster/geodesic.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from local_ee.errors import EngineError
from local_ee.evaluation.features import Element, ErrorMargin, Feature, geometry_of
from local_ee.evaluation.registry import add, algorithm
from local_ee.raster import geodesic as geodesic_edges
from local_ee.raster.geodesic import AUTHALIC
from local_ee.raster.geometry import LONLAT, Geometry, check_edges, check_filled, composed
from local_ee.raster.geometry import rectangle as corners
from local_ee.raster.projection import Projection, crs_of

_GLOBE_M2 = 4 * math.pi * AUTHALIC.a**2
_LEAST_HOLE_M2 = 1.0  # in the globe
_ARC_SEGMENTS = 16  # per quarter circle of a buffer


def _in(geometry: Geometry, proj: Projection | None) -> Geometry:
    return geometry if proj is None else geometry.in_crs(proj.crs)


def area_m2(geometry: Geometry, proj: Projection | None) -> float:
    """The area in square metres, or in squared units of a projection."""
    shape = _in(geometry, proj)
    if proj is not None or not crs_of(shape.crs).geographic:
        return shape.drawn.area
    signed: float = AUTHALIC.geometry_area_perimeter(shapely.normalize(_geodesic(shape)).reverse())[0]
    return abs(signed) if signed > -_LEAST_HOLE_M2 else _GLOBE_M2 + signed  # the globe's own ring counts as nothing


def length_m(geometry: Geometry, proj: Projection | None) -> float:
    """The length of lines in metres, or in units of a projection."""
    shape = _in(geometry, proj)
    if proj is not None or not crs_of(shape.crs).geographic:
        return shape.drawn.length
    return geodesic_edges.length_m(_geodesic(shape))


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
    check_filled(geometry)
    shape = _in(geometry, proj)
    return Geometry(corners(*shape.drawn.bounds), shape.crs, False)


def centroid(geometry: Geometry, proj: Projection | None) -> Geometry:
    """The centre of mass."""
    check_filled(geometry)
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
    if code == LONLAT:
        return replace(first, shape=first.on_globe), replace(second, shape=second.on_globe)
    return replace(first, shape=first.drawn), replace(second, shape=second.drawn)


def place_of(feature: Element) -> Geometry:
    """Where a feature is; EngineError for one without a geometry."""
    geometry = geometry_of(feature)
    if geometry is None:
        raise EngineError("The feature has no geometry.")
    return geometry


def _shape(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometry(geometry: Geometry, maxError: ErrorMargin | None, proj: Projection | None) -> Geometry:
        return compute(geometry, proj)

    def of_feature(feature: Element, maxError: ErrorMargin | None, proj: Projection | None) -> Feature:
        return Feature(compute(place_of(feature), proj), feature.properties, feature.id)

    return of_geometry, of_feature


def _measure(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometry(geometry: Geometry, maxError: ErrorMargin | None, proj: Projection | None) -> float:
        return float(compute(geometry, proj))

    def of_feature(feature: Element, maxError: ErrorMargin | None, proj: Projection | None) -> float:
        return float(compute(place_of(feature), proj))

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
        return Feature(joined(place_of(left), place_of(right), proj), left.properties, left.id)

    return of_geometries, of_features


def _relation(compute: Callable) -> tuple[Callable, Callable]:
    def of_geometries(left: Geometry, right: Geometry, maxError: Any, proj: Projection | None) -> bool:
        first, second = _together(left, right, proj)
        return bool(compute(first.shape, second.shape))

    def of_features(left: Element, right: Element, maxError: Any, proj: Projection | None) -> bool:
        return of_geometries(place_of(left), place_of(right), maxError, proj)

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
    return Feature(buffered(place_of(feature), distance, proj), feature.properties, feature.id)


@algorithm("Geometry.transform")
def transform(geometry: Geometry, proj: Projection, maxError: ErrorMargin | None, geodesic: bool | None) -> Geometry:
    """The same place in another projection."""
    moved = geometry.in_crs(proj.crs)
    return moved if geodesic is None else replace(moved, geodesic=geodesic)


@algorithm("Feature.transform", "ProjectionTransform")
def transform_feature(
    feature: Element, proj: Projection, maxError: ErrorMargin | None, geodesic: bool | None
) -> Feature:
    """A feature with its geometry in another projection."""
    return Feature(transform(place_of(feature), proj, maxError, geodesic), feature.properties, feature.id)


@algorithm("Geometry.simplify")
def simplify(geometry: Geometry, maxError: ErrorMargin, proj: Projection | None) -> Geometry:
    """With fewer points, off by at most the error margin; an infinite one leaves the ends of edges."""
    if maxError.value is None:
        raise EngineError("Geometry.simplify: The error margin must not be infinite.")
    home = geometry.in_crs(proj.crs if proj else geometry.metric_crs)
    shape = home.shape.simplify(maxError.value)
    if proj:
        return Geometry(shape, home.crs, False)
    return replace(home.moved(shape, geometry.crs), geodesic=geometry.geodesic)


@algorithm("Feature.simplify")
def simplify_feature(feature: Element, maxError: ErrorMargin, proj: Projection | None) -> Feature:
    """A feature whose geometry has fewer points."""
    return Feature(simplify(place_of(feature), maxError, proj), feature.properties, feature.id)


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
