"""What a patch is made of: each layer has its own bands, its own pixels a lattice pixel, and its way into blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.manifest import NODATA, Band, StoredLayer
from isamap.gee_export.export import blocks
from isamap.gee_export.export.blocks import Observed
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.labelling.label_request import LabelRequest, OpenLabels
from isamap.gee_export.requests import pixels as requests
from isamap.gee_export.requests.pixels import SIDE_LIMIT_PX, Channel, largest_side
from isamap.gee_export.sentinel.composite import COUNT_OF

SHARES = StoredLayer((Band("share", "percent", 1.0, nodata=UNKNOWN),), "uint8")
# Clear observations per pixel, beside the bands: of which sensor.
COUNTS = {name: sensor for sensor, name in COUNT_OF.items()}

# From the server's structured array on a grid to what is stored of it: arrays (bands, rows, columns) by name, and the
# observations that it counts. The third argument says which pixels are wanted (None: all).
Settle = Callable[[np.ndarray, GeoBox, np.ndarray | None, OpenPart], tuple[Mapping[str, np.ndarray], Observed]]


@dataclass(frozen=True)
class Layer:
    """A layer's requests and what is stored of them.

    name: of its image in a part's Opened; channels: what is asked of the server, none where every pixel lies on this
    machine; ratio: its pixels along a lattice pixel's side; stored_bytes: of one of its pixels in patches; stored: the
    further layers (manifest.LAYERS) that it fills; most_px: side of a request that its computing allows.
    """

    name: str
    channels: tuple[Channel, ...]
    settle: Settle
    stored_bytes: int
    ratio: int = 1
    stored: Mapping[str, StoredLayer] = field(default_factory=dict)
    most_px: int = SIDE_LIMIT_PX

    # By hand: `stored` is a mapping, which has no hash, and name, channels and ratio tell layers apart.
    def __hash__(self) -> int:
        return hash((self.name, self.channels, self.ratio))

    @property
    def largest_side_px(self) -> int:
        """The largest side of a request, in pixels."""
        return min(largest_side_px(self.channels, self.stored_bytes), self.most_px)


def largest_side_px(channels: Sequence[Channel], stored_bytes: int) -> int:
    """Side of a request that the server accepts and whose stored pixels take no more memory than that."""
    server_side_px = largest_side(channels) if channels else SIDE_LIMIT_PX
    return min(server_side_px, math.isqrt(requests.REQUEST_LIMIT_BYTES // stored_bytes))


def composite_layer(
    bands: Sequence[str],
    label_request: LabelRequest,
    sensors: Sequence[str] = ("sentinel2", "sentinel1"),
    series_px: int | None = None,
) -> Layer:
    """The sensors' bands, the label, and the observation counts: all in one request, so never misaligned.

    series_px: side of requests for statistics of a year, of which a pixel may have more than 255 observations.
    """
    counts = tuple(name for name, sensor in COUNTS.items() if sensor in sensors)
    channels = [Channel(name) for name in bands]
    # 0 stands for masked here: no observation and no scene are the same number.
    channels += [Channel(name, "uint16" if series_px else "uint8", 0) for name in counts]
    size = 2 * len(bands) + bool(label_request.sources) + label_request.share
    stored = {"shares": SHARES} if label_request.share else {}
    settle = partial(_settle, tuple(bands), counts)
    requested, most_px = (*channels, *label_request.channels), min(series_px or SIDE_LIMIT_PX, label_request.most_px)
    return Layer("image", requested, settle, size, stored=stored, most_px=most_px)


def quantised(pixels: np.ndarray, bands: Sequence[str], inside: np.ndarray | None) -> np.ndarray:
    """int16 (bands, rows, columns), rounded half to even; missing pixels and those outside are NODATA."""
    image = np.empty((len(bands), *pixels.shape), np.int16)
    for band_index, band in enumerate(bands):
        rounded = np.rint(pixels[band])
        # The fill lies far below and NaN loses against every number, so both become the no-data value.
        np.fmax(rounded, NODATA, out=rounded)
        image[band_index] = np.fmin(rounded, 32767, out=rounded)
    if inside is not None:
        image[:, ~inside] = NODATA
    return image


def fused(
    pixels: np.ndarray, geobox: GeoBox, inside: np.ndarray | None, label_request: OpenLabels | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Label and share, uint8 (1, rows, columns), unknown outside; None where they are not asked for."""
    if label_request is None or not label_request.opened:
        return None, None
    label, share = label_request.fuse(
        {channel.name: pixels[channel.name] for channel in label_request.channels}, geobox
    )
    return _within(label, inside)[None], None if share is None else _within(share, inside)[None]


def _within(values: np.ndarray, inside: np.ndarray | None) -> np.ndarray:
    return values if inside is None else np.where(inside, values, np.uint8(UNKNOWN))


def _settle(
    bands: Sequence[str],
    counts: Sequence[str],
    pixels: np.ndarray,
    geobox: GeoBox,
    inside: np.ndarray | None,
    opened: OpenPart,
) -> tuple[dict[str, np.ndarray], Observed]:
    label, share = fused(pixels, geobox, inside, opened.label_request)
    layer_arrays = {"image": quantised(pixels, bands, inside), "label": label, "shares": share}
    arrays = {name: array for name, array in layer_arrays.items() if array is not None}
    return arrays, {name: blocks.observed(pixels[name], inside) for name in counts}
