"""A run's tiles as one Earth Engine image, through the real clients and the local engine, and read back."""

from __future__ import annotations

import ee
import pytest

import isamap
from isamap.inference.catalog.publication import publish_run
from isamap.inference.publishing.asset import Target
from tests.inference.catalog.conftest import assert_equals_the_map
from tests.inference.tiles.conftest import MAP


@pytest.mark.long
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


@pytest.mark.long
def test_a_collection_holds_the_map_at_its_time(name, folder, capsys):
    assert isamap.main(["publish", str(folder), "--asset", name, "--collection"]) == 0
    assert f"image collection {name}: 1 images" in capsys.readouterr().out
    times = ee.ImageCollection(name).filterDate("2019-06-01", "2019-07-01").aggregate_array("system:index").getInfo()
    assert times == [MAP]
    assert_equals_the_map(f"{name}/{MAP}", folder)


def test_several_maps_need_a_collection(folder, monkeypatch):
    from isamap.inference.catalog import publication

    (zone,) = publication.zones_of(folder)
    monkeypatch.setattr(publication, "zones_of", lambda _: (zone, zone))
    with pytest.raises(ValueError, match=r"(?s)holds 2 maps .*--collection"):
        publish_run(folder, Target("projects/local/assets/never"))


def test_an_image_in_the_way_of_a_collection_is_refused(name, folder):
    publish_run(folder, Target(name), progress=False)
    with pytest.raises(ValueError, match="no image collection"):
        publish_run(folder, Target(name), collection=True, progress=False)
