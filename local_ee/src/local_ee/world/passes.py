"""When satellites pass: days, times and orbit numbers of Sentinel-2 and Sentinel-1 (local_ee/docs/world.md, "Orbits"
and "Sentinel-2 sensor").
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

# Sentinel-2: R032 by S2A on this day; the next track west (number + 43 of 143) three days later; S2B five days later.
_S2_DAY, _S2_ORBIT = date(2020, 8, 7), 32
_S2_LON_DEG = 115.6  # longitude at 30.5 N of the middle of R032's swath, so that R032 and R075 share Wuhan
_S2_TRACK_DEG = 360 / 143
_S2B_SINCE = date(2017, 7, 1)
S2_L1C_SINCE, S2_L2A_SINCE = date(2015, 6, 27), date(2018, 12, 13)  # L2A is not stored for China before (catalog page)
# of Sentinel-2's scenes: start of the datatake, time of the tile, tile
SCENE_INDEX = re.compile(r"(?P<start>\d{8}T\d{6})_\d{8}T\d{6}_T(?P<tile>\d{2}[A-Z]{3})")
S2_L2A_OLDEST = date(2017, 3, 28)  # anywhere (catalog page)


@dataclass(frozen=True)
class OpticalPass:
    """A Sentinel-2 datatake: the moment, the spacecraft and its relative orbit."""

    moment: datetime
    spacecraft: str
    orbit: int


def optical_passes(lon_deg: float, first: date, last: date) -> Iterator[OpticalPass]:
    """Datatakes over a longitude on days from first to last, both included; two neighbouring tracks see each place."""
    track = (_S2_LON_DEG - lon_deg) / _S2_TRACK_DEG
    near = (int(track // 1), int(track // 1) + 1)
    day = max(first, S2_L1C_SINCE)
    while day <= last:
        for k in near:
            overpass = _optical_on(day, k)
            if overpass is not None:
                yield overpass
        day += timedelta(days=1)


def _optical_on(day: date, track: int) -> OpticalPass | None:
    phase = (day - _S2_DAY).days - 3 * track
    if phase % 5 != 0:
        return None
    spacecraft = "Sentinel-2A" if phase % 10 == 0 else "Sentinel-2B"
    if spacecraft == "Sentinel-2B" and day < _S2B_SINCE:
        return None
    orbit = _orbit_of(track)
    # R032 at 03:03:31 UTC; the sun-synchronous track to the west passes some four minutes later.
    minutes = 3.8 * track
    moment = datetime.combine(day, time(3, 3, 31), UTC) + timedelta(minutes=minutes)
    return OpticalPass(moment.replace(microsecond=0), spacecraft, orbit)


def degrees_east_of_track(lon_deg: float, orbit: int) -> float:
    """How far east of the middle of a relative orbit's swath a place lies, in degrees of longitude."""
    track = next(k for k in range(143) if _orbit_of(k) == orbit)
    east = (lon_deg - _S2_LON_DEG + track * _S2_TRACK_DEG) % 360
    return east - 360 if east > 180 else east


def _orbit_of(track: int) -> int:
    return (_S2_ORBIT + 43 * track - 1) % 143 + 1


def milliseconds(moment: datetime) -> int:
    """Milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def day_of(time_ms: int) -> date:
    """The UTC day of a number of milliseconds since 1970."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).date()
