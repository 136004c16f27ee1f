"""A small town in public archives: Sentinel-2 (Collection 1), Sentinel-1 (RTC) and WorldCover, on the loopback address.

June 2023: three dates of Sentinel-2 and two of Sentinel-1, on 192 x 192 pixels of 10 m; clouds are blocks of 160 m, and
a strip of every date has no data. The arrays are kept beside, as the oracle's input. June 2022 has a date of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from local_ee.open import providers
from local_ee.testing.archive import Archive
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.io import MemoryFile
from rasterio.windows import Window
from shapely.geometry import mapping

SIDE, EPSG = 192, 32650
LEFT, TOP = 223_000.0, 3_380_000.0
GRID = GeoBox((SIDE, SIDE), Affine(10, 0, LEFT, 0, -10, TOP), f"EPSG:{EPSG}")
DAYS, PASSES = ("20230603", "20230613", "20230623"), ("20230605", "20230617")
TEN_M = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir"}
EARLIER = "20220608"
FILES = {"B8A": "B8A", "B11": "B11", "B12": "B12", "SCL": "SCL", "MSK_CLDPRB": "CLD_20m"}
COARSE = {"B5": "rededge1", "B6": "rededge2", "B7": "rededge3", "B8A": "nir08", "B11": "swir16", "B12": "swir22"}
TWENTY_M = COARSE | {"SCL": "scl", "MSK_CLDPRB": "cloud"}
WORLDCOVER = f"https://{providers.WORLDCOVER_BUCKET}/v200/2021/map/ESA_WorldCover_10m_2021_v200_N30E114_Map.tif"
_PER_DEGREE = 12_000


@dataclass(frozen=True)
class OpenTown:
    """optical: stored numbers (reflectance x 10,000, and 1,000 more) by day and band; radar: power by day and band."""

    archive: Archive
    optical: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    radar: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    @property
    def built(self) -> np.ndarray:
        """Where the town is, on the 10-m grid: True in blocks of 480 m."""
        return np.kron(np.indices((4, 4)).sum(axis=0) % 2 == 0, np.ones((SIDE // 4, SIDE // 4), bool))


@contextmanager
def standing() -> Iterator[OpenTown]:
    """The town behind every catalog "open" of this process while the block runs."""
    town = OpenTown(Archive())
    rng = np.random.default_rng(3)
    for day in DAYS:
        _write_optical(town, rng, day)
    for day in PASSES:
        _write_radar(town, rng, day)
    earlier = OpenTown(town.archive)
    _write_optical(earlier, rng, EARLIER)
    _write_radar(earlier, rng, EARLIER)
    town.archive.files[WORLDCOVER] = _worldcover(town.built)
    with town.archive, town.archive.standing_in():
        yield town


def program(town: OpenTown, folder: Path) -> Path:
    """A file that runs `isamap` with the town's archives, for processes of their own."""
    file = folder / "isamap_of_town.py"
    file.write_text(
        "import sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from local_ee.open import hosts\n"
        f"hosts.LOOPBACK.update({town.archive.loopback!r})\n"
        "import isamap\n"
        "if __name__ == '__main__':\n"
        "    sys.exit(isamap.main())\n"
    )
    return file


