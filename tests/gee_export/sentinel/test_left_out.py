"""What manifests say of scenes that an archive lists and that no image is made of: unusable ones, and twins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest

from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import from_bbox
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.sentinel import composite, sentinel1, sentinel2
from isamap.gee_export.sentinel.composite import NoScenes, Settings
from isamap.gee_export.sentinel.sentinel1 import Radar
from isamap.gee_export.sentinel.sentinel2 import Optical
from tests.support import open_town
from tests.support.open_town import GRID, OpenTown

JUNE, YEAR = Period.parse("2023-06"), Period.parse("2023")
BOUNDS = tuple(GRID.extent.to_crs("EPSG:4326").boundingbox)
BEYOND_DEG = 0.3  # the archives are asked for boxes of half degrees, so that their answers hold neighbours too
PRODUCT = "S1A_IW_GRDH_1SDV_20230605T101500_20230605T101525_048800_05DE60"


@pytest.fixture
def town(tmp_path, reconnected) -> Iterator[OpenTown]:
    with open_town.standing() as town, connect(catalog="open", home=tmp_path):
        yield town


def planted(town: OpenTown, like: str, id_: str, change: Callable[[dict[str, Any]], object]) -> None:
    """One more item like another, under an id of its own."""
    item = deepcopy(next(item for item in town.archive.items if like in item["id"]))
    item["id"] = id_
    change(item)
    town.archive.items.append(item)


def without_pass(item: dict[str, Any]) -> None:
    item["properties"]["sat:orbit_state"] = "sideways"


def without_pass_beside(item: dict[str, Any]) -> None:
    without_pass(item)
    ((*ring,),) = item["geometry"]["coordinates"]
    item["geometry"] = {"type": "Polygon", "coordinates": [[(x + BEYOND_DEG, y) for x, y in ring]]}


def without_pass_in_august(item: dict[str, Any]) -> None:
    without_pass(item)
    item["properties"]["datetime"] = "2023-08-05T10:15:12Z"


def test_radar_twins_and_unusable_radar_scenes_of_the_place_and_period_are_named(town):
    planted(town, "20230605", f"{PRODUCT}_rtc_2", lambda item: None)
    planted(town, "20230605", "unusable", without_pass)
    planted(town, "20230605", "beside", without_pass_beside)
    planted(town, "20230605", "august", without_pass_in_august)
    told = {period: sentinel1.sensed(BOUNDS, period, Radar()).info for period in (YEAR, JUNE)}
    twin = f"{PRODUCT}_rtc_2 (planetary-computer-rtc): planetary-computer-rtc gives this acquisition ({PRODUCT}_1A2B)"
    unusable = "(planetary-computer-rtc): its sat:orbit_state is none of ascending, descending"
    assert told[JUNE]["left_out"] == [twin, f"unusable {unusable}"]
    assert told[YEAR]["left_out"] == [twin, f"august {unusable}", f"unusable {unusable}"]
    assert told[JUNE]["scenes"] == len(open_town.PASSES)


def test_nothing_is_said_where_every_scene_is_used(town):
    assert "left_out" not in sentinel1.sensed(BOUNDS, JUNE, Radar()).info
    assert "left_out" not in sentinel2.sensed(BOUNDS, JUNE, Optical(clouds="scl", level="l2a")).info


@pytest.mark.parametrize(
    ("sensor", "key", "reason"),
    [
        ("sentinel1", "sat:orbit_state", r"3, such as S1A_\w+_rtc \(planetary-computer-rtc\): its sat:orbit_state is"),
        ("sentinel2", "s2:datatake_id", r"3, such as S2B_\w+_L2A \(earth-search-c1\): its s2:datatake_id is"),
    ],
)
def test_where_none_is_left_the_sentence_says_what_was_listed(town, sensor, key, reason):
    for item in town.archive.items:
        item["properties"].pop(key, None)
    if sensor == "sentinel1":
        planted(town, "20230605", "third", lambda item: None)
    region = from_bbox(BOUNDS)
    with pytest.raises(NoScenes, match=rf"0 scenes \(left out of the archives' lists: {reason}"):
        composite.build(region, JUNE, Settings.of(sensors=[sensor], clouds="scl", level="l2a"))


def test_the_sentence_names_what_the_settings_drop_too(town):
    planted(town, "20230605", f"{PRODUCT}_rtc_2", lambda item: None)
    region = from_bbox(BOUNDS)
    with pytest.raises(NoScenes, match=r"\(2 dropped: pass ASCENDING, left out of the archives' lists: 1, such as S1A"):
        composite.build(region, JUNE, Settings.of(sensors=["sentinel1"], orbit_pass="DESCENDING"))
