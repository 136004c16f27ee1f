"""Inputs, masks and maps whose rows run from south to north: each command says of them what it says of the twin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.rasters import open_raster
from isamap.inference.assessment.class_map import open_class_map
from isamap.inference.assessment.draw import DrawOptions, SheetOptions, draw_sample
from isamap.inference.assessment.frame import survey
from isamap.inference.assessment.strata import strata_named
from isamap.inference.assessment.zonal import class_areas, transition_areas
from isamap.inference.inputs.block_rows import BlockRows
from isamap.inference.map_files.map_file import open_map
from isamap.inference.mapping.map import map_region
from isamap.inference.polygons.fractions import class_fractions
from isamap.inference.polygons.polygons import PolygonOptions, map_polygons
from isamap.inference.postprocessing.mask import _inside
from isamap.inference.serve import tiles
from isamap.inference.years.series import open_series
from tests.inference.conftest import WUHAN, stored_scene, write_tif
from tests.support.map_files import read_map
from tests.support.marked_rasters import southern, write_marked

CLASSES = ("pervious", "impervious")
PLACE = {"crs": "EPSG:32650", "transform": WUHAN, "tags": {"classes": ",".join(CLASSES)}}
SHAPE = (44, 36)


@pytest.fixture
def maps(tmp_path) -> tuple[Path, Path]:
    """Classes with a missing corner, more impervious in the north, and the twin from the south."""
    rng = np.random.default_rng(4)
    class_HW = rng.random(SHAPE) < np.linspace(0.9, 0.1, SHAPE[0])[:, None]
    hidden_HW = np.zeros(SHAPE, bool)
    hidden_HW[:9, :7] = True
    north = write_marked(tmp_path / "north.tif", class_HW, hidden_HW, "internal mask", **PLACE)
    return north, southern(north, tmp_path / "south.tif", mirrored=True)


def area(path: Path, _: Path) -> list:
    return class_areas(path).km2.tolist()


def change(path: Path, twin: Path) -> list:
    return transition_areas(path, twin).km2.tolist()


def fingerprint(path: Path, _: Path) -> str:
    return open_class_map(path).fingerprint()


def strata(path: Path, twin: Path) -> list:
    first = open_class_map(twin)
    return survey(first, strata_named(str(path), first)).area_BH.tolist()


def sample(path: Path, twin: Path) -> list:
    drawn = draw_sample(path, path.with_suffix(""), design=DrawOptions(points=30), sheet=SheetOptions(show_map=True))
    return [
        sorted((point.lon, point.lat, point.plotid) for point in drawn.sample.points),
        pictures(path.with_suffix("")),
    ]


def pictures(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("*.png"))]


def shares(path: Path, _: Path) -> list:
    class_fractions(path, "100m", path.with_suffix(".cells.tif"))
    with rasterio.open(path.with_suffix(".cells.tif")) as file:
        return np.nan_to_num(file.read(), nan=-1).tolist()


def cells_of_a_raster(path: Path, twin: Path) -> list:
    """`area --grid RASTER`, the raster from the south."""
    coarse = write_tif(path.with_suffix(".grid.tif"), np.zeros((1, 8, 7), "int16"), names=(), scales=(),
                       transform=Affine(47, 0, 212_760, 0, -47, 3_416_350))  # fmt: skip
    grid = coarse if "north" in path.name else southern(coarse, path.with_suffix(".turned.tif"))
    class_fractions(twin, str(grid), path.with_suffix(".of.tif"))
    with rasterio.open(path.with_suffix(".of.tif")) as file:
        return [file.transform, np.nan_to_num(file.read(), nan=-1).tolist()]


def polygons(path: Path, _: Path) -> list:
    map_polygons(path, path.with_suffix(".gpkg"), PolygonOptions(CLASSES))
    table = geopandas.read_file(path.with_suffix(".gpkg"), layer="polygons")
    return sorted((row["class"], row.geometry.wkt) for _, row in table.iterrows())


@pytest.mark.parametrize("command", [area, change, fingerprint, strata, sample, shares, cells_of_a_raster, polygons])
def test_a_map_of_classes(maps, command: Callable):
    north, south = maps
    assert command(north, north) == command(south, north)


def test_a_finished_map_in_views_years_and_tiles(finished_map, random_map, tmp_path):
    years = [{"period_start": f"{year}-01-01", "period_end": f"{year + 1}-01-01"} for year in (2018, 2020)]
    paths = [finished_map(random_map, f"{at}.tif", **tags) for at, tags in enumerate(years)]
    for each in (paths[1], paths[1].with_name("1_prob.tif")):
        southern(each, tmp_path / "turned.tif").replace(each)
    first, second = (open_map(path).shrunk(1000) for path in paths)
    np.testing.assert_array_equal(first[0], second[0])
    assert first[1] == second[1]
    (rows,) = open_series(paths).rows()
    np.testing.assert_array_equal(rows.share_THW[0], rows.share_THW[1])
    x, y = Transformer.from_crs(32650, 3857, always_xy=True).transform(*(WUHAN * (25, 30)))
    side_m = tiles.EQUATOR_M / 2**16
    address = tiles.TileAddress(16, *(int((tiles.EQUATOR_M / 2 + far) // side_m) for far in (x, -y)))
    drawn = []
    for path in paths:
        with open_raster(path) as file:
            drawn.append(tiles._warped(file, 1, address, Window(0, 0, 256, 256)))
    np.testing.assert_array_equal(*drawn)
    assert (drawn[0] == 1).any()


def test_blocks_of_an_input(tmp_path):
    north = write_tif(tmp_path / "north.tif", stored_scene(150, 137))
    reads = []
    for path in (north, southern(north, tmp_path / "south.tif")):
        with open_raster(path) as file:
            rows = BlockRows(file, [2, 5])
            pieces = [rows.read(Window(row, 0, min(40, 150 - row), 137)) for row in range(0, 150, 40)]
            reads.append([np.concatenate([piece[at] for piece in pieces], axis=1) for at in (0, 1)])
            np.testing.assert_array_equal(file.read([2, 5], window=RioWindow(3, 60, 9, 9)), reads[0][0][:, 60:69, 3:12])
    np.testing.assert_array_equal(reads[0], reads[1])


@pytest.mark.long
def test_an_input_is_mapped_alike(run, tmp_path):
    north = write_tif(tmp_path / "north.tif", stored_scene(90, 70))
    made = []
    for path in (north, southern(north, tmp_path / "south.tif")):
        map_region(run, input=str(path), out=tmp_path / f"{path.stem}_map.tif", progress=False)
        made.append(read_map(tmp_path / f"{path.stem}_map.tif"))
        with rasterio.open(tmp_path / f"{path.stem}_map.tif") as file:
            assert file.transform == WUHAN
    np.testing.assert_array_equal(*made)


@pytest.mark.parametrize("step", [10, 25])
def test_a_mask_over_a_map(finished_map, random_map, tmp_path, step):
    inside_HW = np.random.default_rng(0).random((50, 40)) < 0.3
    place = PLACE | {"transform": Affine(step, 0, 212_738, 0, -step, 3_416_371)}
    north = write_marked(tmp_path / "north.tif", inside_HW, ~inside_HW & False, "none", **place)
    south = southern(north, tmp_path / "south.tif")
    geobox = open_map(finished_map(random_map)).geobox
    first, second = (_inside(path, geobox, 0, 90) for path in (north, south))
    np.testing.assert_array_equal(first, second)
    assert first.any() and not first.all()
