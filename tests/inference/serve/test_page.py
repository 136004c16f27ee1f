"""The page of the service in Chromium itself: a map is made by mouse alone, read, compared and taken away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.request import urlopen

import pytest

from tests.support.chromium import Page
from tests.support.running_service import TOKEN, Running, drag_box, map_box, running_service

pytestmark = pytest.mark.long

WUHAN_LONLAT = (114.30, 30.59)
BOX_DEGREES = 0.006


@pytest.fixture(scope="module")
def service(network, tmp_path_factory) -> Iterator[Running]:
    folder, home = tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home")
    with running_service(folder, home, "--checkpoint", str(network)) as running:
        yield running


def type_box(page: Page, centre: tuple[float, float], side: float) -> None:
    """Moves the view to a place by typing a box there, which is then taken away again."""
    lon, lat = centre
    for name, value in {"west": lon - side, "south": lat - side, "east": lon + side, "north": lat + side}.items():
        page.evaluate(f"document.querySelector('#{name}').value = {value}")
    page.evaluate("document.querySelector('#north').dispatchEvent(new Event('change'))")
    page.click("#clear-place")


@pytest.fixture(scope="module")
def made(tab: Page, service: Running) -> Page:
    """The page after a part of Wuhan was mapped on the local engine's simulated world, by mouse."""
    tab.open(service.address, width=1280, height=860)
    type_box(tab, WUHAN_LONLAT, BOX_DEGREES)
    drag_box(tab, 0.5)
    tab.wait_for("!document.querySelector('#start').disabled")
    tab.click("#start")
    tab.wait_for("!document.querySelector('#map-tab').hidden", 560)
    tab.wait_for("document.querySelector('#map').dataset.waiting === '0'")
    tab.wait_for("document.querySelector('.areas tbody tr') && document.querySelector('#files a')")
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
    assert made.text("#simulated") == "Simulated input: this map says nothing about the real place."


def test_a_click_reads_what_the_service_knows(made, service):
    left, top, width, height = map_box(made)
    made.mouse("click", left + width / 2, top + height / 2)
    made.wait_for("document.querySelector('#point .answer')")
    lat, lon = (float(part.split("°")[0]) for part in made.text("#point .quiet").split(", "))
    known = service.json(f"/maps/{service.json('/maps')['maps'][0]['id']}/point?lon={lon}&lat={lat}")
    text = made.text("#point .answer")
    assert text.startswith(known["class"])
    assert float(re.search(r"([\d.]+) %", text).group(1)) == pytest.approx(100 * known["probability"], abs=0.51)
    made.wait_for(  # in the window, and not covered
        "(() => { const e = document.querySelector('#point .answer'); const b = e.getBoundingClientRect();"
        " return b.height > 0 && b.bottom <= innerHeight &&"
        " e.contains(document.elementFromPoint(b.x + 20, b.y + 9)) })()"
    )


def test_areas_are_the_services(made, service):
    whole = service.json(f"/maps/{service.json('/maps')['maps'][0]['id']}")["area_km2"]
    rows = made.evaluate("[...document.querySelectorAll('.areas tbody tr')].map(r => r.lastChild.textContent)")
    assert [float(text) for text in rows] == pytest.approx(list(whole.values()), rel=0.01)


def test_the_canvas_shows_the_legends_colours(made):
    """Somewhere on the canvas stands the colour of a class, which the tiles brought."""
    made.evaluate("document.querySelector('#imagery').checked && document.querySelector('#imagery').click()")
    counted = (
        "(() => { const c = document.querySelector('#map canvas');"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
        " for (let i = 0; i < d.length; i += 4) if ((d[i] === 0xe3 && d[i + 1] === 0x1a && d[i + 2] === 0x1c)"
        " || (d[i] === 0xd9 && d[i + 1] === 0xd9 && d[i + 2] === 0xd9)) n += 1; return n; })()"
    )
    made.wait_until(lambda: made.evaluate(counted) > 10_000, "10,000 pixels of the legend's colours")


def test_downloads_are_the_services_files(made, service):
    links = made.evaluate("[...document.querySelectorAll('#files a')].map(a => a.getAttribute('href'))")
    assert [link.rpartition("=")[2] for link in links] == ["geotiff", "probability", "gpkg", "csv", "png"]
    with urlopen(service.address + links[0], timeout=60) as reply:
        assert reply.read(4) == b"II*\0"


def test_publishing_into_the_local_engine_says_that_google_has_nothing(made):
    made.evaluate("document.querySelector('#publish').closest('details').open = true")
    made.click("#publish button")
    made.wait_for("/Google|wrong/.test(document.querySelector('#published').innerHTML)")
    assert made.text("#published").startswith("Published as projects/local/assets/isa/")
    assert "Google has nothing of it" in made.text("#published")


def test_the_job_and_its_log_are_listed(made):
    made.click("#jobs-button")
    made.wait_for("document.querySelector('#job-list').textContent.includes('publish')")  # the tab's renewal
    assert "done" in made.text("#job-list")
    made.click("[data-key^=log]")
    made.wait_for("/isamap publish/.test(document.querySelector('#job-list .log')?.textContent)")


def test_the_page_works_with_a_token(tab, network, tmp_path):
    """It is asked for once; requests then carry it, and another one is refused."""
    (tmp_path / "tokens").write_text(TOKEN)
    (tmp_path / "tokens").chmod(0o600)
    options = ("--checkpoint", str(network), "--token-file", str(tmp_path / "tokens"))
    with running_service(tmp_path / "service", tmp_path / "home", *options) as running:
        tab.resize(1280, 800)
        tab.call("Page.navigate", url=running.address)
        tab.wait_for("document.querySelector('#token-dialog')?.open")
        tab.type("a-wrong-token-which-is-long-enough")
        tab.key("Enter")
        tab.wait_for("!document.querySelector('#token-wrong').hidden && document.querySelector('#token-dialog').open")
        for _ in range(2):  # browsers close a dialog at the second Escape, whatever the page says
            tab.key("Escape")
        tab.wait_for("document.querySelector('#token-dialog').open")
        assert tab.text("#token-wrong") == "The service does not accept that token. Try another."
        tab.type(TOKEN)
        tab.key("Enter")
        tab.wait_for("document.body.dataset.ready === 'true'")
        assert tab.evaluate("document.querySelector('#checkpoint').options.length") == 1


def test_no_width_of_a_screen_needs_sideways_scrolling(tab, service):
    tab.open(service.address)
    for width in (320, 768, 1440):
        tab.lay_out(width, 700)
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
