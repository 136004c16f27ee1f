"""Composites of one, two or three sensors: bands in the asked order, the year's embedding, settings, refusals."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from isamap import training
from isamap.gee_export.base import regions
from isamap.gee_export.base.periods import Period
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.settings import chosen
from isamap.gee_export.images.external_image import open_imagery
from isamap.gee_export.images.imagery import Imagery
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Settings
from isamap.gee_export.sentinel.embeddings import COLLECTION, Embeddings
from isamap.inference import map_region
from isamap.training.checkpoints import checkpoint as ck
from tests.support.one_thread import one_thread  # noqa: F401

JUNE = regions.Month(2019, 6).period
BOX = (114.30, 30.55, 114.31, 30.558)
REGION = regions.from_bbox(BOX, name="box")
TWO_ZONES = regions.from_bbox((113.99, 30.55, 114.01, 30.56), name="two")  # 114 E divides zones 49 and 50


def grid_of(region):
    grid = RegionGrid.of(region)
    return grid.geobox(grid.window)


def fetched(image, bands, region=REGION):
    raster = pixels.fetch(image, grid_of(region), bands)
    return np.where(raster.valid_BHW, raster.values_BHW, np.nan)


def build(region=REGION, period=JUNE, **settings):
    return composite.build(region, period, Settings.of(speckle="none", clouds="none", **settings))


def test_bands_follow_the_sensors_order(session):
    made = build(sensors=("embeddings", "s1", "s2"), embedding_bands=("A0[0-2]",))
    assert made.bands == ("A00", "A01", "A02", "VV", "VH", "B2", "B3", "B4", "B8")
    assert list(made.scenes) == ["embeddings", "sentinel1", "sentinel2"]


def test_a_third_sensor_leaves_the_pixels_of_the_others(session):
    usual, more = build(), build(sensors=("sentinel2", "sentinel1", "embeddings"), embedding_bands=("A00",))
    np.testing.assert_array_equal(fetched(more.packed, usual.bands), fetched(usual.packed, usual.bands))


@pytest.mark.long
@pytest.mark.parametrize("region", [REGION, TWO_ZONES], ids=["one zone", "two zones"])
def test_the_sensor_is_the_image_of_the_same_collection(session, region):
    """`--image` takes another way through the server: images one by one, each laid on the grid."""
    made = build(region, sensors=("embeddings",), embedding_bands=("A00", "A63"))
    asset = open_imagery(Imagery(COLLECTION, ("A00", "A63"), "embedding"), region, JUNE)
    expected = asset.onto(grid_of(region)).image
    np.testing.assert_allclose(
        fetched(made.packed, made.bands, region), fetched(expected, ("A00", "A63"), region), atol=1e-3
    )


def test_the_year_is_that_of_the_period(session):
    info = {year: build(period=Period.parse(year), sensors=("embeddings",)).info for year in ("2019", "2021-06")}
    assert [facts["embeddings"]["year"] for facts in info.values()] == [2019, 2021]


def test_one_sensor_asks_for_no_scene_of_the_others(session):
    winter_before_sentinel2 = Period.parse("2014-12")
    assert build(period=winter_before_sentinel2, sensors=("embeddings",)).info["embeddings"]["year"] == 2017


def test_settings_of_the_usual_sensors_are_written_as_before():
    assert "sensors" not in Settings().to_json() and "embedding" not in Settings().to_json()


@pytest.mark.parametrize("sensors", [("sentinel2",), ("sentinel1", "sentinel2"), ("sentinel2", "embeddings")])
def test_settings_survive_json(sensors):
    settings = Settings.of(sensors=sensors)
    assert Settings.from_json(settings.to_json()) == settings and settings.sensors == sensors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sensors": ("s3",)}, "--sensors s3: expected some of sentinel2, sentinel1, embeddings"),
        ({"sensors": ("s2", "sentinel2")}, "names sentinel2 twice"),
        ({"sensors": ()}, "--sensors is empty"),
        ({"sensors": ("sentinel2",), "speckle": "lee"}, "speckle is a setting of sentinel1, which --sensors"),
        ({"sensors": ("embeddings",), "embedding_bands": ("A64",)}, "embedding band 'A64'"),
    ],
    ids=lambda value: "-".join(value["sensors"]) if isinstance(value, dict) else "",
)
def test_contradictions_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        chosen({}, **options)


def test_dates_are_sentinels(session, tmp_path):
    with pytest.raises(ValueError, match="--frames are dated images of sentinel2 and sentinel1"):
        export_patches(
            bbox=BOX, month="2019-06", frames=("scenes",), sensors=("s2",), out=tmp_path / "data", session=session
        )


def test_all_bands_of_the_embedding_are_the_default():
    assert len(Embeddings().bands) == 64 and Embeddings().bands[63].name == "A63"


@pytest.mark.long
def test_three_sensors_go_the_whole_way(session, tmp_path):
    """Export, train, evaluate, and the map of a region that fetches all three."""
    common = {"size": 32, "stride": 32, "split": "random", "label": "worldcover", "progress": False}
    box = (114.300, 30.560, 114.318, 30.576)
    sensors = {"sensors": ("s2", "s1", "embeddings"), "settings": {"embedding_bands": "A0[0-3]"}}
    data = export_patches(bbox=box, month="2019-06", out=tmp_path / "data", session=session, **sensors, **common).out
    head = Dataset.open(data).manifest
    assert head.band_names == ("B2", "B3", "B4", "B8", "VV", "VH", "A00", "A01", "A02", "A03")
    assert head.image["product"]["embeddings"] == COLLECTION
    facts = next(iter(next(iter(head.scenes.values())).values()))
    assert facts["embeddings"]["observations_per_pixel"] == {"min": 1, "mean": 1.0, "max": 1}
    settings = {"epochs": "2", "batch": "4", "device": "cpu"}
    run = training.train(data, "unet-tiny", tmp_path / "run", settings=settings)
    assert ck.load(run.folder).band_names == head.band_names
    report = map_region(run.folder, bbox=BOX, month="2020-06", out=tmp_path / "map.tif", progress=False)
    with rasterio.open(report.path) as raster:
        assert "embeddings: 2020_50N;" in raster.tags()["scenes"]
