"""From a map to a report: samples answered by a known truth, points of the user's own, and what is refused."""

from __future__ import annotations

import csv
import json

import geopandas
import numpy as np
import pyogrio
import pytest
import shapely

import isamap
from isamap.inference.assessment.accuracy import PointClasses, accuracy
from isamap.inference.assessment.areas import AreaOptions, area
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from isamap.inference.assessment.estimate import AnswerSource, estimate_accuracy
from isamap.inference.assessment.estimator import simple
from isamap.inference.assessment.intervals import wilson
from isamap.inference.assessment.planning import plan_sample

SHAPE = (120, 150)
LEFT, TOP = 212750, 3416360


@pytest.fixture
def truth_HW():
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, :45] = 1
    return truth


@pytest.fixture
def map_path(make_map, truth_HW):
    """A map that calls a twelfth of the pervious ground impervious and misses some of the rest."""
    class_HW = truth_HW.copy()
    class_HW[::12, 45:] = 1
    class_HW[::20, :45] = 0
    return make_map(class_HW)


@pytest.fixture
def truth(make_map, truth_HW):
    return open_class_map(make_map(truth_HW, "truth.tif"))


def answer(folder, truth, changes=None, name="answers.csv"):
    """Fills the sheet in from the truth; `changes` replace answers by plotid."""
    sheet = folder / "sheet" / name
    rows = list(csv.DictReader(sheet.open()))
    lon, lat = (np.array([float(row[key]) for row in rows]) for key in ("LON", "LAT"))
    for row, value in zip(rows, truth.at(lon, lat), strict=True):
        row["class"] = (changes or {}).get(int(row["PLOTID"]), truth.classes[value])
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def answered(map_path, truth, tmp_path):
    draw_sample(map_path, tmp_path / "sample", design=DrawOptions("stratified", 300, allocation="equal"), seed=1)
    return answer(tmp_path / "sample", truth)


def test_the_interval_of_the_area_holds_the_truth(answered, truth_HW):
    actual = estimate_accuracy(answered).assessment
    built = actual.of("impervious")
    share = truth_HW.mean()
    assert built.interval_km2[0] < share * actual.sample.total_km2 < built.interval_km2[1]
    assert abs(built.mapped_km2 / actual.sample.total_km2 - share) > 0.04  # the map itself is far off


@pytest.mark.long
def test_a_report_is_written_as_text_json_markdown_and_html(answered, tmp_path):
    report = estimate_accuracy(answered, out=tmp_path / "report")
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    assert document["overall"]["value"] == pytest.approx(report.assessment.accuracy.overall.value)
    assert "| impervious |" in (tmp_path / "report" / "report.md").read_text()
    assert "<caption>Area by class</caption>" in (tmp_path / "report" / "report.html").read_text()


def test_a_simple_sample_has_four_estimates_of_area(map_path, truth, tmp_path):
    draw_sample(map_path, tmp_path / "s", design=DrawOptions("simple", 200))
    actual = estimate_accuracy(answer(tmp_path / "s", truth)).assessment
    assert {each.estimator for each in actual.areas} == {"design", "difference", "regression", "poststratified"}


def test_uncertain_points_are_left_out_and_their_weight_is_said(answered, truth):
    answer(answered, truth, {1: "uncertain", 2: "?"})
    report = estimate_accuracy(answered)
    low, high = report.assessment.bounds
    sample = report.assessment.sample
    km2 = {stratum.name: stratum.km2 for stratum in sample.strata}
    ground = [km2[point.stratum] / 150 for point in sample.points if point.plotid in (1, 2)]  # 150 points each
    assert high - low == pytest.approx(sum(ground) / sample.total_km2)
    assert report.assessment.uncertain == 2
    assert any("2 points are uncertain" in line for line in report.lines)


def test_a_minimum_distance_refuses_areas_in_one_sentence(map_path, truth, tmp_path):
    draw_sample(map_path, tmp_path / "s", design=DrawOptions("simple", 30, min_distance_m=60))
    report = estimate_accuracy(answer(tmp_path / "s", truth))
    assert report.assessment.areas == () and "no area is estimated from this sample" in report.assessment.refusal
    assert "of these points alone" in str(report)


@pytest.fixture
def halves(make_zones):
    west = [(LEFT, TOP), (LEFT + 700, TOP), (LEFT + 700, TOP - 1200), (LEFT, TOP - 1200)]
    east = [(LEFT + 700, TOP), (LEFT + 1500, TOP), (LEFT + 1500, TOP - 1200), (LEFT + 700, TOP - 1200)]
    return str(make_zones({"west": west, "east": east}))


def test_areas_by_zone_are_corrected_by_the_sample(answered, halves, truth_HW):
    """The map calls a twelfth of the east impervious, where nothing is."""
    zones = {(z.zone, z.name): z for z in estimate_accuracy(answered, zones=halves).assessment.zones}
    west, east = (zones[name, "impervious"] for name in ("west", "east"))
    assert west.interval_km2[0] < truth_HW[:, :70].sum() * 1e-4 < west.interval_km2[1]
    assert east.mapped_km2 > 0.06 and east.km2 < 0.03 and east.interval_km2[0] == 0


