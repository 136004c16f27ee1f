"""A hillside seen from two tracks, as a catalog folder: eight Sentinel-1 scenes around the day of the clean borders.

Orbit 113 looks east (its angle grows eastwards), orbit 47 west. Scenes before 2018-01-12 have a dark western edge, as
scenes had before Earth Engine cleaned them. The third scene of orbit 113 has no VH.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Region
from isamap.gee_export.sentinel.sentinel1 import COLLECTION
from isamap.gee_export.sentinel.terrain import GLO30

HEIGHT, WIDTH = 260, 240
LEFT, TOP = 300_000.0, 3_400_000.0
REGION = Region("tracks", 32650, (LEFT, TOP - 10 * HEIGHT, LEFT + 10 * WIDTH, TOP), (LEFT, TOP))
GRID: GeoBox = grid_of(REGION)
EDGE_PX = 12
CLEAN = datetime(2018, 1, 12, tzinfo=UTC)
DAYS = {
    113: ("2017-12-20", "2018-01-01", "2018-01-07", "2018-01-13", "2018-01-25", "2018-02-06"),
    47: ("2018-01-10", "2018-01-22"),
}
WITHOUT_VH = "2018-01-07"


@dataclass(frozen=True)
class Seen:
    """One scene: its day, orbit, power by band, angle."""

    day: str
    orbit: int
    power: dict[str, np.ndarray]
    angle_deg: np.ndarray

    @property
    def index(self) -> str:
        return f"S1A_IW_{self.day.replace('-', '')}_{self.orbit:03d}"

    @property
    def begun(self) -> datetime:
        return datetime.fromisoformat(f"{self.day}T10:00:00+00:00")


@dataclass(frozen=True)
class Tracks:
    """Scenes in order, heights in m."""

    folder: Path
    scenes: tuple[Seen, ...]
    height_m: np.ndarray

    def of(self, orbit: int) -> list[Seen]:
        return [scene for scene in self.scenes if scene.orbit == orbit and len(scene.power) == 2]


def write(folder: Path) -> Tracks:
    """The scenes and the elevation model in the folder, and their arrays."""
    rng = np.random.default_rng(5)
    height = _hills(rng)
    write_image(folder, f"{GLO30}/tile", {"DEM": height}, GRID, properties={"system:time_start": 0})
    region_grid = np.exp(gaussian_filter(rng.normal(size=height.shape), 4) * 6)
    scenes = tuple(_scene(rng, day, orbit, region_grid) for orbit, days in DAYS.items() for day in days)
    for scene in scenes:
        write_image(
            folder,
            f"{COLLECTION}/{scene.index}",
            {**scene.power, "angle": scene.angle_deg},
            GRID,
            properties=_about(scene),
        )
    return Tracks(folder, scenes, height)


def _hills(rng: np.random.Generator) -> np.ndarray:
    """Smooth hills, a plain in the south, and a ridge too steep to be seen from either side."""
    height = gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), 12) * 1500
    height[200:] = 0
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    ridge = np.clip(200 - 20 * np.abs(cols - 160), 0, None) * (np.abs(rows - 100) < 30)
    return (height + ridge).astype(np.float32)


def _scene(rng: np.random.Generator, day: str, orbit: int, region_grid: np.ndarray) -> Seen:
    names = ("VV",) if day == WITHOUT_VH else ("VV", "VH")
    power = {
        name: region_grid * level * rng.gamma(5, 1 / 5, region_grid.shape)
        for name, level in (("VV", 0.1), ("VH", 0.02))
    }
    if datetime.fromisoformat(f"{day}T00:00:00+00:00") < CLEAN:
        for band in power.values():
            band[:, :EDGE_PX] *= 1e-4
    across = np.linspace(31.5, 44, WIDTH) if orbit == 113 else np.linspace(46, 33, WIDTH)
    angle = np.broadcast_to(across, region_grid.shape).astype(np.float32)
    return Seen(day, orbit, {name: power[name].astype(np.float32) for name in names}, angle.copy())


def _about(scene: Seen) -> dict:
    return {
        "system:time_start": int(scene.begun.timestamp() * 1000),
        "instrumentMode": "IW",
        "transmitterReceiverPolarisation": list(scene.power),
        "orbitProperties_pass": "ASCENDING" if scene.orbit == 113 else "DESCENDING",
        "relativeOrbitNumber_start": scene.orbit,
    }
