"""Questions to archives, widened so that neighbours ask the same one: its answer is on disk then."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from local_ee.catalog import BoundsWSEN
from local_ee.open.stac import Question

STEP_DEG = 0.5  # boxes are widened to multiples of it; a tile of Sentinel-2 has about one degree
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)


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
