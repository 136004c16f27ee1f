"""The engine over HTTP, through the unpatched `ee` client."""

from __future__ import annotations

import io
import logging
import socket
import threading
import time
import urllib.request
import zipfile
from collections.abc import Iterator

import ee
import numpy as np
import pytest
import rasterio
import requests
from google.auth.credentials import AnonymousCredentials
from googleapiclient.errors import HttpError
from rasterio.io import MemoryFile

from local_ee import LocalEngine
from local_ee.errors import EngineFault
from local_ee.limits import Limits
from local_ee.testing.small import CRS, TRANSFORM, SmallCatalog, catalog, request_grid

JSON = {"content-type": "application/json"}

pytestmark = pytest.mark.usefixtures("reconnected")


@pytest.fixture(scope="module")
def small() -> SmallCatalog:
    return catalog()


@pytest.fixture(scope="module")
def engine(small, reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(small, tmp_path_factory.mktemp("server")) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        yield running
    ee.data.setMaxRetries(5)


@pytest.fixture(autouse=True)
def no_retries(engine: LocalEngine) -> None:
    ee.data.setMaxRetries(0)


@pytest.fixture
def image() -> ee.Image:
    return ee.Image("SMALL/ONE")


def test_a_value_comes_back(engine):
    assert ee.Number(1).add(2).getInfo() == 3


def test_a_grid_without_pixels_is_an_array_without_pixels(image):
    """google/Xee, xee/ext_integration_test.py, test__to_array__retries_on_error asks for 0 x 0 pixels."""
    grid = request_grid(0, 0, 0, 0)
    pixels = ee.data.computePixels({"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": grid})
    assert pixels.shape == (0, 0) and list(pixels.dtype.names) == image.bandNames().getInfo()


def test_a_null_transform_is_one_that_was_left_out(engine, image):
    """Protobuf's JSON mapping: null is the field's default. The client leaves it out, hostile requests did not."""
    size = {"dimensions": {"width": 3, "height": 2}}
    bodies = [{"expression": ee.serializer.encode(image), "fileFormat": "NPY", "grid": size | more}
              for more in ({}, {"affineTransform": None, "crsCode": None})]  # fmt: skip
    replies = [requests.post(f"{engine.url}/v1/projects/local/image:computePixels", json=each) for each in bodies]
    assert [reply.status_code for reply in replies] == [200, 200] and replies[0].content == replies[1].content


def test_a_picture_without_pixels_is_refused(image):
    grid = request_grid(0, 0, 0, 0)
    with pytest.raises(ee.EEException, match="must be positive"):
        ee.data.computePixels({"expression": image, "fileFormat": "PNG", "grid": grid})


def test_an_images_description_comes_back(image):
    info = image.getInfo()
    assert [band["id"] for band in info["bands"]] == ["B2", "B3", "VV"]
    assert info["bands"][0]["crs"] == CRS and info["bands"][0]["crs_transform"] == list(TRANSFORM)[:6]
    assert info["properties"]["season"] == "summer"


def test_an_unknown_algorithm_is_refused_by_name(image):
    with pytest.raises(ee.EEException, match=r"Image\.hersImage"):
        image.hersImage(image, 2).getInfo()


def test_a_missing_asset_is_refused_in_earth_engines_words(engine):
    with pytest.raises(ee.EEException, match="not found"):
        ee.Image("SMALL/TWO").getInfo()
    assert ee.data.getInfo("SMALL/TWO") is None


def test_the_exception_carries_googles_status(engine):
    with pytest.raises(ee.EEException) as error:
        ee.data.getAsset("SMALL/TWO")
    context = error.value.__context__
    assert isinstance(context, HttpError) and context.resp.status == 404
    assert '"status":"NOT_FOUND"' in context.content.decode()


@pytest.mark.parametrize(("row", "col", "height", "width"), [(0, 0, 600, 500), (37, 11, 64, 128), (-5, 480, 40, 60)])
def test_numpy_pixels_are_the_catalogs(image, small, row, col, height, width):
    """https://developers.google.com/earth-engine/reference/rest/v1/ImageFileFormat (NPY: one field a band)."""
    table = ee.data.computePixels(
        {"expression": image, "fileFormat": "NUMPY_NDARRAY", "grid": request_grid(row, col, height, width)}
    )
    assert table.dtype.names == ("B2", "B3", "VV") and table.shape == (height, width)
    values, valid = small._read(("B2", "B3", "VV"), _window(row, col, height, width))
    for index, name in enumerate(table.dtype.names):
        assert table.dtype[name] == small.bands[name].dtype
        np.testing.assert_array_equal(table[name], np.where(valid[0], values[index], 0).astype(table.dtype[name]))


def _window(row: int, col: int, height: int, width: int):
    from odc.geo.geobox import GeoBox

    return GeoBox((height, width), TRANSFORM * TRANSFORM.translation(col, row), CRS)


def test_a_geotiff_read_by_rasterio_is_the_catalog_with_masks_as_no_data(image, small):
    content = ee.data.computePixels(
        {
            "expression": image.select(["B3", "B2"]),
            "fileFormat": "GEO_TIFF",
            "grid": request_grid(40, 10, 100, 90),
        }
    )
    with MemoryFile(content) as memory, memory.open() as source:
        assert source.crs.to_epsg() == 32650 and source.transform == TRANSFORM * TRANSFORM.translation(10, 40)
        assert source.descriptions == ("B3", "B2") and source.dtypes == ("uint16", "uint16")
        part = np.where(small.valid, small.bands["B2"], 0)[40:140, 10:100]
        np.testing.assert_array_equal(source.read(2), part)
        assert source.nodata == 0


def test_bands_of_different_types_are_not_put_into_one_geotiff(image):
    """https://developers.google.com/earth-engine/guides/exporting_images: all bands of a file have one type."""
    with pytest.raises(ee.EEException, match="inconsistent types: UInt16 and Float32"):
        ee.data.computePixels({"expression": image, "fileFormat": "GEO_TIFF", "grid": request_grid(0, 0, 9, 9)})


def test_band_ids_choose_and_order_bands(image):
    table = ee.data.computePixels(
        {
            "expression": image,
            "fileFormat": "NUMPY_NDARRAY",
            "bandIds": ["VV", "B2"],
            "grid": request_grid(0, 0, 3, 4),
        }
    )
    assert table.dtype.names == ("VV", "B2")


def test_an_unknown_band_is_named_with_those_there_are(image):
    with pytest.raises(ee.EEException, match=r"'B9' did not match any bands.*B2, B3, VV"):
        ee.data.computePixels({"expression": image, "fileFormat": "NPY", "bandIds": ["B9"]})


def test_without_a_grid_the_native_one_counts(image, small):
    table = ee.data.getPixels({"assetId": "SMALL/ONE", "fileFormat": "NUMPY_NDARRAY", "bandIds": ["B2"]})
    np.testing.assert_array_equal(table["B2"], np.where(small.valid, small.bands["B2"], 0))


def test_a_picture_scales_ranges_and_hides_masked_pixels(image, small):
    content = ee.data.computePixels(
        {
            "expression": image,
            "fileFormat": "PNG",
            "bandIds": ["B2"],
            "grid": request_grid(40, 10, 60, 60),
            "visualizationOptions": {"ranges": [{"min": 0, "max": 10000}], "paletteColors": ["000000", "ff0000"]},
        }
    )
    with rasterio.open(io.BytesIO(content)) as source:
        red, green, blue, alpha = source.read()
    part, valid = small.bands["B2"][40:100, 10:70], small.valid[40:100, 10:70]
    np.testing.assert_array_equal(alpha, np.where(valid, 255, 0))
    np.testing.assert_array_equal(red[valid], np.rint(part[valid] / 10_000 * 255))
    assert not green.any() and not blue.any()


def test_a_request_beyond_48_mib_is_refused_before_pixels_are_read(image):
    with pytest.raises(ee.EEException, match=r"Total request size \(83886080 bytes\) must be less than or equal to"):
        ee.data.computePixels(
            {"expression": image.select("VV"), "fileFormat": "NPY", "grid": request_grid(0, 0, 4096, 4096)}
        )


def test_a_payload_beyond_10_mib_is_refused(engine):
    url = f"{engine.url}/v1/projects/local/value:compute"
    reply = requests.post(url, data=b" " * (10 * 2**20 + 1), headers=JSON, timeout=300)
    assert reply.status_code == 400
    assert reply.json()["error"]["message"] == "Request payload size exceeds the limit: 10485760 bytes."


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_prefixes_are_answered(engine, version):
    reply = requests.get(f"{engine.url}/{version}/projects/local/config", timeout=300)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"{}", b'{"expression": {"result": "0"}}', b'{"expression": {"values": {}}}']
)
def test_a_malformed_body_is_a_sentence_and_not_a_crash(engine, body):
    reply = requests.post(f"{engine.url}/v1/projects/local/value:compute", data=body, headers=JSON, timeout=300)
    assert reply.status_code == 400 and reply.json()["error"]["message"]


