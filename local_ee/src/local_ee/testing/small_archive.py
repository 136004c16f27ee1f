"""A small archive made for a test: scenes of both Sentinels as COGs and items under the archives' own addresses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile
from shapely.geometry import mapping

from local_ee.open import providers
from local_ee.testing.archive import Archive

# 300 x 280 pixels: two by two blocks of 256, the last ones partial
EPSG = 32650
GRID = GeoBox((300, 280), rasterio.Affine(10, 0, 500000, 0, -10, 3300040), f"EPSG:{EPSG}")
BOX = (117.001, 29.804, 117.028, 29.828)  # within the grid
AFRICA_GRID = GeoBox((300, 280), rasterio.Affine(0.0002, 0, 25.1, 0, -0.0002, 13.2), "EPSG:4326")
BANDS = {"B2": "B02", "B3": "B03", "B4": "B04", "B8": "B08"}
C1_NAMES = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir", "SCL": "scl"}
DAY = datetime(2024, 6, 3)
DAYS = (DAY, DAY + timedelta(days=5), DAY + timedelta(days=10))


def cog(values: np.ndarray, grid: GeoBox, **profile: Any) -> bytes:
    """A cloud-optimized GeoTIFF of one band, or of [band, row, column], by GDAL."""
    bands = values[None] if values.ndim == 2 else values
    options = {"blocksize": 256, "compress": "deflate", "overviews": "none", **profile}
    shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
    with MemoryFile() as memory:
        with memory.open(driver="COG", crs=str(grid.crs), transform=grid.affine, **shape, **options) as file:
            file.write(bands)
        return memory.read()


def reflectance(name: str, day: int) -> np.ndarray:
    """What a file of a band and date holds: some pixels without data, some below the shift."""
    drawn = np.random.default_rng([day, *name.encode()])
    values = drawn.integers(900, 4000, GRID.shape).astype(np.uint16)
    values[drawn.random(GRID.shape) < 0.05] = 0
    return values


def classes(day: int) -> np.ndarray:
    """The scene's classes at 20 m."""
    return np.random.default_rng(day).integers(0, 12, GRID.zoom_out(2).shape).astype(np.uint8)


def power(name: str, day: int) -> np.ndarray:
    """Linear power with no data at an edge."""
    values = np.random.default_rng([day, *name.encode()]).gamma(4, 0.05, GRID.shape).astype(np.float32)
    values[:, :7] = -32768
    return values


def small_archive(days: tuple[datetime, ...] = DAYS) -> Archive:
    """Dates of Sentinel-2 (Collection 1) and of Sentinel-1 RTC over GRID."""
    archive = Archive()
    for index, day in enumerate(days):
        add_optical(archive, day, index)
        add_radar(archive, day + timedelta(hours=8), index)
    return archive


def add_optical(archive: Archive, day: datetime, number: int, **changes: Any) -> dict[str, Any]:
    """One scene of Collection 1, its files and its item."""
    item = optical_item(day, **changes)
    for name, key in C1_NAMES.items():
        values, grid = (classes(number), GRID.zoom_out(2)) if name == "SCL" else (reflectance(name, number), GRID)
        archive.files[item["assets"][key]["href"]] = cog(values, grid, nodata=0, predictor=2)
    archive.items.append(item)
    return item


def optical_item(day: datetime, *, tile: str = "50RMU", baseline: str = "05.10", made: str = "") -> dict[str, Any]:
    """An item as Earth Search's Collection 1 writes it."""
    begun, taken = f"{day + timedelta(seconds=22):%Y%m%dT%H%M%S}", f"{day:%Y%m%dT%H%M%S}"
    made = made or f"{day + timedelta(hours=6):%Y%m%dT%H%M%S}"
    version = baseline.replace(".", "")
    name = f"S2B_T{tile}_{begun}_L2A"
    stem = f"sentinel-2-c1-l2a/{int(tile[:2])}/{tile[2]}/{tile[3:]}/{day.year}/{day.month}/{name}"
    assets = {
        key: {
            "href": f"https://{providers.C1_BUCKET}/{stem}/{BANDS.get(band, band)}.tif",
            "proj:shape": list(GRID.shape if band != "SCL" else GRID.zoom_out(2).shape),
            "proj:transform": list((GRID if band != "SCL" else GRID.zoom_out(2)).affine[:6]),
            "raster:bands": [{"nodata": 0} | ({} if band == "SCL" else {"scale": 0.0001, "offset": -0.1})],
        }
        for band, key in C1_NAMES.items()
    }
    properties = {
        "datetime": f"{day + timedelta(minutes=4):%Y-%m-%dT%H:%M:%SZ}",
        "platform": "sentinel-2b",
        "eo:cloud_cover": 12.5,
        "proj:epsg": EPSG,
        "grid:code": f"MGRS-{tile.lstrip('0')}",
        "view:sun_azimuth": 110.0,
        "view:sun_elevation": 70.0,
        "s2:tile_id": f"S2B_OPER_MSI_L2A_TL_2BPS_{made}_A012345_T{tile}_N{baseline}",
        "s2:processing_baseline": baseline,
        "s2:product_uri": f"S2B_MSIL2A_{taken}_N{version}_R032_T{tile}_{made}.SAFE",
        "s2:generation_time": f"{datetime.strptime(made, '%Y%m%dT%H%M%S').isoformat()}Z",
        "s2:datatake_id": f"GS2B_{taken}_012345_N{baseline}",
        "s2:datastrip_id": f"S2B_OPER_MSI_L2A_DS_2BPS_{made}_S{begun}_N{baseline}",
    }
    return _item(name, "sentinel-2-c1-l2a", properties, assets)


