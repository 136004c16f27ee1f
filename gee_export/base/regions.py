"""Where: named regions on their UTM grid."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import Transformer
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base.periods import Month as Month  # for who imports place and time together
from isamap.gee_export.base.periods import Period as Period
from isamap.gee_export.base.suggest import suggest

BoundsWSEN = tuple[float, float, float, float]

# Sentinel-2's own step: its 10-m bands lie on multiples of it in each zone, so that pixels are not resampled.
STEP_M = 10
MAX_REGION_KM2 = 2_500_000  # holds what one UTM zone has of China; a larger grid has no use
MAX_ZONE_OFFSET_DEG = 9.0  # transverse Mercator stays within a few metres per kilometre this far from its meridian
DENSE_DEG = 0.01  # a line that is straight in degrees is not straight in metres: points this close follow it


@dataclass(frozen=True)
class Region:
    """A rectangle of one UTM zone on a pixel lattice, optionally with an outline inside it.

    bounds_m are (left, bottom, right, top) in metres of `epsg`; origin_m is the upper-left corner of the lattice
    that patch rows and columns count from; a part of a region (`part`) keeps its origin. `outline` (EPSG:4326)
    is where pixels are wanted, or None for the whole rectangle.
    """

    name: str
    epsg: int
    bounds_m: BoundsWSEN
    origin_m: tuple[float, float]
    outline: BaseGeometry | None = None

    def __post_init__(self) -> None:
        left, bottom, right, top = self.bounds_m
        if right <= left or top <= bottom:
            raise ValueError(f"region {self.name!r} is empty: bounds {self.bounds_m} in EPSG:{self.epsg}")
        if self.area_km2 > MAX_REGION_KM2:
            raise ValueError(
                f"region {self.name!r} covers {self.area_km2:,.0f} km2; one grid holds at most {MAX_REGION_KM2:,} km2: "
                "split it with --bbox"
            )

    @property
    def area_km2(self) -> float:
        left, bottom, right, top = self.bounds_m
        return (right - left) * (top - bottom) / 1e6

    @property
    def bounds_wsen(self) -> BoundsWSEN:
        """Longitude and latitude limits (EPSG:4326) of the rectangle."""
        return bounds_in(self.bounds_m, self.epsg, 4326)

    def part(self, bbox_wsen: BoundsWSEN) -> Region:
        """The pixels of this region's lattice that cover the box; ValueError where the box leaves the region."""
        return self._cut(bounds_in_zone(bbox_wsen, self.epsg), f"bbox {words(bbox_wsen)}")

    def outlined(self, outline: BaseGeometry) -> Region:
        """This region restricted to an outline in EPSG:4326; ValueError where it leaves the region."""
        check_bbox(outline.bounds)
        bounds_m = in_metres(outline, self.epsg).bounds
        return replace(self._cut(bounds_m, f"the outline of {words(outline.bounds)}"), outline=outline)

    def _cut(self, box_m: BoundsWSEN, noun: str) -> Region:
        step = STEP_M
        x0, y1 = self.origin_m
        snapped = (
            x0 + math.floor((box_m[0] - x0) / step) * step,
            y1 - math.ceil((y1 - box_m[1]) / step) * step,
            x0 + math.ceil((box_m[2] - x0) / step) * step,
            y1 - math.floor((y1 - box_m[3]) / step) * step,
        )
        left, bottom, right, top = self.bounds_m
        if snapped[0] < left or snapped[1] < bottom or snapped[2] > right or snapped[3] > top:
            raise ValueError(
                f"{noun} reaches outside region {self.name!r}, which spans "
                f"{words(self.bounds_wsen)} (W S E N): choose one inside it or leave --region out"
            )
        return replace(self, bounds_m=snapped)


def named(name: str) -> Region:
    """A region of the shipped table; ValueError offers the nearest names."""
    table = _table()
    key = name.strip().lower()
    if key not in table:
        hint = suggest(key, table, most=3, cutoff=0.4) or "`isamap regions` lists them"
        raise ValueError(f"unknown region {name!r}: {hint} (or give --bbox W S E N)")
    feature = table[key]
    properties = feature["properties"]
    if "bounds_m" in properties:
        left, bottom, right, top = properties["bounds_m"]
        return Region(key, properties["epsg"], (left, bottom, right, top), (left, top))
    if "members" in properties:
        raise ValueError(
            f"region {name!r} spans several UTM zones, so it has no single grid (an export divides it by zone); "
            f"take its provinces one by one: {', '.join(properties['members'])}"
        )
    if "outlined" in properties:
        raise ValueError(
            f"region {name!r} spans several UTM zones, so it has no single grid (`isamap plan` and exports divide it "
            "by zone): take a part of it by --bbox or --geometry without --region"
        )
    return from_bbox(shape(feature["geometry"]).bounds, name=key, epsg=properties["epsg"])


def ground(name: str) -> BaseGeometry | None:
    """A shipped region in degrees: its outline, its box or the boxes of its members; None where it is in metres."""
    properties = _table()[name]["properties"]
    if "bounds_m" in properties:
        return None
    if "outlined" in properties:
        return shape(_table()[name]["geometry"])
    return shapely.union_all([shape(_table()[member]["geometry"]) for member in properties.get("members", (name,))])


def names() -> tuple[str, ...]:
    """Every shipped region's name, sorted."""
    return tuple(sorted(_table()))


def described() -> list[dict[str, Any]]:
    """The shipped table for listings: name, title, epsg, bounds_wsen and source of each region."""
    rows = []
    for key in names():
        feature = _table()[key]
        rows.append({"name": key, **feature["properties"], "bounds_wsen": shape(feature["geometry"]).bounds})
    return rows