def test_a_zone_without_errors_still_has_a_width(answered, make_zones):
    corner = [(LEFT + 10, TOP - 15), (LEFT + 440, TOP - 15), (LEFT + 440, TOP - 190), (LEFT + 10, TOP - 190)]
    zone = estimate_accuracy(answered, zones=make_zones({"c": corner})).assessment.zones[0]
    assert zone.error_km2 == 0 and zone.interval_km2[1] - zone.interval_km2[0] > 0


def test_area_counts_pixels_and_says_that_they_are_biased(map_path, halves):
    report = area(map_path, AreaOptions(halves))
    assert [row["zone"] for row in report.rows] == ["west", "west", "east", "east"]
    assert "warning: these are counted pixels" in str(report)


def test_area_with_a_sample_has_intervals_and_no_warning_of_bias(map_path, answered, halves):
    report = area(map_path, AreaOptions(halves), sample=answered)
    assert all(row["low_km2"] <= row["km2"] <= row["high_km2"] for row in report.rows)
    assert "counted pixels" not in str(report)


def test_districts_off_the_map_are_counted_and_left_out_of_every_file(map_path, make_zones, tmp_path):
    far = [(LEFT + 9000, TOP), (LEFT + 9900, TOP), (LEFT + 9900, TOP - 900), (LEFT + 9000, TOP - 900)]
    half = [(LEFT + 1400, TOP), (LEFT + 1600, TOP), (LEFT + 1600, TOP - 500), (LEFT + 1400, TOP - 500)]
    report = area(map_path, AreaOptions(str(make_zones({"far": far, "half": half}))), out=tmp_path / "a.gpkg")
    assert any("1 of 2 zones lie off the map and are left out: far" in text for text in report.warnings)
    assert any("of 1 zones more than 1 % lies off the map (half)" in text for text in report.warnings)
    table = pyogrio.read_dataframe(tmp_path / "a.gpkg")
    assert table["zone"].tolist() == ["half"]
    assert table["impervious_off_map_km2"][0] == pytest.approx(0.05, rel=2e-3)


def test_areas_are_written_as_csv_json_and_geopackage(map_path, halves, tmp_path):
    for name in ("a.csv", "a.json", "a.gpkg"):
        report = area(map_path, AreaOptions(halves), out=tmp_path / name)
    rows = list(csv.DictReader((tmp_path / "a.csv").open()))
    table = pyogrio.read_dataframe(tmp_path / "a.gpkg")
    assert float(rows[1]["mapped_km2"]) == report.rows[1]["mapped_km2"]
    assert table["impervious_mapped_km2"].tolist() == [report.rows[1]["mapped_km2"], report.rows[3]["mapped_km2"]]
    assert json.loads((tmp_path / "a.json").read_text())["warnings"]


def test_a_geopackage_of_areas_needs_zones(map_path, tmp_path):
    with pytest.raises(ValueError, match="a GeoPackage holds zones: give --by"):
        area(map_path, out=tmp_path / "a.gpkg")


def write_points(path, lon, lat, names, **columns):
    rows = zip(lon, lat, names, *columns.values(), strict=True)
    lines = [",".join(map(str, (index, *row))) for index, row in enumerate(rows, 1)]
    path.write_text("\n".join([",".join(["PLOTID", "LON", "LAT", "class", *columns]), *lines]) + "\n")
    return str(path)


@pytest.fixture
def own_points(map_path, truth, tmp_path):
    """40 places on the map with their true classes."""
    sheet = open_class_map(map_path).sheets[0]
    rng = np.random.default_rng(2)
    lon, lat = sheet.lonlat(rng.integers(0, 120, 40), rng.integers(0, 150, 40))
    return lon, lat, [truth.classes[value] for value in truth.at(lon, lat)]


def test_points_of_nobodys_chance_give_accuracies_of_themselves_and_no_area(map_path, own_points, tmp_path):
    path = write_points(tmp_path / "p.csv", *own_points)
    report = estimate_accuracy(map_path, AnswerSource((path,)))
    assert report.assessment.areas == () and report.assessment.accuracy.counts.sum() == 40
    assert "no inclusion probabilities, so nobody knows what ground they stand for" in str(report)


def test_points_of_no_probability_sample_are_refused_for_areas_by_zone(map_path, own_points, halves, tmp_path):
    path = write_points(tmp_path / "p.csv", *own_points)
    with pytest.raises(ValueError, match="areas by zone need a probability sample: its points have no inclusion"):
        estimate_accuracy(map_path, AnswerSource((path,)), zones=halves)


def test_points_that_the_user_says_are_random_give_areas(map_path, own_points, tmp_path):
    path = write_points(tmp_path / "p.csv", *own_points)
    actual = estimate_accuracy(map_path, AnswerSource((path,), design="simple")).assessment
    assert actual.of("impervious").interval_km2 and "what the user says" in actual.notes[0]


