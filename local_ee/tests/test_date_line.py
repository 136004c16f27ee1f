"""Images across 180 degrees in folders, among assets and in long collections, beside plain NumPy and pyproj."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ee
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.assets.asset import Asset, stored_band
from local_ee.assets.files import write_bands
from local_ee.assets.store import AssetStore
from local_ee.assets.times import now
from local_ee.catalog import Catalog
from local_ee.catalog.folder import FolderCatalog
from local_ee.evaluation import composites
from local_ee.home import Home
from local_ee.raster.window import Window
from local_ee.testing.evaluating import CLIENT, pixels, value
from local_ee.testing.folder_files import tiff
from local_ee.testing.places import bounds_of, centres, grid_of, inside, nearest, same

pytestmark = CLIENT
SIDE, LAT = 40, -16.8
ID = "projects/local/assets/fiji"


def around(lon: float, epsg: int) -> GeoBox:
    """A square of 400 m around a place."""
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, LAT)
    return grid_of(epsg, round(x, -1) - 200, round(y, -1) + 200, (SIDE, SIDE))


GRIDS = {
    "across60": around(180, 32660), "across1": around(-180, 32601), "west": around(179.99, 32660),
    "east": around(-179.99, 32601), "before": around(179.9979, 32660), "beyond": around(-179.9979, 32601),
    "greenwich": around(0.001, 32631),
}  # fmt: skip
DRAWN = np.random.default_rng(28).integers(1, 30_000, (len(GRIDS), SIDE, SIDE)).astype(np.int32)
VALUES = dict(zip(GRIDS, DRAWN, strict=True))


def folder(path: Path) -> Catalog:
    for name, grid in GRIDS.items():
        tiff(path / ID / f"{name}.tif", [VALUES[name]], grid, ("b",))
    return FolderCatalog(path)


def assets(path: Path) -> Catalog:
    store = AssetStore(Home(path))
    store.publish(Asset(ID, "IMAGE_COLLECTION", now()), overwrite=False)
    for name, grid in GRIDS.items():
        asset_id = f"{ID}/{name}"
        (file,) = store.new_files(asset_id, 1)
        block = (Window(0, 0, SIDE, SIDE), VALUES[name], np.ones((SIDE, SIDE), bool))
        write_bands([file], grid, ["int32"], ["MODE"], [[block]])
        bands = (stored_band("b", file, grid, "int32", "MODE"),)
        store.publish(Asset(asset_id, "IMAGE", now(), bands=bands), overwrite=False)
    return store


BOXES = {
    (179.9995, -16.81, -179.9995, -16.79): {"across60", "across1", "before", "beyond"},
    (179.98, -16.81, 179.9905, -16.79): {"west"},
    (-179.9905, -16.81, -179.98, -16.79): {"east"},
    (179.985, -16.81, -179.985, -16.79): {"across60", "across1", "before", "beyond", "west", "east"},
    (-1, -16.81, 1, -16.79): {"greenwich"},
}


@pytest.mark.parametrize("make", [folder, assets])
@pytest.mark.parametrize("box_wsen", BOXES, ids=str)
def test_a_box_has_the_images_that_lie_in_it(make: Callable[[Path], Catalog], box_wsen: tuple, tmp_path: Path):
    west, south, east, north = box_wsen
    expected = set()
    for name, grid in GRIDS.items():
        lon, lat = centres(grid, 4326)
        beyond = (lon - west) % 360  # degrees to the east of the box's western side
        if ((beyond <= (east - west) % 360) & (lat >= south) & (lat <= north)).any():
            expected.add(name)
    assert expected == BOXES[box_wsen]
    catalog = make(tmp_path)
    turned = (west, south, east + 360 * (east < west), north)
    assert {image.id.rpartition("/")[2] for image in catalog.images(ID, None, None, turned)} == expected
    found = ee.ImageCollection(ID).filterBounds(ee.Geometry.BBox(*box_wsen)).aggregate_array("system:index")
    assert set(value(found, catalog)) == expected


@pytest.mark.parametrize("make", [folder, assets])
@pytest.mark.parametrize("few", [500, 1], ids=["as a whole", "by windows"])
@pytest.mark.parametrize(("lon", "epsg"), [(179.9995, 32660), (-179.9995, 32601), (179.99, 32660), (-179.99, 32601)])
def test_a_mosaic_has_the_images_of_either_side(make, few: int, lon: float, epsg: int, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(composites, "FEW", few)
    asked = around(lon, epsg)
    layers: Sequence[np.ma.MaskedArray]
    layers, sure = zip(*(nearest(VALUES[name], grid, asked) for name, grid in GRIDS.items()), strict=True)
    expected = np.ma.stack(layers).max(axis=0)
    (west, south, east, north), catalog = bounds_of(asked), make(tmp_path)
    for images in (
        ee.ImageCollection(ID),
        ee.ImageCollection(ID).filterBounds(ee.Geometry.BBox(west - 0.01, south, east + 0.01, north)),
    ):
        same(pixels(images.max(), catalog, asked), expected, np.logical_and.reduce(sure))


@pytest.mark.parametrize("west", [0, -180, 90])
@pytest.mark.parametrize("lon", [-180, -100, -0.5, 100, 179.3])
def test_a_raster_around_the_globe_is_read_wherever_it_begins(west: int, lon: float, tmp_path: Path):
    """Climate data begin at Greenwich and end at 360 degrees."""
    cells = np.arange(360 * 180, dtype=np.int32).reshape(180, 360)
    tiff(tmp_path / "A" / "globe.tif", [cells], GeoBox((180, 360), Affine(1, 0, west, 0, -1, 90), "EPSG:4326"), ("b",))
    asked = GeoBox((7, 9), Affine(0.07, 0, lon, 0, -0.07, 10.36), "EPSG:4326")
    x, y = centres(asked, 4326)
    expected = cells[np.floor(90 - y).astype(int), np.floor((x - west) % 360).astype(int)]
    found = pixels(ee.Image("A/globe"), FolderCatalog(tmp_path), asked)
    same(found, np.ma.MaskedArray(expected, np.zeros(asked.shape, bool)), inside((x, y)))
