"""What users of such tools asked for (docs/reference/wishes.md), held against whole exports of the plot, row by row.

Rows that have their own suites are not repeated here; tests/test_user_wishes.py holds the list.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from local_ee.catalogs import open_catalog
from local_ee.faults import Faults
from local_ee.limits import Limits
from pyproj import Transformer

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine.session import Session
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import client
from isamap.gee_export.sentinel.composite import Settings
from local_ee import LocalEngine
from tests.support import killed
from tests.support import plot as plots

pytestmark = pytest.mark.usefixtures("reconnected", "small_requests")


@pytest.fixture(scope="module")
def whole(plot, plot_session, tmp_path_factory) -> Dataset:
    out = tmp_path_factory.mktemp("wishes") / "data"
    plot_session.activate()
    export_patches(**killed.ASKED, out=out, session=plot_session)
    return Dataset.open(out)


def folder(dataset: Dataset) -> Path:
    return Path(dataset.storage.url)


def star(points: int) -> dict:
    """A GeoJSON outline of so many corners around the middle of the plot."""
    left, bottom, right, top = plots.REGION.bounds_m
    turn = np.linspace(0, 2 * np.pi, points, endpoint=False)
    reach = np.where(np.arange(points) % 2, 0.49, 0.46)
    x, y = (
        (left + right) / 2 + reach * (right - left) * np.cos(turn),
        (bottom + top) / 2 + reach * (top - bottom) * np.sin(turn),
    )
    to_degrees = Transformer.from_crs(32650, 4326, always_xy=True)
    return shapely.geometry.mapping(shapely.Polygon(np.column_stack(to_degrees.transform(x, y))))


@pytest.mark.long
def test_failures_keep_the_servers_words_and_are_logged(plot, tmp_path, monkeypatch):
    """docs/reference/wishes.md, "Wish 2": "an error occurred" is no answer; the words, what failed, and a log."""
    monkeypatch.setattr(client, "Patience", lambda attempts: Patience(attempts, base_s=0.01))
    rule = {"on": "pixels", "kind": "500", "message": "Tile kernel exploded."}
    with LocalEngine(open_catalog(str(plot.folder)), tmp_path / "home", faults=Faults.of(rule)) as engine:
        session = Session("local", "local-engine", str(plot.folder), engine.url, tmp_path / "home").activate()
        with pytest.raises(Fault, match=r"Tile kernel exploded\."):
            export_patches(**killed.ASKED, out=tmp_path / "data", session=session)
    assert "Tile kernel exploded." in (tmp_path / "data" / ".run" / "log.txt").read_text()


@pytest.mark.long
def test_an_outline_of_many_corners_is_not_shipped(plot, tmp_path):
    """docs/reference/wishes.md, "Wish 5": 8,000 corners are 300 kB of JSON, and no request is over 64 kB."""
    (tmp_path / "star.geojson").write_text(json.dumps(star(8_000)))
    assert (tmp_path / "star.geojson").stat().st_size > 300_000
    limits = Limits(payload_bytes=64 << 10)
    with LocalEngine(open_catalog(str(plot.folder)), tmp_path / "home", limits=limits) as engine:
        session = Session("local", "local-engine", str(plot.folder), engine.url, tmp_path / "home").activate()
        request = killed.ASKED | {"region": None, "epsg": 32650}
        report = export_patches(
            **request, geometry=tmp_path / "star.geojson", out=tmp_path / "data", split="random", session=session
        )
    assert sum(report.patches.values()) > 20


@pytest.mark.long
def test_every_file_lies_on_the_one_grid(whole):
    """docs/reference/wishes.md, "Wish 11" and "Wish 12": same transform for image and label, exact shapes, origin a
    multiple of 10 m.
    """
    for patch in whole.patches:
        with (
            rasterio.open(folder(whole) / patch.image_name) as image,
            rasterio.open(folder(whole) / patch.label_name) as label,
        ):
            assert image.transform == label.transform and image.crs == label.crs
            assert image.shape == label.shape == (32, 32)
            assert image.transform.c % 10 == 0 and image.transform.f % 10 == 0
            assert image.transform.c == plots.LEFT + 10 * patch.col and image.transform.f == plots.TOP - 10 * patch.row


@pytest.mark.long
def test_missing_pixels_are_declared(whole):
    """docs/reference/wishes.md, "Wish 13": 0 is a class and a value; what is missing says so in the file."""
    with rasterio.open(folder(whole) / whole.patches[0].image_name) as image:
        assert image.nodata == -32768
    with rasterio.open(folder(whole) / whole.patches[0].label_name) as label:
        assert label.nodata == 255
    labels = np.stack([whole.read_label(patch) for patch in whole.patches])
    assert set(np.unique(labels)) == {0, 1, 255}


@pytest.mark.long
def test_files_say_which_band_is_which(whole):
    """docs/reference/wishes.md, "Wish 14": names, units and scales beside the pixels, in the manifest's order."""
    with rasterio.open(folder(whole) / whole.patches[0].image_name) as image:
        assert image.descriptions == tuple(band.name for band in whole.manifest.bands)
        assert image.scales == tuple(band.scale for band in whole.manifest.bands)


@pytest.mark.long
def test_statistics_are_those_of_the_train_split_alone(whole):
    """docs/reference/wishes.md, "Wish 15": the wrong statistics, or those of the test split among them, spoil a model
    in silence.
    """
    band = whole.manifest.bands[0]

    def mean(splits):
        images = np.stack([whole.read_image(p)[0] for p in whole.patches if p.split in splits]).astype(np.float64)
        return images[images != -32768].mean() * band.scale

    assert whole.manifest.statistics[band.name].mean == pytest.approx(mean({"train"}), rel=1e-9)
    assert mean({"train"}) != pytest.approx(mean({"train", "val", "test"}), rel=1e-6)


@pytest.mark.parametrize("collection", ["COPERNICUS/S2_SR", "COPERNICUS/S2"])
def test_collections_with_the_offset_of_2022_are_refused(collection):
    """docs/reference/wishes.md, "Wish 16": only *_HARMONIZED, whose numbers mean the same before and after
    2022-01-25.
    """
    with pytest.raises(ValueError, match="1000 higher since 2022-01-25"):
        Settings.of(sentinel2=collection)


@pytest.mark.long
def test_a_second_region_does_not_write_over_the_first(whole, plot_session, tmp_path):
    """docs/reference/wishes.md, "Wish 23": other work in the same place is refused by name, and nothing of the first
    changes.
    """
    plot_session.activate()
    before = {path: path.read_bytes() for path in folder(whole).rglob("*.tif")}
    west, south, east, north = plots.REGION.bounds_wsen
    piece = (west + 0.002, south + 0.002, east - 0.002, north - 0.002)
    with pytest.raises(ValueError, match="holds an export with other settings"):
        export_patches(**killed.ASKED | {"bbox": piece}, out=folder(whole), session=plot_session)
    assert {path: path.read_bytes() for path in folder(whole).rglob("*.tif")} == before
    assert len({patch.id for patch in whole.patches}) == len(whole.patches)