def as_planetary(item: Mapping[str, Any]) -> dict[str, Any]:
    """The same scene as Planetary Computer would write it: other names, no offset stated, its own addresses."""
    facts = item["properties"]
    product, tile = facts["s2:product_uri"], facts["grid:code"].removeprefix("MGRS-")
    stem = f"sentinel2-l2/{tile[:2]}/{tile[2]}/{tile[3:]}/{facts['datetime'][:10].replace('-', '/')}/{product}"
    taken = product.split("_")[2]
    keys = {"blue": ("B02", 10), "green": ("B03", 10), "red": ("B04", 10), "nir": ("B08", 10), "scl": ("SCL", 20)}
    assets = {
        name: {
            "href": f"https://{providers.S2_BLOBS}/{stem}/GRANULE/L2A_T{tile}_A012345_{taken}/IMG_DATA/R{size}m/"
            f"T{tile}_{taken}_{name}_{size}m.tif",
            "proj:shape": item["assets"][key]["proj:shape"],
            "proj:transform": item["assets"][key]["proj:transform"],
        }
        for key, (name, size) in keys.items()
    }
    properties = {**facts, "s2:mgrs_tile": tile, "platform": "Sentinel-2B", "sat:orbit_state": "descending"}
    parts = product.removesuffix(".SAFE").split("_")
    return _item("_".join([*parts[:3], *parts[4:]]), "sentinel-2-l2a", properties, assets)


def add_african_radar(archive: Archive, day: datetime, number: int) -> dict[str, Any]:
    """One tile of Digital Earth Africa's Sentinel-1 RTC: power with NaN at an edge, and the mask of its shadows."""
    name = f"s1_rtc_0{number:05X}_N13E025_{day:%Y_%m_%d}"
    stem = f"s1_rtc/N13E025/{day:%Y/%m/%d}/0{number:05X}/{name}"
    arrays = {band: np.where(power(band, number) < 0, np.nan, power(band, number)) for band in ("VV", "VH")}
    arrays["MASK"] = african_mask(number)
    for band, values in arrays.items():
        archive.files[f"https://{providers.DE_AFRICA_BUCKET}/{stem}_{band}.tif"] = cog(values, AFRICA_GRID)
    assets = {band.lower(): {"href": f"s3://deafrica-sentinel-1/{stem}_{band}.tif"} for band in arrays}
    properties = {
        "datetime": f"{day:%Y-%m-%dT%H:%M:%SZ}",
        "odc:product": "s1_rtc",
        "odc:region_code": "N13E025",
        "platform": "sentinel-1a",
        "sat:orbit_state": "ascending",
        "sat:relative_orbit": 58,
        "proj:epsg": 4326,
        "proj:shape": list(AFRICA_GRID.shape),
        "proj:transform": list(AFRICA_GRID.affine[:6]),
    }
    item = _item(f"00000000-0000-4000-8000-{number:012x}", "s1_rtc", properties, assets)
    item["geometry"] = mapping(AFRICA_GRID.extent.geom)
    archive.items.append(item)
    return item


def african_mask(number: int) -> np.ndarray:
    """1 where a pixel is valid, 2 in radar shadow, 0 without data."""
    return np.random.default_rng([number, 7]).choice([0, 1, 2], AFRICA_GRID.shape, p=[0.05, 0.85, 0.1]).astype(np.uint8)


def add_radar(archive: Archive, day: datetime, number: int) -> dict[str, Any]:
    """One scene of Sentinel-1 RTC, its files and its item."""
    start, end = f"{day:%Y%m%dT%H%M%S}", f"{day + timedelta(seconds=25):%Y%m%dT%H%M%S}"
    name = f"S1A_IW_GRDH_1SDV_{start}_{end}_012345_0ABCDE"
    stem = f"sentinel1-grd-rtc/GRD/{day.year}/{day.month}/{day.day}/IW/DV/{name}_12EF/measurement"
    assets = {}
    for band in ("VV", "VH"):
        href = f"https://{providers.S1_BLOBS}/{stem}/iw-{band.lower()}.rtc.tiff"
        archive.files[href] = cog(power(band, number), GRID, nodata=-32768, predictor=3)
        assets[band.lower()] = {"href": href}
    properties = {
        "datetime": f"{day + timedelta(seconds=12):%Y-%m-%dT%H:%M:%SZ}",
        "start_datetime": f"{day:%Y-%m-%d %H:%M:%S}+00:00",
        "sar:instrument_mode": "IW",
        "sat:orbit_state": "descending",
        "sat:relative_orbit": 40,
        "proj:epsg": EPSG,
        "proj:shape": list(GRID.shape),
        "proj:transform": [*GRID.affine[:6], 0, 0, 1],
    }
    item = _item(f"{name}_rtc", "sentinel-1-rtc", properties, assets)
    archive.items.append(item)
    return item


def _item(name: str, collection: str, properties: dict[str, Any], assets: dict[str, Any]) -> dict[str, Any]:
    geometry = mapping(GRID.footprint("EPSG:4326", npoints=4).geom)
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": collection,
        "geometry": geometry,
        "properties": properties,
        "assets": assets,
    }
