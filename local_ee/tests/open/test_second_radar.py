"""Digital Earth Africa, asked for Sentinel-1 where Planetary Computer has none or wants an account."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from local_ee.catalog import SourceImage
from local_ee.open import africa, scenes, turns
from local_ee.open.catalog import OpenCatalog
from local_ee.open.errors import AccountWanted
from local_ee.open.providers import DE_AFRICA, DE_AFRICA_S1
from local_ee.testing.archive import Archive, Fault, always
from local_ee.testing.small_archive import AFRICA_GRID, BOX, add_african_radar, add_radar, african_mask, power
from tests.open.test_tiles import until

S1 = "COPERNICUS/S1_GRD_FLOAT"
DAY = datetime(2024, 6, 3, 16, 20)
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]
PLACE = (25.11, 13.15, 25.13, 13.19)
CLOSED = always(Fault("status", 401), lambda asked: "/api/sas/" in asked.path)


@pytest.fixture
def server() -> Iterator[Archive]:
    """Three dates of Africa's archive, and Planetary Computer's of another continent."""
    archive = Archive()
    for number in range(3):
        add_african_radar(archive, DAY + timedelta(days=6 * number), number)
        add_radar(archive, DAY + timedelta(days=6 * number), number)
    with archive:
        yield archive


def listed(catalog: OpenCatalog, bounds_wsen: tuple[float, ...] = PLACE) -> list[SourceImage]:
    return list(catalog.images(S1, *JUNE, bounds_wsen))


def over_africa(archive: Archive) -> None:
    """Planetary Computer's scenes lie over Africa too."""
    for item in archive.items:
        item["geometry"] = archive.items[0]["geometry"]


def test_an_item_is_an_image_with_earth_engines_names(server: Archive):
    scene = africa.scene_of(server.items[0], DE_AFRICA_S1)
    assert scene.id == f"{S1}/s1_rtc_000000_N13E025_2024_06_03"
    assert [band.name for band in scene.bands] == ["VV", "VH"]
    facts = scene.properties
    assert facts["system:time_start"] == int(DAY.replace(tzinfo=UTC).timestamp() * 1000)
    assert (facts["instrumentMode"], facts["orbitProperties_pass"]) == ("IW", "ASCENDING")
    assert (facts["relativeOrbitNumber_start"], facts["platform_number"]) == (58, "A")
    assert (facts["open:backscatter"], facts["open:pixel_m"]) == ("gamma0", 20)
    assert "resolution_meters" not in facts  # composites leave scenes of other than 10 m out


def test_an_absolute_orbit_gives_the_relative_one_by_the_rule_of_its_day(server: Archive):
    """Sentinel-1C was moved; its archives may count by the former rule (isce2 pull request 28130)."""
    item = server.items[0]
    item["properties"] |= {"platform": "Sentinel-1C", "sat:absolute_orbit": 8100, "sat:relative_orbit": 54}
    assert africa.scene_of(item, DE_AFRICA_S1).properties["relativeOrbitNumber_start"] == (8100 - 99) % 175 + 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda item: item["assets"].pop("mask"), "lacks the asset mask"),
        (
            lambda item: item["assets"]["vv"].update(href="s3://deafrica-sentinel-1/other.tif"),
            "none of the archive|one of",
        ),
        (lambda item: item["assets"]["vv"].update(href="https://elsewhere.test/a_VV.tif"), "one of the archive's"),
        (lambda item: item["properties"].pop("sat:orbit_state"), "orbit_state"),
        (lambda item: item["properties"].update(datetime="soon"), "datetime is no time"),
    ],
)
def test_an_item_that_cannot_be_used_is_refused(server: Archive, change: Any, reason: str):
    change(server.items[0])
    with pytest.raises(ValueError, match=reason):
        africa.scene_of(server.items[0], DE_AFRICA_S1)


def test_values_are_the_files_where_the_mask_is_1(server: Archive, tmp_path: Path):
    images = listed(server.catalog(tmp_path))
    assert len(images) == 3
    for number, image in enumerate(images):
        values, masks = image.read(("VV", "VH"), AFRICA_GRID)
        for row, band in enumerate(("VV", "VH")):
            stored = power(band, number)
            np.testing.assert_array_equal(masks[row], (stored >= 0) & (african_mask(number) == 1))
            np.testing.assert_array_equal(values[row][masks[row]], stored[masks[row]])


