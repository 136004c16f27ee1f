"""A dataset's files as they lie: bytes against their checksums, pixels, and the place the files themselves claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.rasters import open_bytes
from isamap.gee_export.base.storage import crc32c
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.datasets.sample import LABEL

PLACE_TOLERANCE_PX = 1e-3


@dataclass(frozen=True)
class CardRaster:
    """A decoded file. layer: image, labels, shares, fine, fine_labels or frames; values (bands, rows, columns)."""

    name: str
    layer: str
    values_BHW: np.ndarray
    bands: tuple[Band, ...]
    misplaced: str | None  # in words, how its grid or bands differ from what index and manifest say


def rasters(data: Dataset, patch: Patch) -> Iterator[CardRaster | str]:
    """Every file of a patch: its pixels, or, where it is missing or damaged, its name."""
    for name, crc in patch.files:
        try:
            content = data.storage.read(name)
        except Fault:
            yield name
            continue
        yield name if crc32c(content) != crc else _decoded(data, patch, name, content)


def _decoded(data: Dataset, patch: Patch, name: str, content: bytes) -> CardRaster | str:
    from rasterio.errors import RasterioError

    layer, bands, geobox = _expected(data, patch, name)
    try:
        with open_bytes(content, name) as source:
            stored = GeoBox(source.shape, source.transform, source.crs)
            names = tuple(text or "" for text in source.descriptions)
            values = source.read()
    except (RasterioError, ValueError):
        return name
    return CardRaster(
        name, layer, values, bands, _difference(stored, geobox, names, tuple(band.name for band in bands))
    )


def _expected(data: Dataset, patch: Patch, name: str) -> tuple[str, tuple[Band, ...], GeoBox]:
    folder = name.partition("/")[0]
    if folder == "images":
        return "image", data.manifest.bands, data.geobox(patch)
    if folder == "labels":
        return "labels", (LABEL,), data.geobox(patch)
    return folder, data.manifest.layers[folder].bands, data.geobox(patch, folder)


def _named(geobox: GeoBox) -> str:
    if geobox.crs is None:
        return "no CRS"
    return f"EPSG:{geobox.crs.epsg}" if geobox.crs.epsg else "a CRS of its own"


def _difference(stored: GeoBox, expected: GeoBox, names: tuple[str, ...], bands: tuple[str, ...]) -> str | None:
    if names != bands:
        return f"bands {', '.join(names)} instead of {', '.join(bands)}"
    if stored.shape != expected.shape:
        return f"{stored.shape[0]} x {stored.shape[1]} pixels instead of {expected.shape[0]} x {expected.shape[1]}"
    if stored.crs != expected.crs:
        return f"{_named(stored)} instead of {_named(expected)}"
    shift: Affine = ~expected.affine * stored.affine  # from the file's pixels to the index's
    corners = [(0, 0), (stored.shape[1], 0), (0, stored.shape[0])]
    moved = max(max(abs(a - b) for a, b in zip(shift * corner, corner, strict=True)) for corner in corners)
    return f"corners {moved:.3g} px off the grid" if moved > PLACE_TOLERANCE_PX else None
