"""Sentinel-1 of Digital Earth Africa (pixels of 20 m in degrees) through an export, beside NumPy on the same files."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from local_ee.testing.archive import Archive
from local_ee.testing.small_archive import AFRICA_GRID, add_african_radar, african_mask, power
from pyproj import Transformer

from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches

BBOX = (25.105, 13.146, 25.115, 13.154)
DAYS = [datetime(2024, 6, 3, 16, 20) + timedelta(days=12 * number) for number in range(2)]


@pytest.fixture(scope="module")
def data(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of June 2024; Planetary Computer has nothing there."""
    folder, archive = tmp_path_factory.mktemp("africa"), Archive()
    for index, day in enumerate(DAYS):
        add_african_radar(archive, day, index)
    with pytest.MonkeyPatch.context() as patch, archive, archive.standing_in():
        patch.setenv("ISAMAP_HOME", str(folder / "home"))
        where = {"bbox": BBOX, "month": "2024-06", "catalog": "open", "sensors": "s1", "label": "none"}
        export_patches(**where, speckle="none", size=32, stride=32, out=folder / "data", progress=False)
    return folder / "data"


@pytest.mark.parametrize("band", ["VV", "VH"])
def test_patches_are_numpys_mean_of_the_nearest_usable_pixels(band, data):
    dataset = Dataset.open(data)
    (grid,) = dataset.manifest.grids.values()
    row_of_band = [each.name for each in dataset.manifest.bands].index(band)
    to_degrees = Transformer.from_crs(grid.crs, 4326, always_xy=True)
    stored = np.stack([power(band, number) for number in range(2)]).astype(float)
    usable = np.stack([african_mask(index) == 1 for index in range(2)]) & (stored >= 0)
    mean = (1000 * np.ma.log10(np.ma.MaskedArray(stored, ~usable).mean(axis=0))).filled(-32768)
    assert dataset.patches
    for patch in dataset.patches:
        cols, rows = np.meshgrid(np.arange(32) + 0.5, np.arange(32) + 0.5)
        lon, lat = to_degrees.transform(*(grid.patch_geobox(patch.row, patch.col, 32).affine * (cols, rows)))
        col, row = (np.floor(each).astype(int) for each in ~AFRICA_GRID.affine * (lon, lat))
        assert np.abs(dataset.read_image(patch)[row_of_band] - mean[row, col]).max() <= 0.51


def test_the_manifest_says_whose_pixels_they_are_and_how_large(data):
    manifest = Dataset.open(data).manifest
    ((facts,),) = [list(periods.values()) for periods in manifest.scenes.values()]
    kept = facts["sentinel1"]["archives"]
    assert {(each["provider"], each["pixel_m"]) for each in kept.values()} == {("de-africa-rtc", 20)}
    assert "Digital Earth Africa" in facts["sentinel1"]["attribution"][0] and manifest.backscatter == "gamma0"
