"""Labels, answer sheets, maps as one and districts on the page, by mouse and keys, over a service that has maps."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from urllib.request import urlopen

import geopandas
import pytest

from tests.inference.serve.test_world_page import KNOWN, PX, serving
from tests.support.chromium import Page
from tests.support.running_service import Running, map_box

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Two maps of June 2020, each of which knows a half of the same ground, and one of 2019 that knows all."""
    east, west = KNOWN.copy(), KNOWN.copy()
    east[:, :, : PX // 2], west[:, :, PX // 2 :] = 255, 255
    maps = ("east", "2020-06", east), ("west", "2020-06", west), ("all", "2019-06", KNOWN)
    with serving(tmp_path_factory, *maps) as running:
        yield running


@pytest.fixture
def page(tab: Page, service: Running) -> Page:
    tab.call("Page.navigate", url="about:blank")
    tab.open(service.address + "/#map=west", width=1280, height=860)
    return tab


def draw_polygon(page: Page, *corners: tuple[float, float]) -> None:
    """A polygon by clicks on parts of the map's width and height; the last one double."""
    left, top, width, height = map_box(page)
    points = [(left + width * x, top + height * y) for x, y in corners]
    for point in points[:-1]:
        page.mouse("click", *point)
    page.double_click(*points[-1])


@pytest.fixture
def drawn(page: Page, service: Running) -> Page:
    """Two polygons of two classes, drawn one after the other, of new labels."""
    for name in service.json("/labels")["labels"]:
        (service.folder / "labels" / f"{name}.gpkg").unlink()
    page.click("#label-button")
    page.wait_for("document.querySelector('input[name=label-class]:checked')?.value === 'impervious'")
    page.click("#draw-labels")
    draw_polygon(page, (0.4, 0.4), (0.5, 0.4), (0.5, 0.6))
    page.wait_for("document.querySelector('#label-words').textContent.startsWith('1 polygon')")
    page.click("input[value=pervious]")
    draw_polygon(page, (0.55, 0.4), (0.65, 0.4), (0.65, 0.6))
    page.wait_for("document.querySelector('#label-words').textContent === '2 polygons: 1 impervious, 1 pervious'")
    page.wait_for("document.querySelector('#label-kept').textContent === 'Kept on the server.'")
    assert len(service.json("/labels/labels")["features"]) == 2, (
        "the page says so of the latest polygon, not of one before"
    )
    return page


def test_drawn_labels_are_kept_as_a_geopackage_where_they_were_drawn(drawn, service):
    table = geopandas.read_file(service.folder / "labels" / "labels.gpkg")
    assert list(table["class"]) == ["impervious", "pervious"]
    west, south, east, north = service.json("/maps/west")["bbox"]
    first, second = table.geometry
    assert west < first.centroid.x < second.centroid.x < east and south < first.centroid.y < north
    assert drawn.complaints == []


def test_labels_are_there_again_after_the_page_was_closed(drawn, tab, service):
    tab.call("Page.navigate", url="about:blank")
    tab.open(service.address + "/#map=west")
    tab.click("#label-button")
    tab.wait_for("document.querySelector('#label-choice').options.length === 2")
    tab.evaluate("document.querySelector('#label-choice').value = 'labels'")
    tab.evaluate("document.querySelector('#label-choice').dispatchEvent(new Event('change'))")
    tab.wait_for("document.querySelector('#label-words').textContent === '2 polygons: 1 impervious, 1 pervious'")
    tab.click("#undo-label")
    tab.wait_until(lambda: len(service.json("/labels/labels")["features"]) == 1)


def test_new_labels_never_replace_those_that_are_there(drawn, tab, service):
    """Another page begins under another name, and refuses the one that is taken."""
    tab.call("Page.navigate", url="about:blank")
    tab.open(service.address + "/#map=west")
    tab.click("#label-button")
    tab.wait_for("document.querySelector('#label-name').value === 'labels-2'")
    tab.evaluate("document.querySelector('#label-name').value = 'labels'")
    tab.click("#draw-labels")
    draw_polygon(tab, (0.4, 0.4), (0.5, 0.4), (0.5, 0.6))
    tab.wait_for("document.querySelector('#label-kept').textContent.startsWith('There are labels labels already')")
    assert len(service.json("/labels/labels")["features"]) == 2


HOLD_LIST = """
(() => {
  const fetched = window.fetch;
  const released = new Promise((release) => (window.release = release));
  window.fetch = async (path, options) => {
    const isPut = options?.method === "PUT";
    if (isPut && (window.puts = (window.puts ?? 0) + 1) === 2) return new Promise(() => {});
    if (!isPut && String(path).endsWith("/labels")) {
      window.isListAsked = true;
      await released;
    }
    return fetched(path, options);
  };
})()
"""


def test_labels_are_said_to_be_kept_only_when_the_latest_polygon_is(page):
    """The list of labels comes late, after a second polygon whose keeping never ends."""
    page.click("#label-button")
    page.wait_for("document.querySelector('input[name=label-class]:checked')?.value === 'impervious'")
    page.evaluate("document.querySelector('#label-name').value = 'late'")
    page.evaluate(HOLD_LIST)
    page.click("#draw-labels")
    draw_polygon(page, (0.4, 0.4), (0.5, 0.4), (0.5, 0.6))
    page.wait_for("window.isListAsked")
    draw_polygon(page, (0.55, 0.4), (0.65, 0.4), (0.65, 0.6))
    page.wait_for("window.puts === 2")
    page.evaluate("window.release()")
    page.wait_for("document.querySelector('#label-choice').value === 'late'")
    assert page.text("#label-kept") == "Keeping …"


def test_escape_stops_drawing_and_keeps_what_is_drawn(drawn):
    drawn.key("Escape")
    assert drawn.text("#draw-labels") == "Draw polygons"
    assert not drawn.evaluate("document.querySelector('#map').classList.contains('drawing')")
    assert drawn.text("#label-words").startswith("2 polygons")


@pytest.fixture(scope="module")
def sampled(tab: Page, service: Running) -> Page:
    """A sample of six points of the map, drawn by the page, whose sheet is open."""
    tab.call("Page.navigate", url="about:blank")
    tab.open(service.address + "/#map=all", width=1280, height=860)
    tab.click("#label-button")
    tab.wait_for("!document.querySelector('#draw-sample').disabled")
    tab.evaluate("document.querySelector('#sample-points').value = 6")
    tab.click("#draw-sample")
    tab.wait_for("!document.querySelector('#sheet').hidden")
    return tab


def sheet(service: Running) -> dict:
    (head,) = service.json("/sheets")["sheets"]
    return service.json(f"/sheets/{head['id']}")


def test_a_sheet_is_filled_in_by_keys_goes_on_after_a_reload_and_gives_areas(sampled, service):
    """The map says impervious in the western quarter: whoever answers so finds no error and the map's own area."""
    assert sampled.text("#left-name").endswith("image")  # the map, which would tell the answer, is hidden
    truth = {point["id"]: "1" if _is_west(point, service) else "0" for point in sheet(service)["points"]}
    order = [point["id"] for point in sheet(service)["points"]]
    for id in order[:3]:
        sampled.key(truth[id])
    sampled.wait_until(lambda: sheet(service)["answered"] == 3)
    assert sampled.text("#sheet-words") == "Point 4 of 6; 3 answered"

    sampled.call("Page.navigate", url="about:blank")
    sampled.open(service.address + "/#map=all")
    sampled.click("#label-button")
    sampled.wait_for("document.querySelector('#sheet-choice').options.length === 2")
    sampled.evaluate("document.querySelector('#sheet-choice').selectedIndex = 1")
    sampled.evaluate("document.querySelector('#sheet-choice').dispatchEvent(new Event('change'))")
    sampled.wait_for("document.querySelector('#sheet-words').textContent === 'Point 4 of 6; 3 answered'")
    assert sampled.evaluate("document.querySelector('#estimate-sheet').disabled")
    for id in order[3:]:
        sampled.click(f"#sheet-answers button:nth-child({int(truth[id]) + 1})")
    sampled.wait_until(lambda: sheet(service)["answered"] == 6)
    sampled.click("#estimate-sheet")
    sampled.wait_for("document.querySelector('#sheet-report table')")
    assert sampled.text("#sheet-report strong") == "Overall accuracy 100 %"
    rows = sampled.evaluate("[...document.querySelectorAll('#sheet-report tbody tr')].map((row) => row.innerText)")
    impervious = next(row for row in rows if row.startswith("impervious")).split("\t")
    assert float(impervious[1]) == float(impervious[2]) == pytest.approx(PX * PX / 4 / 1e4, rel=0.02)
    assert sampled.complaints == []


def _is_west(point: dict, service: Running) -> bool:
    west, _, east, _ = service.json("/maps/all")["bbox"]
    return (point["lon"] - west) / (east - west) < 0.25


def test_a_sheet_from_a_file_is_answered_by_the_drawn_labels(drawn, tmp_path, service):
    """A point in the impervious polygon, one in the other, one in none."""
    drawn.key("Escape")
    first, second = geopandas.read_file(service.folder / "labels" / "labels.gpkg").geometry
    places = [first.centroid, second.centroid, first.boundary.buffer(0.02).centroid]
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(["LON", "LAT", "PLOTID", "class"])
    for id, place in enumerate(places, 1):
        rows.writerow([place.x + (0.02 if id == 3 else 0), place.y, id, ""])
    (tmp_path / "answers.csv").write_text(text.getvalue())
    drawn.choose_file("#open-sheet", tmp_path / "answers.csv")
    drawn.wait_for("document.querySelector('#sheet-words').textContent === 'Point 1 of 3; 0 answered'")
    drawn.click("#sheet-from-labels")
    drawn.wait_for("document.querySelector('#sheet-words').textContent === 'Point 3 of 3; 2 answered'")
    id = next(each["id"] for each in service.json("/sheets")["sheets"] if each["name"] == "answers.csv")
    drawn.wait_until(lambda: service.json(f"/sheets/{id}")["answered"] == 2)
    with urlopen(f"{service.address}/sheets/{id}/download", timeout=60) as reply:
        answers = [row["class"] for row in csv.DictReader(io.StringIO(reply.read().decode()))]
    assert answers == ["impervious", "pervious", ""]


def test_maps_of_one_period_are_shown_as_one(page, service):
    """Each knows a half: the legend counts both, and tiles of both are asked for."""
    page.wait_for("document.querySelectorAll('#areas tbody tr').length === 2")
    assert page.text("#joined-words") == "All 2 maps of 2020-06 as one"
    page.click("#joined")
    page.wait_for("document.querySelector('#left-name').textContent.startsWith('2 maps')")
    page.wait_for_requests("/maps/east/tiles/class")
    expected = [(KNOWN[0] == value).sum() / 1e4 for value in (0, 1)]
    shown = "[...document.querySelectorAll('#areas tbody tr')].map((row) => parseFloat(row.lastChild.textContent))"
    page.wait_until(lambda: page.evaluate(shown) == pytest.approx(expected, rel=0.01), str(expected))


def test_a_file_of_districts_gives_a_table_of_areas(page, service, tmp_path):
    west, south, east, north = service.json("/maps/all")["bbox"]
    middle = (west + east) / 2
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name, ring in {
            "West": [[west, south], [middle, south], [middle, north], [west, north], [west, south]],
            "Far": [[west + 9, south], [east + 9, south], [east + 9, north], [west + 9, south]],
        }.items()
    ]
    (tmp_path / "towns.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    page.evaluate("document.querySelector('#open-districts').closest('details').open = true")
    page.choose_file("#open-districts", tmp_path / "towns.geojson")
    page.wait_for("document.querySelector('#districts table')")
    cells = page.evaluate("[...document.querySelectorAll('#districts tbody tr')].map((row) => row.innerText)")
    assert len(cells) == 1 and cells[0].startswith("West")
    pervious, impervious = (float(cell) for cell in cells[0].split("\t")[1:3])
    known = KNOWN[0, :, : PX // 2]
    assert [pervious, impervious] == pytest.approx([(known == value).sum() / 1e4 for value in (0, 1)], rel=0.02)
    assert "1 more lie off the map: Far." in page.text("#districts")
