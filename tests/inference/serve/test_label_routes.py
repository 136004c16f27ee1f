"""What people know of the ground: drawn labels and answer sheets, kept by the service; areas by districts."""

from __future__ import annotations

import csv
import io
import tomllib
from concurrent.futures import ThreadPoolExecutor

import geopandas
import numpy as np
import pytest
import shapely
from starlette.testclient import TestClient

from isamap.inference.assessment.answers import read_answers
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.export_request import ExportJobRequest
from isamap.inference.serve.label_sets import LabelSets, labels_of
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.map_values import areas_in
from isamap.inference.serve.sheets import SheetHead, Sheets
from isamap.inference.serve.tokens import read_tokens
from tests.inference.serve.conftest import BASE, BBOX, TOWN, add_map

RING = [[114.0, 30.84], [114.002, 30.84], [114.002, 30.842], [114.0, 30.84]]
HEADER = "LON,LAT,PLOTID,class,confidence,interpreter,comment,patch"
SHEET = f'{HEADER}\n114.001,30.841,7,,,,,a\n114.002,30.842,9,impervious,,,"x, y",b\n114.003,30.843,11,,,,,c\n'
SENT = {"name": "a survey", "classes": ["pervious", "impervious"], "csv": SHEET}


def feature(label: str, ring=RING, **properties) -> dict:
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"class": label, **properties}, "geometry": geometry}


def collection(*features: dict) -> dict:
    return {"type": "FeatureCollection", "features": list(features)}


def boxes(*sides) -> list[list[list[float]]]:
    return [[[w, s], [e, s], [e, n], [w, n], [w, s]] for w, s, e, n in sides]


def test_drawn_labels_are_a_geopackage_with_a_class_each(client, settings):
    drawn = collection(feature("impervious"), feature("pervious"))
    assert client.put("/labels/town", json=drawn).json() == {"name": "town", "polygons": 2}
    table = geopandas.read_file(settings.folder / "labels" / "town.gpkg")
    assert list(table["class"]) == ["impervious", "pervious"] and table.crs == "EPSG:4326"
    assert shapely.equals(table.geometry[0], shapely.Polygon(RING))
    assert client.get("/labels/town").json() == drawn
    assert client.get("/labels").json() == {"labels": ["town"]}
    assert client.get("/labels/town/download").content == (settings.folder / "labels" / "town.gpkg").read_bytes()


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (collection(feature("lava")), "class 'lava' is unknown"),
        (collection(feature("pervious"), feature("water")), "of two schemes"),
        (collection(), "expected a GeoJSON FeatureCollection"),
        (collection(feature("pervious", [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]])), "no valid polygon"),
        ({"type": "Point"}, "expected a GeoJSON FeatureCollection"),
    ],
)
def test_what_is_no_set_of_labels_is_refused(client, settings, document, words):
    reply = client.put("/labels/town", json=document)
    assert reply.status_code == 422 and words in reply.json()["detail"]
    assert not (settings.folder / "labels" / "town.gpkg").exists()


@pytest.mark.parametrize("name", ["..%2ftown", "%2e%2e", "a b", ".hidden"])
def test_a_name_never_becomes_a_path(client, settings, name):
    assert client.put(f"/labels/{name}", json=collection(feature("pervious"))).status_code in (404, 422)
    assert not list(settings.folder.rglob("*.gpkg"))


def test_an_export_takes_drawn_labels_as_its_label(library, settings, tmp_path):
    """The file of the job is what `isamap export --label` reads; the job's id is of the polygons themselves."""
    drawn = collection(feature("impervious"), feature("water"))
    inputs = {"bbox": BBOX, "period": "2019-06", "labels": drawn}
    request = ExportJobRequest.of(inputs, library)
    request.commands(tmp_path)
    options = tomllib.loads((tmp_path / "export.toml").read_text())
    assert options["label"] == [f"{tmp_path / 'labels.gpkg'}#column=class"]
    assert options["scheme"] == "landcover3m"
    assert list(geopandas.read_file(tmp_path / "labels.gpkg")["class"]) == ["impervious", "water"]
    assert ExportJobRequest.of(request.inputs, library).identity == request.identity


def test_another_token_may_not_replace_labels(settings, tmp_path):
    tokens = ("one-token-of-sixteen-letters", "other-token-of-sixteen-letters")
    (tmp_path / "tokens").write_text("\n".join(tokens))
    (tmp_path / "tokens").chmod(0o600)
    door = Door.of("127.0.0.1", 8765, read_tokens(tmp_path / "tokens"), None)
    client = TestClient(Service(settings, door).application(), base_url=BASE)
    drawn = collection(feature("pervious"))
    codes = [
        client.put("/labels/town", json=drawn, headers={"Authorization": f"Bearer {tokens[at]}"}).status_code
        for at in (0, 1, 0)
    ]
    assert codes == [200, 403, 200]


def test_answers_are_kept_in_the_sheet_and_nothing_else_changes(client, settings):
    opened = client.post("/sheets", json=SENT).json()
    assert [point["answer"] for point in opened["points"]] == ["", "impervious", ""] and opened["answered"] == 1
    path = f"/sheets/{opened['id']}"
    assert client.patch(path, json={"answers": {"7": "0", "9": "", "11": "uncertain"}}).status_code == 204
    rows = list(csv.DictReader(io.StringIO(client.get(f"{path}/download").text)))
    assert [row["class"] for row in rows] == ["pervious", "", "uncertain"]
    before = list(csv.DictReader(io.StringIO(SHEET)))
    assert [row | {"class": ""} for row in rows] == [row | {"class": ""} for row in before]
    again = client.post("/sheets", json=SENT).json()  # the same file again: its answers stay
    assert [point["answer"] for point in again["points"]] == ["pervious", "", "uncertain"]


