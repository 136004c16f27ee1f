"""Windows of archives' files: as plain rasterio reads them, with few requests, and nothing of a hostile answer."""

from __future__ import annotations

import threading
import tracemalloc
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineFault
from local_ee.open import cog as cogs_module
from local_ee.open import hosts, own_header, tiff
from local_ee.open.addressed import Glo30, outline_of
from local_ee.open.blocks import Blocks
from local_ee.open.cog import Cogs, FileAt
from local_ee.open.conversions import Plain, SquareLaw
from local_ee.open.errors import ArchiveFault, Missing
from local_ee.open.hosts import Address, Hosts
from local_ee.open.providers import DEM_BUCKET, HOSTS, SOURCE_COOP
from local_ee.open.scenes import Scene, SceneBand, image_of
from local_ee.open.tokens import Tokens
from local_ee.raster.window import Window
from local_ee.testing.archive import Archive, Asked, Fault, always
from local_ee.testing.small_archive import BOX, DAY, GRID, cog, power, reflectance, small_archive

S2, S1 = "COPERNICUS/S2_SR_HARMONIZED", "COPERNICUS/S1_GRD_FLOAT"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]
FILE = FileAt(Address(DEM_BUCKET, "/a/a.tif"))


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.01)


@pytest.fixture
def server() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def opened(server: Archive, folder: Path) -> Cogs:
    asking = Hosts(HOSTS, server.loopback)
    return Cogs(asking, Blocks(folder), Tokens(asking))


def served(server: Archive, content: bytes, file: FileAt = FILE) -> FileAt:
    server.files[str(file.address)] = content
    return file


VALUES = np.random.default_rng(5).integers(0, 60_000, (3, 700, 900)).astype(np.uint16)
BIG = GeoBox((700, 900), rasterio.Affine(10, 0, 500000, 0, -10, 3300040), "EPSG:32650")


@pytest.mark.parametrize("interleave", ["band", "pixel"])
@pytest.mark.parametrize("window", [Window(0, 0, 700, 900), Window(250, 250, 20, 20), Window(690, 890, 10, 10)])
def test_any_window_of_any_bands(server: Archive, tmp_path: Path, window: Window, interleave: str):
    file = served(server, cog(VALUES, BIG, interleave=interleave))
    cogs = opened(server, tmp_path)
    values, there = cogs.window(cogs.head(file), window, [2, 0])
    rows, cols = window.slices
    np.testing.assert_array_equal(values, VALUES[[2, 0], rows, cols])
    assert there.all()


def test_overviews_are_read_by_level(server: Archive, tmp_path: Path):
    content = cog(VALUES[0], BIG, overviews="auto", overview_resampling="average")
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, content))
    values, _ = cogs.window(head, Window(0, 0, 350, 450), [0], level=1)
    with rasterio.MemoryFile(content) as memory, memory.open(overview_level=0) as file:
        np.testing.assert_array_equal(values[0], file.read(1))


def test_tiles_that_a_file_leaves_out_are_masked(server: Archive, tmp_path: Path):
    sparse = np.zeros((700, 900), np.uint16)
    sparse[:256, :256] = 7
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, cog(sparse, BIG, sparse_ok=True)))
    values, there = cogs.window(head, Window(0, 0, 700, 900), [0])
    np.testing.assert_array_equal(values[0], sparse)
    assert there[:256, :256].all() and not there[256:].any()


def test_only_the_tiles_under_a_window_are_fetched(server: Archive, tmp_path: Path):
    content = cog(VALUES[0], BIG)
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, content))
    before = server.sent_bytes
    cogs.window(head, Window(260, 520, 10, 10), [0])
    level = head.table.levels[0]
    assert server.sent_bytes - before == int(level.counts[level.number(1, 2)])


def test_neighbouring_tiles_come_by_one_request(server: Archive, tmp_path: Path):
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, cog(VALUES[0], BIG)))
    before = len(server.asked)
    cogs.window(head, Window(0, 0, 700, 900), [0])
    assert len(server.asked) == before + 1


def test_one_fetch_of_a_tile_however_many_threads_ask(server: Archive, tmp_path: Path):
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, cog(VALUES[0], BIG)))
    server.wait_s, before = 0.1, len(server.asked)
    read: list[np.ndarray] = []
    ask = lambda: read.append(cogs.window(head, Window(0, 0, 200, 200), [0])[0])  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == before + 1
    assert all(np.array_equal(each[0], VALUES[0, :200, :200]) for each in read)


