"""AlphaEarth's embeddings: found by their list, which is fetched once, in pieces, and read by bands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio
from odc.geo.geobox import GeoBox

from local_ee.open import embedding_index, hosts
from local_ee.open.errors import ArchiveFault
from local_ee.open.providers import SOURCE_COOP
from local_ee.testing.archive import Archive, Fault
from local_ee.testing.small_archive import BOX

ID = "GOOGLE/SATELLITE_EMBEDDING/V1/ANNUAL"
GRID = GeoBox((96, 80), rasterio.Affine(10, 0, 500000, 0, 10, 3299080), "EPSG:32650")
STORED = np.random.default_rng(4).integers(-128, 128, (64, *GRID.shape)).astype(np.int8)
LIST = f"https://{SOURCE_COOP}/tge-labs/aef/v1/annual/aef_index.csv"
HEADING = "WKT,crs,path,year,utm_zone,wgs84_west,wgs84_south,wgs84_east,wgs84_north\n"


def line(year: int, name: str, west: float = 117.0, south: float = 29.8, *, path: str | None = None) -> str:
    path = path or f"s3://us-west-2.opendata.source.coop/tge-labs/aef/v1/annual/{year}/50N/{name}.vrt"
    outline = f'"POLYGON (({west} {south}, {west + 1} {south}))"'
    return f"{outline},EPSG:32650,{path},{year},50N,{west},{south},{west + 0.9},{south + 0.9}\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.002)
    monkeypatch.setattr(embedding_index, "PIECE_BYTES", 300)  # so that lines lie across pieces
    strangers = [
        line(2020, "evil", path="https://evil.example/tge-labs/x/v1/annual/2020/50N/evil.tiff"),
        line(2020, "up", path="s3://bucket/tge-labs/aef/v1/annual/2020/50N/../../up.tiff"),
        "no,row\n",
    ]
    rows = [
        line(2019, "a-0-0"),
        line(2020, "b-0-0"),
        line(2020, "far-0-0", west=10.0),
        line(2021, "gone-0-0"),
        *strangers,
    ]
    with rasterio.MemoryFile() as memory:
        shape = {"count": 64, "height": GRID.shape[0], "width": GRID.shape[1], "dtype": "int8", "nodata": -128}
        tiles = {"tiled": True, "blockxsize": 64, "blockysize": 64, "compress": "deflate", "interleave": "band"}
        with memory.open(driver="GTiff", crs="EPSG:32650", transform=GRID.affine, **shape, **tiles) as file:
            file.write(STORED)
        content = memory.read()
    stem = f"https://{SOURCE_COOP}/tge-labs/aef/v1/annual"
    files = {f"{stem}/2019/50N/a-0-0.tiff": content, f"{stem}/2020/50N/b-0-0.tiff": content}
    with Archive({**files, LIST: (HEADING + "".join(rows)).encode()}) as archive:
        yield archive


def ms(year: int) -> int:
    return int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000)


def test_files_are_found_by_place_and_year(server: Archive, tmp_path: Path):
    catalog = server.catalog(tmp_path)
    images = catalog.images(ID, None, None, BOX)
    assert [(i.properties["system:index"], i.properties["UTM_ZONE"]) for i in images] == [
        ("a-0-0", "50N"),
        ("b-0-0", "50N"),
    ]
    assert [image.properties["system:time_start"] for image in images] == [ms(2019), ms(2020)]
    assert len(catalog.images(ID, ms(2020), ms(2021), BOX)) == 1
    assert catalog.images(ID, ms(2020), ms(2021), (60.0, 10.0, 61.0, 11.0)) == []
    assert not any("evil" in asked.path or "up" in asked.path for asked in server.asked)


def test_bands_are_vectors_by_the_square_law(server: Archive, tmp_path: Path):
    (image,) = server.catalog(tmp_path).images(ID, ms(2020), ms(2021), BOX)
    assert [band.name for band in image.bands] == [f"A{number:02d}" for number in range(64)]
    values, masks = image.read(("A63", "A00"), GRID[40:90, 10:70])
    part = STORED[[63, 0], 40:90, 10:70].astype(float)
    np.testing.assert_array_equal(masks, part != -128)
    np.testing.assert_allclose(values[masks], (np.sign(part) * (part / 127.5) ** 2)[masks], rtol=1e-6)


def test_only_the_bands_asked_for_are_fetched(server: Archive, tmp_path: Path):
    (image,) = server.catalog(tmp_path).images(ID, ms(2020), ms(2021), BOX)
    before = server.sent_bytes
    image.read(("A05",), GRID[0:10, 0:10])
    assert server.sent_bytes - before < 2 * 64 * 64


def test_the_list_is_fetched_once_and_an_index_is_found_offline(server: Archive, tmp_path: Path):
    server.catalog(tmp_path).images(ID, None, None, BOX)
    asked = len(server.asked)
    catalog = server.catalog(tmp_path, offline=True)
    assert catalog.image(f"{ID}/b-0-0") is not None and catalog.image(f"{ID}/nothing") is None
    assert len(server.asked) == asked


def test_a_list_that_broke_off_goes_on_where_it_was(server: Archive, tmp_path: Path):
    server.faults = lambda asked: Fault("status", 503) if asked.number > 2 else None
    with pytest.raises(ArchiveFault, match="run the same command again later"):
        server.catalog(tmp_path).images(ID, None, None, BOX)
    pieces = {asked.range for asked in server.asked[:2]}
    server.faults = lambda asked: None
    before = len(server.asked)
    assert len(server.catalog(tmp_path).images(ID, None, None, BOX)) == 2
    again = [asked.range for asked in server.asked[before:] if asked.path.endswith(".csv")]
    assert len(pieces & set(again)) == 1  # the first, which holds the heading


def test_a_list_of_other_columns_is_refused(server: Archive, tmp_path: Path):
    server.files[LIST] = b"<html>sign in</html>" * 50
    with pytest.raises(ArchiveFault, match="has no columns path"):
        server.catalog(tmp_path).images(ID, None, None, BOX)


def test_a_list_that_changes_while_it_is_read_is_an_error(server: Archive, tmp_path: Path):
    count = iter(range(1, 100))
    server.faults = lambda asked: Fault("file", headers={"ETag": f'"{next(count)}"'})
    with pytest.raises(ArchiveFault, match="replaced by another file"):
        server.catalog(tmp_path).images(ID, None, None, BOX)


def test_a_file_across_the_antimeridian_touches_both_sides():
    row = embedding_index.Row("v1/annual/2020/60N/a", 2020, "60N", (179.5, 10.0, -179.5, 11.0))
    assert row.touches((179.6, 10, 180, 11)) and row.touches((-180, 10, -179.9, 11))
    assert not row.touches((0, 10, 10, 11))
