"""A city is mapped, corrected and compared by mouse alone, without a key: simulated, and from a recorded archive."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from local_ee.testing import archive as archives

from isamap.gee_export.sentinel import composite as composites
from tests.inference.serve.test_label_page import draw_polygon
from tests.support.chromium import Page
from tests.support.running_service import Running, map_box, running_service

pytestmark = pytest.mark.long

SETTINGS = composites.Settings.of(speckle="none", clouds="none")
POINTS, PATIENCE_S = 5, 560
MOST_TURNS = 40  # of the wheel, to bring something into the window
NOTCH_PX = 400  # of the wheel: it doubles the scale
WORLD_WSEN, MARGIN_PX = (-168, -56, 178, 74), 24  # the view of a page without maps
# middle (longitude, latitude), half a side in degrees of longitude, year and month; the recording has optical images
# of winter and radar of April
PLACES = {"simulated": (114.30, 30.59, 0.0022, "2020", "06"), "archive": (5.05595, 51.21866, 0.0015, "2023", "")}
KEYS = """
window.keysPressed = 0;
for (const name of ["keydown", "beforeinput", "paste"]) addEventListener(name, () => (window.keysPressed += 1), true);
"""


class Hand:
    """The mouse of a person: it clicks only what is in the window and not covered, and turns the wheel to get there."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def click(self, selector: str) -> None:
        self.page.mouse("click", *self.reach(selector))

    def reach(self, selector: str) -> tuple[float, float]:
        """Where an element lies at two looks one after the other: what comes late above it moves it once more."""
        before = None
        for _ in range(MOST_TURNS):
            x, y, top = place = self._place(selector)
            if top and place == before:
                return x, y
            if top:
                self.page.evaluate("new Promise(done => setTimeout(done, 50))")
            else:
                self._turn(y)
            before = place
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


@dataclass
class City:
    """A page over a service of two networks."""

    source: str
    page: Page
    hand: Hand
    service: Running


@pytest.fixture(scope="module", params=list(PLACES))
def city(request: pytest.FixtureRequest, tab: Page, make_checkpoint, tmp_path_factory) -> Iterator[City]:
    options, path = [], tmp_path_factory.mktemp("path")
    backscatter = "gamma0" if request.param == "archive" else "sigma0"  # the archive's is flattened by terrain
    for name, threshold in (("first", 0.5), ("second", 0.3)):
        made = make_checkpoint(
            composite=SETTINGS.to_json(), window=32, lattice=24, thresholds={"impervious": threshold},
            backscatter=backscatter,
        )  # fmt: skip
        (path / name).symlink_to(made)
        options += ["--checkpoint", str(path / name)]
    with ExitStack() as stack:
        if request.param == "archive":
            if not archives.SHARED.is_dir():
                pytest.skip("needs ../shared/data/open")
            server = stack.enter_context(archives.recorded())
            (path / "sitecustomize.py").write_text(  # of every process that the service starts
                f"from local_ee.open import hosts\nhosts.LOOPBACK.update({server.loopback!r})\n"
            )
            options += ["--catalog", "open"]
        folders = tmp_path_factory.mktemp("service"), tmp_path_factory.mktemp("home")
        service = stack.enter_context(running_service(*folders, *options, path=path))
        script = tab.call("Page.addScriptToEvaluateOnNewDocument", source=KEYS)
        tab.open(service.address, width=1280, height=860)
        yield City(request.param, tab, Hand(tab), service)
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])


