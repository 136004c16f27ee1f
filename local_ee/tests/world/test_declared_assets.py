"""Assets that LOCAL_EE_ASSETS declares: invented from their schema; a wrong schema is told in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import ee
import pytest

from local_ee.testing.evaluating import info
from local_ee.world import World, public_facts
from local_ee.world.declared import VARIABLE

pytestmark = pytest.mark.usefixtures("session")
PAGE = Path(__file__).parents[2] / "docs" / "engine.md"
YIELD, FARMS = "projects/mine/assets/yield", "projects/mine/assets/farms"
PLACE = [2.3, 48.8]


@pytest.fixture
def declare(tmp_path, monkeypatch):
    """A world with the declared assets of a document."""

    def world(document: object) -> World:
        path = tmp_path / "assets.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        monkeypatch.setenv(VARIABLE, str(path))
        return World()

    def forget() -> None:
        public_facts._lines.cache_clear()
        public_facts.ids_of.cache_clear()

    forget()
    yield world
    forget()


@pytest.fixture
def world(declare) -> World:
    """That of the page's example."""
    return declare(PAGE.read_text(encoding="utf-8").partition("```json assets")[2].partition("```")[0])


def test_a_collection_has_its_bands_dates_and_pixel_size(world):
    collection = ee.ImageCollection(YIELD).filterDate("2020-01-01", "2020-02-01")
    first = ee.Image(collection.first())
    assert info(collection.size(), world) == 2
    assert info(first.bandNames(), world) == ["t_ha", "crop"]
    assert info(first.projection().nominalScale(), world) == pytest.approx(30)
    assert info(first.get("simulated"), world) == 1


def test_values_lie_in_the_range_and_the_classes(world):
    first = ee.Image(ee.ImageCollection(YIELD).first())
    region = ee.Geometry.Point(PLACE).buffer(5000)
    extremes = info(first.reduceRegion(ee.Reducer.minMax(), region, 300), world)
    assert 0 <= extremes["t_ha_min"] < extremes["t_ha_max"] <= 12
    assert {extremes["crop_min"], extremes["crop_max"]} <= {1, 2, 3}


def test_a_table_holds_the_feature_that_a_filter_names(world):
    named = ee.FeatureCollection(FARMS).filter(ee.Filter.eq("owner", "Anna"))
    assert info(named.size(), world) == 1


def test_other_assets_are_there_too(world):
    assert info(ee.Image("USGS/SRTMGL1_003").bandNames(), world) == ["elevation"]


GOOD = {"type": "IMAGE", "bands": {"b": {"type": "float"}}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ("[1]", "expected a JSON object"),
        ("{", "expected a JSON file"),
        ("[" * 100_000, "expected a JSON file"),
        ({"name": GOOD}, "expected an id"),
        ({"a/b|c": GOOD}, "expected an id"),
        ({"a/b": {"type": "VIDEO"}}, "expected a type of IMAGE"),
        ({"a/b": {"type": "IMAGE"}}, "expected bands, one at least"),
        ({"a/b": GOOD | {"colour": 1}}, "expected an object of bands, bounds"),
        ({"a/b": GOOD | {"scale_m": 0}}, "expected scale_m from"),
        ({"a/b": GOOD | {"scale_m": True}}, "expected a number for scale_m"),
        ({"a/b": GOOD | {"bounds": [10, 0, -10, 5]}}, "expected bounds of west"),
        ({"a/b": GOOD | {"start": "soon"}}, "expected a date"),
        ({"a/b": GOOD | {"interval": "16 days|"}}, "expected an interval"),
        ({"a/b": {"type": "IMAGE", "bands": {"b;c": {"type": "float"}}}}, "expected bands and properties by names"),
        ({"a/b": {"type": "IMAGE", "bands": {"b": {"type": "complex"}}}}, "expected a type of byte"),
        ({"a/b": {"type": "IMAGE", "bands": {"b": {"type": "byte", "min": 2, "max": 1}}}}, "min not above max"),
        ({"a/b": {"type": "TABLE", "properties": {"p": "date"}}}, "expected one of number"),
    ],
)
def test_a_wrong_schema_is_told_at_the_start(declare, document, words):
    with pytest.raises(ValueError, match=words):
        declare(document)


def test_an_asset_of_the_catalog_keeps_its_id(declare):
    with pytest.raises(ValueError, match="USGS/SRTMGL1_003 is an asset of Google's catalog already"):
        _ = declare({"USGS/SRTMGL1_003": GOOD}).public_ids
