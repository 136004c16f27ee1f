"""Distances between geometries, and their nearest points (Geometry.distance, withinDistance, closestPoint)."""

from __future__ import annotations

import shapely

from local_ee.algorithms.geometries import place_of
from local_ee.evaluation.features import Element, ErrorMargin
from local_ee.evaluation.registry import algorithm
from local_ee.raster.geometry import LONLAT, Geometry, metres_between, shortest_line
from local_ee.raster.projection import Projection


def apart(left: Geometry, right: Geometry, proj: Projection | None, *, spherical: bool) -> float:
    """The least distance in metres on the ellipsoid or the sphere, or in units of a projection."""
    if proj is None:
        return metres_between(left, right, spherical=spherical)
    return float(left.in_crs(proj.crs).drawn.distance(right.in_crs(proj.crs).drawn))


@algorithm("Geometry.distance")
def distance(
    left: Geometry, right: Geometry, maxError: ErrorMargin | None, proj: Projection | None, spherical: bool
) -> float:
    """The least distance: in metres on the ellipsoid or the sphere, or in units of a projection."""
    return apart(left, right, proj, spherical=spherical)


@algorithm("Feature.distance")
def feature_distance(
    left: Element, right: Element, maxError: ErrorMargin | None, proj: Projection | None, spherical: bool
) -> float:
    """The least distance of the geometries of two features."""
    return apart(place_of(left), place_of(right), proj, spherical=spherical)


@algorithm("Geometry.withinDistance")
def within_distance(
    left: Geometry, right: Geometry, distance: float, maxError: ErrorMargin | None, proj: Projection | None
) -> bool:
    """Whether two geometries are at most so many metres apart on the sphere, or units of a projection."""
    return apart(left, right, proj, spherical=True) <= distance


@algorithm("Feature.withinDistance")
def feature_within_distance(
    left: Element, right: Element, distance: float, maxError: ErrorMargin | None, proj: Projection | None
) -> bool:
    """Whether the geometries of two features are at most so far apart."""
    return apart(place_of(left), place_of(right), proj, spherical=True) <= distance


def nearest_points(left: Geometry, right: Geometry, proj: Projection | None) -> tuple[Geometry, Geometry] | None:
    """The points of both that are nearest to each other; None where one has no points.

    Where one has no bounds, a point of the other one; where neither has, the point (0, 0).
    """
    if left.shape.is_empty or right.shape.is_empty:
        return None
    if left.unbounded or right.unbounded:
        bounded = right if left.unbounded else left
        inside = Geometry(shapely.Point(0, 0)) if bounded.unbounded else _representative(bounded)
        return inside, inside
    home = left.in_crs(proj.crs if proj else left.metric_crs)
    line = shortest_line(home.drawn, right.in_crs(home.crs).drawn)
    ends = [Geometry(shapely.Point(xy), home.crs) for xy in shapely.get_coordinates(line)[[0, -1]]]
    first, second = ends if proj else [end.in_crs(LONLAT) for end in ends]
    return first, second


def _representative(geometry: Geometry) -> Geometry:
    return Geometry(geometry.shape.representative_point(), geometry.crs)


@algorithm("Geometry.closestPoint")
def closest_point(
    left: Geometry, right: Geometry, maxError: ErrorMargin | None, proj: Projection | None
) -> Geometry | None:
    """The point of the right geometry that is nearest to the left one, or null."""
    points = nearest_points(left, right, proj)
    return None if points is None else points[1]


@algorithm("Geometry.closestPoints")
def closest_points(
    left: Geometry, right: Geometry, maxError: ErrorMargin | None, proj: Projection | None
) -> dict[str, Geometry]:
    """The point of each geometry that is nearest to the other one, as left and right."""
    points = nearest_points(left, right, proj)
    return {} if points is None else dict(zip(("left", "right"), points, strict=True))


@algorithm("Feature.closestPoint")
def feature_closest_point(
    left: Element, right: Element, maxError: ErrorMargin | None, proj: Projection | None
) -> Geometry | None:
    """The point of the right feature's geometry that is nearest to the left one's, or null."""
    return closest_point(place_of(left), place_of(right), maxError, proj)


@algorithm("Feature.closestPoints")
def feature_closest_points(
    left: Element, right: Element, maxError: ErrorMargin | None, proj: Projection | None
) -> dict[str, Geometry]:
    """The points of the geometries of two features that are nearest to each other."""
    return closest_points(place_of(left), place_of(right), maxError, proj)