def test_an_unknown_method_is_404_by_name(engine):
    reply = requests.post(f"{engine.url}/v1/projects/local/image:paint", json={}, timeout=300)
    assert reply.status_code == 404 and "image:paint" in reply.json()["error"]["message"]


def test_only_the_loopback_address_listens(engine):
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    port = int(engine.origin.rpartition(":")[2])
    for address in addresses - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError):
            socket.create_connection((address, port), timeout=1).close()
    assert engine.url.startswith("http://127.0.0.1:")


def test_a_foreign_host_name_is_refused(engine):
    """A web page may point a name of its own at 127.0.0.1 (DNS rebinding)."""
    url = f"{engine.url}/v1/projects/local/config"
    assert requests.get(url, headers={"host": "evil.example"}, timeout=300).status_code == 400
    assert requests.get(url.replace("127.0.0.1", "localhost"), timeout=300).status_code == 200


def test_a_thumbnail_url_serves_a_picture(image):
    url = image.getThumbURL({"bands": ["VV"], "min": -20, "max": 0, "format": "png", "dimensions": 64})
    with rasterio.open(io.BytesIO(urllib.request.urlopen(url).read())) as source:
        assert source.count == 4 and max(source.shape) == 64


def test_a_download_url_serves_the_pixels(image, small):
    url = image.select("B2").getDownloadURL({"format": "NPY"})
    table = np.load(io.BytesIO(urllib.request.urlopen(url).read()))
    np.testing.assert_array_equal(table["B2"], np.where(small.valid, small.bands["B2"], 0))


