"""`isamap years`: the folder it writes, what other commands make of it, and what it refuses."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

import isamap
from isamap.inference.map_files.map_file import open_map
from isamap.inference.years import run as years_run
from isamap.inference.years import series as years_series
from isamap.inference.years.growth import filtered
from isamap.inference.years.run import map_years, read_chain
from tests.inference.years.conftest import WUHAN, calibrated_chain, simulate, year_maps_in
from tests.support.map_files import read_map
from tests.support.pictures import unpainted  # noqa: F401

YEARS = (2017, 2019, 2020, 2023)
SHAPE = (60, 50)


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Stored probabilities of four years (4, rows, columns) with unknown corners."""
    share_THW = simulate(calibrated_chain(YEARS, (9.0,) * 4), SHAPE[0] * SHAPE[1], 1)[1].reshape(4, *SHAPE).copy()
    share_THW[1, :20, :20] = 255
    share_THW[:, :5, :6] = 255
    return share_THW


@pytest.fixture(scope="module")
def maps(tmp_path_factory, pixels) -> list[Path]:
    year_map = year_maps_in(tmp_path_factory.mktemp("maps"))
    return [year_map(year, share_HW) for year, share_HW in zip(YEARS, pixels, strict=True)]


@pytest.fixture(scope="module")
def made(maps, tmp_path_factory):
    """A finished run, with pictures."""
    return map_years(maps, tmp_path_factory.mktemp("made") / "out")


@pytest.fixture
def done(made, tmp_path):
    """A copy of the finished run, which a test may change."""
    shutil.copytree(made.path, tmp_path / "out")
    return replace(made, path=tmp_path / "out")


