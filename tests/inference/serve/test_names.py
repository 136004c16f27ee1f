"""Names and places of requests: refused in words, and no text of a request becomes a path."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from isamap.inference.serve.job import Job
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.map_request import MapJobRequest
from isamap.inference.serve.map_store import MapStore
from isamap.inference.serve.place import Place, ground_km2, polygon_of
from isamap.inference.serve.settings import ServiceSettings
from tests.inference.serve.conftest import BBOX, TOWN

LIMITS = Limits(area_km2=100.0, vertices=50)
SQUARE = {"type": "Polygon", "coordinates": [[[114, 30], [114.01, 30], [114.01, 30.01], [114, 30.01], [114, 30]]]}
PATHS = st.text("abAB01._-/\\%: \0\n~", max_size=30) | st.text(max_size=20)


def refusal(**inputs) -> str:
    """The sentence with which a place is refused."""
    with pytest.raises(ValueError) as error:
        Place.of(inputs, LIMITS)
    return str(error.value)


def ring(count: int) -> dict:
    turns = [2 * math.pi * index / count for index in range(count)]
    points = [[114 + 0.01 * math.cos(turn), 30 + 0.01 * math.sin(turn)] for turn in turns]
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


@pytest.mark.long
@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..", "a/b", "town-2020/../../secret", "", ".hidden", "a\0b"]
)
def test_a_path_is_no_map(settings, town, name):
    (settings.folder / "secret.tif").write_bytes((settings.maps / f"{TOWN}.tif").read_bytes())
    assert MapStore(settings.maps).map(name) is None


@pytest.mark.long
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=80)
@given(PATHS)
@example("../maps/town-2020")
@example("town-2020.tif")
@example("town-2020_prob")
def test_any_other_text_than_a_maps_name_is_no_map(settings, town, text):
    assert MapStore(settings.maps).map(text) is None or text == TOWN


@pytest.mark.long
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25)
@given(PATHS)
def test_any_other_text_than_a_jobs_id_is_no_job(client, text):
    """Neither as it is, nor with the slashes that a server unescapes."""
    for address in (quote(text), quote(text, safe="")):
        reply = client.get(f"/jobs/x{address}/log")
        assert reply.status_code == 404 and reply.headers["content-type"] == "application/problem+json"


@pytest.mark.long
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=40)
@given(PATHS)
def test_any_other_text_than_a_checkpoints_name_is_refused(library, text):
    with pytest.raises(ValueError, match="checkpoint"):
        MapJobRequest.of({"checkpoint": f"x{text}", "bbox": BBOX, "period": "2019-06"}, library)


@pytest.mark.long
@pytest.mark.parametrize("title", ["../../x y/ü", "a\\b", "漢字", "...", "%2e%2e"])
def test_a_title_becomes_letters_digits_and_hyphens_of_a_files_name(library, finished_map, random_map, title):
    inputs = {"checkpoint": "run", "bbox": BBOX, "period": "2019-06", "name": title}
    request = MapJobRequest.of(inputs, library)
    folder = finished_map(random_map).parent / "job"
    (folder / "run").mkdir(parents=True)
    for path in folder.parent.glob("map*.tif*"):
        if path.is_file():
            path.rename(folder / "run" / path.name)
    results = request.results(Job("0" * 32, "map", {}, "", "running", "", 0, 1, 0.0, 0.0), folder)
    assert re.fullmatch(r"/maps/[a-z0-9]([a-z0-9-]*[a-z0-9])?-2019-06-00000000", results["map"]["href"])
    assert [stored.document()["name"] for stored in library.maps.maps()] == [title]


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ({}, "nothing says where"),
        ({"region": "wuhan", "bbox": BBOX}, "region and bbox says where"),
        ({"region": "wuhn"}, "did you mean wuhan"),
        ({"region": 5}, "expected a name"),
        ({"region": "../regions"}, "is not there"),
        ({"region": "wuhan"}, "at most 100 km2"),
        ({"bbox": [1, 2, 3]}, "four numbers"),
        ({"bbox": [1, 2, 3, "4"]}, "four numbers"),
        ({"bbox": [114, 31, 113, 30]}, "W < E"),
        ({"bbox": [113, 30, 115, 31]}, "at most 100 km2"),
        ({"bbox": [math.inf, 30, 115, 31]}, "finite"),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, "Polygon or MultiPolygon"),
        ({"geometry": {"type": "Polygon", "coordinates": [[["a", 1]]]}}, "something else than numbers"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}}, "no rings"),
        ({"geometry": {"type": "Polygon", "coordinates": 5}}, "no rings"),
        ({"geometry": ring(80)}, "more than 50 vertices"),
        ({"geometry": {"type": "Polygon", "coordinates": [[[[[[[1]]]]]]]}}, "nested deeper"),
        ({"geometry": {"type": "Polygon", "coordinates": []}}, "it is empty"),
    ],
)
def test_a_wrong_place_is_refused_in_words(inputs, word):
    assert word in refusal(**inputs)


def test_a_polygon_that_crosses_itself_is_refused():
    bow = {"type": "Polygon", "coordinates": [[[114, 30], [114.01, 30.01], [114.01, 30], [114, 30.01], [114, 30]]]}
    assert "no valid polygon" in refusal(geometry=bow)


def test_a_feature_is_taken_for_its_polygon():
    assert polygon_of({"type": "Feature", "geometry": SQUARE}, LIMITS).equals(polygon_of(SQUARE, LIMITS))


def test_the_area_of_a_polygon_is_that_of_the_ellipsoid():
    """A degree squared at the equator has 12,308.8 km2 on WGS84 (111.3195 km by 110.5744 km, narrowing to 1 N)."""
    square = polygon_of({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}, LIMITS)
    assert ground_km2(square) == pytest.approx(12_308.78, abs=0.02)


def test_a_hole_is_no_ground():
    outer, inner = [[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]], [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1], [0.5, 0.5]]
    full, hole = ({"type": "Polygon", "coordinates": rings} for rings in ([outer], [outer, inner]))
    piece = ground_km2(polygon_of({"type": "Polygon", "coordinates": [inner]}, LIMITS))
    assert ground_km2(polygon_of(hole, LIMITS)) == pytest.approx(ground_km2(polygon_of(full, LIMITS)) - piece)


def test_equal_polygons_are_equal_requests():
    turned = {"coordinates": SQUARE["coordinates"], "type": "Polygon"}
    assert Place.of({"geometry": SQUARE}, LIMITS).identity == Place.of({"geometry": turned}, LIMITS).identity


def test_two_checkpoints_of_one_name_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rename a folder"):
        ServiceSettings(tmp_path, checkpoints=("a/wuhan", "b/wuhan/best"))


def test_a_folder_where_a_bucket_is_expected_is_refused_at_the_start(tmp_path):
    with pytest.raises(ValueError, match="--bucket 'data/out': expected the name alone of a Cloud Storage bucket"):
        ServiceSettings(tmp_path, bucket="data/out")
