"""Answer sheets that say nothing of the map, and answers as people and programs write them."""

from __future__ import annotations

import csv

import numpy as np
import pyogrio
import pytest
import rasterio
from PIL import Image

from isamap.inference.assessment.answers import UNCERTAIN, Interpretation, consensus, read_answers
from isamap.inference.assessment.draw import DrawOptions, SheetOptions, draw_sample

CLASSES = ("pervious", "impervious")


@pytest.fixture
def map_path(make_map):
    class_HW = np.zeros((60, 80), np.uint8)
    class_HW[:, :20] = 1
    return make_map(class_HW)


@pytest.fixture
def drawn(map_path, tmp_path):
    draw_sample(map_path, tmp_path / "sample", design=DrawOptions("stratified", 40, allocation="equal"))
    return tmp_path / "sample"


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def write_csv(path, text):
    path.write_text(text)
    return path


def test_the_sheet_has_the_columns_of_collect_earth_online_first(drawn):
    """https://github.com/openforis/collect-earth-online-doc: LON, LAT, PLOTID, in this order, others behind them."""
    header = (drawn / "sheet" / "answers.csv").read_text().splitlines()[0]
    assert header.split(",")[:4] == ["LON", "LAT", "PLOTID", "class"]


def test_the_desktop_programs_file_has_its_columns(drawn):
    header = (drawn / "sheet" / "collect_earth.csv").read_text().splitlines()[0]
    assert header == "id,YCoordinate,XCoordinate"


def test_nothing_in_the_sheet_says_what_the_map_is_at_a_point(drawn):
    text = (drawn / "sheet" / "answers.csv").read_text() + (drawn / "sheet" / "collect_earth.csv").read_text()
    assert "impervious" not in text
    fields = pyogrio.read_info(drawn / "sheet" / "points.gpkg")["fields"].tolist()
    assert not {"map_class", "stratum", "inclusion"} & set(fields)


def test_equal_samples_give_equal_bytes(map_path, tmp_path):
    for name in ("a", "b"):
        draw_sample(map_path, tmp_path / name, design=DrawOptions("simple", 20), seed=3)
    names = ("sheet/points.gpkg", "sheet/answers.csv", "key.json")
    assert [(tmp_path / "a" / n).read_bytes() for n in names] == [(tmp_path / "b" / n).read_bytes() for n in names]


def test_the_map_is_shown_only_where_that_is_asked(map_path, tmp_path):
    draw_sample(map_path, tmp_path / "open", design=DrawOptions("simple", 5), sheet=SheetOptions(show_map=True))
    rows = rows_of(tmp_path / "open" / "sheet" / "answers.csv")
    assert {row["map_class"] for row in rows} <= set(CLASSES) and rows[0]["picture_1"] == f"map/{rows[0]['PLOTID']}.png"


def test_pictures_show_the_ground_with_the_pixel_framed(map_path, tmp_path):
    with rasterio.open(map_path) as file:
        profile = file.profile | {"count": 3, "dtype": "uint8"}
    image = tmp_path / "image.tif"
    with rasterio.open(image, "w", **profile) as file:
        file.write(np.full((3, 60, 80), 90, np.uint8))
    draw_sample(map_path, tmp_path / "seen", design=DrawOptions("simple", 3), sheet=SheetOptions((str(image),)))
    rows = rows_of(tmp_path / "seen" / "sheet" / "answers.csv")
    with Image.open(tmp_path / "seen" / "sheet" / rows[0]["picture_1"]) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    frame = (pixels == (255, 255, 0)).all(axis=2)
    rows_framed, cols_framed = np.nonzero(frame)
    assert pixels.shape == (320, 320, 3)
    assert 8 <= np.ptp(cols_framed) <= 12 and abs(rows_framed.mean() - 160) < 2  # 10 m of 320 m in 320 pixels


def test_a_folder_with_a_sample_is_not_written_over(drawn, map_path):
    with pytest.raises(ValueError, match="holds a sample already: choose another --out, so that no answers are lost"):
        draw_sample(map_path, drawn, design=DrawOptions("simple", 5))


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kept", [("answers.csv",), ("answers.csv", "collect_earth.csv", "points.gpkg", "README.txt")])
def test_a_sample_whose_writing_was_killed_is_written_by_the_same_command(map_path, tmp_path, kept):
    """Killed before its key was there, at the first file and at the last; and after it, before the command ended."""
    full, cut = (tmp_path / name for name in ("whole", "cut"))
    draw_sample(map_path, full, design=DrawOptions("simple", 5))
    (cut / "sheet").mkdir(parents=True)
    for name in kept:
        (cut / "sheet" / name).write_bytes((full / "sheet" / name).read_bytes())
    for _ in range(2):
        draw_sample(map_path, cut, design=DrawOptions("simple", 5))
        assert bytes_of(cut) == bytes_of(full)


