"""The page of the service in Chromium itself: a map is made by mouse alone, read, compared and taken away."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from gee_export.sentinel import composite as composites
from tests.support.chromium import Page, browser

pytestmark = pytest.mark.long
pytest.importorskip("rio_tiler")

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-this-test-and-no-other"
WUHAN_LONLAT = (114.30, 30.59)
BOX_DEGREES = 0.006


class Running:
    """A service in a process of its own, and its address."""

    def __init__(self, process: subprocess.Popen, address: str) -> None:
        self.process, self.address = process, address

    def json(self, path: str) -> dict:
        request = Request(
            self.address + path, headers={"Accept": "application/json", "Authorization": f"Bearer {TOKEN}"}
        )
        with urlopen(request, timeout=60) as reply:
            return json.loads(reply.read())


def started(folder: Path, checkpoint: Path, home: Path, *options: str) -> Running:
    words = [sys.executable, "-m", "isamap", "serve", "--folder", str(folder), "--checkpoint", str(checkpoint)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ISAMAP_HOME": str(home)}
    process = subprocess.Popen(
        [*words, "--port", "0", *options], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address, f"the service said {line!r}"
    return Running(process, address.group())


@pytest.fixture(scope="module")
def network(make_checkpoint) -> Path:
    settings = composites.Settings.of(speckle="none", clouds="none")
    return make_checkpoint(composite=settings.to_json(), window=32, lattice=24)


@pytest.fixture(scope="module")
def service(network, tmp_path_factory) -> Iterator[Running]:
    running = started(tmp_path_factory.mktemp("service"), network, tmp_path_factory.mktemp("home"))
    yield running
    running.process.terminate()
    running.process.wait(60)


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium")) as page:
        yield page


def type_box(page: Page, centre: tuple[float, float], side: float) -> None:
    """Moves the view to a place by typing a box there, which is then taken away again."""
    lon, lat = centre
    for name, value in {"west": lon - side, "south": lat - side, "east": lon + side, "north": lat + side}.items():
        page.evaluate(f"document.querySelector('#{name}').value = {value}")
    page.evaluate("document.querySelector('#north').dispatchEvent(new Event('change'))")
    page.click("#clear-place")


def map_box(page: Page) -> tuple[float, float, float, float]:
    return page.evaluate(
        "(() => { const b = document.querySelector('#map').getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height] })()"
    )


def drag_box(page: Page, share: float) -> None:
    """A box around the middle of the map, so many of its widths and heights wide."""
    page.click("#draw-box")
    left, top, width, height = map_box(page)
    corners = [(left + width * (0.5 + sign * share / 2), top + height * (0.5 + sign * share / 2)) for sign in (-1, 1)]
    page.drag(*corners)


@pytest.fixture(scope="module")
def made(tab: Page, service: Running) -> Page:
    """The page after a part of Wuhan was mapped on the local engine's simulated world, by mouse."""
    tab.open(service.address, width=1280, height=860)
    type_box(tab, WUHAN_LONLAT, BOX_DEGREES)
    drag_box(tab, 0.5)
    tab.wait_for("!document.querySelector('#start').disabled")
    tab.click("#start")
    tab.wait_for("!document.querySelector('#map-tab').hidden", 280)
    tab.wait_for("document.querySelector('#map').dataset.waiting === '0'")
    return tab


def test_the_price_stands_there_before_the_start(tab, service):
    tab.open(service.address)
    type_box(tab, WUHAN_LONLAT, BOX_DEGREES)
    assert tab.evaluate("document.querySelector('#start').disabled")
    drag_box(tab, 0.5)
    tab.wait_for("!document.querySelector('#start').disabled")
    figures = dict(
        tab.evaluate("[...document.querySelectorAll('.figures div')].map(d => [...d.children].map(c => c.textContent))")
    )
    assert figures["Tiles"] == "1" and figures["EECU-hours"] == "none" and 0 < float(figures["Area"].split()[0]) < 2
    assert service.json("/jobs")["jobs"] == []


def test_a_place_that_is_too_large_is_refused_in_words(tab, service):
    tab.open(service.address)
    type_box(tab, WUHAN_LONLAT, 2.0)
    drag_box(tab, 0.9)
    tab.wait_for("document.querySelector('#price .wrong')")
    assert "this service maps at most" in tab.text("#price .wrong")
    assert tab.evaluate("document.querySelector('#start').disabled")


