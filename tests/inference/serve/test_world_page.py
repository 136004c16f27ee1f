"""The page's world, search, links and legend in Chromium, over a service that has maps and computes nothing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from isamap.inference.map_files import cog
from tests.inference.conftest import LEGEND, WUHAN
from tests.support.chromium import Page
from tests.support.running_service import Running, running_service

pytestmark = pytest.mark.long
PAGE = Path(__file__).resolve().parents[3] / "inference" / "serve" / "page"
PX = 200
KNOWN = np.zeros((2, PX, PX), np.uint8)
KNOWN[0, :, : PX // 4] = 1


def write_map(folder: Path, name: str, period: str, values_2HW: np.ndarray) -> None:
    rows = cog.RowsFile(folder / f"{name}.u8", PX)
    rows.append(values_2HW)
    days = {"period_start": f"{period}-01", "period_end": f"{period}-28", "simulated": "true", "settings": "0" * 32}
    tags = {"model": "unet", "classes": ",".join(LEGEND.names), "period": period} | days
    cog.write(rows, cog.MapInfo(GeoBox((PX, PX), WUHAN, "EPSG:32650"), LEGEND, tags), folder / f"{name}.tif")


@contextmanager
def serving(folders: pytest.TempPathFactory, *maps: tuple[str, str, np.ndarray]) -> Iterator[Running]:
    """A service that has maps of a name, a period and values each."""
    folder = folders.mktemp("service")
    (folder / "maps").mkdir()
    for name, period, values in maps:
        write_map(folder / "maps", name, period, values)
    with running_service(folder, folders.mktemp("home")) as running:
        running.folder = folder
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three maps of one place: all known, the same a year later, and one that knows a half."""
    half = KNOWN.copy()
    half[:, PX // 2 :] = 255
    with serving(tmp_path_factory, ("a", "2019-06", KNOWN), ("b", "2020-06", KNOWN), ("c", "2021-06", half)) as running:
        yield running


@pytest.fixture
def page(tab: Page, service: Running) -> Page:
    tab.call("Page.navigate", url="about:blank")  # another fragment alone loads nothing
    tab.open(service.address + "/#map=a", width=1280, height=860)
    return tab


def settled(page: Page, test: str) -> None:
    page.wait_for(test)


def zoom(page: Page) -> float:
    return float(page.evaluate("Number(new URLSearchParams(location.hash.slice(1)).get('at').split(',')[2])"))


def test_the_world_is_drawn_and_asks_no_other_server(page, service):
    assert f"{service.address}/static/world.json" in page.requests
    assert all(request.startswith((service.address, "data:", "blob:", "about:")) for request in page.requests)
    assert page.complaints == []


def test_the_chart_marks_the_shown_map_alone(tab, service):
    """Another map of the same period has the same label."""
    write_map(service.folder / "maps", "again", "2020-06", KNOWN)
    try:
        tab.call("Page.navigate", url="about:blank")
        tab.open(service.address + "/#map=again")
        settled(tab, "document.querySelectorAll('#chart .column').length === 4")
        assert tab.evaluate("document.querySelectorAll('#chart .column.strong').length") == 1
    finally:
        (service.folder / "maps" / "again.tif").unlink()


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("kumasi", "10 km around Kumasi"),
        ("sao paulo", "10 km around São Paulo"),
        ("6.69, -1.62", "10 km around 6.69000° N, 1.62000° W"),
        ("33.9 S 18.4 E", "10 km around 33.90000° S, 18.40000° E"),
    ],
)
def test_a_town_or_degrees_are_a_place(page, typed, words):
    page.click("#new-button")
    page.click("#region")
    page.type(typed)
    settled(page, "document.querySelector('#regions [role=option]')")
    page.key("Enter")
    settled(page, "document.querySelector('#place-words').textContent !== 'No place is chosen yet.'")
    assert page.text("#place-words") == words
    west, south, east, north = (
        float(page.evaluate(f"document.querySelector('#{side}').value")) for side in ("west", "south", "east", "north")
    )
    assert (north - south) * 111.3 == pytest.approx(10, abs=0.2)
    assert (east - west) * 111.3 * np.cos(np.radians(north)) == pytest.approx(10, abs=0.2)


def test_a_name_that_nothing_has_keeps_its_sentence(page):
    page.click("#new-button")
    page.click("#region")
    page.type("no such town at all")
    page.key("Enter")
    settled(page, "document.querySelector('#regions').textContent.includes('No region or town')")
    assert page.evaluate("!document.querySelector('#regions').hidden")


def test_the_map_is_asked_for_before_the_image(page):
    page.wait_for_requests("/tiles/imagery/")
    tiles = [request for request in page.requests if "/tiles/" in request]
    first_image = next(index for index, request in enumerate(tiles) if "/tiles/imagery/" in request)
    assert first_image and all("/tiles/class/" in request for request in tiles[:first_image])


