"""Ingestion manifests: what they say, and what is refused before it is sent."""

from __future__ import annotations

import copy
import re

import pytest

from isamap.gee_export.earth_engine import assets
from isamap.inference.map_files.map_file import open_map
from isamap.inference.publishing import manifest

ASSET = "projects/local/assets/isa/wuhan_2020_06"
URIS = ("gs://bucket/isamap/map-0123.tif", "gs://bucket/isamap/map_prob-4567.tif")


@pytest.fixture
def built(finished_map, random_map) -> dict:
    return manifest.build(open_map(finished_map(random_map, scenes="S2 " * 900)), ASSET, URIS, "abc")


def test_classes_keep_their_values_in_the_pyramid_and_probabilities_are_averaged(built):
    """docs/reference/earth-engine.md, "Asset exports" and "Ingestion manifests": class maps never by mean."""
    assert [(band["id"], band["pyramidingPolicy"]) for band in built["bands"]] == [("isa", "MODE"), ("prob", "MEAN")]
    assert all(band["missingData"] == {"values": [255]} for band in built["bands"])


def test_each_band_is_the_first_of_its_own_file(built):
    """https://developers.google.com/earth-engine/guides/image_manifest: bands name a tileset and a band of it."""
    uris = {tileset["id"]: tileset["sources"][0]["uris"] for tileset in built["tilesets"]}
    assert [uris[band["tilesetId"]] for band in built["bands"]] == [[uri] for uri in URIS]
    assert [band["tilesetBandIndex"] for band in built["bands"]] == [0, 0]


def test_the_code_editor_finds_names_and_colours(built):
    """guides/image_visualization: comma strings, as lists are refused in uploads."""
    properties = built["properties"]
    assert properties["isa_class_values"] == "0,1" and properties["isa_class_names"] == "pervious,impervious"
    assert properties["isa_class_palette"] == "d9d9d9,e31a1c"


def test_times_are_those_of_the_period_the_end_exclusive(built):
    assert (built["startTime"], built["endTime"]) == ("2020-06-01T00:00:00Z", "2020-07-01T00:00:00Z")


def test_provenance_goes_along_but_no_list_of_thousands_of_scenes(built):
    properties = built["properties"]
    assert properties["model"] == "unet" and properties["simulated"] == "true" and properties["content_sha256"] == "abc"
    assert "scenes" not in properties


def test_a_built_manifest_is_good(built):
    manifest.check(built)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m["bands"][0].update(pyramidingPolicy="MEAN"), "must be MODE or SAMPLE"),
        (lambda m: m["bands"][1].update(pyramidingPolicy="MEDIAN"), "pyramiding MEDIAN, expected"),
        (lambda m: m["bands"][1].update(tilesetId="x"), "names tileset 'x'"),
        (lambda m: m["bands"][1].update(id="p r"), "band 'p r'"),
        (lambda m: m["tilesets"][0]["sources"][0].update(uris=["map.tif"]), "expected gs://BUCKET/OBJECT"),
        (lambda m: m["properties"].update(values=[0, 1]), "property values is a list"),
        (lambda m: m["properties"].update(simulated=True), "property simulated is a bool"),
        (lambda m: m["properties"].update({"a-b": 1}), "property 'a-b'"),
        (lambda m: m["properties"].update(long="x" * (11 << 20)), "the limit is 10,485,760"),
        (lambda m: m.update(endTime=m["startTime"]), "is not before endTime"),
        (lambda m: m.update(name="projects/p/assets/wuhan.2020"), "periods are refused"),
    ],
)
def test_what_the_server_would_refuse_is_refused_here(built, change, sentence):
    """docs/reference/wishes.md, "Wish 24"."""
    wrong = copy.deepcopy(built)
    change(wrong)
    with pytest.raises(ValueError, match=re.escape(sentence)):
        manifest.check(wrong)


@pytest.mark.parametrize("name", ["wuhan_2020-06", "projects/p/assets", "projects/p/folders/a", "users/u/a"])
def test_asset_names_begin_with_a_projects_assets(name):
    with pytest.raises(ValueError, match="expected projects/PROJECT/assets/NAME"):
        assets.check_asset_name(name)


def test_a_name_with_periods_is_refused_with_a_better_one():
    """samapriya/geeup issue 52."""
    with pytest.raises(ValueError, match="try projects/p/assets/isa/wuhan_2020_06"):
        assets.check_asset_name("projects/p/assets/isa/wuhan 2020.06")


def test_only_maps_are_published(tmp_path, scene):
    with pytest.raises(ValueError, match="no map of isamap"):
        open_map(scene)
    with pytest.raises(ValueError, match="no such file"):
        open_map(tmp_path / "none.tif")
