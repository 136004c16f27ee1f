"""`isamap calibrate --points`: points of known class set a checkpoint's threshold, from a map of it or an image."""

from __future__ import annotations

import csv
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from pyproj import Transformer

import isamap
from isamap import inference
from isamap.inference.assessment.point_calibration import KnownPoints, calibrate_points
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.map_files.map_file import open_map
from isamap.training.checkpoints import checkpoint as ck
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.support.one_thread import one_thread  # noqa: F401

COUNT, ROWS, COLS = 60, 150, 137


@pytest.fixture(scope="module")
def run(make_checkpoint) -> Path:
    """An index's checkpoint: its probabilities differ from pixel to pixel."""
    return make_checkpoint("index")


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> Path:
    return write_tif(tmp_path_factory.mktemp("scene") / "scene.tif", stored_scene(ROWS, COLS))


@pytest.fixture(scope="module")
def mapped(run, scene, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("map") / "map.tif"
    inference.map_region(run, input=scene, out=out, progress=False)
    return out


@pytest.fixture(scope="module")
def known(mapped) -> dict[str, np.ndarray]:
    """Points whose class follows from the map's probability: impervious in the upper 40 % of them."""
    prob = open_map(mapped).probability.read()
    rng = np.random.default_rng(1)
    row, col = rng.integers(0, 50, COUNT) * 3, rng.integers(0, 45, COUNT) * 3
    kept = prob[row, col] != 255
    row, col = row[kept], col[kept]
    x, y = WUHAN * (col + 0.5, row + 0.5)
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(x, y)
    p = prob[row, col] / PROB_STEPS
    return {"lon": lon, "lat": lat, "p": p, "impervious": p > np.quantile(p, 0.6)}


def write_csv(path: Path, known: dict[str, np.ndarray], extra: tuple = ()) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["LON", "LAT", "class"])
        for lon, lat, impervious in zip(known["lon"], known["lat"], known["impervious"], strict=True):
            rows.writerow([lon, lat, "impervious" if impervious else "pervious"])
        rows.writerows(extra)
    return path


def test_the_threshold_parts_the_points(run, mapped, known, tmp_path):
    report = calibrate_points(run, KnownPoints(write_csv(tmp_path / "p.csv", known)), tmp_path / "c", map_at=mapped)
    threshold = ck.load(tmp_path / "c").thresholds["impervious"]
    assert known["p"][~known["impervious"]].max() < threshold <= known["p"][known["impervious"]].min() + 1 / 256
    assert report.threshold == threshold and report.points == len(known["p"])


def test_an_image_gives_what_its_map_gives(run, scene, mapped, known, tmp_path):
    points = KnownPoints(write_csv(tmp_path / "p.csv", known))
    of_map = calibrate_points(run, points, tmp_path / "a", map_at=mapped)
    of_image = calibrate_points(run, points, tmp_path / "b", image=scene)
    assert of_map.chosen == of_image.chosen


def test_a_vector_file_with_names_of_its_own(run, mapped, known, tmp_path):
    """Another coordinate system, another column, classes of a field campaign."""
    cover = np.where(known["impervious"], "urban", np.where(np.arange(len(known["p"])) % 2, "forest", "water"))
    shapes = gpd.points_from_xy(known["lon"], known["lat"], crs=4326)
    gpd.GeoDataFrame({"land_cover": cover}, geometry=shapes).to_crs(32650).to_file(tmp_path / "p.gpkg")
    points = KnownPoints(tmp_path / "p.gpkg", "land_cover", ("urban",))
    csv_points = KnownPoints(write_csv(tmp_path / "p.csv", known))
    actual = calibrate_points(run, points, tmp_path / "a", map_at=mapped)
    assert actual.chosen == calibrate_points(run, csv_points, tmp_path / "b", map_at=mapped).chosen


def test_uncertain_points_and_those_outside_are_counted_and_not_used(run, mapped, known, tmp_path):
    extra = [
        (known["lon"][0], known["lat"][0], "uncertain"),
        (known["lon"][1], known["lat"][1], ""),
        (0, 0, "pervious"),
    ]
    points = KnownPoints(write_csv(tmp_path / "p.csv", known, tuple(extra)))
    report = calibrate_points(run, points, tmp_path / "c", map_at=mapped)
    assert (report.points, report.uncertain, report.left_out) == (len(known["p"]), 2, 1)
    assert "(not used: 2 uncertain, 1 outside the map or without a value)" in str(report)


def test_a_doubt_is_no_class_where_impervious_values_are_named(run, mapped, known, tmp_path):
    doubts = ((known["lon"][0], known["lat"][0], "unsure"), (known["lon"][1], known["lat"][1], "uncertain"))
    points = KnownPoints(write_csv(tmp_path / "p.csv", known, doubts), impervious=("impervious",))
    assert calibrate_points(run, points, tmp_path / "c", map_at=mapped).uncertain == 2


