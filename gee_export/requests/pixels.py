"""Pixels of Earth Engine images as rasters, by requests planned within the server's limits."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Raster, Window
from isamap.gee_export.requests.channel import FILL as FILL
from isamap.gee_export.requests.channel import Channel, channels
from isamap.gee_export.requests.channel import unmasked as unmasked
from isamap.gee_export.requests.client import Cell, Client

if TYPE_CHECKING:
    import ee

REQUEST_LIMIT_BYTES = 48 << 20  # https://developers.google.com/earth-engine/guides/usage
# The limit of computePixels (guides/usage), checked before anything is sent.
SIDE_LIMIT_PX = 32_768


def request_bytes(height: int, width: int, bands: Sequence[Channel]) -> int:
    """Size of a request as the server counts it."""
    return height * width * sum(band.bytes for band in bands)


def check_request(geobox: GeoBox, bands: Sequence[Channel]) -> None:
    """ValueError where a request would be refused for its size."""
    height, width = geobox.shape
    if max(height, width) > SIDE_LIMIT_PX:
        raise ValueError(f"a request of {width} x {height} pixels exceeds {SIDE_LIMIT_PX} a side: cut it with plan()")
    size = request_bytes(height, width, bands)
    if size > REQUEST_LIMIT_BYTES:
        raise ValueError(
            f"a request of {width} x {height} pixels and {len(bands)} bands counts {size:,} bytes, the limit is "
            f"{REQUEST_LIMIT_BYTES:,}: cut it with plan()"
        )


def largest_side(bands: Sequence[Channel]) -> int:
    """Side of the largest square request of these bands, in pixels."""
    return min(SIDE_LIMIT_PX, math.isqrt(REQUEST_LIMIT_BYTES // sum(band.bytes for band in bands)))


def plan(shape: tuple[int, int], bands: Sequence[Channel], *, side: int | None = None) -> list[Window]:
    """Windows that cover rows x columns once, row by row, nearly equal, each within the limits (and `side`)."""
    most = min(largest_side(bands), side or SIDE_LIMIT_PX)
    rows, cols = _parts(shape[0], most), _parts(shape[1], most)
    return [Window(row, col, height, width) for row, height in rows for col, width in cols]


def raster(pixels: np.ndarray, geobox: GeoBox, bands: Sequence[Channel]) -> Raster:
    """A structured array of `read` as values (bands, rows, columns) with what is valid: neither fill nor NaN."""
    values = np.stack([pixels[band.name] for band in bands])
    fills = np.array([band.fill for band in bands], values.dtype)[:, None, None]
    # Both: integers have no NaN, and a division in the graph gives one where no fill was set.
    valid = (values != fills) & np.isfinite(values)
    return Raster(geobox, tuple(band.name for band in bands), np.where(valid, values, 0), valid)


def fetch(image: ee.Image, geobox: GeoBox, bands: Sequence[str], *, client: Client | None = None) -> Raster:
    """One request: the bands on the grid, float32 (a lone `label` uint8), masked pixels not valid and 0."""
    with closing(stream(image, [geobox], bands, client=client)) as rasters:
        return next(rasters)[1]


def stream(
    image: ee.Image,
    geoboxes: Sequence[GeoBox],
    bands: Sequence[str],
    *,
    client: Client | None = None,
    months: float = 1.0,
) -> Generator[tuple[int, Raster], None, None]:
    """Number and raster of each grid as they arrive, as many requests at a time as the client allows.

    months: of the composite, for what it costs. ValueError for requests beyond the limits, Fault with the server's
    words for what it will not compute.
    """
    channel_list = channels(bands)
    cells = [
        Cell(grid_index, f"grid {grid_index}", image, geobox, channel_list, months)
        for grid_index, geobox in enumerate(geoboxes)
    ]
    for cell in cells:
        check_request(cell.geobox, channel_list)
    # Closed by hand: a reader that stops early must not leave requests running.
    with closing((client or Client())(cells)) as answers:
        for cell, pixels in answers:
            yield cell.index, raster(pixels, cell.geobox, channel_list)


def _parts(length: int, most: int) -> list[tuple[int, int]]:
    """Start and length of the fewest nearly equal parts of at most `most`."""
    # Nearly equal parts: a thin rest would cost a whole request for a strip of pixels.
    size = math.ceil(length / math.ceil(length / most))
    return [(start, min(size, length - start)) for start in range(0, length, size)]
