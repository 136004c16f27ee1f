"""Four patches of Wuhan through the servers of Google, for whoever has an account: `pytest -m google`.

ISAMAP_GOOGLE_PROJECT names a Cloud project that is registered for Earth Engine; ISAMAP_GOOGLE_BUCKET, if given, a
bucket that Earth Engine can ingest from, and then a tiny map is published, read back and removed. The same tests run
against the local engine with `pytest -m long`, so that they are known to work.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

import gee_export
import inference
import training
from gee_export.datasets.dataset import Dataset
from gee_export.earth_engine.session import connect
from gee_export.requests.transport import grid_json
from tests.support.map_files import read_map

BBOX = (114.28, 30.55, 114.32, 30.58)  # Wuchang and the Yangtze: both classes, and water
SIZE = 64
PLAUSIBLE = {  # physical range that the median of a band over a city has
    **dict.fromkeys(("B2", "B3", "B4", "B8"), (0.005, 0.5)),
    "VV": (-22.0, 3.0),
    "VH": (-30.0, -4.0),
}


@dataclass(frozen=True)
class Place:
    """Where the tests run."""

    project: str
    bucket: str | None


@pytest.fixture(
    scope="module",
    params=[pytest.param("google", marks=pytest.mark.google), pytest.param("local", marks=pytest.mark.long)],
)
def place(request, engine_home):
    from gee_export.earth_engine.session import current

    before = current()
    project = "local" if request.param == "local" else os.environ.get("ISAMAP_GOOGLE_PROJECT")
    if not project:
        pytest.skip("ISAMAP_GOOGLE_PROJECT names no project: set it to one that is registered for Earth Engine")
    bucket = "isamap-maps" if request.param == "local" else os.environ.get("ISAMAP_GOOGLE_BUCKET")
    connect(project)
    yield Place(project, bucket)
    if before is not None:
        before.activate()


@pytest.fixture(scope="module")
def dataset(place, tmp_path_factory) -> Dataset:
    out = tmp_path_factory.mktemp("google") / "data"
    gee_export.export_patches(
        region="wuhan",
        month="2019-06",
        bbox=BBOX,
        size=SIZE,
        stride=SIZE,
        max_patches=4,
        out=out,
        split="random",
        project=place.project,
        progress=False,
    )
    return Dataset.open(out)


def test_four_whole_patches_arrive(dataset):
    dataset.verify()
    assert len(dataset) == 4
    assert {dataset.read_image(p).shape for p in dataset.patches} == {(len(PLAUSIBLE), SIZE, SIZE)}
    assert {dataset.read_label(p).shape for p in dataset.patches} == {(SIZE, SIZE)}


def test_only_the_local_engine_calls_its_pixels_simulated(dataset, place):
    assert dataset.manifest.simulated == (place.project == "local")


def test_the_scenes_are_named(dataset):
    (periods,) = dataset.manifest.scenes.values()
    (facts,) = periods.values()
    assert facts["sentinel2"] and facts["sentinel1"]


@pytest.mark.parametrize("band", PLAUSIBLE)
def test_values_are_plausible_in_physical_units(dataset, band):
    held = dataset.manifest.bands[dataset.manifest.band_names.index(band)]
    stored = np.stack([dataset.read_image(p)[dataset.manifest.band_names.index(band)] for p in dataset.patches])
    physical = stored[stored != -32768] * held.scale + held.offset
    low, high = PLAUSIBLE[band]
    assert low < np.median(physical) < high
    assert physical.std() > 0


def test_most_pixels_are_valid(dataset):
    shares = [patch.valid_share for patch in dataset.patches]
    assert min(shares) >= 0 and np.mean(shares) > 0.5


def test_labels_hold_both_classes_and_nothing_unheard_of(dataset):
    values = set(np.unique([dataset.read_label(p) for p in dataset.patches]))
    assert {0, 1} <= values <= {0, 1, 255}


def test_a_published_map_reads_back_as_it_was(dataset, place, tmp_path):
    if place.bucket is None:
        pytest.skip("ISAMAP_GOOGLE_BUCKET names no bucket: set it to one that you may write to")
    import ee

    written = _map(dataset, place, tmp_path)
    asset = f"projects/{place.project}/assets/isamap_test_{uuid4().hex[:12]}"
    inference.publish(written, asset=asset, project=place.project, bucket=place.bucket, progress=False)
    try:
        with rasterio.open(written) as source:
            bands, grid = read_map(written), grid_json(GeoBox(source.shape, source.transform, "EPSG:32650"))
        pixels = ee.data.computePixels(
            {"expression": ee.Image(asset).unmask(255), "fileFormat": "NUMPY_NDARRAY", "grid": grid}
        )
        np.testing.assert_array_equal(pixels["isa"], bands[0])
        np.testing.assert_array_equal(pixels["prob"], bands[1])
    finally:
        ee.data.deleteAsset(asset)


def _map(dataset: Dataset, place: Place, folder: Path) -> Path:
    """A map of a corner of the box by a network of one epoch: its pixels, not its worth, are what is tested."""
    gee_export.export_patches(
        region="wuhan",
        month="2019-06",
        bbox=(114.27, 30.54, 114.33, 30.59),
        size=SIZE,
        stride=SIZE,
        split="random",
        out=folder / "more",
        project=place.project,
        progress=False,
    )
    training.train(folder / "more", "crofusenet-tiny", folder / "run", settings={"epochs": "1", "batch": "4"})
    inference.map_region(
        folder / "run",
        region="wuhan",
        month="2019-06",
        bbox=(114.29, 30.555, 114.30, 30.565),
        out=folder / "map.tif",
        project=place.project,
        progress=False,
    )
    return folder / "map.tif"
