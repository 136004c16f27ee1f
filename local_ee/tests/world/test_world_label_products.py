"""The world's label products as their catalogs describe them: ids, types, tiles, codes, and how they err."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from local_ee.world import labels
from local_ee.world.fractions import BORN, CellCache
from local_ee.world.labels import Errors, Products
from local_ee.world.lattice import Cut
from tests.support.world_spots import part, window
from tests.world.test_world_products import kappa

SAT = "projects/sat-io/open-datasets"
TOWN = (114.25, 30.62)
# asset -> its type, band, pixel in metres, the codes it may hold (docs/reference/earth-engine.md, "Label products" and
# "Community label products")
PAGES = {
    "JRC/GHSL/P2023A/GHS_BUILT_S_10m": ("built_surface", 10, range(101)),
    "JRC/GHSL/P2023A/GHS_BUILT_C": ("built_characteristics", 10, (0, 1, 2, 3, 4, 5, *range(11, 16), *range(21, 26))),
    f"{SAT}/FROM-GLC10": ("b1", 10, (10, 20, 30, 40, 60, 80, 90, 100, 120)),
    f"{SAT}/GLC-FCS30D/annual": ("b18", 30, (10, 52, 130, 182, 190, 200, 210)),
    f"{SAT}/GISA_1972_2019": ("b1", 30, range(38)),
    f"{SAT}/WSF/WSF_2019": ("b1", 10, (0, 255)),
    "Tsinghua/FROM-GLC/GAIA/v10": ("change_year_index", 30, range(35)),
    f"{SAT}/GISD30_1985_2020": ("b1", 30, range(9)),
    "DLR/WSF/WSF2015/v1": ("settlement", 10, (0, 255)),
}


def image_of(world, asset):
    """The image over the town of a collection, or the image itself."""
    if world.describe(asset).type == "IMAGE":
        return world.image(asset)
    lon, lat = TOWN
    return world.images(asset, None, None, (lon, lat, lon + 1e-3, lat + 1e-3))[0]


def look(world, asset, size=(150, 150)):
    image, (band, _, _) = image_of(world, asset), PAGES[asset]
    grid = next(b.grid for b in image.bands if b.name == band)
    corner = TOWN if grid.crs.geographic else mollweide(*TOWN)
    return image, band, window(image, band, corner, size)


def mollweide(lon, lat):
    from pyproj import Transformer

    return Transformer.from_crs("EPSG:4326", "ESRI:54009", always_xy=True).transform(lon, lat)


@pytest.mark.parametrize("asset", PAGES)
def test_bands_and_codes_are_those_of_the_page(world, asset):
    image, band, box = look(world, asset)
    values, mask = image.read((band,), box)
    _, step_m, codes = PAGES[asset]
    assert set(np.unique(values[mask])) <= set(codes) and (values > 0).mean() > 0.2
    step = abs(box.affine.a) * (111_320 if box.crs.geographic else 1)
    assert step == pytest.approx(step_m, rel=0.02)
    assert image.properties["simulated"] == 1


@pytest.mark.parametrize("asset", PAGES)
def test_any_cut_gives_the_same_pixels(world, asset):
    image, band, box = look(world, asset, (40, 60))
    whole = image.read((band,), box)
    cut = image.read((band,), part(box, 7, 11, 20, 30))
    for wide, narrow in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(wide[:, 7:27, 11:41], narrow)


@pytest.mark.parametrize("asset", PAGES)
def test_images_are_found_again_by_their_index(world, asset):
    image = image_of(world, asset)
    assert world.image(image.id).id == image.id and world.describe(asset).type in ("IMAGE", "IMAGE_COLLECTION")


@pytest.mark.parametrize("asset", [f"{SAT}/FROM-GLC10", f"{SAT}/GLC-FCS30D/annual", f"{SAT}/WSF/WSF_2019"])
def test_tiles_cover_a_box_and_know_no_other_names(world, asset):
    tiles = world.images(asset, None, None, (113.9, 29.9, 116.1, 30.1))
    outlines = [tile.footprint for tile in tiles]
    assert any(o.covers(p) for o in outlines for p in [outlines[0].centroid]) and len({t.id for t in tiles}) == len(
        tiles
    )
    assert world.image(f"{asset}/nonsense") is None
    assert world.image(tiles[0].id.replace("11", "11x", 1)) is None


def test_wsf_2019_tiles_overlap_by_a_tenth_of_a_degree(world):
    """Community catalog, wsf.md: tiles of 2 degrees with a buffer of 0.1."""
    left, right = world.images(f"{SAT}/WSF/WSF_2019", None, None, (113.95, 30.5, 114.05, 30.6))
    assert left.footprint.bounds[2] - right.footprint.bounds[0] == pytest.approx(0.2)
    place = (114.0, 30.6)
    found = [tile.read(("b1",), window(tile, "b1", place, (60, 60)))[0] for tile in (left, right)]
    assert (found[0] == found[1]).mean() > 0.9  # the same ground, on two lattices


def test_ghsl_sees_buildings_and_settlement_characteristics_roads_too(world):
    surface, band, box = look(world, "JRC/GHSL/P2023A/GHS_BUILT_S_10m")
    kinds, kind_band, _ = look(world, "JRC/GHSL/P2023A/GHS_BUILT_C")
    built, kind = surface.read((band,), box)[0][0], kinds.read((kind_band,), box)[0][0]
    assert built[kind >= 11].min() >= 40 > built[kind == 5].mean()
    assert (kind == 5).mean() > 0.05 and (kind >= 21).any()


GROWING = Cut(32650, -338_440, 22_470, 90, 90)  # ground that was built over between 2003 and 2018
FRINGE = Cut(32650, -337_600, 22_800, 260, 260)
MAPS = {
    "worldcover": labels.WORLDCOVER_2021, "esri": labels.ESRI, "dynamic": labels.DYNAMIC_WORLD, "gaia": labels.GAIA,
    "gisa": labels.GISA, "glc": labels.GLC_FCS30D, "from-glc10": labels.FROM_GLC10, "wsf": labels.WSF2019,
}  # fmt: skip


@pytest.fixture(scope="module")
def cells():
    return CellCache()


@pytest.fixture(scope="module")
def built(cells):
    products = Products(cells)
    return {name: products.groups(FRINGE, 2020, errors) == labels.BUILT for name, errors in MAPS.items()}


def test_no_two_products_agree_as_copies_do_nor_as_strangers_do(built):
    """local_ee/docs/world.md, "Label errors": pairs of real masks of one city have kappas of .29 to .48."""
    pairs = [kappa(built[a], built[b]) for a, b in itertools.combinations(built, 2)]
    assert 0.25 < np.mean(pairs) < 0.5 and min(pairs) > 0.1 and max(pairs) < 0.6


def test_yearly_products_grow_and_hardly_shrink(cells):
    """GLC_FCS30D: monotone growth (local_ee/docs/world.md, "Label errors")."""
    products = Products(cells)
    years = [products.groups(GROWING, year, labels.GLC_FCS30D) == labels.BUILT for year in (2002, 2010, 2020)]
    assert years[2].mean() > years[0].mean() + 0.2
    for early, late in itertools.pairwise(years):
        assert late.mean() >= early.mean() and (early & ~late).mean() < 0.03


def test_products_of_change_date_the_same_ground_within_a_few_years(cells):
    products = Products(cells)
    newest = cells.window(GROWING, 2019, slice(BORN, BORN + 1))[0].astype(int) + 1980
    gisa = products.since(GROWING, 2019, labels.GISA).astype(int)
    gaia = products.since(GROWING, 2018, labels.GAIA).astype(int)
    both = (gisa > 2000) & (gaia > 2000)
    assert both.mean() > 0.2 and np.median(np.abs(gisa - gaia)[both]) <= 3
    assert 0 <= np.median((gisa - newest)[both]) <= 3  # seen when built, or a little later


def test_coarse_products_drop_what_is_small(cells):
    """GAIA drops villages (local_ee/docs/world.md, "Label errors"): its smallest patch of 9 pixels of 30 m is 81 of 10
    m.
    """
    from scipy.ndimage import label

    groups = Products(cells).groups(FRINGE, 2020, labels.GAIA) == labels.BUILT
    marked, count = label(groups)
    sizes = np.bincount(marked.ravel())[1:]
    edge = np.unique(np.concatenate([marked[0], marked[-1], marked[:, 0], marked[:, -1]]))
    inner = [size for number, size in enumerate(sizes, 1) if number not in edge]
    assert count and sum(size for size in inner if size < 81) < 0.002 * groups.sum()  # but for long thin ones


def test_a_tenth_of_a_products_tiles_lie_a_few_pixels_off():
    """local_ee/docs/world.md, "Label errors": shift N(0, .5 px), 10 % of tiles 2 to 6 px."""
    shifts = np.array([labels._shift(np.uint64(9), 32650, col, row) for col in range(60) for row in range(60)])
    length = np.hypot(*shifts.T)
    assert 0.07 < (length >= 2).mean() < 0.13 and length.max() <= 6.8
    near = shifts[length < 1.9]
    assert np.abs(near.mean(axis=0)).max() < 0.05 and 0.3 < near.std() < 0.8


def test_a_shift_moves_the_product_as_a_whole(cells, monkeypatch):
    """The same errors with another shift give the same decisions where the ground moves along with the noise."""
    flat = Errors("shifted", noise=0.0, bare_as_built=0.0, filled=0.0, missed=0.0, least=1)
    small = Cut(32650, FRINGE.row, FRINGE.col, 100, 100)
    monkeypatch.setattr(labels, "_shift", lambda *key: (0, 0))
    still = Products(cells).groups(small, 2020, flat) == labels.BUILT
    monkeypatch.setattr(labels, "_shift", lambda *key: (3, -2))
    moved = Products(cells).groups(small, 2020, flat) == labels.BUILT
    np.testing.assert_array_equal(moved[3:, :-2], still[:-3, 2:])
