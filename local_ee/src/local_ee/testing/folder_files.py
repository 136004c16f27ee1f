"""GeoTIFFs and notes for the suites of the folder catalog, written by rasterio alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from odc.geo.geobox import GeoBox

S2 = "COPERNICUS/S2_SR_HARMONIZED"
INDEX = "20190602T025551_20190602T030602_T50RKU"
JUNE_2 = 1559444151000  # 2019-06-02T02:55:51Z
GRID = GeoBox((40, 50), Affine(10, 0, 404400, 0, -10, 5342400), "EPSG:32633")
LATTICES = {
    "on 10 m": GRID,
    "off the lattice": GeoBox((40, 50), Affine(10, 0, 717729.8352053786, 0, -10, 5700093.330553154), "EPSG:32718"),
    "degrees": GeoBox((40, 50), Affine(8.983e-5, 0, 116.289, 0, -8.983e-5, 40.032), "EPSG:4326"),
    "south up": GeoBox((40, 50), Affine(10, 0, 404400, 0, 10, 5342000), "EPSG:32633"),
}


def numbers(dtype: str, grid: GeoBox = GRID, seed: int = 7) -> np.ndarray:
    random = np.random.default_rng(seed)
    if dtype.startswith("float"):
        return random.normal(size=grid.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, grid.shape, dtype=dtype, endpoint=True)


def tiff(path: Path, bands: list[np.ndarray], grid: GeoBox = GRID, names: tuple[str, ...] = (), **profile) -> Path:
    """A GeoTIFF by rasterio alone, so that the reader is not tested with its own writer."""
    path.parent.mkdir(parents=True, exist_ok=True)
    given_profile = {"crs": str(grid.crs), "transform": grid.affine, **profile}
    shape = {"height": bands[0].shape[0], "width": bands[0].shape[1], "count": len(bands), "dtype": bands[0].dtype.name}
    with rasterio.open(path, "w", driver="GTiff", **shape, **given_profile) as target:
        for band_number, band in enumerate(bands, start=1):
            target.write(band, band_number)
            if names:
                target.set_band_description(band_number, names[band_number - 1])
    return path


def note(path: Path, **document) -> None:
    path.with_suffix(".json").write_text(json.dumps(document))
