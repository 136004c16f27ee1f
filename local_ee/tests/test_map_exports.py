"""Exports of map tiles: Export.map.toCloudStorage (guides/exporting_map_tiles, rest/v1/projects.map/export)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from urllib.request import urlopen

import ee
import numpy as np
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from PIL import Image

from local_ee import LocalEngine
from local_ee.raster.web_tile import MERCATOR_M, tiles_of, zoom_of
from local_ee.testing.small import catalog, ended, storage_client

pytestmark = pytest.mark.usefixtures("reconnected")
WEST, SOUTH, EAST, NORTH = 114.1, 30.4, 114.4, 30.7


@pytest.fixture(scope="module")
def engine(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(16, 16), tmp_path_factory.mktemp("map-exports")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        ee.data.setMaxRetries(0)
        storage_client(running.url).create_bucket("tiles")
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture(scope="module")
def bucket(engine) -> storage.Bucket:
    return storage_client(engine.url).bucket("tiles")


def painted() -> ee.Image:
    """A colour over a box of half a degree."""
    return ee.Image([200, 100, 50]).byte().clip(ee.Geometry.Rectangle([WEST, SOUTH, EAST, NORTH]))


def exported(path: str, image: ee.Image | None = None, **options) -> dict:
    task = ee.batch.Export.map.toCloudStorage(image=image or painted(), bucket="tiles", path=path, **options)
    task.start()
    return ended(task.name)


def names(bucket: storage.Bucket, path: str) -> set[str]:
    return {blob.name.removeprefix(f"{path}/") for blob in bucket.list_blobs(prefix=f"{path}/")}


def slippy(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """The tile of a place, as documented at developers.google.com/maps/documentation/javascript/coordinates."""
    sine = math.sin(math.radians(latitude))
    x, y = 0.5 + longitude / 360, 0.5 - math.log((1 + sine) / (1 - sine)) / (4 * math.pi)
    return int(x * 2**zoom), int(y * 2**zoom)


def test_every_tile_that_the_image_touches_is_written(engine, bucket):
    assert exported("all", maxZoom=10, minZoom=9)["metadata"]["state"] == "SUCCEEDED"
    wanted = set()
    for zoom in (9, 10):
        (left, top), (right, bottom) = slippy(WEST, NORTH, zoom), slippy(EAST, SOUTH, zoom)
        wanted |= {f"{zoom}/{x}/{y}" for x in range(left, right + 1) for y in range(top, bottom + 1)}
    assert names(bucket, "all") == wanted


def test_the_operation_says_what_it_is_and_where_the_tiles_are(engine):
    metadata = exported("named", maxZoom=0, description="my tiles")["metadata"]
    assert (metadata["type"], metadata["description"]) == ("EXPORT_TILES", "my tiles")
    assert metadata["destinationUris"] == ["gs://tiles/named"]


def test_a_tile_is_the_one_that_the_live_map_shows(engine, bucket):
    x, y = slippy(114.25, 30.55, 10)
    exported("same", maxZoom=10, minZoom=10, fileFormat="png")
    live = urlopen(painted().getMapId()["tile_fetcher"].format_tile_url(x, y, 10)).read()
    shown = np.asarray(Image.open(io.BytesIO(bucket.blob(f"same/10/{x}/{y}").download_as_bytes())))
    np.testing.assert_array_equal(shown, np.asarray(Image.open(io.BytesIO(live))))


def test_opaque_tiles_are_jpeg_and_others_png(engine, bucket):
    """fileFormat "auto": opaque tiles will be encoded as "jpg" and tiles with transparency as "png"."""
    exported("auto", maxZoom=12, minZoom=12)
    inside, edge = (slippy(longitude, 30.55, 12) for longitude in (114.25, WEST))
    types = [bucket.get_blob(f"auto/12/{x}/{y}").content_type for x, y in (inside, edge)]
    assert types == ["image/jpeg", "image/png"]


def test_empty_tiles_are_left_out_where_asked(engine, bucket):
    corners = ee.Geometry.MultiPoint([[WEST, SOUTH], [EAST, NORTH]]).buffer(100)
    image = ee.Image(255).byte().clip(corners)
    exported("full", image, maxZoom=11, minZoom=11)
    exported("sparse", image, maxZoom=11, minZoom=11, skipEmptyTiles=True)
    ends = {"11/{}/{}".format(*slippy(*corner, 11)) for corner in ((WEST, SOUTH), (EAST, NORTH))}
    assert names(bucket, "sparse") == ends < names(bucket, "full")


@pytest.mark.parametrize(("scale", "zoom"), [(156543.1, 0), (152, 10), (153, 10), (19.2, 13), (10, 14)])
def test_a_scale_is_a_zoom_level_of_the_guides_table(scale, zoom):
    """guides/exporting_map_tiles#scale_and_zoom: 156 km at zoom 0, 152 m at 10, 19 m at 13, 9.6 m at 14."""
    assert zoom_of(scale) in (zoom, zoom + 1) and zoom_of(scale * 1.01) == zoom


def test_a_box_that_ends_on_the_edge_of_a_tile_does_not_touch_the_next():
    assert list(tiles_of((0, 0, MERCATOR_M, MERCATOR_M), 1)) == [(1, 1, 0)]


def test_the_whole_earth_has_every_tile():
    assert len(list(tiles_of((-math.inf, -math.inf, math.inf, math.inf), 3))) == 64


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs maxZoom or scale"),
        ({"maxZoom": 31}, "Invalid zoom levels 0 to 31"),
        ({"maxZoom": 3, "minZoom": 4}, "Invalid zoom levels 4 to 3"),
        ({"scale": 0}, "must be positive, got 0"),
        ({"maxZoom": 3, "fileFormat": "GeoTIFF"}, "Unsupported file format 'GEO_TIFF' of map tiles"),
    ],
)
def test_options_that_make_no_map_are_refused_at_once(engine, options, words):
    with pytest.raises(ee.EEException, match=words):
        exported("bad", **options)


def test_an_image_without_end_is_refused(engine):
    assert exported("endless", ee.Image(1).byte(), maxZoom=1)["error"]["message"] == "Unable to export unbounded image."


def test_more_tiles_than_anyone_wants_are_refused(engine):
    message = exported("many", maxZoom=24)["error"]["message"]
    assert "map tiles are too many (max: 1000000): lower maxZoom or clip the image" in message