def values(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return file.read(1)


@pytest.mark.long
def test_the_files_are_what_the_filter_says(done, pixels):
    chain = read_chain(done.path / "years.json", YEARS)
    result = filtered(pixels.reshape(4, -1), chain)
    for at, year in enumerate(YEARS):
        expected = np.stack([result.class_TN[at], result.share_TN[at]]).reshape(2, *SHAPE)
        np.testing.assert_array_equal(read_map(done.path / f"{year}.tif"), expected)
    for name, expected in (("first_year", "first_N"), ("first_year_earliest", "earliest_N"), ("growth", "growth_N")):
        np.testing.assert_array_equal(values(done.path / f"{name}.tif").ravel(), getattr(result, expected))


def test_a_filtered_map_is_a_map(done, tmp_path):
    opened = open_map(done.path / "2019.tif")
    assert opened.tags["post"] == "years" and opened.tags["period"] == "2019-06"
    assert opened.tags["simulated"] == "true" and opened.tags["model"] == "unet"
    assert isamap.view(done.path / "2019.tif", out=tmp_path / "view.png").path.exists()


def test_a_layer_names_its_values(done):
    text = (done.path / "growth.tif.aux.xml").read_text()
    assert "stable impervious" in text and "growth 2020" in text and "growth 2021 to 2023" in text
    with rasterio.open(done.path / "growth.tif") as file:
        assert file.descriptions == ("growth",) and file.nodata == 255
        assert file.colormap(1)[1][:3] == (0x4D, 0x4D, 0x4D)


def test_areas_are_those_of_the_classes(done, pixels):
    counts = [(read_map(done.path / f"{year}.tif")[0] == 1).sum() for year in YEARS]
    np.testing.assert_allclose(done.impervious_km2, np.array(counts) * 1e-4, rtol=2e-3)
    own = [((share_HW >= 127) & (share_HW != 255)).sum() * 1e-4 for share_HW in pixels]
    np.testing.assert_allclose(done.own_km2, own, rtol=2e-3)


def test_expected_areas_are_the_sums_of_the_filters_probabilities(done):
    steps = [read_map(done.path / f"{year}.tif")[1] for year in YEARS]
    sums = [each[each != 255].sum() / 254 * 1e-4 for each in steps]
    np.testing.assert_allclose(done.expected_km2, sums, rtol=2e-3)
    assert max(abs(done.expected_km2[at] / done.impervious_km2[at] - 1) for at in range(4)) > 0.01
    assert str(done).index("expected by the filter's probabilities") < str(done).index("counted as classes")


def test_the_shares_are_counted(done, pixels):
    known_HW = (pixels != 255).any(axis=0)
    assert done.unknown_share[1] == pytest.approx((pixels[1] == 255)[known_HW].mean())
    assert done.back_share[1] < done.back_share[0]
    assert sum(done.zones[0].growth_km2) == pytest.approx(known_HW.sum() * 1e-4, rel=2e-3)


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_districts_are_counted(maps, tmp_path):
    left, top = WUHAN.c, WUHAN.f
    half = {"type": "Polygon", "coordinates": [[]]}
    ring = [(left, top), (left + 250, top), (left + 250, top - 600), (left, top - 600), (left, top)]
    half["coordinates"] = [[list(corner) for corner in ring]]
    feature = {"type": "Feature", "properties": {"name": "west"}, "geometry": half}
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32650"}}
    (tmp_path / "districts.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
    )
    report = map_years(maps, tmp_path / "out", by=tmp_path / "districts.geojson")
    assert [zone.name for zone in report.zones] == ["all", "west"]
    west = (read_map(report.path / "2023.tif")[0][:, :25] == 1).sum() * 1e-4
    assert report.zones[1].impervious_km2[-1] == pytest.approx(west, rel=2e-3)
    steps = read_map(report.path / "2023.tif")[1][:, :25]
    expected = steps[steps != 255].sum() / 254 * 1e-4
    assert report.zones[1].expected_km2[-1] == pytest.approx(expected, rel=2e-3)
    assert f"<td>{expected:,.2f}</td>" in report.page.read_text()


def test_the_page_needs_no_network(done):
    text = done.page.read_text()
    assert "says nothing about the real place" in text and text.count("data:image/png;base64,") == 4
    assert "http" not in text and "<script" not in text


def test_done_it_does_nothing(done, maps, monkeypatch):
    monkeypatch.setattr(years_run, "_made", None)
    again = map_years(maps[::-1], done.path)
    assert again.already_there and again.impervious_km2 == done.impervious_km2


@pytest.mark.long
def test_equal_maps_give_equal_files(done, maps, tmp_path):
    again = map_years(maps, tmp_path / "again")
    for path in sorted(done.path.iterdir()):
        if path.name != "years.json":  # which says how long it took
            assert (again.path / path.name).read_bytes() == path.read_bytes(), path.name


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_rows_and_pieces_change_no_byte(done, maps, tmp_path, monkeypatch):
    monkeypatch.setattr(years_series, "ROWS_PX", 7)
    again = map_years(maps, tmp_path / "again")
    for name in ("2019_prob.tif", "growth.tif"):
        assert (again.path / name).read_bytes() == (done.path / name).read_bytes()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_a_part_of_the_maps_becomes_the_same_with_the_same_parameters(done, pixels, year_map, tmp_path):
    where = {"transform": WUHAN * Affine.translation(11, 13)}
    piece = [
        year_map(year, share_HW[13:50, 11:40], name=f"part{year}", **where)
        for year, share_HW in zip(YEARS, pixels, strict=True)
    ]
    report = map_years(piece, tmp_path / "part", parameters=done.path / "years.json")
    for year in YEARS:
        full = read_map(done.path / f"{year}.tif")[:, 13:50, 11:40]
        np.testing.assert_array_equal(read_map(report.path / f"{year}.tif"), full)


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_without_loss_nothing_goes_back(maps, tmp_path):
    report = map_years(maps, tmp_path / "out", loss=0)
    classes = np.stack([read_map(report.path / f"{year}.tif")[0] for year in YEARS])
    assert report.loss == 0 and report.back_share[1] == 0 and (np.diff(classes.astype(int), axis=0) >= 0).all()


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
@pytest.mark.parametrize("gone", [("years.json", "growth.tif"), ("2019_prob.tif",)])
def test_what_an_interrupted_run_lacks_is_made_again(done, maps, gone):
    before = (done.path / gone[-1]).read_bytes()
    for name in gone:
        (done.path / name).unlink()
    assert not map_years(maps, done.path).already_there
    assert (done.path / gone[-1]).read_bytes() == before


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_other_options_are_refused_and_replaced_on_demand(done, maps):
    with pytest.raises(ValueError, match="years of other maps or options: choose another --out"):
        map_years(maps, done.path, loss=0)
    assert map_years(maps, done.path, loss=0, overwrite=True).loss == 0


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_maps_of_former_years_go_with_them(done, maps):
    report = map_years(maps[:3], done.path, overwrite=True)
    assert report.years == YEARS[:3] and not list(done.path.glob("2023*"))


def test_the_maps_themselves_are_never_replaced(maps, tmp_path):
    with pytest.raises(ValueError, match="one of the maps: choose another folder"):
        map_years(maps, maps[0].parent, overwrite=True)


def test_a_foreign_file_is_not_replaced(maps, year_map, pixels, tmp_path):
    foreign = year_map(2019, pixels[0], name="foreign")
    (tmp_path / "out").mkdir()
    shutil.copy(foreign, tmp_path / "out" / "2019.tif")
    with pytest.raises(ValueError, match="is not of `isamap years`"):
        map_years(maps, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"loss": 0.9}, "--loss 0.9: expected a share of 0"),
        ({"by": "none.gpkg"}, "--by none.gpkg: No such file"),
        ({"parameters": "none.json"}, "--parameters none.json: No such file"),
    ],
)
def test_mistakes_are_refused(maps, tmp_path, options, words):
    with pytest.raises(ValueError, match=words):
        map_years(maps, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_parameters_of_other_years_are_refused(done, maps, tmp_path):
    with pytest.raises(ValueError, match="is of the years 2017, 2019, 2020, 2023, the maps of 2017, 2019, 2020"):
        map_years(maps[:3], tmp_path / "out", parameters=done.path / "years.json")


def test_what_is_no_parameters_is_refused(done, maps, tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"is no years\.json of `isamap years`"):
        map_years(maps, tmp_path / "out", parameters=tmp_path / "x.json")


def test_maps_without_a_known_pixel_are_refused(year_map, tmp_path):
    unknown = [year_map(year, np.full((9, 9), 255, np.uint8)) for year in (2017, 2019)]
    with pytest.raises(ValueError, match="no pixel of the maps is known"):
        map_years(unknown, tmp_path / "out")


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_the_command_makes_the_folder(maps, tmp_path, capsys):
    assert isamap.main(["years", *map(str, maps), "--out", str(tmp_path / "out"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["years"] == list(YEARS) and Path(printed["page"]).exists()


def test_the_command_says_a_mistake_in_one_sentence(maps, tmp_path, capsys):
    assert isamap.main(["years", str(maps[0]), "--out", str(tmp_path / "out")]) == 2
    assert "1 maps: give 2 to 100" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.usefixtures("unpainted")
def test_an_interrupted_run_is_made_again(done, maps):
    before = (done.path / "growth.tif").read_bytes()
    (done.path / "years.json").unlink()
    (done.path / "growth.tif").unlink()
    assert not map_years(maps, done.path).already_there
    assert (done.path / "growth.tif").read_bytes() == before
