"""Sentinel-1's passes over the world: beams, tracks, slices, their ids, outlines, angles and shifts."""

from __future__ import annotations

import math
import re
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
from local_ee.world.plane import to_utm

Distance = TypeVar("Distance", float, np.ndarray)
_INDEX = re.compile(r"S1A_IW_GRDH_1SDV_(?P<start>\d{8}T\d{6})_\d{8}T\d{6}_(?P<orbit>\d{6})_[0-9A-F]{6}_[0-9A-F]{4}")
_GLOBE_DEG = 200.0  # longitudes of near edges beside the globe: a swath over the date line is seen from both sides
SINCE = date(2014, 10, 3)  # the first day in Earth Engine (catalog page)
# Of the IW mode (ESA).
SWATH_KM, NEAR_DEG, FAR_DEG = 250.0, 29.1, 46.0
SLICE_DEG = 1.5  # of latitude: about 170 km along the track
OVERLAP_DEG = 0.002  # of a slice's outline with the next one's: more than a piece of its edge bends as a shortest path
_EDGE_PIECES = 6  # of the outline's southern and northern edge, which follow parallels
_ORBITS = 175
_TRACK_DEG = 360 / _ORBITS
# Ours: the heading at 30 N stands for all latitudes, so tracks are straight lines in degrees.
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


