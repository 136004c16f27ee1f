"""Percent, polygons and grids of a month and of a year the whole way: export, train, map, area, asset and service.

On the simulated world, on a small town's public archives and on the recorded archive (tests/support/product_way.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ee
import numpy as np
import pyarrow.parquet as parquet
import pyogrio
import pytest
import rasterio
import shapely
from local_ee.testing import archive as archives
from pyproj import Geod, Transformer
from starlette.testclient import TestClient

from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine.session import connect
from isamap.gee_export.requests import pixels
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import Tokens
from tests.support.product_way import CLASSES, SIZE, Way, run

ADDRESS = "http://127.0.0.1:8765"
WAYS = (
    "world", "town", pytest.param("recorded", marks=archives.needs_shared),
    pytest.param("world year", marks=pytest.mark.long),
    pytest.param("recorded year", marks=[archives.needs_shared, pytest.mark.long]),
)  # fmt: skip


@pytest.fixture(scope="module", params=WAYS)
def way(request, reconnected, tmp_path_factory) -> Iterator[Way]:
    """Made in a home of its own."""
    made = Way(request.param, tmp_path_factory.mktemp(request.param.replace(" ", "-")))
    with pytest.MonkeyPatch.context() as patch, made.ground.standing():
        patch.setenv("ISAMAP_HOME", str(made.folder / "home"))
        made.make()
        yield made


def _json(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    capsys.readouterr()
    run(*words, "--json")
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def impervious_km2(way: Way) -> float:
    """The percents of the map's file times the ellipsoid's area of its mean pixel, by pyproj."""
    with rasterio.open(way.map) as file:
        left, bottom, right, top = file.bounds
        edge = shapely.segmentize(shapely.box(left, bottom, right, top), 50)
        to_degrees = Transformer.from_crs(file.crs, 4326, always_xy=True)
    outline = shapely.transform(edge, lambda points: np.column_stack(to_degrees.transform(*points.T)))
    area_m2 = abs(Geod(ellps="WGS84").geometry_area_perimeter(outline)[0])
    percent = way.read("_share").astype(float)
    return float(percent[percent != 255].sum() / 100 * area_m2 / percent.size / 1e6)


def test_bands_are_those_of_the_recipe_of_its_time(way):
    assert Dataset.open(way.data).manifest.band_names == way.ground.bands
    with rasterio.open(way.map) as file:
        tags = file.tags()
    assert (tags["period"], tags["simulated"]) == (way.ground.period, str(way.ground.catalog == "world").lower())


def test_labels_are_the_exact_percents_of_the_drawn_shape(way):
    dataset = Dataset.open(way.data)
    (grid,) = dataset.manifest.grids.values()
    stripes = way.ground.stripes
    shapely.prepare(stripes)
    for patch in dataset.patches[:2]:
        row, col = np.mgrid[patch.row : patch.row + SIZE, patch.col : patch.col + SIZE]
        left, top = grid.affine[2] + 10.0 * (col - grid.col), grid.affine[5] - 10.0 * (row - grid.row)
        covered = shapely.area(shapely.intersection(shapely.box(left, top - 10, left + 10, top), stripes))
        assert ((covered > 5) & (covered < 95)).mean() > 0.2
        assert np.abs(np.squeeze(dataset.read_share(patch)).astype(float) - covered).max() <= 0.51


def test_the_map_says_percents(way):
    """Of the ground that its images show; NAME_prob.tif holds the same in steps of 1/254 (docs/maps.md)."""
    steps, percent = way.read("_prob").astype(float), way.read("_share")
    assert len(np.unique(percent)) > 5 and (percent != 255).mean() > 0.5
    np.testing.assert_array_equal(percent, np.where(steps == 255, 255, np.rint(steps * 100 / 254)))
    with rasterio.open(way.map.with_name("city_share.tif")) as file:
        assert file.units == ("%",) and file.tags()["target"] == "share"


def test_the_area_is_the_sum_of_the_percents(way, impervious_km2, capsys):
    report = _json(capsys, "area", str(way.map))
    (row,) = [row for row in report["rows"] if row["class"] == "impervious"]
    assert row["mapped_km2"] == pytest.approx(impervious_km2, rel=2e-3)
    assert report["warnings"][0].startswith("the map holds percents")


@pytest.fixture
def asset(way: Way) -> Iterator[ee.Image]:
    """The map as `isamap publish` leaves it in the local engine."""
    name = f"projects/local/assets/product_ways/{way.folder.name}"
    run("publish", str(way.map), "--asset", name)
    with connect():
        yield ee.Image(name)


def test_the_asset_holds_the_percents_of_the_file(way, asset):
    steps = pixels.fetch(asset, way.grid, ["prob"])
    stored = np.where(steps.valid_BHW[0], np.rint(steps.values_BHW[0] * 100 / 254), 255)
    np.testing.assert_array_equal(stored, way.read("_share"))
    assert asset.get("target").getInfo() == "share"


def test_the_engine_sums_the_assets_percents_to_the_same_area(way, asset, impervious_km2):
    km2 = asset.select("prob").divide(254).multiply(ee.Image.pixelArea()).divide(1e6)
    summed = km2.reduceRegion(ee.Reducer.sum(), asset.geometry(), **way.lattice).getInfo()["prob"]
    assert summed == pytest.approx(impervious_km2, rel=2e-3)


@pytest.fixture
def client(way: Way) -> TestClient:
    """Of a service whose folder holds the map."""
    settings = ServiceSettings(way.folder / "service", checkpoints=(str(way.folder / "run"),))
    settings.jobs.prepare()
    service = Service(settings, Door.of("127.0.0.1", 8765, Tokens(), None))
    return TestClient(service.application(), base_url=ADDRESS)


def test_the_service_tells_the_same_percents(way, client, impervious_km2):
    (listed,) = client.get("/maps").json()["maps"]
    document = client.get(f"/maps/{listed['id']}").json()
    assert document["bands"] == ["class", "share"] and "probability" not in json.dumps(document)
    assert document["area_km2"]["impervious"] == pytest.approx(impervious_km2, rel=2e-3, abs=1e-4)
    assert document["simulated"] is (way.ground.catalog == "world")
    taken = client.get(f"/maps/{listed['id']}/download?format=share").content
    assert taken == way.map.with_name("city_share.tif").read_bytes()


@dataclass(frozen=True)
class Polygons:
    """All classes of a map as polygons: the file, their shapes in its system, and its columns."""

    file: Path
    shapes: list[shapely.Geometry]
    columns: dict[str, np.ndarray]

    def total(self, column: str, name: str) -> float:
        """Sum over the polygons of a class."""
        return float(self.columns[column][self.columns["class"] == name].sum())


@pytest.fixture
def polygons(way: Way, tmp_path: Path) -> Polygons:
    file = tmp_path / "all.gpkg"
    run("polygons", str(way.map), "--class", *CLASSES, "--out", str(file))
    head, _, shapes, columns = pyogrio.raw.read(file, layer="polygons")
    return Polygons(file, list(shapely.from_wkb(shapes)), dict(zip(head["fields"], columns, strict=True)))


def test_polygons_burnt_again_are_the_map(way, polygons):
    number = way.read()
    pairs = zip(polygons.shapes, map(CLASSES.index, polygons.columns["class"]), strict=True)
    burnt = rasterio.features.rasterize(pairs, number.shape, fill=255, transform=way.grid.affine, dtype="uint8")
    np.testing.assert_array_equal(burnt, number)


def test_polygons_have_the_mean_of_their_percents(way, polygons):
    assert "probability" not in polygons.columns
    percent = way.read("_share").astype(float)
    mean = np.average(polygons.columns["share"], weights=polygons.columns["pixels"])
    assert 100 * mean == pytest.approx(percent[percent != 255].mean(), abs=0.3)


def test_the_area_within_polygons_is_their_percents_of_it(way, polygons, capsys):
    """The polygons as the districts of `isamap area`: those of one class are one."""
    report = _json(capsys, "area", str(way.map), "--by", str(polygons.file), "--by-column", "class")
    sealed = {row["zone"]: row["mapped_km2"] for row in report["rows"] if row["class"] == "impervious"}
    polygons.columns["sealed_m2"] = polygons.columns["share"] * polygons.columns["area_m2"]
    for name in set(polygons.columns["class"]):
        assert 1e6 * sealed[name] == pytest.approx(polygons.total("sealed_m2", name), rel=0.02)


def test_polygons_of_the_service_are_those_of_the_command(polygons, client):
    (listed,) = client.get("/maps").json()["maps"]
    taken = client.get(f"/maps/{listed['id']}/download?format=gpkg").content
    assert taken == polygons.file.read_bytes()


def test_the_asset_has_the_ground_of_the_polygons(way, polygons, asset):
    km2 = ee.Image.pixelArea().addBands(asset.select("isa"))
    grouped = km2.reduceRegion(ee.Reducer.sum().group(1, "class"), asset.geometry(), **way.lattice).getInfo()["groups"]
    assert {CLASSES[each["class"]] for each in grouped} == set(polygons.columns["class"])
    for each in grouped:
        assert each["sum"] == pytest.approx(polygons.total("area_m2", CLASSES[each["class"]]), rel=2e-3)


def test_cells_of_a_grid_sum_to_one_in_every_format(way, tmp_path):
    netcdf = pytest.importorskip("netCDF4")
    for ending in ("tif", "nc", "parquet"):
        run("area", str(way.map), "--grid", "100m", "--out", str(tmp_path / f"cells.{ending}"))
    with rasterio.open(tmp_path / "cells.tif") as file:
        values = dict(zip(file.descriptions, file.read(), strict=True))
    is_known = values["known"] > 0
    np.testing.assert_allclose((values["pervious"] + values["impervious"])[is_known], 1, atol=1e-6)
    percent = way.read("_share").astype(float)
    cells = np.nansum(values["impervious_expected"] * values["known"])
    assert cells == pytest.approx(percent[percent != 255].sum() / 100 / 100, rel=2e-3)  # 100 pixels a cell
    with netcdf.Dataset(tmp_path / "cells.nc") as dataset:
        table = parquet.read_table(tmp_path / "cells.parquet")
        for name, value in values.items():
            np.testing.assert_array_equal(dataset[name][:].filled(np.nan), value)
            np.testing.assert_allclose(np.sort(table[name].to_numpy()), np.sort(value[is_known]), rtol=1e-6)


@pytest.fixture
def cells(way: Way, tmp_path: Path) -> tuple[list[shapely.Geometry], np.ndarray]:
    """Three cells of 100 m that the map knows wholly, in metres of the zone, and the expected share of each."""
    run("area", str(way.map), "--grid", "100m", "--out", str(tmp_path / "cells.gpkg"))
    head, _, shapes, columns = pyogrio.raw.read(tmp_path / "cells.gpkg")
    column = dict(zip(head["fields"], columns, strict=True))
    whole = np.flatnonzero(column["known"] > 0.9999)[:3]
    assert len(whole) == 3
    return list(shapely.from_wkb(shapes[whole])), column["impervious_expected"][whole]


def test_cells_are_the_means_of_the_assets_pixels(way, cells, asset):
    for shape, expected in zip(*cells, strict=True):
        rectangle = ee.Geometry.Rectangle(shape.bounds, way.lattice["crs"], False)
        mean = asset.select("prob").reduceRegion(ee.Reducer.mean(), rectangle, **way.lattice).getInfo()["prob"]
        assert mean / 254 == pytest.approx(expected, abs=1e-3)


def test_the_service_counts_the_same_in_cells(way, cells, client):
    (listed,) = client.get("/maps").json()["maps"]
    to_degrees = Transformer.from_crs(way.ground.epsg, 4326, always_xy=True)
    shapes, expected_N = cells
    corners = [shapely.transform(each, lambda xy: np.column_stack(to_degrees.transform(*xy.T))) for each in shapes]
    features = [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(each)} for each in corners]
    asked = {"type": "FeatureCollection", "features": features}
    reply = client.post(f"/areas?maps={listed['id']}", json=asked)
    assert reply.status_code == 200, reply.text
    for row, expected in zip(reply.json()["districts"], expected_N, strict=True):
        assert row["area_km2"]["impervious"] == pytest.approx(0.01 * expected, rel=5e-3, abs=1e-5)
