"""A box in degrees as an option: its name, and what is wrong with one that lies elsewhere than it was meant."""

from __future__ import annotations

import math
from collections.abc import Sequence

import shapely

from isamap.gee_export.base import regions
from isamap.gee_export.base.regions import BoundsWSEN

# Of longitude at the equator; names of boxes need no better.
_KM_PER_DEGREE = 111.32


def box_name(bbox_wsen: BoundsWSEN) -> str:
    """A name of a box: its centre to 0.00001 degrees and its sides to 10 m, such as n47.065e15.44-3.04x3.34km.

    Boxes have two names when any of their edges lie 10 m apart, a pixel of Sentinel-2.
    """
    west, south, east, north = bbox_wsen
    east += 360 * (east < west)  # across the antimeridian
    lat, lon = (south + north) / 2, ((west + east) / 2 + 180) % 360 - 180
    height = round((north - south) * _KM_PER_DEGREE, 2)
    width = round((east - west) * _KM_PER_DEGREE * math.cos(math.radians(lat)), 2)
    sides = f"{width:g}" if width == height else f"{width:g}x{height:g}"
    return f"{'ns'[lat < 0]}{_digits(abs(lat))}{'ew'[lon < 0]}{_digits(abs(lon))}-{sides}km"


def swapped_inside(bbox_wsen: BoundsWSEN) -> str | None:
    """The smallest named region that holds the box once latitude and longitude are swapped; None where one holds it."""
    west, south, east, north = bbox_wsen
    swapped = (south, west, north, east)
    table = {row["name"]: row["bounds_wsen"] for row in regions.described()}
    # A box that lies in a region as it is was meant so, whatever its mirror image holds.
    if any(_is_inside(bbox_wsen, bounds) for bounds in table.values()):
        return None
    holders = [name for name, bounds in table.items() if _is_inside(swapped, bounds)]
    # The smallest that holds it: a city rather than the province around it.
    return min(holders, key=lambda name: shapely.box(*table[name]).area, default=None)


def check_zone(bbox_wsen: BoundsWSEN, epsg: int) -> None:
    """ValueError where a box lies too far from a UTM zone to have its grid there."""
    regions.check_bbox(bbox_wsen)
    if epsg // 100 not in (326, 327):
        return  # places() says what a zone is
    try:
        regions.bounds_in_zone(bbox_wsen, epsg)
    except ValueError as error:
        west, south, east, north = bbox_wsen
        own = regions.utm_epsg((west + east) / 2, (south + north) / 2)
        raise ValueError(f"--epsg {epsg} is too far from the box, which lies in {own}: leave --epsg out") from error


def _is_inside(box: Sequence[float], bounds: Sequence[float]) -> bool:
    return bounds[0] <= box[0] and bounds[1] <= box[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _digits(degrees: float) -> str:
    return f"{degrees:.5f}".rstrip("0").rstrip(".")
