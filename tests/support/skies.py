"""Clouds of known shape over known ground, as a catalog folder: 240 x 240 pixels of 10 m.

June 2019: four scenes, the last unknown to both cloud products. Clouds are blocks of 400 m, so that every pyramid of
them is known; the ground is dark in blocks of 200 m and water in others, and B8 is constant on 20-m pixels. June
2018: L1C has three acquisitions, L2A one of them.
December 2019 to February 2020: one scene a month.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from local_ee.catalog.folder import write_image
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import grid_of
from isamap.gee_export.base.regions import Region

SIDE = 240
LEFT, TOP = 700_200.0, 3_400_200.0
REGION = Region("skies", 32650, (LEFT, TOP - 10 * SIDE, LEFT + 10 * SIDE, TOP), (LEFT, TOP))
GRID: GeoBox = grid_of(REGION)
L2A, L1C = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S2_HARMONIZED"
CSP, PROBABILITY = "GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED", "COPERNICUS/S2_CLOUD_PROBABILITY"
AZIMUTH_DEG = 135.0  # in the south-east: shadows fall towards the upper left, exactly along a diagonal


@dataclass(frozen=True)
class Skies:
    """Bands by scene and name: those of the scene, `cs_cdf` and `probability`; L1C scenes begin with "L1C "."""

    folder: Path
    scenes: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def of(self, month: str) -> list[str]:
        """The L2A scenes of YYYYMM."""
        return sorted(index for index in self.scenes if index.startswith(month))


def index_of(day: str) -> str:
    return f"{day}T025551_{day}T030602_T50RQU"


def coarse(values: np.ndarray, factor: int) -> np.ndarray:
    """Each pixel as factor x factor ones."""
    return np.kron(values, np.ones((factor, factor), values.dtype))


def write(folder: Path) -> Skies:
    """The scenes in the folder, and their arrays."""
    rng = np.random.default_rng(11)
    skies = Skies(folder)
    for day in ("20190604", "20190614", "20190619", "20190629", "20191220", "20200105", "20200219"):
        _write(skies, rng, day, L2A)
        if day != "20190629":
            _write_products(skies, rng, day)
    for day in ("20180604", "20180614", "20180624"):
        _write(skies, rng, day, L1C)
        _write_products(skies, rng, day)
    _write(skies, rng, "20180614", L2A)
    for day in ("20180610", "20190610"):
        _write_radar(folder, day)
    return skies


def _write(skies: Skies, rng: np.random.Generator, day: str, collection: str) -> None:
    half, sixth = SIDE // 2, SIDE // 6
    bands = {name: rng.integers(300, 4000, (SIDE, SIDE)).astype(np.uint16) for name in ("B2", "B3", "B4")}
    region_grid = coarse(rng.choice([500, 2600], (SIDE // 20, SIDE // 20)).astype(np.uint16), 10)
    bands["B8"] = coarse(region_grid + rng.integers(0, 900, (half, half)).astype(np.uint16), 2)
    bands["B11"] = rng.integers(300, 4000, (half, half)).astype(np.uint16)
    bands["B1"] = rng.integers(300, 4000, (sixth, sixth)).astype(np.uint16)
    bands["QA60"] = rng.choice([0, 0, 0, 1024, 2048, 3072, 1], (sixth, sixth)).astype(np.uint16)
    if collection == L2A:
        water = coarse(rng.random((SIDE // 20, SIDE // 20)) < 0.3, 10)
        bands["MSK_CLDPRB"] = _sen2cor(day)
        bands["SCL"] = np.where(water, 6, rng.choice([3, 4, 4, 5, 8, 10], (half, half))).astype(np.uint8)
    level = "L2A" if collection == L2A else "L1C"
    properties = {
        "MGRS_TILE": "50RQU",
        "MEAN_SOLAR_AZIMUTH_ANGLE": AZIMUTH_DEG,
        "PRODUCT_ID": f"S2A_MSI{level}_{day}T025551_N0207_R032_T50RQU_{day}T063512",
    }
    index = index_of(day)
    write_image(skies.folder, f"{collection}/{index}", bands, GRID, properties=properties)
    skies.scenes[index if level == "L2A" else f"L1C {index}"] = bands


def _sen2cor(day: str) -> np.ndarray:
    """Percents of cloud probability on 20-m pixels, in blocks of 400 m."""
    blocks = np.random.default_rng(int(day)).choice(
        [0, 5, 50, 51, 95], (SIDE // 40, SIDE // 40), p=[0.4, 0.2, 0.1, 0.1, 0.2]
    )
    return coarse(blocks.astype(np.uint8), 20)


def _write_radar(folder: Path, day: str) -> None:
    """Steady ground, so that composites of both sensors can be made."""
    index = f"S1A_IW_GRDH_1SDV_{day}T100000_{day}T100025_027480_0319C4_AAAA"
    bands = {name: np.full((SIDE, SIDE), power, np.float32) for name, power in (("VV", 0.1), ("VH", 0.02))}
    properties = {
        "instrumentMode": "IW",
        "transmitterReceiverPolarisation": list(bands),
        "orbitProperties_pass": "ASCENDING",
        "relativeOrbitNumber_start": 40,
    }
    angle = {"angle": np.full((SIDE, SIDE), 38, np.float32)}
    write_image(folder, f"COPERNICUS/S1_GRD_FLOAT/{index}", bands | angle, GRID, properties=properties)


def _write_products(skies: Skies, rng: np.random.Generator, day: str) -> None:
    index = index_of(day)
    blocks = rng.choice([0, 10, 40, 60, 90], (SIDE // 40, SIDE // 40), p=[0.35, 0.3, 0.1, 0.1, 0.15])
    probability = coarse(blocks.astype(np.uint8), 40)
    score = np.round(rng.random((SIDE, SIDE)) * 250) / 250
    write_image(skies.folder, f"{PROBABILITY}/{index}", {"probability": probability}, GRID)
    write_image(skies.folder, f"{CSP}/{index}", {"cs_cdf": score.astype(np.float32)}, GRID)
    bands = skies.scenes.get(f"L1C {index}") or skies.scenes[index]
    bands |= {"probability": probability, "cs_cdf": score.astype(np.float32)}