@pytest.mark.parametrize(
    ("options", "files"),
    [
        ({"name": "wuhan"}, ["wuhan.B2.tif", "wuhan.VV.tif"]),
        ({"filePerBand": False, "bands": ["VV"]}, ["download.tif"]),
    ],
)
def test_a_download_is_zipped_as_the_client_asks_by_default(image, small, options, files):
    content = urllib.request.urlopen(image.select(["B2", "VV"]).getDownloadURL(options)).read()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.namelist() == files
        with rasterio.open(io.BytesIO(archive.read(files[-1]))) as source:
            np.testing.assert_array_equal(source.read(1)[small.valid], small.bands["VV"][small.valid])
            assert source.nodata == float("-inf") and (source.read(1)[~small.valid] == source.nodata).all()


def test_a_format_that_is_not_written_is_refused_before_a_url_is_given(image):
    with pytest.raises(ee.EEException, match="Unsupported file format 'TF_RECORD_IMAGE'"):
        image.getDownloadURL({"format": "TF_RECORD_IMAGE"})


def test_a_map_tile_shows_the_image_where_it_is(image, small):
    from pyproj import Transformer

    fetcher = image.select("B2").getMapId({"min": 0, "max": 10_000})["tile_fetcher"]
    x, y = Transformer.from_crs(CRS, 3857, always_xy=True).transform(302_500, 3_397_000)
    half = 20037508.342789244
    col, row = int((x + half) / (2 * half) * 2**12), int((half - y) / (2 * half) * 2**12)
    with rasterio.open(io.BytesIO(fetcher.fetch_tile(col, row, 12))) as source:
        assert source.shape == (256, 256) and 0 < (source.read(4) > 0).mean() <= 1
    with rasterio.open(io.BytesIO(fetcher.fetch_tile(0, 0, 12))) as source:
        assert not source.read(4).any()