@dataclass
class Eye:
    """Where the page's map shows a place: the view in Web Mercator, as the wheel has changed it since the world."""

    page: Page
    x: float
    y: float
    scale: float

    @classmethod
    def of_world(cls, page: Page) -> Eye:
        _, _, width, height = map_box(page)
        west, south, east, north = WORLD_WSEN
        (left, top), (right, bottom) = mercator(west, north), mercator(east, south)
        inner = width - 2 * MARGIN_PX, height - 2 * MARGIN_PX
        return cls(
            page, (left + right) / 2, (top + bottom) / 2, min(inner[0] / (right - left), inner[1] / (bottom - top))
        )

    def pixel(self, lon: float, lat: float) -> tuple[int, int]:
        """Of the window."""
        left, top, width, height = map_box(self.page)
        x, y = mercator(lon, lat)
        return round(left + width / 2 + (x - self.x) * self.scale), round(top + height / 2 + (y - self.y) * self.scale)

    def approach(self, lon: float, lat: float) -> None:
        """One notch of the wheel over the place: what is below the mouse stays there."""
        left, top, width, height = map_box(self.page)
        pixel = self.pixel(lon, lat)
        self.page.wheel(*pixel, -NOTCH_PX)
        right, down = pixel[0] - left - width / 2, pixel[1] - top - height / 2
        self.x, self.y = self.x + right / self.scale / 2, self.y + down / self.scale / 2
        self.scale *= 2


def mercator(lon: float, lat: float) -> tuple[float, float]:
    """Web Mercator, 256 units wide."""
    return (lon + 180) / 360 * 256, 128 - math.atanh(math.sin(math.radians(lat))) / math.pi * 128


def choose_place(city: City) -> None:
    """A box around the middle of the place, found on the world by the wheel."""
    page, hand = city.page, city.hand
    lon, lat, half, *_ = PLACES[city.source]
    eye = Eye.of_world(page)
    _, _, _, height = map_box(page)
    while eye.scale * half / 360 * 256 < height / 8:
        eye.approach(lon, lat)
    hand.click("#draw-box")
    up = half * math.cos(math.radians(lat))
    page.drag(eye.pixel(lon - half, lat + up), eye.pixel(lon + half, lat - up))
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")


def choose_shown_place(city: City) -> None:
    """A box around the map that is shown, whose ground fills the view but for a margin."""
    page, hand = city.page, city.hand
    left, top, width, height = map_box(page)
    half = min(width, height) / 2 - MARGIN_PX
    x, y = left + width / 2, top + height / 2
    hand.click("#draw-box")
    page.drag((x - half, y - half), (x + half, y + half))
    page.wait_for("document.querySelector('#place-words').textContent.startsWith('Box')")


def choose_period(city: City) -> None:
    year, month = PLACES[city.source][3:]
    choose_span(city.hand, month)
    city.hand.choose("#year-of-map", year)


def choose_span(hand: Hand, month: str) -> None:
    """A month, or the whole year, which stands above the months in a list that opens at June."""
    if month:
        hand.choose("#span", month)
        return
    x, y = hand.reach("#span")
    hand.page.mouse("click", x, y)
    hand.page.wait_for("document.querySelector('#span').matches(':open')")
    box = "(() => { const b = document.querySelector('#span option[value=\"06\"]').getBoundingClientRect();"
    hand.page.wheel(*hand.page.evaluate(box + " return [b.x + 30, b.y + b.height / 2]; })()"), -2000)
    hand.page.evaluate("new Promise((done) => setTimeout(done, 300))")
    hand.click('#span option[value=""]')


def map_with(city: City, network: str) -> dict:
    """The map that a network makes of the chosen place, after its job has ended and it is shown."""
    page, before = city.page, {each["id"] for each in city.service.json("/maps")["maps"]}
    city.hand.choose("#checkpoint", network)
    page.wait_for("!document.querySelector('#start').disabled")
    city.hand.click("#start")
    page.wait_for(
        "document.querySelector('#progress .failed') || !document.querySelector('#map-tab').hidden", PATIENCE_S
    )
    assert not page.evaluate("document.querySelector('#map-tab').hidden"), page.text("#progress")
    page.wait_for("document.querySelector('#map').dataset.waiting === '0'", PATIENCE_S)
    (made,) = (each for each in city.service.json("/maps")["maps"] if each["id"] not in before)
    return made