def from_bbox(bbox_wsen: BoundsWSEN, *, name: str = "bbox", epsg: int | None = None) -> Region:
    """The region that covers a longitude/latitude box, in its centre's UTM zone unless `epsg` says otherwise."""
    check_bbox(bbox_wsen)
    west, south, east, north = bbox_wsen
    epsg = epsg or utm_epsg((west + east) / 2, (south + north) / 2)
    return on_lattice(name, epsg, bounds_in_zone(bbox_wsen, epsg))


def on_lattice(name: str, epsg: int, bounds_m: BoundsWSEN, outline: BaseGeometry | None = None) -> Region:
    """The region of the whole pixels that cover a rectangle of a zone, with its own lattice."""
    left, bottom, right, top = bounds_m
    step = STEP_M
    snapped = (
        math.floor(left / step) * step,
        math.floor(bottom / step) * step,
        math.ceil(right / step) * step,
        math.ceil(top / step) * step,
    )
    return Region(name, epsg, snapped, (snapped[0], snapped[3]), outline)


def from_outline(outline: BaseGeometry, *, name: str) -> Region:
    """The region that an outline in EPSG:4326 limits, in its middle's UTM zone."""
    return replace(from_bbox(outline.bounds, name=name), outline=outline)


def check_bbox(bbox_wsen: BoundsWSEN) -> None:
    """ValueError for boxes that no single UTM grid can hold."""
    west, _, east, _ = bbox_wsen
    if west - east > 180:
        raise ValueError(
            f"bbox {words(bbox_wsen)} crosses the antimeridian (west {west:g} > east {east:g}): "
            "split it at 180 degrees and run each side"
        )
    check_degrees(bbox_wsen)
    if east - west > 2 * MAX_ZONE_OFFSET_DEG:
        raise ValueError(
            f"bbox {words(bbox_wsen)} is {east - west:.1f} degrees wide; one UTM grid holds at most "
            f"{2 * MAX_ZONE_OFFSET_DEG:g}: split it"
        )


def check_degrees(bbox_wsen: BoundsWSEN) -> None:
    """ValueError for boxes that are none in degrees, or that leave the latitudes of UTM."""
    west, south, east, north = bbox_wsen
    if not all(math.isfinite(v) for v in bbox_wsen):
        raise ValueError(f"bbox {words(bbox_wsen)}: every number must be finite")
    if not (-180 <= west < east <= 180 and -90 < south < north < 90):
        raise ValueError(
            f"bbox {words(bbox_wsen)}: expected W S E N in degrees with W < E and S < N, longitudes of -180 to 180 "
            "and latitudes of -80 to 84; a box across the antimeridian is written as 177 -19 -178 -16"
        )
    if south < -80 or north > 84:
        raise ValueError(f"bbox {words(bbox_wsen)} leaves 80 S to 84 N, where UTM is defined: cut it there")


def utm_epsg(lon_deg: float, lat_deg: float) -> int:
    """EPSG code of the UTM zone of a point (WGS84; no Norway and Svalbard exceptions, as on Sentinel-2's lattice)."""
    # 180 degrees itself would be zone 61.
    zone = min(int((lon_deg + 180) // 6) + 1, 60)
    return (32600 if lat_deg >= 0 else 32700) + zone


def bounds_in_zone(bbox_wsen: BoundsWSEN, epsg: int) -> BoundsWSEN:
    """Metres of `epsg` that cover a longitude/latitude box; ValueError where the box is far outside the zone."""
    check_bbox(bbox_wsen)
    meridian = (epsg % 100) * 6 - 183
    if max(abs(bbox_wsen[0] - meridian), abs(bbox_wsen[2] - meridian)) > 2 * MAX_ZONE_OFFSET_DEG:
        raise ValueError(
            f"bbox {words(bbox_wsen)} reaches more than {2 * MAX_ZONE_OFFSET_DEG:g} degrees from the central meridian "
            f"{meridian} of EPSG:{epsg}: leave --region out, then the box has a zone of its own"
        )
    return bounds_in(bbox_wsen, 4326, epsg)


def in_metres(outline: BaseGeometry, epsg: int | str) -> BaseGeometry:
    """A geometry of EPSG:4326 in metres of a zone; its lines stay straight in degrees, as GeoJSON draws them."""
    return reprojected(outline, 4326, epsg, DENSE_DEG)


def bounds_in(bounds: Sequence[float], source: Any, target: Any) -> BoundsWSEN:
    """A box (left, bottom, right, top) that covers another system's one, whose edges bend on the way."""
    left, bottom, right, top = bounds
    change = Transformer.from_crs(source, target, always_xy=True)
    return change.transform_bounds(left, bottom, right, top, densify_pts=21)


def reprojected(shapes: Any, source: Any, target: Any, step: float | None = None) -> Any:
    """A geometry or an array of them in another system; its lines stay straight in the first one.

    step: lines get a point that often, in units of the first system; without it only their own points move.
    """
    change = Transformer.from_crs(source, target, always_xy=True)
    dense = shapes if step is None else shapely.segmentize(shapes, step)
    return shapely.transform(dense, lambda points: np.column_stack(change.transform(*points.T)))


@cache
def _table() -> dict[str, dict[str, Any]]:
    text = Path(__file__).with_name("regions.geojson").read_text(encoding="utf-8")
    return {feature["properties"]["name"]: feature for feature in json.loads(text)["features"]}


def slug(text: str) -> str:
    """A region's name made of other words: lower-case letters, digits and hyphens."""
    return "".join(c if c.isalnum() else "-" for c in text.lower()).strip("-") or "geometry"


def words(bbox_wsen: BoundsWSEN) -> str:
    """A box as messages write it."""
    return " ".join(f"{v:g}" for v in bbox_wsen)
