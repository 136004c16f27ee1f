"""A catalog of arrays in memory, a way to make GeoTIFF bytes, and a client of an engine's buckets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass

import ee
import numpy as np
import pytest
from affine import Affine
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from odc.geo.geobox import GeoBox
from rasterio.io import MemoryFile

from local_ee.catalog import AssetInfo, SourceBand, SourceImage

CRS = "EPSG:32650"
TRANSFORM = Affine(10, 0, 300_000, 0, -10, 3_400_000)
INDEX = "SMALL/ONE"


def grid(height: int, width: int) -> GeoBox:
    return GeoBox((height, width), TRANSFORM, CRS)


@dataclass(frozen=True)
class SmallCatalog:
    """One image, SMALL/ONE, of bands given as arrays on one grid; where `valid` is False it is masked."""

    bands: dict[str, np.ndarray]
    valid: np.ndarray

    def describe(self, asset_id: str) -> AssetInfo | None:
        kinds = {"SMALL": "IMAGE_COLLECTION", INDEX: "IMAGE"}
        return AssetInfo(asset_id, kinds[asset_id], {}) if asset_id in kinds else None

    def image(self, image_id: str) -> SourceImage | None:
        if image_id != INDEX:
            return None
        extent = grid(*self.valid.shape)
        bands = tuple(SourceBand(name, values.dtype.name, extent) for name, values in self.bands.items())
        properties = {"system:index": "ONE", "system:time_start": 1_560_000_000_000, "season": "summer"}
        return SourceImage(INDEX, bands, properties, extent.extent.to_crs("EPSG:4326").geom, self._read)

    def images(self, collection_id, start_ms, end_ms, bounds_wsen):
        return [self.image(INDEX)] if collection_id == "SMALL" else []

    def _read(self, names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        row = round((TRANSFORM.f - geobox.affine.f) / 10)
        col = round((geobox.affine.c - TRANSFORM.c) / 10)
        values = np.stack([_window(self.bands[name], row, col, geobox.shape) for name in names])
        valid = _window(self.valid, row, col, geobox.shape)
        return values, np.stack([valid] * len(names))


def _window(array: np.ndarray, row: int, col: int, shape: Sequence[int]) -> np.ndarray:
    out = np.zeros(shape, array.dtype)
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + shape[0], array.shape[0]), min(col + shape[1], array.shape[1])
    if top < bottom and left < right:
        out[top - row : bottom - row, left - col : right - col] = array[top:bottom, left:right]
    return out


def catalog(height: int = 600, width: int = 500) -> SmallCatalog:
    """Bands of three types with a hole of invalid pixels."""
    random = np.random.default_rng(7)
    valid = np.ones((height, width), bool)
    valid[50:80, 20:60] = False
    return SmallCatalog(
        {
            "B2": random.integers(0, 10_000, (height, width)).astype("uint16"),
            "B3": random.integers(0, 10_000, (height, width)).astype("uint16"),
            "VV": random.normal(-12, 3, (height, width)).astype("float32"),
        },
        valid,
    )


def geotiff(values_BHW: np.ndarray, *, transform: Affine = TRANSFORM, crs: str | None = CRS, nodata=None) -> bytes:
    """The bytes of a GeoTIFF."""
    count, height, width = values_BHW.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=height,
            width=width,
            count=count,
            dtype=values_BHW.dtype,
            crs=crs,
            transform=transform,
            nodata=nodata,
        ) as target:
            target.write(values_BHW)
        return memory.read()


def storage_client(url: str) -> storage.Client:
    options = {"api_endpoint": url}
    return storage.Client(project="local", credentials=AnonymousCredentials(), client_options=options)


def ended(name: str, seconds: float = 30) -> dict:
    """The operation of this name once it has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        operation = ee.data.getOperation(name)
        if operation.get("done"):
            return operation
        time.sleep(0.02)
    raise AssertionError(f"{name} has not ended after {seconds} s: {operation}")


def request_grid(row: int, col: int, height: int, width: int) -> dict:
    """The grid of a pixel request: a window of the small catalog's grid."""
    affine = TRANSFORM * Affine.translation(col, row)
    return {
        "dimensions": {"width": width, "height": height},
        "affineTransform": {
            "scaleX": affine.a,
            "shearX": affine.b,
            "translateX": affine.c,
            "shearY": affine.d,
            "scaleY": affine.e,
            "translateY": affine.f,
        },
        "crsCode": CRS,
    }


def bucket_of_test(client: storage.Client, request: pytest.FixtureRequest) -> storage.Bucket:
    """A new bucket whose name follows from the test's."""
    digest = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    return client.create_bucket(f"bucket-{digest}")
