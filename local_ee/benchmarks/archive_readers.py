"""One reader of open_archive.py, in a process of its own: composites of windows, and what they cost.

Told by a JSON job as the only argument; imports this project for the catalog `open` alone, so that the others run in
any environment that has them.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox

ASSETS = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir"}
PEERS = "peers"  # the collection whose items name this machine's server
CONNECTIONS = 16  # as many as the catalog `open` allows itself at a bucket
SHIFT = 1_000
PERIOD = "2024-06-01T00:00:00Z", "2024-06-30T23:59:59Z"
CURL = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif"}

Read = Callable[[GeoBox], np.ndarray]  # [band, row, column], reflectance x 10,000


def open_catalog(job: dict[str, Any], stack: ExitStack) -> Callable[[], Read]:
    """The catalog `open`; each reader made has a catalog of its own over one folder."""
    sys.path.insert(0, str(Path(__file__).parents[1]))  # works from an uninstalled clone too
    import ee

    from local_ee.evaluation import graph
    from local_ee.open import hosts, providers
    from local_ee.open.catalog import OpenCatalog
    from tests.support.connection import connect

    folder = Path(job["folder"])
    stack.enter_context(connect(catalog="world", home=folder / "home"))
    hosts.LOOPBACK.update(dict.fromkeys(providers.HOSTS, job["port"]))

    def made() -> Read:
        catalog = OpenCatalog(folder / "open")

        def read(window: GeoBox) -> np.ndarray:
            scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterBounds(ee.Geometry.BBox(*bounds(window)))
            image = scenes.filterDate("2024-06-01", "2024-07-01").select(list(ASSETS)).median()
            pixels = graph.evaluate(ee.serializer.encode(image, for_cloud_api=True), catalog).read(window)
            return np.stack(pixels.values)

        return read

    return made


def gdal(job: dict[str, Any], stack: ExitStack) -> Callable[[], Read]:
    """Plain GDAL: a search, then every file by /vsicurl in as many threads as connections."""

    def made() -> Read:
        def read(window: GeoBox) -> np.ndarray:
            hrefs = [item["assets"][key]["href"] for key in ASSETS.values() for item in found(job, window)]
            with ThreadPoolExecutor(CONNECTIONS) as threads:
                stored = np.stack(list(threads.map(lambda href: one(href, window), hrefs)))
            return composite(stored.reshape(len(ASSETS), -1, *window.shape).swapaxes(0, 1))

        return read

    def pixels_of(window: GeoBox, transform: rasterio.Affine) -> tuple[tuple[int, int], tuple[int, int]]:
        col, row = (round(each) for each in ~transform @ (window.affine.c, window.affine.f))
        return (row, row + window.shape[0]), (col, col + window.shape[1])

    def one(href: str, window: GeoBox) -> np.ndarray:
        with rasterio.Env(**CURL), rasterio.open(f"/vsicurl/{href}") as file:
            return file.read(1, window=pixels_of(window, file.transform))

    return made


def odc_stac(job: dict[str, Any], stack: ExitStack) -> Callable[[], Read]:
    """odc-stac's `load`, in as many threads, under the settings that it advises for the cloud."""
    import odc.stac
    import pystac

    odc.stac.configure_rio(cloud_defaults=True)

    def made() -> Read:
        def read(window: GeoBox) -> np.ndarray:
            items = [pystac.Item.from_dict(item) for item in found(job, window)]
            loaded = odc.stac.load(
                items, list(ASSETS.values()), geobox=window, groupby="id", dtype="uint16", nodata=0, pool=CONNECTIONS
            )
            return composite(np.stack([loaded[key].values for key in ASSETS.values()], axis=1))

        return read

    return made