def _write_optical(town: OpenTown, rng: np.random.Generator, day: str) -> None:
    reflectance = np.where(town.built, 2200, 900)
    bands = {name: (reflectance + rng.integers(0, 400, (SIDE, SIDE)) + 1000).astype(np.uint16) for name in TEN_M}
    bands["B8"] = (np.where(town.built, 2400, 3600) + rng.integers(0, 300, (SIDE, SIDE)) + 1000).astype(np.uint16)
    bands["B2"][:4, :4] = 900  # darker than 0 after the shift
    half = SIDE // 2
    clouds = np.kron(rng.random((half // 8, half // 8)) < 0.25, np.ones((8, 8), bool))
    bands["B11"] = (np.where(town.built[::2, ::2], 2600, 1900) + rng.integers(0, 200, (half, half)) + 1000).astype(
        np.uint16
    )
    others = np.random.default_rng(int(day))
    for name in COARSE.keys() - {"B11"}:
        level = np.where(town.built[::2, ::2], 2000, 1500)
        bands[name] = (level + others.integers(0, 500, (half, half)) + 1000).astype(np.uint16)
    bands["SCL"] = np.where(clouds, 9, 4).astype(np.uint8)
    bands["MSK_CLDPRB"] = np.where(clouds, 90, 2).astype(np.uint8)
    for values in bands.values():
        values[:, -len(values) // 16 :] = 0  # no data, as at the edge of a swath
    town.optical[day] = bands
    name = f"S2B_T50RKU_{day}T025531_L2A"
    folder = f"https://{providers.C1_BUCKET}/sentinel-2-c1-l2a/50/R/KU/{day[:4]}/{int(day[4:6])}/{name}"
    assets = {}
    for band, asset in (TEN_M | TWENTY_M).items():
        address = f"{folder}/{FILES.get(band) or f'B0{band[1:]}'}.tif"
        step = 20 if band in TWENTY_M else 10
        town.archive.files[address] = as_tiff(bands[band], step, 0)
        assets[asset] = _asset(address, bands[band], step)
        if band.startswith("B"):
            assets[asset]["raster:bands"] = [{"nodata": 0, "scale": 0.0001, "offset": -0.1}]
    town.archive.items.append(_item(name, "sentinel-2-c1-l2a", _optical_facts(day), assets))


def _optical_facts(day: str) -> dict[str, Any]:
    return {
        "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T03:02:11.024Z",
        "platform": "sentinel-2b", "grid:code": "MGRS-50RKU", "eo:cloud_cover": 25.0,
        "view:sun_azimuth": 135.0, "view:sun_elevation": 60.0,
        "s2:processing_baseline": "05.09",
        "s2:generation_time": f"{day[:4]}-{day[4:6]}-{day[6:]}T06:10:00.000000Z",
        "s2:product_uri": f"S2B_MSIL2A_{day}T025529_N0509_R032_T50RKU_{day}T061000.SAFE",
        "s2:datatake_id": f"GS2B_{day}T025529_032432_N05.09",
        "s2:datastrip_id": f"S2B_OPER_MSI_L2A_DS_2BPS_{day}T061000_S{day}T025531_N05.09",
    }  # fmt: skip


def _write_radar(town: OpenTown, rng: np.random.Generator, day: str) -> None:
    power = {name: np.where(town.built, level, level / 8) for name, level in (("VV", 0.4), ("VH", 0.08))}
    bands = {name: (mean * rng.gamma(4, 0.25, (SIDE, SIDE))).astype(np.float32) for name, mean in power.items()}
    for values in bands.values():
        values[:3] = -32768
    town.radar[day] = bands
    product = f"S1A_IW_GRDH_1SDV_{day}T101500_{day}T101525_048800_05DE60_1A2B"
    folder = (
        f"https://{providers.S1_BLOBS}/sentinel1-grd-rtc/GRD/{day[:4]}/{int(day[4:6])}/{int(day[6:])}/IW/DV/{product}"
    )
    assets = {}
    for band, values in bands.items():
        address = f"{folder}/measurement/iw-{band.lower()}.rtc.tiff"
        town.archive.files[address] = as_tiff(values, 10, -32768)
        assets[band.lower()] = _asset(address, values, 10)
    facts = {
        "datetime": f"{day[:4]}-{day[4:6]}-{day[6:]}T10:15:12.5Z",
        "sar:instrument_mode": "IW", "sar:polarizations": ["VV", "VH"], "sat:orbit_state": "ascending",
        "sat:relative_orbit": 40, "sat:absolute_orbit": 48800,
    }  # fmt: skip
    town.archive.items.append(_item(f"{product[:-5]}_rtc", "sentinel-1-rtc", facts, assets))


def _item(id_: str, collection: str, facts: dict[str, Any], assets: dict[str, Any]) -> dict[str, Any]:
    outline = GRID.footprint("EPSG:4326").geom
    return {"id": id_, "collection": collection, "geometry": mapping(outline), "properties": facts, "assets": assets}


def _asset(address: str, values: np.ndarray, step_m: int) -> dict[str, Any]:
    transform = [step_m, 0, LEFT, 0, -step_m, TOP]
    return {"href": address, "proj:epsg": EPSG, "proj:shape": list(values.shape), "proj:transform": transform}


def as_tiff(values: np.ndarray, step_m: int, nodata: float) -> bytes:
    """A tiled GeoTIFF of a band on the town's ground, pixels of step_m."""
    profile = {
        "driver": "GTiff", "height": len(values), "width": len(values[0]), "count": 1, "dtype": values.dtype,
        "crs": f"EPSG:{EPSG}", "transform": Affine(step_m, 0, LEFT, 0, -step_m, TOP), "nodata": nodata, "tiled": True,
        "blockxsize": 64, "blockysize": 64, "compress": "deflate",
    }  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(values, 1)
        return memory.read()


def _worldcover(built: np.ndarray) -> bytes:
    """The tile of 3 degrees around the town, empty elsewhere: 50 where it is built, else 30."""
    side = 3 * _PER_DEGREE
    transform = Affine(1 / _PER_DEGREE, 0, 114, 0, -1 / _PER_DEGREE, 33)
    profile = {
        "driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "crs": "EPSG:4326",
        "transform": transform, "nodata": 0, "tiled": True, "blockxsize": 1024, "blockysize": 1024,
        "compress": "deflate", "SPARSE_OK": "TRUE",
    }  # fmt: skip
    window, codes = codes_around(built)
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(codes, 1, window=window)
        return memory.read()


def codes_around(built: np.ndarray) -> tuple[Window, np.ndarray]:
    """WorldCover's codes by its own pixels, a little beyond the town, and where they lie in the tile of 3 degrees."""
    west, south, east, north = GRID.footprint("EPSG:4326").geom.buffer(0.002).bounds
    left, right = int((west - 114) * _PER_DEGREE), int((east - 114) * _PER_DEGREE)
    top, bottom = int((33 - north) * _PER_DEGREE), int((33 - south) * _PER_DEGREE)
    lon, lat = np.meshgrid(
        114 + (np.arange(left, right) + 0.5) / _PER_DEGREE, 33 - (np.arange(top, bottom) + 0.5) / _PER_DEGREE
    )
    x, y = Transformer.from_crs(4326, EPSG, always_xy=True).transform(lon, lat)
    col, row = np.floor((x - LEFT) / 10).astype(int), np.floor((TOP - y) / 10).astype(int)
    inside = (col >= 0) & (col < SIDE) & (row >= 0) & (row < SIDE)
    codes = np.full(lon.shape, 30, np.uint8)
    codes[inside] = np.where(built[row[inside], col[inside]], 50, 30)
    return Window(left, top, right - left, bottom - top), codes