def test_inclusion_probabilities_make_own_points_a_sample(map_path, own_points, tmp_path):
    lon, lat, names = own_points
    chances = [0.02 if name == "impervious" else 0.01 for name in names]
    path = write_points(tmp_path / "p.csv", lon, lat, names, inclusion=chances)
    actual = estimate_accuracy(map_path, AnswerSource((path,))).assessment
    built, second = names.count("impervious") / 0.02, names.count("pervious") / 0.01
    assert actual.of("impervious").km2 == pytest.approx(actual.sample.total_km2 * built / (built + second))


def test_a_geopackage_of_points_in_any_system_is_placed(map_path, own_points, tmp_path):
    lon, lat, names = own_points
    frame = geopandas.GeoDataFrame({"PLOTID": range(40), "class": names}, geometry=shapely.points(lon, lat), crs=4326)
    frame.to_crs(32650).to_file(tmp_path / "p.gpkg")
    files = (str(tmp_path / "p.gpkg"), write_points(tmp_path / "p.csv", *own_points))
    metres, degrees = (estimate_accuracy(map_path, AnswerSource((file,), design="simple")) for file in files)
    assert (metres.assessment.accuracy.counts == degrees.assessment.accuracy.counts).all()


@pytest.mark.parametrize(
    ("lon", "lat", "sentence"),
    [
        (100.0, 20.0, r"1 of 2 points of .*p.csv lie outside the map .* \(plotids 2\)"),
        (213000.0, 3416000.0, r"holds places such as .*, which are no degrees: a CSV is in EPSG:4326"),
    ],
)
def test_points_that_do_not_lie_on_the_map_are_named(map_path, own_points, tmp_path, lon, lat, sentence):
    path = write_points(tmp_path / "p.csv", [own_points[0][0], lon], [own_points[1][0], lat], ["pervious", "pervious"])
    with pytest.raises(ValueError, match=sentence):
        estimate_accuracy(map_path, AnswerSource((path,)))


def test_the_plan_divides_points_and_says_what_to_expect(map_path):
    report = plan_sample(map_path, standard_error=0.02, accuracy={"impervious": 0.8})
    assert sum(report.expectations["rare"].counts) == report.points
    assert report.expectations["neyman"].overall == pytest.approx(0.02, rel=0.05)


def test_a_belief_of_a_class_that_the_map_lacks_is_refused(map_path):
    with pytest.raises(ValueError, match=r"--accuracy water=...: the strata are pervious, impervious"):
        plan_sample(map_path, accuracy={"water": 0.9})


def test_a_preset_draws_as_many_points_as_its_paper_and_says_what_that_leaves_open(map_path, tmp_path):
    sample = draw_sample(map_path, tmp_path / "s", design=DrawOptions(preset="runetpp")).sample
    assert len(sample.points) == 200 and any("does not say" in note for note in sample.notes)


def test_landcover3m_counts_of_its_table_1_by_class(make_map, tmp_path):
    names = "cropland,woodland,grassland,water,impervious,bare,snow_ice"
    class_HW = np.repeat(np.arange(7), 30)[:, None] * np.ones((1, 200), np.uint8)
    sample = draw_sample(
        make_map(class_HW, classes=names), tmp_path / "s", design=DrawOptions(preset="landcover3m")
    ).sample
    counts = [sum(point.stratum == name for point in sample.points) for name in names.split(",")]
    assert counts == [336, 437, 303, 97, 191, 566, 10]


def test_the_five_matrices_of_runetpp_have_the_printed_kappas_and_wide_intervals():
    """RU-Net++, table 5: kappa is cut, not rounded; 10 of 12 points say little of producer's accuracy."""
    table_5 = [(188, 2, 0, 10), (190, 3, 0, 7), (189, 2, 0, 9), (153, 2, 0, 45), (166, 2, 0, 32)]
    results = []
    for cells in table_5:
        map_N = np.repeat([0, 0, 1, 1], cells)
        reference_N = np.repeat([0, 1, 0, 1], cells)
        results.append(accuracy(PointClasses(map_N, reference_N, ("pervious", "impervious")), simple(200)))
    assert [int(each.kappa.value * 1000) / 1000 for each in results] == [0.903, 0.815, 0.894, 0.971, 0.963]
    low, high = wilson(results[0].classes[1].producers)
    assert low < 0.56 and high > 0.95


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--design", "random"], "--design 'random': expected simple, systematic, stratified, cluster"),
        (["--points", "1"], "--points 1: expected 2 or more"),
        (["--strata", "hills.gpkg"], "--strata 'hills.gpkg': expected none, map, or a vector or raster file"),
        (["--preset", "paper"], "--preset 'paper': expected runetpp or landcover3m"),
        (["--accuracy", "impervious"], "--accuracy impervious: expected CLASS=SHARE"),
        (["--design", "cluster", "--min-distance", "10"], "--min-distance goes with a simple or stratified design"),
        (["--design", "cluster", "--cluster-side", "5"], "--cluster-side 5: expected at least two pixels"),
    ],
)
def test_mistakes_in_a_sample_are_one_sentence_each(map_path, tmp_path, capsys, words, sentence):
    assert isamap.main(["assess", "sample", str(map_path), "--out", str(tmp_path / "out"), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not (tmp_path / "out").exists()