def check_request(city: City) -> None:
    """The one job of a map is of the drawn box and the chosen period, as far as the mouse hits its pixel."""
    lon, lat, half, year, month = PLACES[city.source]
    (job,) = city.service.json("/jobs")["jobs"]
    west, south, east, north = job["inputs"]["bbox"]
    assert (west, east) == pytest.approx((lon - half, lon + half), abs=half / 10)
    assert ((south + north) / 2, job["inputs"]["period"]) == (
        pytest.approx(lat, abs=half / 10),
        f"{year}-{month}" if month else year,
    )


def check_point(city: City, made: dict) -> None:
    """A click on the map shows the probability there, in the window."""
    page = city.page
    left, top, width, height = map_box(page)
    page.mouse("click", left + width / 2, top + height / 2)
    page.wait_for("document.querySelector('#point .answer')")
    lat, lon = (float(word.split("°")[0]) for word in page.text("#point .quiet").split(", "))
    answer = city.service.json(f"/maps/{made['id']}/point?lon={lon}&lat={lat}")
    text = page.text("#point .answer")
    assert float(text.split()[-2]) == pytest.approx(100 * answer["probability"], abs=0.51), text
    page.wait_for(
        "(() => { const e = document.querySelector('#point .answer'); const b = e.getBoundingClientRect();"
        " return b.height > 0 && b.bottom <= innerHeight &&"
        " e.contains(document.elementFromPoint(b.x + 20, b.y + 9)) })()"
    )


def test_a_city_is_mapped_compared_and_corrected_by_mouse(city):
    page, hand, service = city.page, city.hand, city.service
    choose_place(city)
    choose_period(city)
    first = map_with(city, "first")
    check_request(city)
    check_point(city, first)
    hand.click("#new-button")
    choose_shown_place(city)
    second = map_with(city, "second")
    assert first["simulated"] == second["simulated"] == (city.source == "simulated")
    assert (first["checkpoint"], second["checkpoint"]) == ("first", "second")

    # compared: the handle between both maps follows the mouse
    hand.click("#compare")
    page.wait_for("!document.querySelector('#other-box').hidden")
    hand.choose("#other", f"{first['id']} class")
    assert first["name"] in page.text("#right-name") and not page.evaluate(
        "document.querySelector('#right-name').hidden"
    )
    handle = hand.reach(".grip")
    page.drag(handle, (handle[0] - 150, handle[1]))
    assert 20 < int(page.evaluate("document.querySelector('.swipe').getAttribute('aria-valuenow')")) < 45

    # corrected: what a person knows is drawn, and answers to a sample give the area with its interval
    hand.click("#label-button")
    page.wait_for("!document.querySelector('#draw-sample').disabled")
    hand.click("#draw-labels")
    draw_polygon(page, (0.45, 0.45), (0.55, 0.45), (0.55, 0.55))
    page.wait_for("document.querySelector('#label-kept').textContent === 'Kept on the server.'")
    (drawn,) = service.json("/labels/labels")["features"]
    west, south, east, north = second["bbox"]
    assert all(west < lon < east and south < lat < north for lon, lat in drawn["geometry"]["coordinates"][0])
    hand.click("#draw-labels")

    for _ in range(3):  # 50, 20, 10, 5
        hand.click("[data-step='-1']")
    hand.click("#draw-sample")
    page.wait_for("!document.querySelector('#sheet').hidden", PATIENCE_S)
    for at in range(POINTS):
        hand.click(f"#sheet-answers button:nth-child({at % 2 + 1})")
        page.wait_for(f"document.querySelector('#sheet-words').textContent.endsWith('{at + 1} answered')")
    hand.click("#estimate-sheet")
    page.wait_for("document.querySelector('#sheet-report strong')", PATIENCE_S)
    job = next(
        each for each in service.json("/jobs")["jobs"] if each["processID"] == "assess" and "answers" in each["inputs"]
    )
    overall = service.json(f"/jobs/{job['jobID']}/report")["overall"]["value"]
    assert page.text("#sheet-report strong").startswith(f"Overall accuracy {100 * overall:.0f}")
    assert page.complaints == [] and page.evaluate("window.keysPressed") == 0
