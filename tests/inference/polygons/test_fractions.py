"""Shares of classes in coarse cells: against pixels counted one by one, against polygons, and in three formats."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as parquet
import pytest
import rasterio
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

import isamap
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.assessment.zonal import class_areas
from isamap.inference.polygons.fractions import class_fractions
from tests.inference.assessment.conftest import UTM, make_map  # noqa: F401

NETCDF4 = "netCDF4"


@pytest.fixture
def class_HW():
    class_HW = (np.random.default_rng(2).random((125, 143)) < 0.4).astype(np.uint8)
    class_HW[60:90, 70:110] = 255
    return class_HW


def bands(path):
    with rasterio.open(path) as file:
        return file.read(), file


def names_of(path):
    with rasterio.open(path) as file:
        return file.descriptions


def test_cells_of_whole_pixels_are_counted_pixels(make_map, class_HW, tmp_path):  # noqa: F811
    """The map begins at 212,750 and 3,416,360: cells of 100 m begin 5 columns before and 4 rows above it."""
    class_fractions(make_map(class_HW), "100m", tmp_path / "f.tif")
    values_BHW, file = bands(tmp_path / "f.tif")
    padded = np.full((130, 150), 255, np.uint8)
    padded[4:129, 5:148] = class_HW
    blocks = padded.reshape(13, 10, 15, 10)
    impervious, listed = ((blocks == 1).sum(axis=(1, 3)), (blocks != 255).sum(axis=(1, 3)))
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(values_BHW[1], impervious / listed, atol=2e-5)
    np.testing.assert_allclose(values_BHW[2], listed / 100, atol=2e-5)
    assert names_of(tmp_path / "f.tif") == ("pervious", "impervious", "known")
    assert file.transform == Affine(100, 0, 212700, 0, -100, 3416400)


def test_shares_sum_to_one_wherever_ground_is_known(make_map, class_HW, tmp_path):  # noqa: F811
    class_fractions(make_map(class_HW), "77m", tmp_path / "f.tif")
    values_BHW, _ = bands(tmp_path / "f.tif")
    is_known = values_BHW[2] > 0
    np.testing.assert_allclose(values_BHW[:2].sum(axis=0)[is_known], 1, atol=1e-6)
    assert np.isnan(values_BHW[:2][:, ~is_known]).all()


def test_cells_that_cut_pixels_keep_the_maps_area(make_map, class_HW, tmp_path):  # noqa: F811
    path = make_map(class_HW)
    report = class_fractions(path, "37m", tmp_path / "f.tif")
    values_BHW, file = bands(tmp_path / "f.tif")
    cell_m2 = pixel_areas_m2(GeoBox(file.shape, file.transform, "EPSG:32650"))
    ground = np.nansum(values_BHW[1] * values_BHW[2] * cell_m2) / 1e6
    counted = class_areas(path)
    assert ground == pytest.approx(counted.of("all", "impervious"), rel=1e-6)
    assert report.known_km2 == pytest.approx(float(counted.known_km2[0]), rel=1e-12)


def test_a_grid_of_another_system_is_exact(make_map, class_HW, tmp_path):  # noqa: F811
    """A cell of a grid in degrees, against its polygon laid over every pixel."""
    path = make_map(class_HW)
    lon, lat = Transformer.from_crs(32650, 4326, always_xy=True).transform(212750 + 300, 3416360 - 300)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "crs": "EPSG:4326", "height": 4, "width": 5}
    with rasterio.open(tmp_path / "g.tif", "w", transform=Affine(0.001, 0, lon, 0, -0.001, lat), **profile):
        pass
    class_fractions(path, str(tmp_path / "g.tif"), tmp_path / "f.tif")
    values_BHW, file = bands(tmp_path / "f.tif")
    assert file.crs.to_epsg() == 4326 and file.shape == (4, 5)
    cell = shapely.segmentize(shapely.box(lon + 0.002, lat - 0.002, lon + 0.003, lat - 0.001), 1e-4)
    to_utm = Transformer.from_crs(4326, 32650, always_xy=True)
    cell = shapely.transform(cell, lambda points: np.column_stack(to_utm.transform(*points.T)))
    rows, cols = np.indices(class_HW.shape)
    left, top = UTM * (cols, rows)
    pixel = shapely.intersection(shapely.box(left, top - 10, left + 10, top), cell)
    area = shapely.area(pixel)
    expected = area[class_HW == 1].sum() / area[class_HW != 255].sum()
    assert values_BHW[1, 1, 2] == pytest.approx(expected, abs=1e-5)


def test_the_mean_of_the_probabilities_stands_beside_the_classes(make_map, class_HW, tmp_path):  # noqa: F811
    path = make_map(class_HW)
    make_map(np.where(class_HW == 255, 255, 127), "map_prob.tif", classes="")
    class_fractions(path, "200m", tmp_path / "f.tif")
    values_BHW, _ = bands(tmp_path / "f.tif")
    assert names_of(tmp_path / "f.tif")[3] == "impervious_expected"
    np.testing.assert_allclose(values_BHW[3][np.isfinite(values_BHW[3])], 0.5, atol=1e-6)


def test_the_formats_hold_the_same_shares(make_map, class_HW, tmp_path):  # noqa: F811
    netcdf = pytest.importorskip(NETCDF4)
    path = make_map(class_HW)
    for suffix in ("tif", "nc", "parquet"):
        class_fractions(path, "100m", tmp_path / f"f.{suffix}")
    values_BHW, file = bands(tmp_path / "f.tif")
    with netcdf.Dataset(tmp_path / "f.nc") as dataset:
        np.testing.assert_array_equal(dataset["impervious"][:].filled(np.nan), values_BHW[1])
        assert dataset.Conventions == "CF-1.8" and dataset["impervious"].grid_mapping == "crs"
        assert dataset["x"][0] == 212750 and dataset["crs"].grid_mapping_name == "transverse_mercator"
    table = parquet.read_table(tmp_path / "f.parquet")
    centres = shapely.centroid(shapely.from_wkb(table["geometry"].to_pylist()))
    rows, cols = rasterio.transform.rowcol(file.transform, shapely.get_x(centres), shapely.get_y(centres))
    np.testing.assert_allclose(table["impervious"].to_numpy(), values_BHW[1][rows, cols], rtol=1e-6)
    assert table.num_rows == (values_BHW[2] > 0).sum()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--grid", "5m", "--out", "f.tif"], "--grid 5m: its cells are smaller than the map's pixels (9.99 m)"),
        (["--grid", "101km", "--out", "f.tif"], "--grid 101km: one cell would be larger than a map can be"),
        (["--grid", "hectare", "--out", "f.tif"], "--grid 'hectare': expected a step such as 100m or 1km"),
        (["--grid", "100m", "--out", "f.csv"], "--out f.csv: expected a name that ends in .tif, .nc, .parquet, .gpkg"),
        (
            ["--grid", __file__, "--out", "f.tif"],
            "is no raster that can be read: give a GeoTIFF, or a step",
        ),
        (["--grid", "100m"], "--grid 100m writes cells: it needs --out"),
    ],
)
def test_mistakes_are_one_sentence_each(make_map, class_HW, tmp_path, monkeypatch, capsys, words, sentence):  # noqa: F811
    path = make_map(class_HW)
    monkeypatch.chdir(tmp_path)
    assert isamap.main(["area", str(path), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and not (tmp_path / "f.tif").exists()