@pytest.mark.parametrize("has_key", [True, False])
def test_answers_outlive_the_same_command(map_path, tmp_path, has_key):
    draw_sample(map_path, tmp_path, design=DrawOptions("simple", 5))
    (tmp_path / "sheet" / "answers.csv").write_text("my answers")
    if has_key:
        draw_sample(map_path, tmp_path, design=DrawOptions("simple", 5))
    else:
        (tmp_path / "key.json").unlink()
        with pytest.raises(ValueError, match="holds answers, or another sample: choose another --out"):
            draw_sample(map_path, tmp_path, design=DrawOptions("simple", 5))
    assert (tmp_path / "sheet" / "answers.csv").read_text() == "my answers"


@pytest.mark.parametrize("header", ["PLOTID,class", "plotid,CLASS", "id,class", "plot_id,Class"])
def test_ids_are_found_under_the_names_that_programs_write(tmp_path, header):
    path = write_csv(tmp_path / "a.csv", f"{header}\n1,impervious\n2,0\n")
    assert read_answers(path, CLASSES)[0].classes == {1: "impervious", 2: "pervious"}


def test_a_geopackage_of_answers_is_read(drawn):
    table = pyogrio.read_dataframe(drawn / "sheet" / "points.gpkg")
    table["class"] = "pervious"
    pyogrio.write_dataframe(table, drawn / "answered.gpkg")
    assert set(read_answers(drawn / "answered.gpkg", CLASSES)[0].classes.values()) == {"pervious"}


@pytest.mark.parametrize("word", ["uncertain", "Unsure", "?", "unknown"])
def test_doubt_is_an_answer(tmp_path, word):
    path = write_csv(tmp_path / "a.csv", f"PLOTID,class\n1,{word}\n")
    assert read_answers(path, CLASSES)[0].classes == {1: UNCERTAIN}


def test_a_file_may_hold_several_interpreters(tmp_path):
    path = write_csv(tmp_path / "a.csv", "PLOTID,class,interpreter\n1,impervious,Li\n1,pervious,Wu\n")
    assert [each.name for each in read_answers(path, CLASSES)] == ["Li", "Wu"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("PLOTID,class\n1,roof\n", "plotid 1: class 'roof' is unknown, expected pervious, impervious or uncertain"),
        ("PLOTID,class\n1,2\n", "class '2' is unknown"),
        ("PLOTID,class\n1,0\n1,1\n", "hold plotid 1 twice by a: keep one of them"),
        ("PLOTID,answer\n1,0\n", r"have no column 'class' \(PLOTID, answer\): name it with --column"),
        ("number,class\n1,0\n", "have no column of ids: expected PLOTID among number, class"),
        ("PLOTID,class\nx,0\n", "plotid 'x' is no whole number"),
        ("PLOTID,class\n1,0,3\n", "row 2: 3 cells under a header of 2"),
        ("PLOTID,class\n", "hold no rows under a header: fill the sheet in first"),
    ],
)
def test_what_is_wrong_with_answers_is_said_in_one_sentence(tmp_path, content, sentence):
    with pytest.raises(ValueError, match=sentence):
        read_answers(write_csv(tmp_path / "a.csv", content), CLASSES)


def test_missing_answers_are_counted_and_named():
    with pytest.raises(ValueError, match=r"2 of 3 points have no answer \(plotids 2, 3\): answer them"):
        consensus([Interpretation("Li", {1: "pervious"})], [1, 2, 3])


def test_answers_of_points_that_are_not_in_the_sample_are_refused():
    with pytest.raises(ValueError, match="Li answered plotids 7, which the sample does not have"):
        consensus([Interpretation("Li", {1: "pervious", 7: "pervious"})], [1])


def test_most_certain_answers_decide_and_ties_are_uncertain():
    people = [
        Interpretation("Li", {1: "impervious", 2: "impervious", 3: UNCERTAIN, 4: UNCERTAIN}),
        Interpretation("Wu", {1: "impervious", 2: "pervious", 3: "pervious", 4: UNCERTAIN}),
        Interpretation("Xu", {1: "pervious", 2: UNCERTAIN, 3: UNCERTAIN, 4: UNCERTAIN}),
    ]
    actual = consensus(people, [1, 2, 3, 4])
    assert actual.classes == {1: "impervious", 2: UNCERTAIN, 3: "pervious", 4: UNCERTAIN}
    assert actual.agreement == 0.25
