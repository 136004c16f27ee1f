"""Files in the folder of maps that others made: an odd one is left out, and lists of the others stay."""

from __future__ import annotations

import json

import pytest
import rasterio
from affine import Affine

from isamap.inference.map_files.map_file import probability_of
from tests.inference.serve.conftest import TOWN, add_map

LISTS = ("/maps", "/collections", "/collections/maps/items", "/metrics")
RECORDS = {
    "deep": "[" * 100_000,
    "long": json.dumps({"name": "x", "more": "y" * 70_000}),
    "number": '{"name": NaN}',
    "surrogate": '{"name": "\\ud800"}',
    "list": '["a"]',
    "object": '{"name": {"a": 1}, "created": 5, "checkpoint": [1]}',
    "controls": '{"name": "a\\u0000b"}',
}


@pytest.fixture
def odd(settings, town, finished_map, random_map):
    """A second map, and its path."""
    add_map(settings, finished_map(random_map), "odd")
    return settings.maps / "odd.tif"


def listed(client) -> list[str]:
    for path in LISTS:
        assert client.get(path).status_code == 200, path
    return [each["id"] for each in client.get("/maps").json()["maps"]]


@pytest.mark.long
@pytest.mark.parametrize("name", RECORDS)
def test_an_odd_record_changes_no_list(client, odd, name):
    odd.with_suffix(".json").write_text(RECORDS[name])
    assert listed(client) == ["odd", TOWN]
    assert client.get("/maps/odd").json()["name"] == "odd"


def test_a_map_off_the_earth_is_left_out(client, odd, caplog):
    for path in (odd, probability_of(odd)):
        with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
            file.transform = Affine(10, 0, 9e9, 0, -10, 9e9)
    assert listed(client) == [TOWN] and "map odd is left out" in caplog.text


def test_a_map_of_a_period_that_is_none_is_left_out(client, odd, caplog):
    with rasterio.open(odd, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as file:
        file.update_tags(period_start="yesterday")
    assert listed(client) == [TOWN] and "map odd is left out" in caplog.text