def test_no_more_requests_at_once_than_the_archive_is_asked_politely(server: Archive, tmp_path: Path):
    files = [served(server, cog(VALUES[0, :40, :40], BIG), FileAt(Address(DEM_BUCKET, f"/{n}.tif"))) for n in range(40)]
    active, most, guard = 0, 0, threading.Lock()
    done = threading.Event()

    def plan(asked: Asked) -> None:
        nonlocal active, most
        with guard:
            active += 1
            most = max(most, active)
        done.wait(0.05)
        with guard:
            active -= 1

    server.faults = plan
    opened(server, tmp_path).heads(files)
    assert 1 < most <= HOSTS[DEM_BUCKET]


def test_the_table_of_a_large_file_is_read_in_steps(server: Archive, tmp_path: Path):
    """One byte a tile: 19,600 tiles, whose table has 150 KiB."""
    values = np.zeros((2240, 2240), np.uint8)
    with rasterio.MemoryFile() as memory:
        shape = {"height": 2240, "width": 2240, "count": 1, "dtype": "uint8", "crs": "EPSG:32650"}
        tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "COPY_SRC_OVERVIEWS": "YES"}
        with memory.open(driver="GTiff", transform=BIG.affine, **shape, **tiles) as file:
            file.write(values[None])
        content = memory.read()
    head = opened(server, tmp_path).head(served(server, content))
    assert head.table.levels[0].across == 140
    assert 2 <= len(server.asked) <= 5
    assert server.sent_bytes <= cogs_module.MOST_HEAD_BYTES


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault("file", headers={"ETag": '"another"'}), "replaced by another file"),
        (Fault("status", 200, body=b"<html>sign in</html>"), "no range"),
        (Fault("status", 302, {"Location": "https://evil.example/"}), "never followed"),
        (Fault("file", headers={"Content-Range": "bytes 0-99/100"}), "it sent 0-99"),
        (Fault("status", 404), "is not there"),
        (Fault("short"), "could not be read"),
    ],
)
def test_what_a_hostile_archive_sends_for_a_tile_is_one_sentence_and_nothing_is_kept(
    server: Archive, tmp_path: Path, fault: Fault, sentence: str
):
    cogs = opened(server, tmp_path)
    head = cogs.head(served(server, cog(VALUES[0], BIG)))
    kept = sorted(path.name for path in tmp_path.glob("??/*"))
    server.faults = always(fault)
    with pytest.raises(ArchiveFault, match=sentence):
        cogs.window(head, Window(0, 0, 10, 10), [0])
    assert {path.name for path in tmp_path.glob("??/*")} <= set(kept)
    server.faults = lambda asked: None
    values, _ = cogs.window(cogs.head(FILE), Window(0, 0, 10, 10), [0])
    np.testing.assert_array_equal(values[0], VALUES[0, :10, :10])


@pytest.mark.parametrize(
    "content",
    [b"<html>sign in</html>" * 99, b"II*\0\xff\xff\xff\x7f" * 99, b"PK\x03\x04" * 999, b"<VRTDataset/>" * 99],
    ids=["html", "pointer", "zip", "vrt"],
)
def test_a_file_that_is_no_geotiff_never_reaches_gdal(server: Archive, tmp_path: Path, content: bytes, monkeypatch):
    monkeypatch.setattr(rasterio, "open", lambda *_, **__: pytest.fail("GDAL was given a foreign file"))
    with pytest.raises(ArchiveFault, match="no GeoTIFF that can be used"):
        opened(server, tmp_path).head(served(server, content))


def with_first_tile(server: Archive, cogs: Cogs, stored: bytes) -> None:
    """Serves BIG with other bytes in the place of its first tile."""
    content = bytearray(cog(VALUES[0], BIG))
    level = cogs.head(served(server, bytes(content))).table.levels[0]
    at, size = int(level.offsets[0]), int(level.counts[0])
    assert len(stored) < size
    content[at : at + size] = stored.ljust(size, b"\0")
    served(server, bytes(content))


def test_a_bomb_is_refused_before_it_is_kept_and_takes_no_memory(server: Archive, tmp_path: Path):
    cogs = opened(server, tmp_path)
    with_first_tile(server, cogs, zlib.compress(b"\1" * 50_000_000))
    kept = sorted(path.name for path in tmp_path.glob("??/*"))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveFault, match="more than the 131,072 bytes that it has: this file cannot be used"):
            cogs.window(cogs.head(FILE), Window(0, 0, 10, 10), [0])
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sorted(path.name for path in tmp_path.glob("??/*")) == kept
    assert peak_bytes < 5_000_000


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000], ids=str)
@pytest.mark.parametrize("compression", [tiff.DEFLATE, tiff.OLD_DEFLATE])
def test_a_tile_may_unpack_to_its_own_size_and_to_no_byte_more(size: int, compression: int):
    none = np.zeros(0, np.uint64)
    level = tiff.Level(1, size, 1, size, 1, "uint8", compression, 1, False, False, none, none)
    noise = np.random.default_rng(1).integers(0, 256, size + 1).astype(np.uint8).tobytes()
    for content in (noise, bytes(size + 1)):
        own_header.check_unpacks(level, zlib.compress(content[:size]))
        with pytest.raises(ValueError, match=f"more than the {size:,} bytes"):
            own_header.check_unpacks(level, zlib.compress(content))


