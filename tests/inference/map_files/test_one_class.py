"""A map of one class is told wherever its areas stand: an empty map must not pass every gate in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from isamap.inference.assessment.areas import area
from isamap.inference.map_files.cog import MapInfo
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import files_of
from isamap.inference.map_files.one_class import one_class_note
from isamap.inference.mapping.map_report import report_of
from isamap.inference.web_map.view import page_of
from tests.inference.conftest import WUHAN
from tests.support.running_service import running_service


@pytest.mark.parametrize(("pervious", "impervious"), [(10, 3), (0, 0)])
def test_nothing_is_told_of_two_classes_or_of_none(pervious, impervious):
    assert one_class_note({"pervious": pervious, "impervious": impervious}) is None


def test_one_class_of_a_legend_of_two_is_told_with_the_remedy():
    note = one_class_note({"pervious": 10, "impervious": 0})
    assert note is not None and "every known pixel of the map is pervious" in note and "isamap calibrate" in note


def test_the_report_of_an_empty_map_says_so(tmp_path):
    counts = np.zeros(256, np.int64)
    counts[0], counts[255] = 90, 10
    report = report_of(
        MapInfo(GeoBox((10, 10), WUHAN, "EPSG:32650"), Legend(("pervious", "impervious")), {}),
        tmp_path / "map.tif",
        counts,
    )
    assert "warning: every known pixel of the map is pervious" in str(report)


@pytest.fixture
def empty_map(random_map) -> np.ndarray:
    """Without a pixel of impervious ground."""
    values = random_map.copy()
    values[0][values[0] == 1] = 0
    return values


def test_areas_of_an_empty_map_say_so(finished_map, empty_map):
    assert any("every known pixel of the map is pervious" in text for text in area(finished_map(empty_map)).warnings)


def test_areas_of_a_map_of_two_classes_do_not(finished_map, random_map):
    assert not any("every known pixel" in text for text in area(finished_map(random_map)).warnings)


def test_the_one_file_page_of_an_empty_map_says_so_beside_its_areas(finished_map, empty_map):
    page = page_of(finished_map(empty_map))
    assert [text.split(":")[0] for text in page.notes] == ["every known pixel of the map is pervious"]
    before, _, after = page.content.decode().partition("<p role='note'>Every known pixel of the map is pervious")
    assert '<div id="areas">' in before and "Areas are counts of pixels" in after


def test_of_two_maps_the_empty_one_is_named(finished_map, random_map, empty_map):
    paths = [
        finished_map(random_map, "a.tif", period="2017-06", period_start="2017-06-01"),
        finished_map(empty_map, "b.tif", period="2023-06", period_start="2023-06-01"),
    ]
    (note,) = page_of(paths).notes
    assert note.startswith("2023-06: every known pixel")


def test_the_one_file_page_of_a_map_of_two_classes_does_not(finished_map, random_map):
    page = page_of(finished_map(random_map))
    assert page.notes == () and "role='note'>Every known" not in page.content.decode()


@pytest.mark.long
def test_the_services_page_says_so_of_the_empty_map_alone(tab, finished_map, random_map, empty_map, tmp_path):
    folder = tmp_path / "service" / "maps"
    folder.mkdir(parents=True)
    for name, values in {"town": random_map, "empty": empty_map}.items():
        for path in filter(Path.is_file, files_of(finished_map(values, f"{name}.tif"))):
            path.rename(folder / path.name)
    with running_service(folder.parent, tmp_path / "home") as service:
        tab.open(service.address + "/#map=empty", width=1280, height=860)
        tab.wait_for("document.querySelector('#areas [role=note]')")
        assert tab.text("#areas [role=note]").startswith("Every known pixel of the map is pervious: if the place")
        tab.evaluate("document.querySelector('#map-choice').value = 'town'")
        tab.evaluate("document.querySelector('#map-choice').dispatchEvent(new Event('change'))")
        tab.wait_for("!document.querySelector('#areas [role=note]')")
