"""A part of Wuhan is mapped in Chromium as a person does it: by mouse, and the keys of one word."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support.chromium import Page
from tests.support.running_service import Running, map_box, running_service

pytestmark = pytest.mark.long
pytest.importorskip("rio_tiler")

WUHAN = (113.5, 29.8, 115.2, 31.5)
ZOOMS, NOTCH_PX = 7, 400  # a notch of the wheel doubles the scale
BOX_PX = 150
TURNS = 40


class Hand:
    """The mouse of a person: it clicks only what is in the window and not covered, and turns the wheel to get there."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def click(self, selector: str) -> None:
        self.page.mouse("click", *self.reach(selector))

    def reach(self, selector: str) -> tuple[float, float]:
        for _ in range(TURNS):
            x, y, top = self._place(selector)
            if top:
                return x, y
            self._turn(y)
        raise AssertionError(f"{selector} cannot be reached by mouse")

    def _place(self, selector: str) -> tuple[float, float, bool]:
        """The middle of an element, and whether a click there is the element's."""
        return self.page.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); const b = e.getBoundingClientRect();"
            " const [x, y] = [b.x + b.width / 2, b.y + b.height / 2]; const top = document.elementFromPoint(x, y);"
            " return [x, y, b.width > 0 && e.contains(top)]; })()"
        )

    def _turn(self, y: float) -> None:
        """The wheel over the panel beside the map, in small steps."""
        left, top, width, height = map_box(self.page)
        self.page.wheel(left + width + 150, top + height / 2, 120 if y > top + height / 2 else -120)
        self.page.evaluate("new Promise(done => setTimeout(done, 120))")

    def choose(self, select: str, value: str) -> None:
        """An entry of a list: a click opens it, another takes the entry."""
        self.click(select)
        self.page.wait_for(f"document.querySelector('{select}').matches(':open')")
        self.click(f"{select} option[value={json.dumps(value)}]")
        assert self.page.evaluate(f"document.querySelector('{select}').value") == value


@pytest.fixture(scope="module")
def service(network, tmp_path_factory) -> Iterator[Running]:
    """Two checkpoints, so that one has to be chosen."""
    folders = [tmp_path_factory.mktemp("runs") / name for name in ("first", "second")]
    for folder in folders:
        folder.symlink_to(network)
    options = [word for folder in folders for word in ("--checkpoint", str(folder))]
    with running_service(tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home"), *options) as running:
        yield running


@pytest.fixture(scope="module")
def middle(tab: Page, service: Running) -> tuple[float, float]:
    """The middle of the page's map, in pixels of the window."""
    tab.open(service.address, width=1280, height=860)
    left, top, width, height = map_box(tab)
    return left + width / 2, top + height / 2


@pytest.fixture(scope="module")
def priced(tab: Page, middle) -> Hand:
    """A box in the middle of Wuhan is drawn, checkpoint and period are chosen, and the price is there."""
    hand = Hand(tab)
    hand.click("#region")
    for letter in "wuhan":
        tab.key(letter)
    tab.wait_for("document.querySelector('#region-wuhan')")
    hand.click("#region-wuhan")
    tab.wait_for("document.querySelector('#place-words').textContent.startsWith('Region wuhan')")
    for _ in range(ZOOMS):
        tab.wheel(*middle, -NOTCH_PX)
    hand.click("#draw-box")
    x, y = middle
    tab.drag((x - BOX_PX, y - BOX_PX), (x + BOX_PX, y + BOX_PX))
    tab.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")
    hand.choose("#checkpoint", "second")
    hand.choose("#span", "07")
    tab.wait_for("!document.querySelector('#start').disabled")
    return hand


@pytest.fixture(scope="module")
def mapped(priced: Hand, tab: Page) -> Page:
    """The box is mapped, and its map is shown."""
    priced.click("#start")
    tab.wait_for("document.querySelector('#progress progress')")
    tab.wait_for("!document.querySelector('#map-tab').hidden", 280)
    tab.wait_for("document.querySelector('#map').dataset.waiting === '0'")
    return tab


def test_the_price_of_the_drawn_box_is_shown(priced, tab):
    figures = dict(
        tab.evaluate("[...document.querySelectorAll('.figures div')].map(d => [...d.children].map(c => c.textContent))")
    )
    assert figures["Tiles"] == "1" and 0 < float(figures["Area"].split()[0]) < 10


def test_the_service_got_what_was_chosen_by_mouse(mapped, service):
    (job,) = service.json("/jobs")["jobs"]
    west, south, east, north = job["inputs"]["bbox"]
    assert WUHAN[0] < west < east < WUHAN[2] and WUHAN[1] < south < north < WUHAN[3] and east - west < 0.05
    assert (job["inputs"]["checkpoint"], job["inputs"]["period"]) == ("second", "2020-07")


def test_the_map_made_by_mouse_is_shown(mapped, service):
    (made,) = service.json("/maps")["maps"]
    assert mapped.text("#left-name") == f"{made['name']}, 2020-07: class" and mapped.complaints == []


def test_a_click_on_the_map_shows_the_probability_in_the_window(mapped, middle, service):
    mapped.mouse("click", *middle)
    mapped.wait_for("document.querySelector('#point .answer')")
    lat, lon = (float(word.split("°")[0]) for word in mapped.text("#point .quiet").split(", "))
    (made,) = service.json("/maps")["maps"]
    answer = service.json(f"/maps/{made['id']}/point?lon={lon}&lat={lat}")
    text = mapped.text("#point .answer")
    assert float(text.split()[-2]) == pytest.approx(100 * answer["probability"], abs=0.51), text
    mapped.wait_for(
        "(() => { const e = document.querySelector('#point .answer'); const b = e.getBoundingClientRect();"
        " return b.height > 0 && b.bottom <= innerHeight &&"
        " e.contains(document.elementFromPoint(b.x + 20, b.y + 9)) })()"
    )
