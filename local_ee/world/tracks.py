"""Sentinel-1's passes over the world: beams, tracks, slices, their ids, outlines, angles and shifts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TypeVar

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import Polygon, box

from local_ee.catalog import BoundsWSEN
from local_ee.world.noise import draw_normal, seed_of
from local_ee.world.passes import milliseconds
from local_ee.world.plane import utm_of

Distance = TypeVar("Distance", float, np.ndarray)
SINCE = date(2014, 10, 3)  # the first day in Earth Engine (catalog page)
SWATH_KM, NEAR_DEG, FAR_DEG = 250.0, 29.1, 46.0
SLICE_DEG = 1.5  # of latitude: about 170 km along the track
_TRACK_DEG = 360 / 175
_TILT = math.tan(math.radians(12.0))  # heading -12 degrees ascending, -168 descending
_KM_PER_DEG = 111.32


@dataclass(frozen=True)
class Beam:
    """A family of tracks: a reference orbit, where its near edge crosses 30.5 N, a day it flew, and its hour."""

    direction: str
    orbit: int
    near_lon_deg: float
    day: date
    hour: time
    cycle_days: int
    side: int  # +1 where the radar looks east, -1 west
    heading_deg: int  # of the track, folded to 0 to 89
    track_deg: float  # between neighbouring tracks that are flown
    step: int  # relative orbits from a track to its neighbour in the west
    late_days: int  # and the days it flies later


# Orbit 113 flew on 2015-04-11 and every 12 days since (docs/reference/world.md, "Orbits"). Its swath is put five
# degrees of incidence nearer than computed there (+-3), so that region wuhan lies inside it and orbit 40's swath
# begins just east of the region.
ASCENDING = Beam("ASCENDING", 113, 112.72, date(2015, 4, 11), time(10, 24, 9), 12, 1, 78, _TRACK_DEG, 73, 5)
# Orbit 47 is flown as an option, every second cycle.
DESCENDING = Beam("DESCENDING", 47, 115.20, date(2015, 4, 7), time(22, 35, 12), 24, -1, 12, _TRACK_DEG, 73, 5)


@dataclass(frozen=True)
class Pass:
    """One slice of one pass: its beam, track (counted west from the reference orbit), day and slice of latitude."""

    beam: Beam
    track: int
    day: date
    slice: int

    @property
    def orbit(self) -> int:
        """Relative orbit, 1 to 175."""
        return (self.beam.orbit + self.beam.step * self.track - 1) % 175 + 1

    @property
    def moment(self) -> datetime:
        along = self.slice * 25 * (1 if self.beam.side > 0 else -1)
        return datetime.combine(self.day, self.beam.hour, UTC) + timedelta(seconds=along - 500 * self.beam.side)

    @property
    def absolute_orbit(self) -> int:
        """Sentinel-1A's count: relative = (absolute - 73) mod 175 + 1."""
        cycles = (self.day - date(2015, 4, 11)).days // 12
        return 72 + self.orbit + 175 * (30 + cycles)

    @property
    def index(self) -> str:
        start, orbit = self.moment, self.absolute_orbit
        tail = int(seed_of("product", start.isoformat()))
        return (
            f"S1A_IW_GRDH_1SDV_{start:%Y%m%dT%H%M%S}_{start + timedelta(seconds=25):%Y%m%dT%H%M%S}"
            f"_{orbit:06d}_{tail >> 40 & 0xFFFFFF:06X}_{tail & 0xFFFF:04X}"
        )

    def near_lon(self, lat_deg: float) -> float:
        """Longitude of the swath's near edge at a latitude."""
        sway = _TILT * (lat_deg - 30.5) / math.cos(math.radians(30.5)) * self.beam.side
        return self.beam.near_lon_deg - self.track * self.beam.track_deg - sway

    def range_km(self, lon_deg: float, lat_deg: float) -> float:
        """Kilometres across the swath from its near edge."""
        east = (lon_deg - self.near_lon(lat_deg)) * _KM_PER_DEG * math.cos(math.radians(lat_deg))
        return east * self.beam.side * math.cos(math.radians(12.0))

    @property
    def latitudes(self) -> tuple[float, float]:
        return self.slice * SLICE_DEG, (self.slice + 1) * SLICE_DEG

    @property
    def footprint(self) -> Polygon:
        """The slice's outline in longitude and latitude."""
        south, north = self.latitudes
        near = [(self.near_lon(lat), lat) for lat in (south, north)]
        far = [(self.far_lon(lat), lat) for lat in (north, south)]
        return Polygon([*near, *far])

    def far_lon(self, lat_deg: float) -> float:
        """Longitude of the swath's far edge at a latitude."""
        width = SWATH_KM / (_KM_PER_DEG * math.cos(math.radians(lat_deg)) * math.cos(math.radians(12.0)))
        return self.near_lon(lat_deg) + self.beam.side * width

    @property
    def epsg(self) -> int:
        """The UTM zone of the slice's middle, taken a little to the east: so Wuhan's passes lie in Wuhan's zone."""
        west, south, east, _ = self.footprint.bounds
        zone = int((0.4 * west + 0.6 * east + 180) // 6) + 1
        return (32600 if south >= 0 else 32700) + zone

    @property
    def grid(self) -> GeoBox:
        """The slice's 10-m pixels."""
        west, south, east, north = self.footprint.bounds
        corners = [utm_of(lon, lat, self.epsg) for lon in (west, (west + east) / 2, east) for lat in (south, north)]
        left, right = min(c[0] for c in corners), max(c[0] for c in corners)
        low, high = min(c[1] for c in corners), max(c[1] for c in corners)
        left, high = math.floor(left / 1000) * 1000, math.ceil(high / 1000) * 1000
        shape = (math.ceil((high - low) / 1000) * 100, math.ceil((right - left) / 1000) * 100)
        return GeoBox(shape, Affine(10, 0, left, 0, -10, high), f"EPSG:{self.epsg}")

    def shift_px(self) -> tuple[float, float]:
        """How far this pass lies east and south of Sentinel-2, pixels: steady by orbit, a little by date."""
        orbit, day = seed_of("s1 shift", self.orbit), seed_of("s1 date", self.orbit, self.day.isoformat())
        east = min(max(1.0 + 0.8 * draw_normal(orbit, 1), -1.0), 3.0) + 0.1 * draw_normal(day, 1)
        return east, min(max(0.7 * draw_normal(orbit, 2), -2.0), 2.0) + 0.1 * draw_normal(day, 2)

    def properties(self) -> dict:
        """Earth Engine's properties of a scene, and simulated = 1."""
        start = milliseconds(self.moment)
        return {
            "system:index": self.index,
            "system:time_start": start,
            "system:time_end": start + 25_000,
            "instrumentMode": "IW",
            "transmitterReceiverPolarisation": ["VV", "VH"],
            "orbitProperties_pass": self.beam.direction,
            "relativeOrbitNumber_start": self.orbit,
            "relativeOrbitNumber_stop": self.orbit,
            "orbitNumber_start": self.absolute_orbit,
            "resolution_meters": 10,
            "resolution": "H",
            "platform_number": "A",
            "productType": "GRD",
            "simulated": 1,
        }


def angle_deg(range_km: Distance) -> Distance:
    """Incidence angle at a place across the swath."""
    share = range_km / SWATH_KM
    return NEAR_DEG + (FAR_DEG - NEAR_DEG) * share * (1.12 - 0.12 * share)


def passes(first: date, last: date, bounds_wsen: BoundsWSEN) -> Iterator[Pass]:
    """Slices over a box on days from first to last, in order of time, then index."""
    slices = [p for beam in (ASCENDING, DESCENDING) for p in _of_beam(beam, first, last, bounds_wsen)]
    return iter(sorted(slices, key=lambda p: (p.moment, p.index)))


def _of_beam(beam: Beam, first: date, last: date, bounds_wsen: BoundsWSEN) -> Iterator[Pass]:
    west, south, east, north = bounds_wsen
    middle = (beam.near_lon_deg - (west + east) / 2) / beam.track_deg
    reach = 3 + math.ceil((east - west) / beam.track_deg)
    for track in range(math.floor(middle) - reach, math.ceil(middle) + reach + 1):
        phase = (beam.day.toordinal() + beam.late_days * track - first.toordinal()) % beam.cycle_days
        for ordinal in range(first.toordinal() + phase, last.toordinal() + 1, beam.cycle_days):
            if date.fromordinal(ordinal) < SINCE:
                continue
            for slice_index in range(math.floor(south / SLICE_DEG), math.floor(north / SLICE_DEG) + 1):
                taken = Pass(beam, track, date.fromordinal(ordinal), slice_index)
                if _touches(taken, bounds_wsen):
                    yield taken


def _touches(taken: Pass, bounds_wsen: BoundsWSEN) -> bool:
    return taken.footprint.intersects(box(*bounds_wsen))
