"""A run's tiles as one Earth Engine image, through the real clients and the local engine, and read back."""

from __future__ import annotations

import uuid
from pathlib import Path

import ee
import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

import isamap
from gee_export.requests import pixels
from inference.asset import Target
from inference.catalog.publication import publish_run
from inference.tiles.run import run_jobs
from tests.inference.tiles.conftest import MAP, network, options, plot  # noqa: F401
from tests.support.map_files import read_map


@pytest.fixture(scope="module")
def folder(plot, network, tmp_path_factory) -> Path:  # noqa: F811
    """A run of four tiles."""
    out = tmp_path_factory.mktemp("publication") / "plots"
    run_jobs(**options(plot, network, out))
    return out


@pytest.fixture
def name(folder, session, home) -> str:
    """An asset name that no other test uses; the client is connected to the run's engine."""
    return f"projects/local/assets/tests/{uuid.uuid4().hex[:12]}"


def assert_equals_the_map(asset: str, folder: Path) -> None:
    """Every pixel of the run's own COG, classes and probabilities, 255 where masked."""
    with rasterio.open(folder / f"{MAP}.tif") as file:
        grid = GeoBox(file.shape, file.transform, file.crs.to_string())
    made = pixels.fetch(ee.Image(asset), grid, ["isa", "prob"])
    np.testing.assert_array_equal(np.where(made.valid_BHW, made.values_BHW, 255), read_map(folder / f"{MAP}.tif"))


def test_four_tiles_are_one_image(name, folder):
    report = publish_run(folder, Target(name), progress=False)
    assert len(report.uris) == 8 and not report.already_there
    assert_equals_the_map(name, folder)


def test_the_same_run_again_is_no_operation(name, folder):
    publish_run(folder, Target(name), progress=False)
    before = ee.data.getAsset(name)["updateTime"]
    assert publish_run(folder, Target(name), progress=False).already_there
    assert ee.data.getAsset(name)["updateTime"] == before


def test_the_image_says_what_all_tiles_say_and_nothing_of_one(name, folder):
    publish_run(folder, Target(name), progress=False)
    info = ee.data.getAsset(name)
    assert info["properties"]["tiles"] == 4 and info["properties"]["isa_class_names"] == "pervious,impervious"
    assert "region" not in info["properties"]  # a tile's own square


def test_a_collection_holds_the_map_at_its_time(name, folder, capsys):
    assert isamap.main(["publish", str(folder), "--asset", name, "--collection"]) == 0
    assert f"image collection {name}: 1 images" in capsys.readouterr().out
    times = ee.ImageCollection(name).filterDate("2019-06-01", "2019-07-01").aggregate_array("system:index").getInfo()
    assert times == [MAP]
    assert_equals_the_map(f"{name}/{MAP}", folder)


def test_several_maps_need_a_collection(folder, monkeypatch):
    from inference.catalog import publication

    (zone,) = publication.zones_of(folder)
    monkeypatch.setattr(publication, "zones_of", lambda _: (zone, zone))
    with pytest.raises(ValueError, match=r"holds 2 maps .*--collection"):
        publish_run(folder, Target("projects/local/assets/never"))


def test_an_image_in_the_way_of_a_collection_is_refused(name, folder):
    publish_run(folder, Target(name), progress=False)
    with pytest.raises(ValueError, match="no image collection"):
        publish_run(folder, Target(name), collection=True, progress=False)


def test_a_run_in_a_bucket_is_published_by_the_run_itself(capsys):
    assert isamap.main(["publish", "gs://bucket/run", "--asset", "projects/local/assets/never"]) == 2
    assert "give `isamap run` --asset" in capsys.readouterr().err
