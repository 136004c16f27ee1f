"""Real ground in the simulated world: what a class map tells is there, and the rest stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from rasterio.transform import from_origin

from local_ee import catalogs
from local_ee.world import materials as m
from local_ee.world.fine import Canvases
from local_ee.world.fractions import FACING, CellCache
from local_ee.world.lattice import TILE, Cut
from local_ee.world.survey import LOW, PAVEMENT, ROOF, SOIL, TREE, WATER, Survey, digest_of

EPSG, COLUMN, ROW = 32633, 310, -4540  # a tile near Berlin
LEFT, TOP = COLUMN * 1280, -ROW * 1280
KINDS = {
    ROOF: set(range(m.FIRST_ROOF, m.COUNT)),
    PAVEMENT: {m.ASPHALT, m.CONCRETE},
    LOW: {m.LAWN},
    TREE: {m.EVERGREEN, m.DECIDUOUS},
    SOIL: {m.BARE},
    WATER: {m.LAKE},
}


def class_map(path, kinds, *, left=LEFT, top=TOP, **profile):
    profile = {"dtype": "uint8", "crs": f"EPSG:{EPSG}"} | profile
    shape = {"height": kinds.shape[0], "width": kinds.shape[1]}
    with rasterio.open(path, "w", count=1, transform=from_origin(left, top, 1, 1), **shape, **profile) as target:
        target.write(kinds, 1)
    return path


@pytest.fixture
def stripes(tmp_path):
    """Six strips of 50 m, one of each class, 200 m high."""
    return class_map(tmp_path / "stripes.tif", np.repeat(np.arange(1, 7, dtype=np.uint8), 50)[None].repeat(200, 0))


def kinds_of(canvas):
    return canvas & 31


def laid(path, side=400, left=LEFT, top=TOP):
    """A canvas of one class that no map names, covered by a map; and the walls' directions."""
    canvas = np.full((side + 1, side + 1), m.PADDY, np.uint32)
    facing = np.zeros((side // 10, side // 10), np.uint8)
    Survey.open(path).lay(canvas, facing, EPSG, left, top)
    return canvas, facing


def test_each_class_becomes_its_materials_and_the_rest_stays(stripes):
    kinds = kinds_of(laid(stripes)[0])
    for index, wanted in enumerate(KINDS.values()):
        assert set(np.unique(kinds[:200, 50 * index : 50 * index + 50])) <= wanted
    assert (kinds[200:] == m.PADDY).all() and (kinds[:, 300:] == m.PADDY).all()


def test_a_building_has_one_roof_that_the_next_tile_continues(tmp_path):
    ground = np.zeros((60, 120), np.uint8)
    ground[20:40, 10:110] = ROOF
    path = class_map(tmp_path / "hall.tif", ground)
    whole, _ = laid(path)
    west, east = laid(path, side=60)[0][:60, :60], laid(path, side=60, left=LEFT + 60)[0][:60, :60]
    assert len(np.unique(whole[20:40, 10:110])) == 1 and (whole[20, 10] >> 8) & 255 >= 4
    np.testing.assert_array_equal(np.hstack([west, east]), whole[:60, :120])


def test_walls_follow_the_long_side(tmp_path):
    rows, cols = np.indices((200, 200))
    across = (rows - 100) * np.cos(np.radians(30)) - (cols - 100) * np.sin(np.radians(30))
    along = (rows - 100) * np.sin(np.radians(30)) + (cols - 100) * np.cos(np.radians(30))
    ground = ((abs(across) < 8) & (abs(along) < 60)).astype(np.uint8)
    _, facing = laid(class_map(tmp_path / "slab.tif", ground))
    # 30 degrees clockwise from east on the canvas, so 120 from north, and walls repeat every 90
    assert facing[10, 10] == pytest.approx(30, abs=1) and facing[0, 0] == 0


def test_buildings_differ_and_ground_is_not_flat(tmp_path):
    ground = np.full((400, 400), LOW, np.uint8)
    for row in range(5, 400, 40):
        for col in range(5, 400, 40):
            ground[row : row + 12, col : col + 10] = ROOF
    canvas, _ = laid(class_map(tmp_path / "houses.tif", ground))
    roofs = canvas[5:400:40, 5:400:40]
    assert len(np.unique(roofs)) > 80 and len(np.unique(kinds_of(roofs))) == 3
    assert ((canvas[:400, :400] >> 16) & 255)[ground == LOW].std() > 10


def test_other_projections_are_warped(tmp_path):
    path = class_map(tmp_path / "degrees.tif", np.full((60, 60), WATER, np.uint8), crs="EPSG:4326", left=13, top=52)
    with rasterio.open(path, "r+") as source:
        source.transform = from_origin(13.0, 52.0, 1e-4, 1e-4)
    ((x,), (y,)) = rasterio.warp.transform("EPSG:4326", f"EPSG:{EPSG}", [13.003], [51.997])
    canvas, _ = laid(path, side=100, left=round(x) - 50, top=round(y) + 50)
    assert (kinds_of(canvas) == m.LAKE).all()


def test_truth_and_shares_are_those_of_the_map(stripes):
    """Both the 1-m truth and the 10-m cells that every sensor draws from, and no other tile."""
    survey = Survey.open(stripes)
    canvases, cells = Canvases(survey=survey), CellCache(survey=survey)
    tile = Cut(EPSG, ROW * 1280, COLUMN * 1280, 1280, 1280, 1)
    classes = canvases.classes(tile, 2020)
    assert set(np.unique(classes[:200, 50:100])) <= KINDS[PAVEMENT]
    np.testing.assert_array_equal(classes[200:], Canvases().classes(tile, 2020)[200:])
    layers = cells.window(Cut(EPSG, ROW * TILE, COLUMN * TILE, TILE, TILE), 2020)
    assert (layers[m.FIRST_IMPERVIOUS : m.COUNT, :20, :10].sum(axis=0) == 100).all()
    assert (layers[m.FIRST_IMPERVIOUS : m.COUNT, :20, 10:30].sum(axis=0) == 0).all()
    assert layers[FACING, 5, 2] == layers[FACING, 15, 2]


def test_a_catalog_of_a_class_map_is_the_world(stripes):
    catalog = catalogs.open_catalog(stripes)
    assert catalog.describe("COPERNICUS/S2_SR_HARMONIZED").properties == {"simulated": 1}
    assert catalogs.is_world(stripes) and catalogs.is_world("world") and not catalogs.is_world(stripes.parent)
    assert catalogs.world_version("world") == catalogs.WORLD_VERSION
    assert catalogs.world_version(stripes) == f"{catalogs.WORLD_VERSION} on {digest_of(stripes)[:16]}"


@pytest.mark.parametrize(
    ("kinds", "profile", "words"),
    [
        (np.full((4, 4), 7, np.uint8), {}, "holds class 7: expected"),
        (np.ones((4, 4), np.int16), {"dtype": "int16"}, "expected a GeoTIFF of one band of bytes"),
        (np.ones((4, 4), np.uint8), {"crs": None}, "expected a GeoTIFF of one band of bytes"),
    ],
)
def test_what_is_no_class_map_is_refused(tmp_path, kinds, profile, words):
    with pytest.raises(ValueError, match=words):
        catalogs.open_catalog(class_map(tmp_path / "odd.tif", kinds, **profile))


def test_a_file_that_is_no_image_is_refused(tmp_path):
    (tmp_path / "text.tif").write_text("roof")
    with pytest.raises(ValueError, match="expected a GeoTIFF"):
        catalogs.open_catalog(tmp_path / "text.tif")


def test_a_file_that_names_others_is_no_class_map(stripes):
    """A VRT may name any file of this machine or any address."""
    view = stripes.with_suffix(".vrt")
    rasterio.shutil.copy(stripes, view, driver="VRT")
    with pytest.raises(ValueError, match="expected a GeoTIFF of one band of bytes"):
        Survey.open(view)
