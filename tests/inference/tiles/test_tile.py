"""A tile's id: equal for equal pixels, another for anything that decides them; and the map that it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.outline import in_metres, inside
from isamap.gee_export.base.periods import Month, Period
from isamap.inference.mapping.request import Computing, Pixels
from isamap.inference.tiles.jobs import Server
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.tiling import TileWindow
from local_ee import catalogs
from tests.inference.tiles.conftest import wanted_HW

WINDOW = TileWindow(32650, -5338, 332, 64)
TILE = Tile(WINDOW, Month(2019, 6).period, "runs/a", "f" * 64, Pixels(), Computing())
LEFT, BOTTOM, RIGHT, TOP = WINDOW.bounds_m
TRIANGLE = shapely.Polygon([(LEFT, BOTTOM), (RIGHT, BOTTOM), (LEFT, TOP)])


@pytest.mark.parametrize(
    "changes",
    [
        {"window": replace(WINDOW, row=-5337)},
        {"window": replace(WINDOW, col=333)},
        {"window": replace(WINDOW, epsg=32649)},
        {"window": replace(WINDOW, step_px=128)},
        {"window": replace(WINDOW, ground_m=TRIANGLE)},
        {"period": Month(2019, 7).period},
        {"fingerprint": "e" * 64},
        {"pixels": Pixels(catalog="elsewhere")},
        {"pixels": Pixels(project="google")},
        {"pixels": Server(composite_asset="projects/local/assets/composites").pixels},
        {"computing": Computing(runtime="openvino")},
        {"computing": Computing(precision="bf16")},
        {"computing": Computing(post="clahe")},
    ],
    ids=lambda changes: str(next(iter(changes))),
)
def test_whatever_decides_pixels_decides_the_id(changes):
    assert replace(TILE, **changes).id != TILE.id


@pytest.mark.parametrize(
    "changes",
    [
        {"checkpoint": "copies/of/a"},
        {"computing": Computing(workers=7)},
    ],
    ids=lambda changes: str(next(iter(changes))),
)
def test_what_decides_no_pixel_leaves_the_id(changes):
    assert replace(TILE, **changes).id == TILE.id


def test_a_folder_of_scenes_may_move():
    here, elsewhere = (replace(TILE, pixels=Pixels(catalog=f"{folder}/scenes")) for folder in ("/here", "/elsewhere"))
    assert here.id == elsewhere.id


def test_another_version_of_the_world_is_another_tile(monkeypatch):
    former = TILE.id
    monkeypatch.setattr(catalogs, "WORLD_VERSION", "0")
    assert replace(TILE).id != former


def test_the_name_says_the_place():
    assert TILE.name == f"50n_212480_3416320_{TILE.id[:12]}"


def test_the_map_it_asks_for_is_of_its_square_and_days():
    request = replace(TILE, period=Period.between("2019-05-03", "2019-08-30")).request(Path("x.tif"), threads=3)
    area = request.options.where.area
    assert area.bounds_m == WINDOW.bounds_m and area.outline is None and area.name == "50n_212480_3416320"
    assert str(request.options.when.composite) == "2019-05-03..2019-08-30" and request.options.computing.workers == 3


corners = st.lists(
    st.tuples(st.floats(0, 640), st.floats(0, 640)), min_size=3, max_size=6, unique=True
).filter(lambda points: shapely.convex_hull(shapely.MultiPoint(points)).area > 2000)  # fmt: skip


@settings(max_examples=20)
@given(corners)
def test_the_maps_outline_holds_the_tiles_wanted_pixels(points):
    """In degrees and back a line moves by less than a millimetre: only a centre that lies on it may change sides."""
    hull = shapely.convex_hull(shapely.MultiPoint([(LEFT + x, BOTTOM + y) for x, y in points]))
    window = replace(WINDOW, ground_m=hull)
    outline_m = in_metres(replace(TILE, window=window).region)
    differing = inside(outline_m, window.geobox) != wanted_HW(window)
    for row, col in zip(*differing.nonzero(), strict=True):
        centre = shapely.Point(window.geobox.affine * (col + 0.5, row + 0.5))
        assert hull.boundary.distance(centre) < 0.002