def test_a_map_of_another_checkpoint_is_refused(make_checkpoint, mapped, known, tmp_path):
    second = make_checkpoint("index", thresholds={"impervious": 0.4})
    with pytest.raises(ValueError, match="was not made with the checkpoint"):
        calibrate_points(second, KnownPoints(write_csv(tmp_path / "p.csv", known)), tmp_path / "c", map_at=mapped)
    assert not (tmp_path / "c").exists()


def test_a_value_that_no_point_has_is_refused(run, mapped, known, tmp_path):
    points = KnownPoints(write_csv(tmp_path / "p.csv", known), impervious=("city",))
    with pytest.raises(ValueError, match=r"column class of .*: no answer is city; there are impervious, pervious"):
        calibrate_points(run, points, tmp_path / "c", map_at=mapped)


def test_a_curve_moves_the_threshold_along(run, mapped, known, tmp_path):
    """The classes of all points stay: probabilities are changed, and the threshold with them."""
    points = KnownPoints(write_csv(tmp_path / "p.csv", known))
    calibrate_points(run, points, tmp_path / "c", map_at=mapped, curve="platt")
    made = ck.load(tmp_path / "c")
    curved = np.interp(known["p"], made.calibration["knots"], made.calibration["values"])
    np.testing.assert_array_equal(curved >= made.thresholds["impervious"], known["impervious"])


def test_a_curve_that_does_not_help_elsewhere_is_refused_and_nothing_written(run, mapped, known, tmp_path):
    """Classes drawn as often as the probabilities say: there is nothing to correct, only chance to fit."""
    rng = np.random.default_rng(1)
    drawn = {**known, "impervious": rng.random(len(known["p"])) < known["p"]}
    points = KnownPoints(write_csv(tmp_path / "p.csv", drawn))
    with pytest.raises(ValueError, match="--curve beta: these points cannot show that it helps"):
        calibrate_points(run, points, tmp_path / "c", map_at=mapped, curve="beta")
    assert not (tmp_path / "c").exists()


@pytest.fixture
def undecided(known) -> dict[str, np.ndarray]:
    """Points that the threshold before parts as well as any other can, all but one in ten."""
    rng = np.random.default_rng(3)
    flipped = rng.random(len(known["p"])) < 0.1
    return {**known, "impervious": (known["p"] >= 0.5) ^ flipped}


def test_points_that_show_no_better_threshold_are_refused_and_nothing_written(run, mapped, undecided, tmp_path, capsys):
    points = write_csv(tmp_path / "p.csv", undecided)
    arguments = ["--points", str(points), "--map", str(mapped), "--out", str(tmp_path / "c")]
    assert isamap.main(["calibrate", "--checkpoint", str(run), *arguments]) == 2
    assert f"{len(undecided['p'])} points show no better threshold than 0.5000" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_with_a_curve_the_threshold_before_stays_where_points_show_no_better_one(run, mapped, undecided, tmp_path):
    points = KnownPoints(write_csv(tmp_path / "p.csv", undecided))
    report = calibrate_points(run, points, tmp_path / "c", map_at=mapped, curve="platt")
    made = ck.load(tmp_path / "c")
    curved = np.interp(undecided["p"], made.calibration["knots"], made.calibration["values"])
    np.testing.assert_array_equal(curved >= made.thresholds["impervious"], undecided["p"] >= 0.5)
    assert "the threshold before, moved along with the curve" in str(report)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "give --data DATASET or --points FILE"),
        (("--points", "p.csv", "--data", "d"), "give --data DATASET or --points FILE"),
        (("--points", "p.csv"), "give --map MAP.tif or --input IMAGE.tif"),
        (("--points", "p.csv", "--post", "clahe", "--map", "m.tif"), "leave them out with --points"),
        (("--points", "p.csv", "--curve", "isotonic", "--map", "m.tif"), "expected one of temperature, platt, beta"),
        (("--data", "d", "--map", "m.tif"), "are of --points"),
    ],
)
def test_mistakes_end_with_2_and_a_sentence(run, tmp_path, capsys, words, sentence):
    arguments = ["calibrate", "--checkpoint", str(run), "--out", str(tmp_path / "c"), *words]
    assert isamap.main(arguments) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


def test_the_command_prints_the_interval(run, mapped, known, tmp_path, capsys):
    points = write_csv(tmp_path / "p.csv", known)
    arguments = ["--points", str(points), "--map", str(mapped), "--out", str(tmp_path / "c")]
    assert isamap.main(["calibrate", "--checkpoint", str(run), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "95 % interval of the threshold: [" in printed and "at points that did not choose it" in printed