def test_a_kept_sheet_is_what_estimates_read(client, tmp_path):
    id = client.post("/sheets", json=SENT).json()["id"]
    client.patch(f"/sheets/{id}", json={"answers": {"7": "pervious", "11": "impervious"}})
    for format in ("csv", "gpkg"):
        path = tmp_path / f"answers.{format}"
        path.write_bytes(client.get(f"/sheets/{id}/download?format={format}").content)
        (read,) = read_answers(path, ("pervious", "impervious"))
        assert read.classes == {7: "pervious", 9: "impervious", 11: "impervious"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"csv": SHEET.replace("PLOTID", "X")}, "no column PLOTID"),
        ({"csv": SHEET.replace("114.003", "east")}, "are no numbers"),
        ({"csv": SHEET.replace(",9,", ",7,")}, "an id twice"),
        ({"csv": SHEET + "1,2\n"}, "another width"),
        ({"csv": HEADER + "\n"}, "0 points"),
        ({"csv": SHEET.replace("impervious", "lava")}, "class 'lava' is unknown"),
        ({"classes": ["one"]}, "expected 2 to 20 names"),
    ],
)
def test_what_is_no_sheet_is_refused(client, changes, words):
    reply = client.post("/sheets", json=SENT | changes)
    assert reply.status_code == 422 and words in reply.json()["detail"]
    assert client.get("/sheets").json() == {"sheets": []}


@pytest.mark.parametrize("answers", [{"8": "pervious"}, {"7": "lava"}])
def test_an_answer_of_no_point_or_class_changes_nothing(client, answers):
    id = client.post("/sheets", json=SENT).json()["id"]
    assert client.patch(f"/sheets/{id}", json={"answers": {"7": "pervious"} | answers}).status_code == 422
    assert client.get(f"/sheets/{id}").json()["answered"] == 1


def test_no_answer_is_lost_where_many_answer_at_once(tmp_path):
    rows = [f"{114 + at / 1000},30.8,{at},,,,,a" for at in range(40)]
    head = SheetHead("s", "s", ("pervious", "impervious"))
    Sheets(tmp_path).open(head, "\n".join([HEADER, *rows]) + "\n")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda at: Sheets(tmp_path).answer(head, {str(at): "1"}), range(40)))
    assert Sheets(tmp_path).document(head)["answered"] == 40


@pytest.mark.long
def test_a_set_is_read_whole_while_it_is_replaced(tmp_path):
    sets = LabelSets(tmp_path)
    versions = [labels_of(collection(*[feature("impervious")] * count), Limits()) for count in (1, 3)]
    sets.write("town", versions[0])
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [sets.write("town", versions[at % 2]) for at in range(40)])
        while not writing.done():
            labels = sets.read(tmp_path / "town.gpkg")
            assert len(labels.shapes) == len(labels.classes) in (1, 3)


@pytest.fixture
def halves(settings, finished_map, random_map) -> tuple[dict, dict]:
    """Two maps of one period: the second is the first, but knows only its eastern half, where it says pervious."""
    east = random_map.copy()
    east[:, :, : east.shape[2] // 2] = 255
    known = east[0] != 255
    east[0][known] = 0
    add_map(settings, finished_map(east), "east")
    add_map(settings, finished_map(random_map), TOWN)
    return east, random_map


def test_maps_as_one_count_each_ground_once_the_first_that_knows_it(client, halves, library):
    """By NumPy: the eastern half is the first map's, the western the second's."""
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    box = f"{west - 0.01},{south - 0.01},{east + 0.01},{north + 0.01}"
    joined = client.get(f"/areas?maps=east,{TOWN}&joined=true&bbox={box}").json()["area_km2"]
    first, second = halves
    values = np.where(first[0] != 255, first[0], second[0])
    expected = {name: (values == at).sum() / 1e4 for at, name in enumerate(("pervious", "impervious"))}
    assert joined == pytest.approx(expected, rel=2e-3)
    alone = areas_in([library.map(TOWN)], shapely.box(west - 0.01, south - 0.01, east + 0.01, north + 0.01))
    assert joined["impervious"] < alone["area_km2"]["impervious"]


def test_districts_sum_to_their_ground_and_those_off_the_map_are_named(client, town):
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    middle = (west + east) / 2
    rings = boxes((west, south, middle, north), (middle, south, east, north), (west + 5, south, east + 5, north))
    districts = collection(*(feature("x", ring, name=name) for ring, name in zip(rings, "WEO", strict=True)))
    answer = client.post(f"/areas?maps={TOWN}", json=districts).json()
    assert [row["name"] for row in answer["districts"]] == ["W", "E"] and answer["off_map"] == ["O"]
    for name in ("pervious", "impervious"):
        box = f"{west},{south},{east},{north}"
        whole = client.get(f"/maps/{TOWN}/area?bbox={box}").json()["area_km2"][name]
        assert sum(row["area_km2"][name] for row in answer["districts"]) == pytest.approx(whole, rel=1e-4)


def test_two_districts_of_one_name_are_two_rows_and_a_note(client, town):
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    middle = (west + east) / 2
    rings = boxes((west, south, middle, north), (middle, south, east, north))
    districts = collection(*(feature("x", ring, name="Springfield") for ring in rings))
    answer = client.post(f"/areas?maps={TOWN}", json=districts).json()
    assert [row["name"] for row in answer["districts"]] == ["Springfield (1)", "Springfield (2)"]
    assert len(answer["notes"]) == 1 and "share the name 'Springfield'" in answer["notes"][0]


def test_districts_that_are_no_polygons_are_refused(client, town):
    point = {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": [114, 30]}}
    reply = client.post(f"/areas?maps={TOWN}", json=collection(point))
    assert reply.status_code == 422 and "Polygon" in reply.json()["detail"]
