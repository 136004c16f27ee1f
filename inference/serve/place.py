"""The place of a request: a named region, a box, or a drawn polygon, checked before anything is started."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from gee_export.base import regions
from gee_export.base.atomic import write_whole
from gee_export.base.suggest import suggest
from inference.serve.job import canonical
from inference.serve.limits import Limits

SHAPES = ("Polygon", "MultiPolygon")
OUTLINE = "outline.geojson"
SCHEMA: dict[str, dict[str, Any]] = {
    "region": {
        "title": "A named region",
        "description": "GET /regions lists them.",
        "schema": {"type": "string", "maxLength": 100},
        "minOccurs": 0,
    },
    "bbox": {
        "title": "A box in degrees: west, south, east, north",
        "schema": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 4},
        "minOccurs": 0,
    },
    "geometry": {
        "title": "A GeoJSON Polygon or MultiPolygon in degrees",
        "schema": {"type": "object", "required": ["type", "coordinates"]},
        "minOccurs": 0,
    },
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
        place = cls(**{named[0]: _READERS[named[0]](inputs[named[0]], limits)})
        area_km2 = place.area_km2
        if area_km2 > limits.area_km2:
            raise ValueError(
                f"the place has {area_km2:,.0f} km2, this service maps at most {limits.area_km2:,.0f} km2 at once: "
                "choose a smaller place"
            )
        return place

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
        drawn = {} if self.geometry is None else {"geometry": _plain(self.geometry)}
        return {name: value for name, value in values.items() if value is not None} | drawn

    def options(self, folder: Path) -> dict[str, Any]:
        """As `isamap run` and `export` take it; a polygon is written into the folder."""
        if self.region is not None:
            return {"region": (self.region,)}
        if self.bbox is not None:
            return {"bbox": self.bbox}
        path = folder / OUTLINE
        write_whole(path, canonical(_plain(self.geometry)).encode())
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


def box_of(values: Any, limits: Limits) -> tuple[float, float, float, float]:
    """Four numbers, W S E N; ValueError for anything else."""
    if not isinstance(values, list | tuple) or len(values) != 4:
        raise ValueError("bbox: expected four numbers, west, south, east and north in degrees")
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        raise ValueError("bbox: expected four numbers, west, south, east and north in degrees")
    west, south, east, north = map(float, values)
    regions.check_degrees((west, south, east, north))
    return west, south, east, north


def ground_km2(outline: BaseGeometry) -> float:
    """Square kilometres of a polygon in degrees, on the ellipsoid of WGS84."""
    from pyproj import Geod

    ellipsoid, parts = Geod(ellps="WGS84"), [part for part in shapely.get_parts(outline) if part.geom_type == "Polygon"]
    return sum(float(ellipsoid.geometry_area_perimeter(orient(part))[0]) for part in parts) / 1e6


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
        elif isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError("geometry: its coordinates hold something else than numbers")
        else:
            count += 1
        if count > 2 * limits.vertices:
            raise ValueError(f"geometry has more than {limits.vertices:,} vertices: simplify it")


def _plain(polygon: BaseGeometry | None) -> dict[str, Any]:
    document: dict[str, Any] = shapely.geometry.mapping(polygon)
    return {"type": document["type"], "coordinates": _lists(document["coordinates"])}


def _lists(value: Any) -> Any:
    return [_lists(member) for member in value] if isinstance(value, tuple | list) else round(float(value), 9)