def test_a_tile_that_does_not_unpack_is_told_when_it_is_read(server: Archive, tmp_path: Path):
    cogs = opened(server, tmp_path)
    with_first_tile(server, cogs, b"no stream")
    with pytest.raises(ArchiveFault, match=r"a tile cannot be decoded .*: run the same command again"):
        cogs.window(cogs.head(FILE), Window(0, 0, 10, 10), [0])


def test_gdal_is_given_only_our_own_headers(server: Archive, tmp_path: Path, monkeypatch):
    seen: list[bytes] = []
    real = rasterio.io.MemoryFile.__init__

    def noted(self, content=None, *rest, **options):
        seen.append(bytes(content or b""))
        real(self, content, *rest, **options)

    content = cog(VALUES[0], BIG)
    monkeypatch.setattr(rasterio.io.MemoryFile, "__init__", noted)
    cogs = opened(server, tmp_path)
    cogs.window(cogs.head(served(server, content)), Window(0, 0, 10, 10), [0])
    assert len(seen) == 1
    assert seen[0][:8] == b"II*\0\x08\0\0\0" and b"GDAL" not in seen[0] and content[:200] not in seen[0]


def test_a_missing_file_is_not_asked_for_again_today(server: Archive, tmp_path: Path):
    cogs = opened(server, tmp_path)
    for _ in range(2):
        with pytest.raises(Missing):
            cogs.head(FILE)
    with pytest.raises(Missing):
        opened(server, tmp_path).head(FILE)
    assert len(server.asked) == 1


