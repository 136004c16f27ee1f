"""Every table that people fill in, as a spreadsheet of another language saves it; points with LON and LAT exchanged."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from affine import Affine
from pyproj import Transformer

from isamap.inference.assessment.answers import read_answers
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.point_calibration import KnownPoints, _known
from isamap.inference.assessment.reference_points import ReferencePoints, columns_and_places, place_points
from isamap.inference.serve.sheets import SheetHead, Sheets
from isamap.training.samples import answers as training

CLASSES = ("pervious", "impervious")
LJUBLJANA = Affine(10, 0, 460_000, 0, -10, 5_100_000)  # EPSG:32633, 14.5 E 46.05 N: valid degrees either way
LON, LAT = (14.4851234, 14.4853456), (46.0501234, 46.0502345)
WAYS = [(";", ","), ("\t", ","), (";", "."), (",", ",")]  # between cells; the decimal mark


def saved(path, header, rows, way) -> str:
    separator, decimal = way
    with path.open("w", newline="", encoding="utf-8") as file:
        sheet = csv.writer(file, delimiter=separator)
        sheet.writerow(header)
        sheet.writerows([[str(cell).replace(".", decimal) for cell in row] for row in rows])
    return str(path)


@pytest.fixture(params=WAYS, ids=["semicolons", "tabs", "semicolons-points", "quoted-commas"])
def sheet(request, tmp_path) -> str:
    rows = [(plot, lon, lat, name) for plot, lon, lat, name in zip((3, 8), LON, LAT, CLASSES, strict=True)]
    return saved(tmp_path / "answers.csv", ("PLOTID", "LON", "LAT", "class"), rows, request.param)


def test_answers_are_read(sheet):
    (read,) = read_answers(sheet, CLASSES)
    assert read.classes == {3: "pervious", 8: "impervious"}


def test_places_are_read(sheet, tmp_path):
    _, lon, lat = columns_and_places(tmp_path / "answers.csv")
    assert (tuple(lon), tuple(lat)) == (LON, LAT)


def test_points_that_calibrate_are_read(sheet, tmp_path):
    lon, _, impervious, uncertain = _known(KnownPoints(tmp_path / "answers.csv"), CLASSES)
    assert tuple(lon) == LON and impervious.tolist() == [False, True] and uncertain == 0


def test_the_services_sheets_are_read_and_answered(sheet, tmp_path):
    head, sheets = SheetHead("s", "a survey", CLASSES), Sheets(tmp_path / "sheets")
    sheets.open(head, (tmp_path / "answers.csv").read_text(encoding="utf-8"))
    sheets.answer(head, {"3": "impervious"})
    assert [(point["lon"], point["answer"]) for point in sheets.document(head)["points"]] == [
        (LON[0], "impervious"),
        (LON[1], "impervious"),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_answers_that_are_trained_on_are_read(tmp_path, way):
    header = ("LON", "LAT", "PLOTID", "class", "patch", "row", "col", "image_crc32c")
    path = saved(tmp_path / "answers.csv", header, [(LON[0], LAT[0], 1, "impervious", "a", "4.0", 5, 17)], way)
    (answer,) = training.read_answers(path, CLASSES).answers
    assert answer == training.Answer("a", 17, 4, 5, "impervious")


def placed(make_map, tmp_path, header):
    """Points inside a map of Ljubljana, whose coordinates stand under these names."""
    class_map = open_class_map(make_map(np.ones((60, 80)), transform=LJUBLJANA, crs="EPSG:32633"))
    x, y = LJUBLJANA * (np.array([10.5, 40.5]), np.array([20.5, 30.5]))
    lon, lat = Transformer.from_crs(32633, 4326, always_xy=True).transform(x, y)
    path = saved(
        tmp_path / "p.csv", ("PLOTID", *header, "class"), zip((1, 2), lon, lat, CLASSES, strict=True), (",", ".")
    )
    return place_points(ReferencePoints(path), class_map)


def test_exchanged_coordinates_of_a_maps_points_are_named(make_map, tmp_path):
    assert len(placed(make_map, tmp_path, ("LON", "LAT"))[0].points) == 2
    with pytest.raises(ValueError, match="LON and LAT look exchanged"):
        placed(make_map, tmp_path, ("LAT", "LON"))


def test_exchanged_coordinates_that_are_no_degrees_are_named(tmp_path):
    """114 degrees are no latitude."""
    saved(tmp_path / "p.csv", ("PLOTID", "LON", "LAT"), [(1, 30.58, 114.29), (2, 30.59, 114.3)], (",", "."))
    with pytest.raises(ValueError, match="LON and LAT look exchanged"):
        columns_and_places(tmp_path / "p.csv")


def test_exchanged_coordinates_of_a_sheet_are_named(tmp_path):
    text = "PLOTID,LON,LAT,class\n1,30.58,114.29,\n"
    with pytest.raises(ValueError, match="LON and LAT look exchanged"):
        Sheets(tmp_path).open(SheetHead("s", "a", CLASSES), text)