def test_the_map_of_the_box_is_shown(made, service):
    maps = service.json("/maps")["maps"]
    assert len(maps) == 1 and maps[0]["simulated"]
    west, south, east, north = maps[0]["bbox"]
    assert west < WUHAN_LONLAT[0] < east and south < WUHAN_LONLAT[1] < north
    assert made.text("#left-name").endswith("class") and made.complaints == []


def test_the_map_says_simulated(made):
    assert made.evaluate("!document.querySelector('#simulated').hidden")
    assert made.text("#simulated") == "Simulated: this map says nothing about the real place."


def test_a_click_reads_what_the_service_knows(made, service):
    left, top, width, height = map_box(made)
    made.mouse("click", left + width / 2, top + height / 2)
    made.wait_for("document.querySelector('#point .answer')")
    lat, lon = (float(part.split("°")[0]) for part in made.text("#point .quiet").split(", "))
    known = service.json(f"/maps/{service.json('/maps')['maps'][0]['id']}/point?lon={lon}&lat={lat}")
    text = made.text("#point .answer")
    assert text.startswith(known["class"])
    assert float(re.search(r"([\d.]+) %", text).group(1)) == pytest.approx(100 * known["probability"], abs=0.51)


def test_areas_are_the_services(made, service):
    whole = service.json(f"/maps/{service.json('/maps')['maps'][0]['id']}")["area_km2"]
    rows = made.evaluate("[...document.querySelectorAll('.areas tbody tr')].map(r => r.lastChild.textContent)")
    assert [float(text) for text in rows] == pytest.approx(list(whole.values()), rel=0.01)


def test_the_canvas_shows_the_legends_colours(made):
    """Somewhere on the canvas stands the colour of a class, which the tiles brought."""
    made.evaluate("document.querySelector('#imagery').checked && document.querySelector('#imagery').click()")
    counted = made.evaluate(
        "new Promise(done => setTimeout(() => { const c = document.querySelector('#map canvas');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 0; i < d.length; i += 4) if ((d[i] === 0xe3 && d[i + 1] === 0x1a && d[i + 2] === 0x1c)"
        " || (d[i] === 0xd9 && d[i + 1] === 0xd9 && d[i + 2] === 0xd9)) n += 1; done(n); }, 500))"
    )
    assert counted > 10_000


def test_downloads_are_the_services_files(made, service):
    links = made.evaluate("[...document.querySelectorAll('#files a')].map(a => a.getAttribute('href'))")
    assert [link.rpartition("=")[2] for link in links] == ["geotiff", "probability", "gpkg", "csv", "png"]
    with urlopen(service.address + links[0], timeout=60) as reply:
        assert reply.read(4) == b"II*\0"


def test_publishing_gives_the_lines_for_the_code_editor(made):
    made.evaluate("document.querySelector('#publish').closest('details').open = true")
    made.click("#publish button")
    made.wait_for("document.querySelector('#published pre') || document.querySelector('#published .wrong')")
    assert "Map.addLayer" in made.text("#published pre")


def test_the_job_and_its_log_are_listed(made):
    made.click("#jobs-button")
    made.wait_for("document.querySelector('[data-key^=show]')")
    assert "done" in made.text("#job-list")
    made.click("[data-key^=log]")
    made.wait_for("/isamap/.test(document.querySelector('#job-list .log')?.textContent)")


def test_the_page_works_with_a_token(tab, network, tmp_path):
    """It is asked for once; requests then carry it, and another one is refused."""
    (tmp_path / "tokens").write_text(TOKEN)
    running = started(tmp_path / "service", network, tmp_path / "home", "--token-file", str(tmp_path / "tokens"))
    try:
        tab.resize(1280, 800)
        tab.call("Page.navigate", url=running.address)
        tab.wait_for("document.querySelector('#token-dialog')?.open")
        tab.type("a-wrong-token-which-is-long-enough")
        tab.key("Enter")
        tab.wait_for("!document.querySelector('#token-wrong').hidden && document.querySelector('#token-dialog').open")
        tab.type(TOKEN)
        tab.key("Enter")
        tab.wait_for("document.body.dataset.ready === 'true'")
        assert tab.evaluate("document.querySelector('#checkpoint').options.length") == 1
    finally:
        running.process.terminate()
        running.process.wait(60)


def test_no_width_of_a_screen_needs_sideways_scrolling(tab, service):
    tab.open(service.address)
    for width in (320, 768, 1440):
        tab.resize(width, 700)
        tab.evaluate("new Promise(done => setTimeout(done, 300))")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