def test_it_is_not_asked_where_the_first_archive_has_scenes(server: Archive, tmp_path: Path):
    over_africa(server)
    providers = {image.properties["open:provider"] for image in listed(server.catalog(tmp_path))}
    assert providers == {"planetary-computer-rtc"}
    assert DE_AFRICA not in {asked.host for asked in server.asked}


def test_it_is_not_asked_outside_africa(server: Archive, tmp_path: Path):
    server.items = [item for item in server.items if item["collection"] == "s1_rtc"]
    assert listed(server.catalog(tmp_path), BOX) == []
    assert DE_AFRICA not in {asked.host for asked in server.asked}


@pytest.mark.parametrize("closed", [CLOSED, always(Fault("status", 403), lambda asked: "blob.core" in asked.host)])
def test_it_stands_in_where_the_first_archive_wants_an_account(closed: Any, server: Archive, tmp_path: Path, caplog):
    over_africa(server)
    server.faults = closed
    scenes._first_time.cache_clear()  # it is said once a process
    with caplog.at_level(logging.WARNING):
        images = listed(server.catalog(tmp_path))
    assert {image.properties["open:provider"] for image in images} == {"de-africa-rtc"}
    assert "asks for an account now" in caplog.text and "Digital Earth Africa" in caplog.text
    pixels = [image.read(("VV",), AFRICA_GRID) for image in images]
    before = len(server.asked)
    again = [image.read(("VV",), AFRICA_GRID) for image in listed(server.catalog(tmp_path, offline=True))]
    assert len(server.asked) == before
    assert all(np.array_equal(one[0], other[0]) for one, other in zip(pixels, again, strict=True))


def test_elsewhere_the_refusal_says_what_else_there_is(server: Archive, tmp_path: Path):
    server.faults = CLOSED
    with pytest.raises(AccountWanted, match=r"set PC_SDK_SUBSCRIPTION_KEY .* or leave Sentinel-1 out"):
        listed(server.catalog(tmp_path), BOX)


def test_a_refusal_is_not_asked_for_again_within_the_hour(server: Archive, tmp_path: Path, monkeypatch):
    over_africa(server)
    server.faults = CLOSED
    catalog = server.catalog(tmp_path)
    for _ in range(3):
        listed(catalog)
    # a head each of three scenes; the first refusal ends the list while the others are on their way
    assert until(lambda: sum("/api/sas/" in asked.path for asked in server.asked) >= 6)
    assert sum("/api/sas/" in asked.path for asked in server.asked) == 6
    monkeypatch.setattr(turns, "REFUSED_S", 0.0)
    server.faults = lambda asked: None
    assert {image.properties["open:provider"] for image in listed(catalog)} == {"planetary-computer-rtc"}


def test_a_key_of_an_account_is_tried_at_once(server: Archive, tmp_path: Path, monkeypatch):
    over_africa(server)
    server.faults = CLOSED
    listed(server.catalog(tmp_path))
    monkeypatch.setenv("PC_SDK_SUBSCRIPTION_KEY", "mine")
    server.faults = lambda asked: None
    assert listed(server.catalog(tmp_path))[0].properties["open:provider"] == "planetary-computer-rtc"


def test_a_next_link_that_merges_leads_through_all_pages(server: Archive, tmp_path: Path):
    server.page_items = 2
    assert len(listed(server.catalog(tmp_path))) == 3
    searches = [asked.body for asked in server.asked if asked.host == DE_AFRICA]
    assert [body.get("_o", 0) for body in searches] == [0, 2]


def test_an_image_is_found_by_its_id(server: Archive, tmp_path: Path):
    image = server.catalog(tmp_path).image(f"{S1}/s1_rtc_000001_N13E025_2024_06_09")
    assert image is not None and image.properties["open:provider"] == "de-africa-rtc"
    assert server.catalog(tmp_path).image(f"{S1}/s1_rtc_000001_N13E025_2024_99_09") is None


def test_a_scene_without_its_mask_is_left_out_and_named(server: Archive, tmp_path: Path):
    gone = next(address for address in server.files if address.endswith("2024_06_09_MASK.tif"))
    del server.files[gone]
    catalog = server.catalog(tmp_path)
    assert len(listed(catalog)) == 2
    (note,) = catalog.notes(S1)
    assert note.scene == "s1_rtc_000001_N13E025_2024_06_09" and note.reason.endswith("no file of its band MASK")
