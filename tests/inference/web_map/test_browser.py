"""The one-file page in Chromium itself: opened from the disk, used by mouse and by keys."""

from __future__ import annotations

import numpy as np
import pytest
from pyproj import Transformer

from isamap.inference.web_map.view import view_html
from tests.inference.conftest import WUHAN
from tests.support.chromium import Page

pytestmark = pytest.mark.long


@pytest.fixture
def years(random_map) -> list[np.ndarray]:
    """Two maps: random pixels, and the same with their classes turned round."""
    turned = random_map.copy()
    is_known = random_map[0] != 255
    turned[0][is_known] = 1 - random_map[0][is_known]
    turned[1][is_known] = 254 - random_map[1][is_known]
    return [random_map, turned]


@pytest.fixture
def page(tab: Page, finished_map, years, tmp_path) -> Page:
    paths = [
        finished_map(values, f"{year}.tif", period=f"{year}-06", period_start=f"{year}-06-01")
        for year, values in zip((2017, 2023), years, strict=True)
    ]
    view_html(paths, html=tmp_path / "map.html")
    tab.open(f"file://{tmp_path / 'map.html'}")
    return tab


def pixel_at(page: Page, col: float, row: float) -> tuple[float, float]:
    """The point of the window over a pixel of the map, which is 70 x 90 and fitted into its box with 24 px around."""
    left, top, width, height = page.evaluate(
        "(() => { const b = document.querySelector('#map').getBoundingClientRect();"
        " return [b.x, b.y, b.width, b.height] })()"
    )
    scale = min((width - 48) / 70, (height - 48) / 90, 40)
    return left + width / 2 + (col + 0.5 - 35) * scale, top + height / 2 + (row + 0.5 - 45) * scale


def areas(page: Page) -> dict[str, tuple[str, str]]:
    rows = page.evaluate(
        "[...document.querySelectorAll('.areas tbody tr')].map(r => [r.querySelector('.class-name').textContent,"
        " ...[...r.querySelectorAll('td')].map(c => c.firstChild.textContent)])"
    )
    return {name: (view, full) for name, view, full in rows}


def test_nothing_is_asked_for_and_nothing_complained_about(page):
    assert [address for address in page.requests if not address.startswith("data:")] == [page.evaluate("location.href")]
    assert page.complaints == []


def test_areas_of_the_whole_view_are_those_of_the_map(page):
    for in_view, in_map in areas(page).values():
        assert in_view == in_map


def test_areas_of_a_part_are_counted_from_the_pixels(page, years):
    """After two steps into the map, the pixels between the edges of the view are counted by numpy."""
    page.evaluate("document.querySelector('#map').focus()")
    for _ in range(2):
        page.key("+")
    width, height = page.evaluate(
        "[document.querySelector('#map').clientWidth, document.querySelector('#map').clientHeight]"
    )
    scale = min(4 * min((width - 48) / 70, (height - 48) / 90, 40), 40)
    left, right = (round(min(70, max(0, 35 + side * width / 2 / scale))) for side in (-1, 1))
    top, bottom = (round(min(90, max(0, 45 + side * height / 2 / scale))) for side in (-1, 1))
    counted = (years[1][0][top:bottom, left:right] == 1).sum() * 1e-4
    assert 0 < counted < 0.3
    page.wait_until(lambda: float(areas(page)["impervious"][0]) == pytest.approx(counted, rel=0.01), f"{counted} km2")


@pytest.mark.parametrize(("col", "row"), [(40, 60), (12, 33), (69, 89)])
def test_a_click_says_class_probability_and_place(page, years, col, row):
    page.mouse("click", *pixel_at(page, col, row))
    page.wait_for("document.querySelector('#point .history')")
    text = page.text("#point")
    share = years[1][1, row, col] / 254
    assert ("impervious", "pervious")[int(years[1][0, row, col] == 0)] in page.text("#point .answer strong")
    digits = 1 if share < 0.0995 else 0
    assert f"{100 * share:.{digits}f} %" in text or f"{100 * share + 1e-9:.{digits}f} %" in text
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(*(WUHAN * (col + 0.5, row + 0.5)))
    shown = [float(piece.split("°")[0]) for piece in page.text("#point .quiet").split(", ")]
    assert shown == pytest.approx([lat, lon], abs=2e-5)


def test_a_click_lists_the_years(page, years):
    page.mouse("click", *pixel_at(page, 40, 60))
    page.wait_for("document.querySelector('#point .history')")
    rows = page.evaluate("[...document.querySelectorAll('.history tbody tr')].map(r => r.children[1].textContent)")
    assert rows == [("pervious", "impervious")[values[0, 60, 40]] for values in years]


def test_a_pixel_that_is_not_known_is_said_to_be_so(page):
    page.mouse("click", *pixel_at(page, 2, 2))
    page.wait_for("document.querySelector('#point .answer')")
    assert page.text("#point .answer") == "not known"


def test_the_keyboard_alone_reads_a_place(page, years):
    page.evaluate("document.querySelector('#map').focus()")
    page.key("Enter")
    page.wait_for("document.querySelector('#point .answer')")
    name = ("pervious", "impervious")[years[1][0, 45, 35]]
    assert page.text("#point .answer strong") == name and page.text("#voice").startswith(name)


def colour(page: Page, col: int, row: int) -> list[int]:
    """What the canvas shows over a pixel."""
    x, y = pixel_at(page, col, row)
    return page.evaluate(
        "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {"
        " const c = document.querySelector('#map canvas'), b = c.getBoundingClientRect();"
        f" done([...c.getContext('2d').getImageData({x} - b.x, {y} - b.y, 1, 1).data]) }})))"
    )


COLOURS = ([0xD9, 0xD9, 0xD9, 255], [0xE3, 0x1A, 0x1C, 255])


def test_the_slider_shows_another_year(page, years):
    page.evaluate("document.querySelector('#year').focus()")
    page.key("ArrowLeft")
    page.wait_for("document.querySelector('#left-name').textContent.startsWith('2017')")
    assert colour(page, 40, 60) == COLOURS[years[0][0, 60, 40]]


def test_swipe_shows_one_map_at_each_side(page, years):
    page.click("#compare")
    page.wait_for("!document.querySelector('#right-name').hidden")
    assert page.text("#left-name") == "2023-06, class" and page.text("#right-name") == "2017-06, class"
    assert colour(page, 10, 60) == COLOURS[years[1][0, 60, 10]]
    assert colour(page, 60, 60) == COLOURS[years[0][0, 60, 60]]


def test_the_handle_moves_by_keys(page):
    page.click("#compare")
    page.evaluate("document.querySelector('.swipe').focus()")
    page.key("ArrowLeft")
    assert page.evaluate("document.querySelector('.swipe').getAttribute('aria-valuenow')") == "48"


def test_a_hidden_class_is_not_drawn(page, years):
    row, col = np.argwhere(years[1][0] == 1)[2000]
    page.click(".areas tbody tr:nth-child(2) input")
    assert colour(page, int(col), int(row))[3] == 0


def test_no_width_of_a_screen_needs_sideways_scrolling(page):
    for width in (320, 768, 1440):
        page.lay_out(width, 700)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