def test_the_page_asks_for_nothing_but_its_files_before_the_map(page, service):
    """Where answers come with the page, those of the latest map: a busy service sends the page without them."""
    latest = max(service.json("/maps")["maps"], key=lambda each: each["created"])["id"]

    def has_answers() -> bool:
        page.call("Page.navigate", url="about:blank")
        page.open(f"{service.address}/#map={latest}")
        return page.evaluate("document.body.dataset.answers") != "{}"

    page.wait_until(has_answers, "a page with answers")
    page.wait_for_requests("/tiles/class/")
    first = next(index for index, request in enumerate(page.requests) if "/tiles/class/" in request)
    files = {f"{service.address}/{name}" for name in ("", "static/page.css", "static/page.js", "static/icon.svg")}
    assert set(page.requests[:first]) <= files


def test_pervious_ground_is_clear_until_it_is_ticked(page):
    assert all("hide=0" in request for request in page.requests if "/tiles/class/" in request)
    page.requests.clear()
    page.click("#areas tbody tr:first-child input")
    page.wait_until(lambda: any("/tiles/class/" in request and "hide" not in request for request in page.requests))


def test_the_chart_counts_the_ground_that_all_maps_know(page):
    settled(page, "document.querySelector('#chart figcaption')")
    assert re.search(r"the ground that all 3 maps know \(\d+ % of the view\)", page.text("#chart figcaption"))
    label = page.evaluate("document.querySelector('#chart svg').getAttribute('aria-label')")
    assert len(set(re.findall(r"\d{4}-06: ([\d.]+)", label))) == 1  # nothing has changed where all know the ground


def test_a_link_leads_to_the_same_view(page, service):
    settled(page, "location.hash.includes('at=')")
    before = zoom(page)
    page.evaluate("document.querySelector('.zoom button').click()")
    page.wait_until(lambda: zoom(page) == pytest.approx(before + 1, abs=0.02))
    link = page.evaluate("location.href")
    page.call("Page.navigate", url="about:blank")
    page.open(link)
    page.wait_until(lambda: page.evaluate("location.href") == link, link)
    time.sleep(0.5)  # longer than a move takes to be written
    assert page.evaluate("location.href") == link


def test_a_token_is_taken_out_of_the_address(tab, service):
    tab.call("Page.navigate", url="about:blank")
    tab.open(f"{service.address}/#token=a-token-of-the-address&map=b")
    assert "token" not in tab.evaluate("location.href") and "map=b" in tab.evaluate("location.href")
    assert tab.evaluate("sessionStorage.getItem('isamap-token')") == "a-token-of-the-address"
    tab.evaluate("sessionStorage.clear()")


def test_every_label_lies_in_its_panel(page):
    """The legend's float once pushed a label off the panel."""
    page.click("#new-button")
    page.evaluate(
        "document.querySelector('#networks').hidden = false; document.querySelector('#no-network').hidden = true"
    )
    for width in (1440, 1024, 390):
        page.lay_out(width, 860)
        boxes = page.evaluate(
            "[...document.querySelectorAll('#new-tab label')].filter((each) => each.checkVisibility())"
            ".map((each) => { const b = each.getBoundingClientRect(); return [b.left, b.right, b.width]; })"
        )
        assert boxes and all(left >= 0 and right <= width and wide > 10 for left, right, wide in boxes), width
    page.resize(1280, 860)


def test_a_map_is_renamed_and_deleted_by_mouse(page, service):
    page.evaluate("document.querySelector('#facts').closest('details').open = true")
    page.evaluate("document.querySelector('#new-name').value = ''")
    page.click("#new-name")
    page.type("Old town")
    page.click("#rename button")
    settled(page, "document.querySelector('#changed').textContent.includes('Old town')")
    assert service.json("/maps/a")["name"] == "Old town"
    page.evaluate(  # the page asks for six seconds whether it is meant: a busy machine may click later
        "(() => { const wait = setTimeout; window.setTimeout = (act, ms) => wait(act, ms === 6000 ? 600_000 : ms) })()"
    )
    page.click("#delete-map")
    assert page.text("#delete-map") == "Delete it for ever?" and len(service.json("/maps")["maps"]) == 3
    page.click("#delete-map")
    page.wait_until(lambda: len(service.json("/maps")["maps"]) == 2)
    assert page.complaints == []


def test_the_worlds_file_is_what_it_says():
    world = json.loads((PAGE / "world.json").read_text(encoding="utf-8"))
    assert "public domain" in world["credit"] and (PAGE / "world.json").stat().st_size < 700_000
    names = {name: (lon, lat) for name, _, lon, lat, _ in world["towns"]}
    assert names["Kumasi"] == pytest.approx((-1.62, 6.69), abs=0.05)
    assert [row[4] for row in world["towns"]] == sorted(row[4] for row in world["towns"])
