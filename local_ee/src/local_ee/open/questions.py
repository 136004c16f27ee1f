"""Questions to archives, widened so that neighbours ask the same one: its answer is on disk then."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from local_ee.catalog import BoundsWSEN
from local_ee.open.stac import Question

STEP_DEG = 0.5  # boxes are widened to multiples of it; a tile of Sentinel-2 has about one degree
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


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


def whole_days(start: datetime, end: datetime, bounds_wsen: BoundsWSEN) -> Question:
    """All items of the days that a period touches, of a box a little larger than the one given."""
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    last = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0) + _DAY - _SECOND
    west, south, east, north = bounds_wsen
    wide = (_down(west), max(_down(south), -90.0), min(_up(east), 180.0), min(_up(north), 90.0))
    return Question(first, last, wide)


def of_tile_month(day: datetime, tile: str) -> Question:
    """All items of a tile of Sentinel-2 in a day's month, and a day more on each side (an id's day may be another)."""
    first = day.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = (first + timedelta(days=32)).replace(day=1)
    return Question(first - _DAY, following + _DAY, tile=tile)


def _down(degrees: float) -> float:
    return math.floor(degrees / STEP_DEG) * STEP_DEG


def _up(degrees: float) -> float:
    return math.ceil(degrees / STEP_DEG) * STEP_DEG
