"""A plot of ground with known pixels, as a catalog folder: what every composite of it must be, numpy can tell.

176 x 160 pixels at wuhan's corner. Sentinel-1: three usable scenes of June 2019, one without VH, one of another mode;
Sentinel-2: three scenes with clouds, one of them unknown to Cloud Score+; WorldCover in both editions.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox
from scipy.ndimage import gaussian_filter

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Region

HEIGHT, WIDTH = 160, 176
LEFT, TOP = 212750.0, 3416360.0
REGION = Region("plot", 32650, (LEFT, TOP - 10 * HEIGHT, LEFT + 10 * WIDTH, TOP), (LEFT, TOP))
GRID: GeoBox = grid_of(REGION)
S1, S2 = "COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S2_SR_HARMONIZED"
CSP = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED"
CODES = np.array([10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100, 0, 44], np.uint8)  # the last two are no classes
BANDS = ("B2", "B3", "B4", "B8")


@dataclass(frozen=True)
class Plot:
    """power, angle_deg by Sentinel-1 scene; dn, clear_score, scl by Sentinel-2 scene; codes by WorldCover edition."""

    folder: Path
    power: dict[str, dict[str, np.ndarray]]
    angle_deg: dict[str, np.ndarray]
    dn: dict[str, dict[str, np.ndarray]]
    clear_score: dict[str, np.ndarray]
    scl: dict[str, np.ndarray]
    codes: dict[str, np.ndarray]


def write(folder: Path) -> Plot:
    """The plot's images in the folder, and their arrays."""
    rng = np.random.default_rng(7)
    power, angle = _radar(folder, rng)
    dn, score, scl = _optical(folder, rng)
    codes = {}
    for edition in ("v100", "v200"):
        codes[edition] = CODES[rng.integers(0, len(CODES), (HEIGHT, WIDTH))]
        write_image(folder, f"ESA/WorldCover/{edition}/{edition}_map", {"Map": codes[edition]}, GRID)
    return Plot(folder, power, angle, dn, score, scl, codes)


def _radar(folder: Path, rng: np.random.Generator):
    power, angles = {}, {}
    region_grid = {"VV": 0.12, "VH": 0.02}
    for day, mode, bands in (
        (3, "IW", "VV VH"),
        (9, "IW", "VV VH"),
        (15, "IW", "VV"),
        (21, "EW", "VV VH"),
        (27, "IW", "VV VH"),
    ):
        texture = np.exp(gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), 4) * 6)
        scene = {
            band: (region_grid[band] * texture * rng.gamma(5, 1 / 5, texture.shape)).astype(np.float32)
            for band in bands.split()
        }
        angle = np.broadcast_to(np.linspace(30.2 + day / 100, 45.6, WIDTH, dtype=np.float32), texture.shape).copy()
        index = f"S1A_{mode}_GRDH_1SDV_201906{day:02d}T100000_201906{day:02d}T100025_027480_0319C4_AAAA"
        properties = {
            "instrumentMode": mode,
            "transmitterReceiverPolarisation": bands.split(),
            "orbitProperties_pass": "ASCENDING" if day % 2 else "DESCENDING",
            "relativeOrbitNumber_start": day,
        }
        write_image(folder, f"{S1}/{index}", {**scene, "angle": angle}, GRID, properties=properties)
        power[index], angles[index] = scene, angle
    return power, angles


def _optical(folder: Path, rng: np.random.Generator):
    dn, scores, classes = {}, {}, {}
    for day in (2, 12, 22):
        index = f"201906{day:02d}T025551_201906{day:02d}T030602_T50RKU"
        scene = {band: rng.integers(200, 4000, (HEIGHT, WIDTH)).astype(np.uint16) for band in BANDS}
        scene["B11"] = rng.integers(200, 4000, (HEIGHT // 2, WIDTH // 2)).astype(np.uint16)
        scl = rng.choice([3, 4, 5, 8], (HEIGHT // 2, WIDTH // 2)).astype(np.uint8)
        write_image(folder, f"{S2}/{index}", {**scene, "SCL": scl}, GRID, properties={"MGRS_TILE": "50RKU"})
        dn[index], classes[index] = scene, scl
        if day != 22:
            score = np.clip(gaussian_filter(rng.random((HEIGHT, WIDTH)), 5) * 6 - 2.4, 0, 1).astype(np.float32)
            write_image(folder, f"{CSP}/{index}", {"cs_cdf": score}, GRID)
            scores[index] = score
    return dn, scores, classes
