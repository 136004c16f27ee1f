"""Products and the simulated world's truth at a sample's points, through the local engine."""

from __future__ import annotations

import json

import numpy as np
import pytest
from odc.geo.geobox import GeoBox

import isamap
from isamap.gee_export.requests import pixels
from isamap.inference.assessment import server_labels
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, draw_sample
from isamap.inference.assessment.estimate import AnswerSource, ProductRequest, estimate_accuracy
from tests.inference.assessment.conftest import UTM

SHAPE = (24, 30)


@pytest.fixture
def map_path(make_map):
    class_HW = np.zeros(SHAPE, np.uint8)
    class_HW[:, 10:] = 1
    return make_map(class_HW, period_start="2020-06-01")


@pytest.fixture
def sample(map_path, tmp_path):
    return draw_sample(map_path, tmp_path / "sample", design=DrawOptions("simple", 40)).sample


def fetched(label):
    """The label's pixels as an export fetches them, uint8 (rows, columns), 255 unknown."""
    raster = pixels.fetch(
        label.image.unmask(255, False).toUint8().rename("label"), GeoBox(SHAPE, UTM, "EPSG:32650"), ["label"]
    )
    return np.where(raster.valid_BHW[0], raster.values_BHW[0], 255)


def test_the_ground_of_points_reaches_beyond_them_on_every_side():
    west, south, east, north = server_labels.around(np.array([114.3]), np.array([30.5])).bounds_wsen
    assert west < 114.3 < east and south < 30.5 < north


@pytest.mark.long
@pytest.mark.parametrize("points_a_window", [1, 1000], ids=["windows", "single points"])
@pytest.mark.parametrize("name", ["worldcover", server_labels.WORLD_TRUTH])
def test_labels_at_points_are_those_of_the_maps_pixels(session, sample, map_path, monkeypatch, name, points_a_window):
    monkeypatch.setattr(server_labels, "POINTS_A_WINDOW", points_a_window)
    class_map = open_class_map(map_path)
    label = server_labels.open_label(name, server_labels.around(*sample.lonlat), 2020)
    row, col = class_map.sheets[0].rows_cols(*sample.lonlat)
    np.testing.assert_array_equal(server_labels.at_points(label, sample, class_map), fetched(label)[row, col])


def test_a_products_area_is_counted_on_the_ground_that_the_map_knows(session, sample, map_path):
    label = server_labels.open_label("worldcover", server_labels.around(*sample.lonlat), 2020)
    built_km2 = (fetched(label) == 1).sum() * 1e-4
    assert server_labels.mapped_km2(label, open_class_map(map_path)) == pytest.approx(built_km2, rel=2e-3)


def test_the_world_answers_a_sheet_and_the_report_says_that_it_is_simulated(session, sample, map_path, tmp_path):
    report = estimate_accuracy(tmp_path / "sample", AnswerSource(("world",)))
    label = server_labels.open_label(server_labels.WORLD_TRUTH, server_labels.around(*sample.lonlat), 2020)
    row, col = open_class_map(map_path).sheets[0].rows_cols(*sample.lonlat)
    built = int((fetched(label)[row, col] == 1).sum())
    assert report.assessment.accuracy.counts[:, 1].sum() == built
    assert "simulated: the answers are the simulated world's truth" in str(report)


@pytest.mark.long
def test_products_stand_beside_the_map_in_one_table_and_one_figure(session, sample, tmp_path):
    request = ProductRequest(("worldcover", "gaia", "wsf2019"), areas=True)
    report = estimate_accuracy(tmp_path / "sample", AnswerSource(("world",)), products=request, out=tmp_path / "report")
    document = json.loads((tmp_path / "report" / "report.json").read_text())
    names = [each["name"] for each in document["products"]]
    assert names == ["this map", "worldcover@2020", "gaia@2018", "wsf2019@2019"]
    assert all(each["overall"]["interval"] and each["mapped_km2"] is not None for each in document["products"])
    assert (tmp_path / "report" / "products.png").read_bytes().startswith(b"\x89PNG")
    assert '<img src="products.png"' in (tmp_path / "report" / "report.html").read_text()
    assert "of 2018, the nearest to 2020" in report.products[2].caution


def test_an_unknown_product_is_refused_with_the_nearest_name(session, sample, tmp_path):
    with pytest.raises(ValueError, match="label product 'wordcover' is unknown"):
        estimate_accuracy(tmp_path / "sample", AnswerSource(("world",)), products=ProductRequest(("wordcover",)))


def test_a_map_that_does_not_say_its_year_asks_for_it(session, make_map, tmp_path):
    draw_sample(make_map(np.ones(SHAPE, np.uint8)), tmp_path / "s", design=DrawOptions("simple", 5))
    with pytest.raises(ValueError, match="does not say its year: give --year YYYY"):
        estimate_accuracy(tmp_path / "s", AnswerSource(("world",)))


def test_the_world_knows_two_classes_only(session, make_map, tmp_path):
    path = make_map(np.ones(SHAPE, np.uint8), classes="water,impervious,cropland")
    draw_sample(path, tmp_path / "s", design=DrawOptions("simple", 5))
    with pytest.raises(ValueError, match="--answers world knows pervious and impervious ground, the map water"):
        estimate_accuracy(tmp_path / "s", AnswerSource(("world",)))


@pytest.mark.long
def test_the_command_answers_from_the_world(home, map_path, tmp_path, capsys):
    folder = tmp_path / "c"
    assert isamap.main(["assess", "sample", str(map_path), "--out", str(folder), "--points", "12"]) == 0
    assert isamap.main(["assess", "estimate", str(folder), "--answers", "world", "--products", "gaia"]) == 0
    assert "gaia@2018" in capsys.readouterr().out


def test_all_stands_for_the_products_that_papers_compare():
    assert server_labels.names_of(["all", "gaia", "esri"]) == (*server_labels.FAMILIES, "esri")
