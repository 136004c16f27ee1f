"""Pixels of Earth Engine images: requests planned within the server's limits, repeated, split, many at a time."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export import throttle, transport
from gee_export.console import Fault
from gee_export.grid import Raster, Window, crop
from gee_export.retry import Answer, Patience, classify, persist
from gee_export.throttle import DEFAULT_WORKERS, Throttle
from gee_export.transport import Transport

if TYPE_CHECKING:
    import ee

REQUEST_LIMIT_BYTES = 48 << 20  # https://developers.google.com/earth-engine/guides/usage
SIDE_LIMIT_PX = 32_768
SPLIT_FLOOR_PX = 64  # a request this small that is still too much will never fit
FILL = -(2.0**100)  # no reflectance, power, decibel or elevation; exact in float32 and float64


@dataclass(frozen=True)
class Channel:
    """A band of a request: its pixel type and the value that stands for masked pixels, outside the band's range."""

    name: str
    dtype: str = "float32"
    fill: float = FILL

    @property
    def bytes(self) -> int:
        """Of one pixel as the server counts it: one mask byte on top (google/Xee issue 209)."""
        return np.dtype(self.dtype).itemsize + 1


def channels(bands: Sequence[str]) -> tuple[Channel, ...]:
    """Float bands, except `label`, whose classes are bytes with 255 for unknown."""
    return tuple(Channel(name, "uint8", 255) if name == "label" else Channel(name) for name in bands)


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


@dataclass
class Fetcher:
    """Fetches grids of images: keeps trying, slows down when told, cuts what is too much and remembers that size."""

    throttle: Throttle = field(default_factory=lambda: Throttle(DEFAULT_WORKERS))
    patience: Patience = field(default_factory=Patience)
    transport: Transport = transport.compute_pixels
    requests: int = 0  # sent so far, repeated ones too
    side_px: int = SIDE_LIMIT_PX  # the largest side that the server has not refused
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def read(self, image: ee.Image, geobox: GeoBox, bands: Sequence[Channel]) -> np.ndarray:
        """The bands on the grid as a structured array (rows, columns), masked pixels holding each channel's fill.

        ValueError for requests beyond the limits, Fault with the server's words for what it will not compute.
        """
        check_request(geobox, bands)
        return self._read(unmasked(image, bands), geobox)

    def _read(self, image: ee.Image, geobox: GeoBox) -> np.ndarray:
        if max(geobox.shape) > self.side_px:
            return self._read_quarters(image, geobox)
        try:
            return self._ask(image, geobox)
        except Fault:
            raise
        except Exception as error:
            if classify(error) is Answer.SMALLER and max(geobox.shape) >= 2 * SPLIT_FLOOR_PX:
                with self._lock:
                    self.side_px = min(self.side_px, math.ceil(max(geobox.shape) / 2))
                return self._read_quarters(image, geobox)
            raise _as_fault(error, geobox) from error

    def _ask(self, image: ee.Image, geobox: GeoBox) -> np.ndarray:
        def attempt() -> np.ndarray:
            with self.throttle.slot() as cuts:
                with self._lock:
                    self.requests += 1
                try:
                    pixels = self.transport(image, geobox)
                except Exception as error:
                    if classify(error) is Answer.SLOWER:
                        self.throttle.slower(cuts)
                    raise
            self.throttle.faster()
            return pixels

        pixels = persist(attempt, self.patience)
        if pixels.shape != tuple(geobox.shape):
            raise Fault(f"Earth Engine sent {pixels.shape} pixels where {tuple(geobox.shape)} were asked")
        return pixels

    def _read_quarters(self, image: ee.Image, geobox: GeoBox) -> np.ndarray:
        height, width = geobox.shape
        half = math.ceil(max(height, width) / 2)
        whole: np.ndarray | None = None
        for row, tall in _parts(height, half):
            for col, wide in _parts(width, half):
                part = self._read(image, crop(geobox, Window(row, col, tall, wide)))
                whole = np.empty((height, width), part.dtype) if whole is None else whole
                whole[row : row + tall, col : col + wide] = part
        return whole


def unmasked(image: ee.Image, bands: Sequence[Channel]) -> ee.Image:
    """The bands in order, with their pixel types, masked pixels replaced by their fills.

    NPY has no mask and masked pixels would arrive as 0, which is a class and a possible value
    (user-wishes.md row 13). The second argument of unmask is False because by default pixels beyond the image's
    footprint stay masked (apidocs ee-image-unmask).
    """
    parts = [_typed(image.select(band.name).unmask(band.fill, False), band.dtype) for band in bands]
    return parts[0].addBands(parts[1:]) if len(parts) > 1 else parts[0]


def raster(pixels: np.ndarray, geobox: GeoBox, bands: Sequence[Channel]) -> Raster:
    """A structured array of `read` as values (bands, rows, columns) with what is valid: neither fill nor NaN."""
    values = np.stack([pixels[band.name] for band in bands])
    fills = np.array([band.fill for band in bands], values.dtype)[:, None, None]
    valid = (values != fills) & np.isfinite(values)
    return Raster(geobox, tuple(band.name for band in bands), np.where(valid, values, 0), valid)


def fetch(image: ee.Image, geobox: GeoBox, bands: Sequence[str], *, fetcher: Fetcher | None = None) -> Raster:
    """One request: the bands on the grid, float32 (a lone `label` uint8), masked pixels not valid and 0."""
    wanted = channels(bands)
    with transport.single_attempts():
        return raster((fetcher or Fetcher()).read(image, geobox, wanted), geobox, wanted)


def stream(
    image: ee.Image,
    geoboxes: Sequence[GeoBox],
    bands: Sequence[str],
    *,
    workers: int = DEFAULT_WORKERS,
    fetcher: Fetcher | None = None,
) -> Iterator[tuple[int, Raster]]:
    """Number and raster of each grid as they arrive, `workers` requests at a time, a bounded number in memory."""
    wanted, source = channels(bands), fetcher or Fetcher(Throttle(workers))

    def work(number: int) -> Raster:
        return raster(source.read(image, geoboxes[number], wanted), geoboxes[number], wanted)

    with transport.single_attempts():
        yield from throttle.stream(range(len(geoboxes)), work, workers)


def _typed(image: ee.Image, dtype: str) -> ee.Image:
    casts = {"float32": "toFloat", "float64": "toDouble", "uint8": "toUint8", "int16": "toInt16", "uint16": "toUint16"}
    if dtype not in casts:
        raise ValueError(f"pixel type {dtype!r}: expected one of {', '.join(casts)}")
    return getattr(image, casts[dtype])()


def _parts(length: int, most: int) -> list[tuple[int, int]]:
    """Start and length of the fewest nearly equal parts of at most `most`."""
    size = math.ceil(length / math.ceil(length / most))
    return [(start, min(size, length - start)) for start in range(0, length, size)]


def _as_fault(error: Exception, geobox: GeoBox) -> Exception:
    import ee

    if not isinstance(error, ee.EEException):
        return error
    return Fault(f"Earth Engine will not compute {geobox.shape[1]} x {geobox.shape[0]} pixels: {error}")
