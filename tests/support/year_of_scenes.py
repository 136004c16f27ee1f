"""A year of known pixels as a catalog folder: 24 scenes of Sentinel-2 with clouds, 12 of Sentinel-1 on both passes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Region

SIDE = 24
LEFT, TOP = 700_200.0, 3_400_200.0
REGION = Region("year", 32650, (LEFT, TOP - 10 * SIDE, LEFT + 10 * SIDE, TOP), (LEFT, TOP))
GRID: GeoBox = grid_of(REGION)
S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
BANDS = ("B3", "B4", "B8", "B11")
EMPTY, FEW = (slice(0, 3), slice(0, 24)), (slice(3, 6), slice(0, 24))  # never clear, clear twice
MONTHS = {"DJF": (12, 1, 2), "MAM": (3, 4, 5), "JJA": (6, 7, 8), "SON": (9, 10, 11)}


@dataclass
class YearOfScenes:
    """Numbers of Sentinel-2 by band, NaN where hidden, and power of Sentinel-1, [date, row, column]; their moments."""

    folder: Path
    days: list[datetime] = field(default_factory=list)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    radar_days: list[datetime] = field(default_factory=list)
    passes: list[str] = field(default_factory=list)
    power: dict[str, np.ndarray] = field(default_factory=dict)

    def index(self) -> np.ndarray:
        red, near = self.numbers["B4"], self.numbers["B8"]
        return 1e4 * (near - red) / (near + red)

    def decibels(self, band: str) -> np.ndarray:
        return 1000 * np.log10(self.power[band])

    def months(self, radar: bool = False) -> np.ndarray:
        return np.array([day.month for day in (self.radar_days if radar else self.days)])


def write(folder: Path) -> YearOfScenes:
    """The scenes and a label in the folder, and the scenes' arrays."""
    rng = np.random.default_rng(5)
    written = YearOfScenes(folder)
    _optical(written, rng)
    _radar(written, rng)
    codes = np.where(np.arange(SIDE) % 8 < 4, 50, 30).astype(np.uint8)  # WorldCover's built-up and grassland
    write_image(folder, "ESA/WorldCover/v100/v100_map", {"Map": np.broadcast_to(codes, (SIDE, SIDE)).copy()}, GRID)
    return written


def _optical(year: YearOfScenes, rng: np.random.Generator) -> None:
    stacks: dict[str, list[np.ndarray]] = {name: [] for name in BANDS}
    for index, (month, day) in enumerate((month, day) for month in range(1, 13) for day in (4, 19)):
        stamp = f"2020{month:02d}{day:02d}T025551"
        scl = rng.choice([4, 5, 9], (SIDE, SIDE), p=[0.4, 0.3, 0.3]).astype(np.uint8)
        scl[EMPTY] = 9
        scl[FEW] = 4 if index in (7, 20) else 9
        bands = {name: rng.integers(200, 4000, (SIDE, SIDE)).astype(np.uint16) for name in BANDS}
        bands["B8"] = (bands["B8"] + 900 + 600 * np.cos(2 * np.pi * index / 24)).astype(np.uint16)
        time_ms = datetime(2020, month, day, 2, 55, 51, tzinfo=UTC)
        properties = {"MGRS_TILE": "50RQU"}
        write_image(year.folder, f"{S2}/{stamp}_{stamp}_T50RQU", bands | {"SCL": scl}, GRID, properties=properties)
        year.days.append(time_ms)
        for name in BANDS:
            stacks[name].append(np.where(scl == 9, np.nan, bands[name]))
    year.numbers = {name: np.stack(stack) for name, stack in stacks.items()}


def _radar(year: YearOfScenes, rng: np.random.Generator) -> None:
    stacks: dict[str, list[np.ndarray]] = {"VV": [], "VH": []}
    for number, month in enumerate(range(1, 13)):
        way = ("ASCENDING", "DESCENDING")[number % 2]
        index = f"S1A_IW_GRDH_1SDV_2020{month:02d}09T100000_2020{month:02d}09T100025_0274{month:02d}_0319C4_AAAA"
        bands = {name: (rng.gamma(5, 0.02, (SIDE, SIDE)) + 1e-4).astype(np.float32) for name in stacks}
        properties = {
            "instrumentMode": "IW",
            "transmitterReceiverPolarisation": ["VV", "VH"],
            "orbitProperties_pass": way,
            "relativeOrbitNumber_start": 40 + number % 2,
        }
        angle = {"angle": np.full((SIDE, SIDE), 38, np.float32)}
        write_image(year.folder, f"{S1}/{index}", bands | angle, GRID, properties=properties)
        year.radar_days.append(datetime(2020, month, 9, 10, tzinfo=UTC))
        year.passes.append(way)
        for name in stacks:
            stacks[name].append(bands[name].astype(float))
    year.power = {name: np.stack(stack) for name, stack in stacks.items()}
