"""A catalog of scenes computed from pixel numbers, so that any window of any scene is known without files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import AssetInfo, SourceBand, SourceImage

DAY_MS = 86_400_000
JUNE_MS = 1_559_347_200_000  # 2019-06-01


def window_of(grid: GeoBox, geobox: GeoBox) -> tuple[int, int, int, int]:
    """Row, column, height and width of a window on a grid's lattice; fails where it is not on it."""
    assert geobox.crs == grid.crs
    assert (geobox.affine.a, geobox.affine.e) == (grid.affine.a, grid.affine.e)
    col = (geobox.affine.c - grid.affine.c) / grid.affine.a
    row = (geobox.affine.f - grid.affine.f) / grid.affine.e
    assert abs(row - round(row)) < 1e-6 and abs(col - round(col)) < 1e-6
    return round(row), round(col), *geobox.shape


def hashed(rows: np.ndarray, cols: np.ndarray, seed: int) -> np.ndarray:
    """uint32 that looks random but depends on row, column and seed only."""
    mixed = rows.astype(np.uint32)[:, None] * np.uint32(2654435761) ^ cols.astype(np.uint32)[None, :] * np.uint32(40503)
    mixed = (mixed ^ np.uint32(seed * 7919 + 1)) * np.uint32(2246822519)
    return mixed ^ (mixed >> np.uint32(15))


@dataclass(frozen=True)
class Scene:
    """A scene of random pixels; `hidden` of 16 are masked. Bands: name to (numpy type, step in metres)."""

    id: str
    grid: GeoBox  # of 10 m
    bands: Mapping[str, tuple[str, int]]
    properties: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    hidden: int = 0
    reads: list = field(default_factory=list)

    def grid_of(self, step_m: int) -> GeoBox:
        factor = step_m / abs(self.grid.affine.a)
        height, width = (round(side / factor) for side in self.grid.shape)
        return GeoBox((height, width), self.grid.affine * Affine.scale(factor), self.grid.crs)

    def source(self) -> SourceImage:
        bands = tuple(SourceBand(name, dtype, self.grid_of(step)) for name, (dtype, step) in self.bands.items())
        index = self.id.rsplit("/", 1)[-1]
        west, south, east, north = self.grid.geographic_extent.boundingbox
        return SourceImage(
            self.id, bands, {"system:index": index, **self.properties}, box(west, south, east, north), self.read
        )

    def read(self, names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        self.reads.append((names, tuple(geobox.shape)))
        grid = self.grid_of(self.bands[names[0]][1])
        row, col, height, width = window_of(grid, geobox)
        rows, cols = np.arange(row, row + height), np.arange(col, col + width)
        inside = ((rows >= 0) & (rows < grid.shape[0]))[:, None] & ((cols >= 0) & (cols < grid.shape[1]))[None, :]
        values, masks = [], []
        for name in names:
            noise = hashed(rows, cols, self.seed + sum(name.encode()))
            dtype = np.dtype(self.bands[name][0])
            if name == "angle":
                values.append(np.broadcast_to(30 + (cols % 2_000) / 125, noise.shape).astype(dtype))
            elif dtype.kind == "f":
                values.append((noise % 10_000 / np.float32(10_000)).astype(dtype))
            else:
                values.append((noise % 3_000).astype(dtype))
            masks.append(inside & (noise >> 20 & 15 >= self.hidden))
        return np.stack(values), np.stack(masks)


@dataclass(frozen=True)
class Scenes:
    """A catalog of scenes; collections are the ids' folders."""

    scenes: tuple[Scene, ...]

    def describe(self, asset_id: str) -> AssetInfo | None:
        if any(scene.id == asset_id for scene in self.scenes):
            return AssetInfo(asset_id, "IMAGE", {})
        if any(scene.id.startswith(asset_id + "/") for scene in self.scenes):
            return AssetInfo(asset_id, "IMAGE_COLLECTION", {"title": asset_id})
        return None

    def image(self, image_id: str) -> SourceImage | None:
        return next((scene.source() for scene in self.scenes if scene.id == image_id), None)

    def images(self, collection_id, start_ms, end_ms, bounds_wsen):
        scenes = [scene for scene in self.scenes if scene.id.rsplit("/", 1)[0] == collection_id]
        if start_ms is not None:
            scenes = [scene for scene in scenes if start_ms <= scene.properties.get("system:time_start", start_ms)]
        if end_ms is not None:
            scenes = [scene for scene in scenes if scene.properties.get("system:time_start", end_ms - 1) < end_ms]
        sources = [scene.source() for scene in scenes]
        return [each for each in sources if bounds_wsen is None or each.footprint.intersects(box(*bounds_wsen))]


def utm(height: int, width: int, *, left: float = 300_000, top: float = 3_400_000, epsg: int = 32650, step: float = 10):
    """A grid of UTM pixels."""
    return GeoBox((height, width), Affine(step, 0, left, 0, -step, top), f"EPSG:{epsg}")


def month(dates: int, grid: GeoBox) -> Scenes:
    """Sentinel-2 scenes with cloud scores, Sentinel-1 scenes and a class map over a grid."""
    optical = {
        "B2": ("uint16", 10),
        "B3": ("uint16", 10),
        "B4": ("uint16", 10),
        "B8": ("uint16", 10),
        "B11": ("uint16", 20),
    }
    scenes = []
    for i in range(dates):
        when = {"system:time_start": JUNE_MS + 2 * i * DAY_MS, "CLOUDY_PIXEL_PERCENTAGE": 10.0 * i}
        index = f"201906{2 * i + 1:02d}T030719_T50RKU"
        scenes.append(Scene(f"COPERNICUS/S2_SR_HARMONIZED/{index}", grid, optical, when, seed=i))
        score = {"cs": ("float32", 10), "cs_cdf": ("float32", 10)}
        scenes.append(Scene(f"GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED/{index}", grid, score, when, seed=100 + i))
    radar = {"VV": ("float32", 10), "VH": ("float32", 10), "angle": ("float32", 10)}
    for i in range(3):
        properties = {
            "system:time_start": JUNE_MS + 9 * i * DAY_MS,
            "instrumentMode": "IW",
            "transmitterReceiverPolarisation": ["VV", "VH"],
            "orbitProperties_pass": "ASCENDING",
        }
        scenes.append(Scene(f"COPERNICUS/S1_GRD_FLOAT/S1A_{i}", grid, radar, properties, seed=200 + i, hidden=1))
    scenes.append(Scene("ESA/WorldCover/v100/2020", grid, {"Map": ("uint8", 10)}, {"system:time_start": JUNE_MS}))
    return Scenes(tuple(scenes))