# Orbit 113 flew on 2015-04-11 and every 12 days since (local_ee/docs/world.md, "Orbits"). Its swath is put five
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
        return (self.beam.orbit + self.beam.step * self.track - 1) % _ORBITS + 1

    @property
    def moment(self) -> datetime:
        along = self.slice * 25 * (1 if self.beam.side > 0 else -1)
        return datetime.combine(self.day, self.beam.hour, UTC) + timedelta(seconds=along - 500 * self.beam.side)

    @property
    def absolute_orbit(self) -> int:
        """Sentinel-1A's count: relative = (absolute - 73) mod 175 + 1."""
        cycles = (self.day - date(2015, 4, 11)).days // 12
        return 72 + self.orbit + _ORBITS * (30 + cycles)

    @property
    def index(self) -> str:
        start, orbit = self.moment, self.absolute_orbit
        # ESA's names end with a data take and a check sum, which a hash stands for.
        tail = int(seed_of("product", start.isoformat()))
        return (
            f"S1A_IW_GRDH_1SDV_{start:%Y%m%dT%H%M%S}_{start + timedelta(seconds=25):%Y%m%dT%H%M%S}"
            f"_{orbit:06d}_{tail >> 40 & 0xFFFFFF:06X}_{tail & 0xFFFF:04X}"
        )

    def near_lon(self, lat_deg: float) -> float:
        """Longitude of the swath's near edge at a latitude."""
        return self.beam.near_lon_deg - self.track * self.beam.track_deg - _sway_deg(self.beam, lat_deg)

    def range_km(self, lon_deg: float, lat_deg: float) -> float:
        """Kilometres across the swath from its near edge."""
        east_deg = math.remainder(lon_deg - self.near_lon(lat_deg), 360)  # a zone at the date line counts on
        east = east_deg * _KM_PER_DEG * math.cos(math.radians(lat_deg))
        return east * self.beam.side * math.cos(math.radians(12.0))

    @property
    def latitudes(self) -> tuple[float, float]:
        return self.slice * SLICE_DEG, (self.slice + 1) * SLICE_DEG

    @property
    def outline(self) -> Polygon:
        """The slice's four corners in longitude and latitude: what its grid is cut from."""
        south, north = self.latitudes
        near = [(self.near_lon(lat), lat) for lat in (south, north)]
        far = [(self.far_lon(lat), lat) for lat in (north, south)]
        return Polygon([*near, *far])

    @property
    def footprint(self) -> Polygon:
        """The outline with points along its parallels, a little wider than the pixels: no place lies between slices."""
        south, north = self.latitudes
        shares = np.linspace(0, 1, _EDGE_PIECES + 1)
        edges = []
        for lat, rim in ((south, south - OVERLAP_DEG), (north, north + OVERLAP_DEG)):
            near, far = self.near_lon(lat), self.far_lon(lat)
            edges.append([(near + (far - near) * float(share), rim) for share in shares])
        return Polygon([*edges[0], *reversed(edges[1])])

    def far_lon(self, lat_deg: float) -> float:
        """Longitude of the swath's far edge at a latitude."""
        return self.near_lon(lat_deg) + self.beam.side * _width_deg(lat_deg)

    @property
    def epsg(self) -> int:
        """The UTM zone of the slice's middle, taken a little to the east: so Wuhan's passes lie in Wuhan's zone."""
        west, south, east, _ = self.outline.bounds
        zone = int((0.4 * west + 0.6 * east + 180) // 6) % 60 + 1
        return (32600 if south >= 0 else 32700) + zone

    @property
    def grid(self) -> GeoBox:
        """The slice's 10-m pixels."""
        west, south, east, north = self.outline.bounds
        corners = [to_utm(lon, lat, self.epsg) for lon in (west, (west + east) / 2, east) for lat in (south, north)]
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


def pass_of(index: str) -> Pass | None:
    """The slice of an index, anywhere on the globe, or None where no pass has it."""
    match = _INDEX.fullmatch(index)
    if match is None:
        return None
    try:
        start = datetime.strptime(match["start"], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    orbit = (int(match["orbit"]) - 73) % _ORBITS + 1
    taken = (p for beam in (ASCENDING, DESCENDING) for p in _at(beam, start, orbit))
    return next((p for p in taken if p.index == index), None)


def _at(beam: Beam, start: datetime, orbit: int) -> Iterator[Pass]:
    """A beam's slices that begin at a moment in a relative orbit, from the date line on around the globe."""
    round_trip = _ORBITS  # tracks
    first = (orbit - beam.orbit) * pow(beam.step, -1, _ORBITS) % _ORBITS
    for day in (start.date(), start.date() + timedelta(days=1), start.date() - timedelta(days=1)):
        slice_index = _slice_at(beam, day, start)
        if abs(slice_index * SLICE_DEG) > 90:
            continue
        # A relative orbit comes again after 175 tracks, once around the globe: near the date line either may be meant.
        for track in range(first - 2 * round_trip, first + 2 * round_trip + 1, round_trip):
            taken = Pass(beam, track, day, slice_index)
            on_globe = abs(taken.near_lon(slice_index * SLICE_DEG)) < _GLOBE_DEG
            if on_globe and _phase(beam, track, day) == 0 and day >= SINCE:
                yield taken


def _slice_at(beam: Beam, day: date, start: datetime) -> int:
    """The slice of a beam that begins at a moment of a pass of a day, as `Pass.moment` counts."""
    along_s = (start - datetime.combine(day, beam.hour, UTC)).total_seconds() + 500 * beam.side
    return round(along_s / 25) * beam.side


def _of_beam(beam: Beam, first: date, last: date, bounds_wsen: BoundsWSEN) -> Iterator[Pass]:
    for track in _tracks_over(beam, bounds_wsen):
        for ordinal in range(first.toordinal() + _phase(beam, track, first), last.toordinal() + 1, beam.cycle_days):
            if date.fromordinal(ordinal) < SINCE:
                continue
            for slice_index in _slices_over(bounds_wsen):
                taken = Pass(beam, track, date.fromordinal(ordinal), slice_index)
                if _touches(taken, bounds_wsen):
                    yield taken


def _phase(beam: Beam, track: int, day: date) -> int:
    """Days from a day to the next one on which a track is flown."""
    return (beam.day.toordinal() + beam.late_days * track - day.toordinal()) % beam.cycle_days


def _slices_over(bounds_wsen: BoundsWSEN) -> range:
    """The slices whose outlines reach into a box's latitudes."""
    _, south, _, north = bounds_wsen
    return range(math.ceil((south - OVERLAP_DEG) / SLICE_DEG) - 1, math.floor((north + OVERLAP_DEG) / SLICE_DEG) + 1)


def _tracks_over(beam: Beam, bounds_wsen: BoundsWSEN) -> range:
    """The tracks whose swaths can touch a box: a swath leans across the latitudes of the slices there."""
    west, _, east, _ = bounds_wsen
    slices = _slices_over(bounds_wsen)
    edges = (slices.start * SLICE_DEG, slices.stop * SLICE_DEG)
    sways = [_sway_deg(beam, lat) for lat in edges]
    width = max(_width_deg(lat) for lat in edges)
    westmost = (beam.near_lon_deg - max(sways) - width - east) / beam.track_deg
    eastmost = (beam.near_lon_deg - min(sways) + width - west) / beam.track_deg
    return range(math.floor(westmost), math.ceil(eastmost) + 1)


def _sway_deg(beam: Beam, lat_deg: float) -> float:
    """How far west of its place at 30.5 N a track lies at a latitude, degrees of longitude."""
    return _TILT * (lat_deg - 30.5) / math.cos(math.radians(30.5)) * beam.side


def _width_deg(lat_deg: float) -> float:
    """A swath's width at a latitude, degrees of longitude."""
    return SWATH_KM / (_KM_PER_DEG * math.cos(math.radians(lat_deg)) * math.cos(math.radians(12.0)))


def _touches(taken: Pass, bounds_wsen: BoundsWSEN) -> bool:
    return taken.footprint.intersects(box(*bounds_wsen))
