"""The place of a request: a named region, a box, or a drawn polygon, checked before anything is started.

Not `place_options`: JSON of a stranger is checked in its own words and held to this service's limits, and a polygon
comes in the request, as no request names a file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from isamap.gee_export.base import regions
from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.suggest import suggest
from isamap.inference.serve.job import canonical
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.request_fields import optional

SHAPES = ("Polygon", "MultiPolygon")
OUTLINE = "outline.geojson"
SCHEMA: dict[str, dict[str, Any]] = {
    "region": optional("A named region", "string", maxLength=100) | {"description": "GET /regions lists them."},
    "bbox": optional(
        "A box in degrees: west, south, east, north", "array", items={"type": "number"}, minItems=4, maxItems=4
    ),
    "geometry": optional("A GeoJSON Polygon or MultiPolygon in degrees", "object", required=["type", "coordinates"]),
}


@dataclass(frozen=True)
class Place:
    """One of a region's name, a box (W S E N) and a polygon in degrees."""

    region: str | None = None
    bbox: tuple[float, float, float, float] | None = None
    geometry: BaseGeometry | None = None

    @classmethod
    def of(cls, inputs: Mapping[str, Any], limits: Limits) -> Place:
        """The place that inputs name; ValueError for none, two, or one that is too large."""
        named = [name for name in SCHEMA if inputs.get(name) is not None]
        if len(named) != 1:
            words = " and ".join(named) if named else "nothing"
            raise ValueError(f"{words} says where: give one of region, bbox and geometry")
        ground = cls(**{named[0]: _READERS[named[0]](inputs[named[0]], limits)})
        area_km2 = ground.area_km2
        if area_km2 > limits.area_km2:
            raise ValueError(
                f"the place has {area_km2:,.0f} km2, this service maps at most {limits.area_km2:,.0f} km2 at once: "
                "choose a smaller place"
            )
        return ground

    @property
    def outline(self) -> BaseGeometry:
        """Its ground in degrees; the box around a region that is stored in metres."""
        if self.region is not None:
            ground = regions.ground(self.region)
            return ground if ground is not None else shapely.box(*regions.named(self.region).bounds_wsen)
        return shapely.box(*self.bbox) if self.bbox is not None else self.geometry

    @property
    def area_km2(self) -> float:
        """Ground of the outline, on the ellipsoid."""
        return ground_km2(self.outline)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides the place, as plain JSON."""
        values = {"region": self.region, "bbox": self.bbox and list(self.bbox)}
        drawn = {} if self.geometry is None else {"geometry": geojson_of(self.geometry)}
        return {name: value for name, value in values.items() if value is not None} | drawn

    def options(self, folder: Path) -> dict[str, Any]:
        """As `isamap run` and `export` take it; a polygon is written into the folder."""
        if self.region is not None:
            return {"region": (self.region,)}
        if self.bbox is not None:
            return {"bbox": self.bbox}
        path = folder / OUTLINE
        write_whole(path, canonical(geojson_of(self.geometry)).encode())
        return {"geometry": (str(path),)}


def polygon_of(document: Any, limits: Limits) -> BaseGeometry:
    """The polygon of GeoJSON, or of one Feature of it, in degrees; ValueError says what is wrong with it."""
    if isinstance(document, Mapping) and document.get("type") == "Feature":
        document = document.get("geometry")
    if not isinstance(document, Mapping) or document.get("type") not in SHAPES:
        raise ValueError(f"geometry: expected a GeoJSON {' or '.join(SHAPES)} in degrees")
    _check_vertices(document.get("coordinates"), limits)
    try:
        polygon = shapely.geometry.shape(document)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, shapely.errors.ShapelyError) as error:
        raise ValueError("geometry: its coordinates are no rings of longitude and latitude pairs") from error
    if polygon.is_empty or not polygon.is_valid:
        reason = "it is empty" if polygon.is_empty else shapely.is_valid_reason(polygon)
        raise ValueError(f"geometry is no valid polygon: {reason}")
    polygon = shapely.force_2d(polygon)
    regions.check_degrees(polygon.bounds)
    return polygon


def polygons_of(features: Iterable[Any], limits: Limits, name: str, remedy: str) -> np.ndarray:
    """The polygons of GeoJSON features; ValueError for too many vertices together, called by name and remedy."""
    shapes = np.array([polygon_of(feature, limits) for feature in features], dtype=object)
    vertices = int(shapely.get_num_coordinates(shapes).sum())
    if vertices > limits.vertices:
        raise ValueError(f"{name} have {vertices:,} vertices, at most {limits.vertices:,} are {remedy}")
    return shapes


def box_of(values: Any, limits: Limits) -> tuple[float, float, float, float]:
    """Four numbers, W S E N; ValueError for anything else."""
    is_four = isinstance(values, list | tuple) and len(values) == 4
    if not is_four or not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise ValueError("bbox: expected four numbers, west, south, east and north in degrees")
    if not all(_is_finite(value) for value in values):
        raise ValueError("bbox: expected finite numbers in degrees")
    west, south, east, north = map(float, values)
    regions.check_degrees((west, south, east, north))
    return west, south, east, north


def ground_km2(outline: BaseGeometry) -> float:
    """Square kilometres of a polygon in degrees, on the ellipsoid of WGS84."""
    from pyproj import Geod

    ellipsoid = Geod(ellps="WGS84")
    polygons = [shape for shape in shapely.get_parts(outline) if shape.geom_type == "Polygon"]
    return sum(float(ellipsoid.geometry_area_perimeter(orient(polygon))[0]) for polygon in polygons) / 1e6


def _region_of(name: Any, limits: Limits) -> str:
    if not isinstance(name, str) or len(name) > 100:
        raise ValueError("region: expected a name of GET /regions")
    key = name.strip().lower()
    if key not in regions.names():
        hint = suggest(key, regions.names(), most=3, cutoff=0.4) or "GET /regions lists them"
        raise ValueError(f"region {name!r} is not there: {hint}")
    return key


_READERS = {"region": _region_of, "bbox": box_of, "geometry": polygon_of}


def _check_vertices(coordinates: Any, limits: Limits) -> None:
    """ValueError for lists that are too long or too deep, before anything is made of them."""
    count, waiting = 0, [(coordinates, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, list):
            if depth > 4:
                raise ValueError("geometry: its coordinates are nested deeper than those of a MultiPolygon")
            waiting += [(member, depth + 1) for member in value]
        elif isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise ValueError("geometry: its coordinates hold something else than numbers")
        else:
            count += 1
        # Two numbers a vertex. Counted by hand, before Shapely makes objects of them.
        if count > 2 * limits.vertices:
            raise ValueError(f"geometry has more than {limits.vertices:,} vertices: simplify it")


def _is_finite(value: float) -> bool:
    """Also of whole numbers that are too long for a floating-point number."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def geojson_of(polygon: BaseGeometry | None, digits: int = 9) -> dict[str, Any]:
    """Its GeoJSON in lists, degrees rounded to so many digits."""
    document: dict[str, Any] = shapely.geometry.mapping(polygon)
    return {"type": document["type"], "coordinates": _lists(document["coordinates"], digits)}


def _lists(value: Any, digits: int) -> Any:
    if isinstance(value, tuple | list):
        return [_lists(member, digits) for member in value]
    return round(float(value), digits)