class Slow(SmallCatalog):
    """Reads that wait until they are let go."""

    gate = threading.Event()

    def _read(self, names, geobox):
        self.gate.wait(120)
        return super()._read(names, geobox)


def test_others_are_answered_while_pixels_are_computed_and_too_many_requests_are_429(tmp_path):
    small = catalog(8, 8)
    slow = Slow(small.bands, small.valid)
    expression = ee.serializer.encode(ee.Image("SMALL/ONE"))
    with LocalEngine(slow, tmp_path, limits=Limits(concurrent_requests=3), workers=1) as busy:
        url = f"{busy.url}/v1/projects/local/image:computePixels"
        body = {"expression": expression, "fileFormat": "NPY"}
        results: list[int] = []
        threads = [
            threading.Thread(target=lambda: results.append(requests.post(url, json=body, timeout=300).status_code))
            for _ in range(5)
        ]
        for thread in threads:
            thread.start()
        assert requests.get(f"{busy.url}/v1/projects/local/config", timeout=300).status_code == 200
        deadline = time.monotonic() + 60
        while len(results) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        refused = list(results)
        slow.gate.set()
        for thread in threads:
            thread.join()
        assert refused == [429, 429] and sorted(results) == [200, 200, 200, 429, 429]


def test_a_stopped_engine_frees_its_port_and_threads(small, tmp_path):
    engine = LocalEngine(small, tmp_path).start()
    port = int(engine.origin.rpartition(":")[2])
    requests.get(f"{engine.url}/v1/projects/local/config", timeout=300)
    engine.stop()
    with LocalEngine(small, tmp_path).start(port) as again:
        assert again.origin.endswith(f":{port}")


def test_what_ctrl_c_cuts_off_is_no_error(engine):
    """The sentence `interrupted; the same command goes on` is the last that a user reads."""
    say = logging.getLogger("uvicorn.error").filter
    cut = "Cancel 1 running task(s), timeout graceful shutdown exceeded"  # uvicorn/server.py, shutdown
    assert not say(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, cut, None, None))
    assert say(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, "Exception in ASGI application", None, None))


def test_a_port_that_is_taken_is_said_in_a_sentence(engine, small, tmp_path):
    port = int(engine.origin.rpartition(":")[2])
    with pytest.raises(OSError, match=rf"port {port} .* choose another"):
        LocalEngine(small, tmp_path).start(port)


def test_a_home_that_cannot_be_written_is_said_with_the_remedy(small, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(EngineFault, match="set ISAMAP_HOME"):
        LocalEngine(small, tmp_path / "file").start()


def test_a_start_leaves_the_programs_log_handlers_open(tmp_path):
    """A logging configuration begins by closing every handler of the process; some close their streams with it."""
    closed: list[logging.Handler] = []

    class Noted(logging.Handler):
        def close(self) -> None:
            closed.append(self)
            super().close()

    handler = Noted()
    with LocalEngine(catalog(8, 8), tmp_path):
        assert closed == []
    handler.close()
