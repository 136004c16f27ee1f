"""Where there is land: known places, and the note on a place in the sea."""

from __future__ import annotations

import json

import pytest

import isamap
from isamap.gee_export.base.land import has_land, note_sea
from isamap.gee_export.base.regions import from_bbox

KUMASI = (-1.65, 6.65, -1.60, 6.70)


@pytest.mark.parametrize(
    ("place", "lon", "lat", "land"),
    [
        ("Wuhan", 114.3, 30.6, True),
        ("Valletta", 14.51, 35.90, True),
        ("Honolulu", -157.85, 21.31, True),
        ("Ponta Delgada, Azores", -25.67, 37.74, True),
        ("McMurdo", 166.67, -77.85, True),
        ("the middle of the Atlantic", -35.0, 25.0, False),
        ("the Gulf of Guinea", 6.65, -1.65, False),
        ("the Pacific at the antimeridian", 179.9, 30.0, False),
    ],
)
def test_known_places_lie_on_land_or_in_the_sea(place, lon, lat, land):
    assert has_land((lon - 0.02, lat - 0.02, lon + 0.02, lat + 0.02)) is land, place


def test_a_box_with_a_coast_has_land():
    assert has_land((-20.0, 10.0, -15.0, 15.0)) and not has_land((-30.0, 10.0, -25.5, 14.0))


def test_swapped_coordinates_are_told(capsys):
    west, south, east, north = KUMASI
    note_sea(from_bbox((south, west, north, east), name="kumasi"))
    error = capsys.readouterr().err
    assert "place kumasi lies in the sea" in error and "give longitude first" in error


def test_a_place_on_land_is_not_told(capsys):
    note_sea(from_bbox(KUMASI, name="kumasi-itself"))
    assert capsys.readouterr().err == ""


def test_a_plan_in_the_sea_is_told_before_it_begins(capsys, tmp_path):
    words = ["plan", "--bbox", "-35.05", "25.0", "-35.0", "25.05", "--month", "2021-06"]
    isamap.main(words)
    assert (
        "lies in the sea (no land is near it on Natural Earth's map); check its coordinates" in capsys.readouterr().err
    )


def test_a_swapped_outline_of_a_file_is_told_before_it_is_planned(capsys, tmp_path):
    """GeoJSON wants longitude first; this file gives Kumasi's latitude first."""
    west, south, east, north = KUMASI
    ring = [[south, west], [north, west], [north, east], [south, east], [south, west]]
    (tmp_path / "kumasi.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    isamap.main(["plan", "--geometry", str(tmp_path / "kumasi.geojson"), "--month", "2021-06"])
    error = capsys.readouterr().err
    assert "place kumasi lies in the sea" in error and "give longitude first, as GeoJSON has it" in error
