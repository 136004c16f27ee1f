"""Sentences on the page of `isamap serve` leave when they are no longer true; a month without images cannot start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Page
from tests.support.running_service import drag_box, running_service

pytestmark = pytest.mark.long

WUHAN = {"west": "114.30", "south": "30.58", "east": "114.32", "north": "30.60"}
KUMASI = {"west": "-1.63", "south": "6.68", "east": "-1.61", "north": "6.70"}  # not seen before 2017


def type_box(page: Page, box: dict[str, str] = WUHAN) -> None:
    for side, degrees in box.items():
        page.evaluate(f"document.querySelector('#{side}').value = '{degrees}'")
    page.evaluate("document.querySelector('#north').dispatchEvent(new Event('change'))")
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")


@pytest.fixture(scope="module")
def fresh(tab: Page, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The page of a service without a network."""
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home")) as service:
        tab.open(service.address, width=1280, height=860)
        yield tab


def test_a_wanted_place_is_no_longer_wanted_once_it_is_chosen(fresh):
    fresh.evaluate("document.querySelector('#train-first').disabled = false")
    fresh.click("#train-first")
    fresh.wait_for("document.querySelector('#train-progress.wrong')")
    assert fresh.text("#train-progress").startswith("Choose a place")
    type_box(fresh)
    assert fresh.text("#train-progress") == ""


@pytest.mark.parametrize("choose", [type_box, lambda page: drag_box(page, 0.3)], ids=["typed", "drawn"])
def test_the_sentence_on_a_refused_file_leaves_with_the_next_place(fresh, tmp_path, choose):
    (tmp_path / "notes.json").write_text("not JSON")
    fresh.choose_file("#open-file", tmp_path / "notes.json")
    fresh.wait_for("document.querySelector('#map-message').textContent.includes('notes.json is no GeoJSON')")
    choose(fresh)
    fresh.wait_for("document.querySelector('#map-message').hidden")
    assert fresh.text("#map-message") == "" and fresh.text("#place-words").startswith("Box")


def test_a_large_file_of_another_format_is_told_the_format_not_its_size(fresh, tmp_path):
    (tmp_path / "districts.gpkg").write_bytes(bytes(1_500_000))
    fresh.choose_file("#open-file", tmp_path / "districts.gpkg")
    fresh.wait_for("document.querySelector('#map-message').textContent.includes('districts.gpkg')")
    sentence = "districts.gpkg is no GeoJSON: give a .geojson with polygons in degrees."
    assert fresh.text("#map-message") == sentence


def test_a_month_without_images_is_told_before_it_is_mapped(tab: Page, network: Path, tmp_path):
    """The sentence of `isamap map`, on the page: the button stays closed."""
    options = ("--checkpoint", str(network), "--workers", "0")
    with running_service(tmp_path / "service", tmp_path / "home", *options) as service:
        tab.open(service.address, width=1280, height=860)
        type_box(tab, KUMASI)
        tab.wait_for("!document.querySelector('#start').disabled")
        tab.evaluate(
            "document.querySelector('#year-of-map').value = '2015';"
            "document.querySelector('#span').value = '06';"
            "document.querySelector('#year-of-map').dispatchEvent(new Event('input'))"
        )
        tab.wait_for("document.querySelector('#price .wrong')")
        assert "Sentinel-2 0 scenes" in tab.text("#price .wrong") and "choose" in tab.text("#price .wrong")
        assert tab.evaluate("document.querySelector('#start').disabled")