def test_a_file_that_is_not_where_its_description_says_is_refused(tmp_path: Path):
    with small_archive((DAY,)) as server:
        server.items[0]["assets"]["red"]["proj:transform"] = [10, 0, 500100, 0, -10, 3300040]
        (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        grid = next(band.grid for band in image.bands if band.name == "B4")
        with pytest.raises(EngineFault, match="not the grid of its description"):
            image.read(("B4",), grid)


def test_a_tile_damaged_on_disk_is_fetched_again(tmp_path: Path):
    with small_archive((DAY,)) as server:
        (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        first = image.read(("B2",), GRID)[0]
        for path in (tmp_path / "blocks").glob("??/*"):
            path.write_bytes(path.read_bytes()[:-3])
        (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        np.testing.assert_array_equal(image.read(("B2",), GRID)[0], first)


def test_bands_of_one_scene_are_read_each_on_its_own_grid(tmp_path: Path):
    with small_archive((DAY,)) as server:
        (image,) = server.catalog(tmp_path).images(S2, *JUNE, BOX)
        window = GRID[10:30, 250:290]  # reaches over the edge
        values, masks = image.read(("B2", "B8"), window)
        for band, name in enumerate(("B2", "B8")):
            stored = reflectance(name, 0)[10:30, 250:280]
            np.testing.assert_array_equal(values[band, :, :30], np.where(stored > 1000, stored - 1000, 0))
            np.testing.assert_array_equal(masks[band, :, :30], stored > 0)
            assert not masks[band, :, 30:].any()


def test_radar_without_data_is_masked(tmp_path: Path):
    with small_archive((DAY,)) as server:
        (image,) = server.catalog(tmp_path).images(S1, *JUNE, BOX)
        values, masks = image.read(("VH",), GRID)
        np.testing.assert_array_equal(masks[0], power("VH", 0) != -32768)
        np.testing.assert_array_equal(values[0][masks[0]], power("VH", 0)[masks[0]])


@pytest.mark.parametrize("corner", [(0, 0), (400, 610)])
def test_south_up_embeddings_with_their_square_law(server: Archive, tmp_path: Path, corner: tuple[int, int]):
    """The files of AlphaEarth begin in the south; rasterio reads the same rows upside down."""
    stored = np.random.default_rng(9).integers(-128, 128, (4, 700, 900)).astype(np.int8)
    grid = GeoBox((700, 900), rasterio.Affine(10, 0, 500000, 0, 10, 3293040), "EPSG:32650")
    with rasterio.MemoryFile() as memory:
        shape = {"height": 700, "width": 900, "count": 4, "dtype": "int8", "crs": "EPSG:32650"}
        tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate", "interleave": "pixel"}
        with memory.open(driver="GTiff", transform=grid.affine, nodata=-128, **shape, **tiles) as file:
            file.write(stored)
        content = memory.read()
    file_at = served(server, content, FileAt(Address(SOURCE_COOP, "/tge-labs/aef/a.tiff")))
    bands = tuple(SceneBand(f"A0{n}", file_at, grid, SquareLaw(), -128.0, index=n) for n in range(4))
    scene = Scene("X/a", "aef", {"system:index": "a", "system:time_start": 0}, outline_of(grid), bands)
    row, col = corner
    values, masks = image_of(scene, opened(server, tmp_path)).read(("A03", "A01"), grid[row : row + 50, col : col + 60])
    part = stored[[3, 1], row : row + 50, col : col + 60].astype(float)
    np.testing.assert_array_equal(masks, part != -128)
    np.testing.assert_allclose(values[masks], (np.sign(part) * (part / 127.5) ** 2)[masks], rtol=1e-6)


def test_a_mosaic_of_dem_tiles_with_half_pixel_bounds(tmp_path: Path):
    """Centres lie on whole seconds: the row at 30 N is the last of the northern tile's southern neighbour."""
    with Archive() as server:
        catalog = server.catalog(tmp_path)
        heights = {}
        for lat in (29, 30):
            scene = Glo30("COPERNICUS/DEM/GLO30").scene(114, lat)
            drawn = np.zeros((3600, 3600), np.float32)
            drawn[3590:, 700:720] = heights[lat] = np.random.default_rng(lat).normal(size=(10, 20)).astype(np.float32)
            profile = {"blocksize": 512, "predictor": 3, "sparse_ok": True}  # or all 52 MB would be packed
            server.files[str(scene.bands[0].file.address)] = cog(drawn, scene.bands[0].grid, **profile)
        images = catalog.images("COPERNICUS/DEM/GLO30", None, None, (114.2, 29.9, 114.3, 30.1))
        assert [image.properties["system:index"] for image in images] == [
            "Copernicus_DSM_COG_10_N29_00_E114_00_DEM",
            "Copernicus_DSM_COG_10_N30_00_E114_00_DEM",
        ]
        for image, lat in zip(images, (29, 30), strict=True):
            grid = image.bands[0].grid
            assert grid.affine.f == pytest.approx(lat + 1 + 0.5 / 3600)
            values, masks = image.read(("DEM",), grid[3590:3600, 700:720])
            np.testing.assert_array_equal(values[0], heights[lat])
            assert masks.all()


@pytest.mark.parametrize(
    ("lon", "lat", "columns"),
    [(114, 30, 3600), (-115, 53, 2400), (0, -50, 3600), (0, -51, 2400), (10, 60, 1800), (10, 75, 1200), (10, 82, 720),
     (-180, -90, 360)],
)  # fmt: skip
def test_columns_of_the_dem_are_wider_towards_the_poles(lon: int, lat: int, columns: int):
    """-115, 53 and -180, -90 as their recorded items say (3600 x 2400 and 3600 x 360)."""
    scene = Glo30("COPERNICUS/DEM/GLO30").scene(lon, lat)
    assert tuple(scene.bands[0].grid.shape) == (3600, columns)
    assert scene.bands[0].grid.affine.c == pytest.approx(lon - 0.5 / columns)


def test_land_cover_of_a_zone_by_its_own_grid(tmp_path: Path):
    codes = np.random.default_rng(2).integers(0, 12, GRID.shape).astype(np.uint8)
    esri = "projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS"
    with Archive() as server:
        for year in (2020, 2021):
            address = f"https://io-10m-annual-lulc.s3.us-west-2.amazonaws.com/50R_{year}.tif"
            server.files[address] = cog(codes, GRID, nodata=0)
        catalog = server.catalog(tmp_path)
        images = catalog.images(
            esri, *(int(datetime(y, 1, 1, tzinfo=UTC).timestamp() * 1000) for y in (2020, 2023)), BOX
        )
        assert [image.id.rpartition("/")[2] for image in images] == ["50R_2020", "50R_2021"]
        values, masks = images[0].read(("b1",), GRID)
        np.testing.assert_array_equal(values[0], codes)
        np.testing.assert_array_equal(masks[0], codes != 0)
        assert catalog.image(f"{esri}/50R_2021") is not None and catalog.image(f"{esri}/50R_2019") is None
        assert images[0].bands[0].dtype == Plain("uint8").dtype