def rslearn(job: dict[str, Any], stack: ExitStack) -> Callable[[], Read]:
    """rslearn's source of this archive: its own search, then asset by asset as its materialize reads."""
    from rslearn.config import QueryConfig, SpaceMode
    from rslearn.data_sources.aws_sentinel2_element84 import Sentinel2
    from rslearn.utils.geometry import Projection, STGeometry
    from shapely.geometry import box

    class Here(Sentinel2):
        STAC_ENDPOINT = f"http://127.0.0.1:{job['port']}/earth-search/v1"
        COLLECTION_NAME = PEERS

    period = datetime(2024, 6, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)
    query = QueryConfig(space_mode=SpaceMode.INTERSECTS, max_matches=100)

    def made() -> Read:
        source = Here(assets=list(ASSETS.values()))

        def read(window: GeoBox) -> np.ndarray:
            affine = window.affine
            place = Projection(rasterio.CRS.from_string(str(window.crs)), affine.a, affine.e)
            col, row = round(affine.c / affine.a), round(affine.f / affine.e)
            area = col, row, col + window.shape[1], row + window.shape[0]
            (groups,) = source.get_items([STGeometry(place, box(*area), period)], query)
            items = [item for group in groups for item in getattr(group, "items", group)]
            with rasterio.Env(**CURL):
                return composite(np.array([assets(item, place, area) for item in items]))

        def assets(item: Any, place: Projection, area: tuple[int, int, int, int]) -> list[np.ndarray]:
            return [
                source.read_raster("s2", item, source.asset_bands[key], place, area).get_chw_array()[0]
                for key in ASSETS.values()
            ]

        return read

    return made


READERS: dict[str, Callable[[dict[str, Any], ExitStack], Callable[[], Read]]] = {
    "open": open_catalog,
    "gdal": gdal,
    "odc-stac": odc_stac,
    "rslearn": rslearn,
}


def found(job: dict[str, Any], window: GeoBox) -> list[dict[str, Any]]:
    """The items of a window, by one search."""
    asked = {"collections": [PEERS], "datetime": "/".join(PERIOD), "bbox": bounds(window), "limit": 100}
    request = urllib.request.Request(
        f"http://127.0.0.1:{job['port']}/earth-search/v1/search",
        json.dumps(asked).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        items: list[dict[str, Any]] = json.load(answer)["features"]
        return items


def bounds(window: GeoBox) -> list[float]:
    """West, south, east, north in degrees."""
    return list(window.extent.to_crs("EPSG:4326").boundingbox)


def composite(stored: np.ndarray) -> np.ndarray:
    """The median over dates of stored numbers [date, band, row, column], after their shift."""
    return np.median(np.maximum(stored.astype(np.int16) - SHIFT, 0), axis=0)


def windows(grid: GeoBox, side: int) -> Sequence[tuple[slice, slice]]:
    """A grid cut into squares."""
    rows, cols = grid.shape
    return [
        np.s_[r : min(r + side, rows), c : min(c + side, cols)]
        for r in range(0, rows, side)
        for c in range(0, cols, side)
    ]


def measured(read: Read, job: dict[str, Any]) -> tuple[float, float, np.ndarray]:
    """Seconds, processor seconds and pixels of the job's grid, window after window."""
    grid = GeoBox(tuple(job["shape"]), rasterio.Affine(*job["affine"]), job["crs"])
    pixels = np.zeros((len(ASSETS), *grid.shape), np.float32)
    begun, spent = time.perf_counter(), time.process_time()
    for rows, cols in windows(grid, job["window"]):
        pixels[:, rows, cols] = read(grid[rows, cols])
    return time.perf_counter() - begun, time.process_time() - spent, pixels


def main() -> None:
    """Reads a small place of another server first, so that nothing measured is compiled or imported."""
    job = json.loads(sys.argv[1])
    reader = READERS[job["reader"]]
    with ExitStack() as stack:
        warm = {**job, "port": job["warm_port"], "folder": f"{job['folder']}/warm", "shape": [32, 32]}
        measured(reader(warm, stack)(), warm)
    with ExitStack() as stack:
        made = reader(job, stack)
        for turn in ("first", "again"):
            print("begin", flush=True)
            sys.stdin.readline()
            Path("/proc/self/clear_refs").write_text("5")  # of Linux: the peak is counted from here
            seconds, cpu, pixels = measured(made(), job)
            np.save(job["pixels"], pixels)
            status = Path("/proc/self/status").read_text().split()
            peak = int(status[status.index("VmHWM:") + 1]) / 1024
            print(json.dumps({"turn": turn, "seconds": seconds, "cpu": cpu, "peak_mib": peak}), flush=True)


if __name__ == "__main__":
    main()
