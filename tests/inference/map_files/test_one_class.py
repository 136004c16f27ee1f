"""A map of one class is told in `map` and in `area`: an empty map must not pass every gate in silence."""

from __future__ import annotations

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from isamap.inference.assessment.areas import area
from isamap.inference.map_files.cog import MapInfo
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.one_class import one_class_note
from isamap.inference.mapping.map_report import report_of
from tests.inference.conftest import WUHAN


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


def test_areas_of_an_empty_map_say_so(finished_map, random_map):
    values = random_map.copy()
    values[0][values[0] == 1] = 0
    assert any("every known pixel of the map is pervious" in text for text in area(finished_map(values)).warnings)


def test_areas_of_a_map_of_two_classes_do_not(finished_map, random_map):
    assert not any("every known pixel" in text for text in area(finished_map(random_map)).warnings)
