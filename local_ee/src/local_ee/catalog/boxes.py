"""Boxes of degrees on a globe whose two edges are one."""

from __future__ import annotations

import math

from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from local_ee.catalog import BoundsWSEN


def boxes(bounds_wsen: BoundsWSEN) -> list[BoundsWSEN]:
    """A box as boxes within -180 to 180 and -90 to 90; two where it lies across the antimeridian."""
    west, south, east, north = bounds_wsen
    south, north = max(south, -90.0), min(north, 90.0)
    if east - west >= 360:
        return [(-180.0, south, 180.0, north)]
    turn = 360 * math.floor((west + 180) / 360)
    west, east = west - turn, east - turn
    east += 360 if east < west else 0
    if east <= 180:
        return [(west, south, east, north)]
    return [(west, south, 180.0, north), (-180.0, south, east - 360, north)]


def touches(footprint: BaseGeometry, bounds_wsen: BoundsWSEN | None) -> bool:
    """Whether an outline within -180 to 180 meets a box, on either side of the antimeridian; None is everywhere."""
    return bounds_wsen is None or any(footprint.intersects(box(*part)) for part in boxes(bounds_wsen))
