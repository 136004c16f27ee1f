"""Places of new maps, as a person gives them to the page: searched, drawn, from a file; and what the service gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.chromium import Page
from tests.support.running_service import Running, drag_box, map_box, running_service

pytestmark = pytest.mark.long

TRIANGLE = [[114.30, 30.58], [114.32, 30.58], [114.31, 30.60], [114.30, 30.58]]
KM_PER_DEGREE = 111.2  # of latitude
PX = 2.0  # how exactly a click is read back


@pytest.fixture(scope="module")
def service(network, tmp_path_factory) -> Iterator[Running]:
    """A service without workers: its jobs wait."""
    options = ("--checkpoint", str(network), "--workers", "0")
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home"), *options) as running:
        yield running


@pytest.fixture
def page(tab: Page, service: Running) -> Page:
    tab.open(service.address, width=1280, height=860)
    return tab


@pytest.fixture
def wuhan(page: Page) -> Page:
    """The page after the region wuhan was taken from the list."""
    searched(page, "wuhan")
    page.click("#region-wuhan")
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Region wuhan')")
    return page


@pytest.fixture
def triangle(tmp_path: Path) -> Path:
    path = tmp_path / "triangle.geojson"
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [TRIANGLE]}}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def searched(page: Page, words: str) -> list[str]:
    """Names in the list after words were typed."""
    page.click("#region")
    for letter in words:
        page.key(letter)
    page.wait_for(f"document.querySelector('#regions').dataset.words === {json.dumps(words)}")
    return page.evaluate("[...document.querySelectorAll('#regions [role=option]')].map(o => o.firstChild.textContent)")


def drawn(page: Page) -> str:
    """The picture of the map, once it stays the same for half a second."""
    looks: list[str] = []

    def is_still() -> bool:
        looks.append(page.evaluate("document.querySelector('#map canvas').toDataURL()"))
        return len(set(looks[-5:])) == 1 and len(looks) >= 5

    page.wait_until(is_still, "a map that is drawn")
    return looks[-1]


def ordered(page: Page, service: Running) -> dict:
    """What the service got of the place on the page, after "Start the map"."""
    page.wait_for("!document.querySelector('#start').disabled")
    page.click("#start")
    page.wait_for("document.querySelector('#progress .accepted')")
    return service.json("/jobs")["jobs"][0]["inputs"]


def test_search_lists_the_regions_of_the_words(page):
    names = searched(page, "hu")
    assert names[:2] == ["hubei", "hunan"] and "wuhan" not in names


def test_search_says_that_no_region_has_the_name(page):
    assert searched(page, "zzz") == []
    assert page.text("#regions") == "No region or town has such a name. Degrees work too: 6.69, -1.62."


def test_arrow_and_enter_take_a_region(page):
    searched(page, "wuh")
    page.key("ArrowDown")
    page.key("Enter")
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Region wuhan')")


def test_an_unknown_region_is_refused_in_words(page):
    searched(page, "atlantis")
    page.key("Enter")
    page.wait_for("document.querySelector('#regions').textContent.startsWith('No region or town')")
    assert page.text("#place-words") == "No place is chosen yet."


def test_the_service_gets_the_region(wuhan, service):
    assert ordered(wuhan, service)["region"] == "wuhan"


def test_a_box_in_a_region_is_called_a_part_of_it(wuhan):
    drag_box(wuhan, 0.2)
    wuhan.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")
    assert wuhan.evaluate("document.querySelector('#name').placeholder") == "Part of wuhan"


def test_the_service_gets_the_drawn_polygon(wuhan, service):
    """The corners are where the clicks were: a box drawn over them first says where that is."""
    for _ in range(7):
        left, top, width, height = map_box(wuhan)
        wuhan.wheel(left + width / 2, top + height / 2, -400)
    drag_box(wuhan, 0.3)
    wuhan.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")
    west, south, east, north = wuhan.evaluate(
        "['west', 'south', 'east', 'north'].map(id => Number(document.getElementById(id).value))"
    )
    wuhan.click("#draw-polygon")
    corners = [(left + width * x, top + height * y) for x, y in ((0.35, 0.65), (0.65, 0.65), (0.5, 0.35))]
    for corner in corners[:-1]:
        wuhan.mouse("click", *corner)
    wuhan.double_click(*corners[-1])
    wuhan.wait_for("document.querySelector('#place-words').textContent === 'Drawn polygon'")
    (ring,) = ordered(wuhan, service)["geometry"]["coordinates"]
    slack = PX * (east - west) / (0.3 * width)
    expected = [(west, south), (east, south), ((west + east) / 2, north), (west, south)]
    assert len(ring) == 4
    assert [tuple(location) for location in ring] == [pytest.approx(location, abs=slack) for location in expected]


def test_escape_leaves_the_drawing_and_keeps_the_place(wuhan):
    wuhan.wait_for("!document.querySelector('#start').disabled")
    before = wuhan.text("#place-words")
    pixels = drawn(wuhan)
    wuhan.click("#draw-polygon")
    left, top, width, height = map_box(wuhan)
    wuhan.mouse("click", left + width / 2, top + height / 2)
    wuhan.key("Escape")
    assert wuhan.text("#place-words") == before and wuhan.evaluate("document.querySelector('#map-message').hidden")
    assert not wuhan.evaluate("document.querySelector('#start').disabled")
    wuhan.wait_for(f"document.querySelector('#map canvas').toDataURL() === {json.dumps(pixels)}")  # its outline too


def test_escape_leaves_the_drawing_wherever_the_focus_is(wuhan):
    wuhan.click("#draw-box")
    wuhan.evaluate("document.querySelector('#span').focus()")
    wuhan.key("Escape")
    assert not wuhan.evaluate("document.querySelector('#map').classList.contains('drawing')")


def test_escape_closes_the_open_list_first(wuhan):
    wuhan.click("#draw-box")
    wuhan.click("#region")
    wuhan.wait_for("!document.querySelector('#regions').hidden")
    wuhan.key("Escape")
    assert wuhan.evaluate("document.querySelector('#regions').hidden")
    assert wuhan.evaluate("document.querySelector('#map').classList.contains('drawing')")
    wuhan.key("Escape")
    assert not wuhan.evaluate("document.querySelector('#map').classList.contains('drawing')")
    assert wuhan.text("#place-words").startswith("Region wuhan")


def test_the_service_gets_the_polygon_of_a_chosen_file(page, service, triangle):
    page.choose_file("#open-file", triangle)
    page.wait_for("document.querySelector('#place-words').textContent === 'Outline of triangle.geojson'")
    assert ordered(page, service)["geometry"] == {"type": "Polygon", "coordinates": [TRIANGLE]}


def test_the_price_is_of_the_files_polygon(page, triangle):
    page.choose_file("#open-file", triangle)
    page.wait_for("document.querySelector('.figures')")
    area = float(page.text(".figures dd").split()[0])
    degrees = 0.02 * 0.02 / 2
    assert area == pytest.approx(degrees * KM_PER_DEGREE**2 * 0.861, rel=0.02)  # cosine of 30.59 degrees


def test_a_file_may_be_dropped_on_the_map(page, triangle):
    left, top, width, height = map_box(page)
    page.drop_file(triangle, left + width / 2, top + height / 2)
    page.wait_for("document.querySelector('#place-words').textContent === 'Outline of triangle.geojson'")


def test_a_file_dropped_beside_the_map_is_read_too(page, triangle):
    """A browser would leave the page and show the file."""
    page.drop_file(triangle, 1200, 700)
    page.wait_for("document.querySelector('#place-words').textContent === 'Outline of triangle.geojson'")


def test_a_file_that_is_no_geojson_is_refused_in_words(page, tmp_path):
    (tmp_path / "notes.json").write_text("not JSON")
    page.choose_file("#open-file", tmp_path / "notes.json")
    page.wait_for("document.querySelector('#map-message').textContent.includes('notes.json is no GeoJSON')")
    assert page.text("#place-words") == "No place is chosen yet."
