"""Patches as GeoTIFF bytes and back; the same pixels give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.rasters import open_bytes
from isamap.gee_export.datasets.manifest import Band

_LOADING = Lock()
# DEFLATE level 1 with the horizontal predictor: half the time of level 6 and the same size on 10-m patches;
# every reader knows it. One strip a band, so that a patch is one seek.
_OPTIONS = {"driver": "GTiff", "compress": "deflate", "zlevel": 1, "predictor": 2, "interleave": "band"}


def encode(
    values_BHW: np.ndarray, geobox: GeoBox, bands: Sequence[Band], tags: Mapping[str, str] | None = None
) -> bytes:
    """A GeoTIFF of the values with the bands' names, no-data value, scales and offsets, and the tags."""
    load()
    from rasterio.io import MemoryFile

    count, height, width = values_BHW.shape
    shape = {"count": count, "height": height, "width": width, "dtype": values_BHW.dtype.name, "blockysize": height}
    grid_options = {"crs": _crs(str(geobox.crs)), "transform": geobox.affine}
    with MemoryFile() as memory:
        with memory.open(nodata=bands[0].nodata, **shape, **grid_options, **_OPTIONS) as target:
            target.descriptions = tuple(band.name for band in bands)
            if any(band.scale != 1 for band in bands):
                target.scales = tuple(band.scale for band in bands)
            if any(band.offset for band in bands):
                target.offsets = tuple(band.offset for band in bands)
            target.update_tags(**(tags or {}))
            target.write(values_BHW)
        return bytes(memory.getbuffer())


def decode(data: bytes, name: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values (bands, rows, columns) and band descriptions of a GeoTIFF; Fault naming the file where it is damaged."""
    load()
    from rasterio.errors import RasterioError

    try:
        with open_bytes(data, name) as source:
            return source.read(), tuple(text or "" for text in source.descriptions)
    except RasterioError as error:
        raise Fault(f"{name} is damaged (not a readable GeoTIFF of {len(data)} bytes): run the export again") from error
    except ValueError as error:
        raise Fault(f"{error}; run the export again") from error


def load() -> None:
    """Loads rasterio, one thread at a time: threads that begin with different parts of it can deadlock in Python."""
    with _LOADING:
        import rasterio.errors
        import rasterio.features
        import rasterio.io  # noqa: F401


@cache
def _crs(text: str) -> Any:  # rasterio has no types
    from rasterio.crs import CRS

    return CRS.from_user_input(text)
