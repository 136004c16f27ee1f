"""What a patch is made of: each layer has its own bands, its own pixels a lattice pixel, and its way into blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export.base.scheme import UNKNOWN
from gee_export.datasets.manifest import NODATA, Band, StoredLayer
from gee_export.export import blocks
from gee_export.export.blocks import Observed
from gee_export.export.open_part import OpenPart
from gee_export.labelling.label_request import LabelRequest, OpenLabels
from gee_export.requests import pixels as requests
from gee_export.requests.pixels import SIDE_LIMIT_PX, Channel, largest_side

SHARES = StoredLayer((Band("share", "percent", 1.0, nodata=UNKNOWN),), "uint8")
# Clear observations per pixel, beside the bands: of which sensor.
COUNTS = {"s2_count": "sentinel2", "s1_count": "sentinel1", "embeddings_count": "embeddings"}

# From the server's structured array on a grid to what is stored of it: arrays (bands, rows, columns) by name, and the
# observations that it counts. The third argument says which pixels are wanted (None: all).
Settle = Callable[[np.ndarray, GeoBox, np.ndarray | None, OpenPart], tuple[Mapping[str, np.ndarray], Observed]]


@dataclass(frozen=True)
class Layer:
    """A layer's requests and what is stored of them.

    name: of its image in a part's Opened; channels: what is asked of the server, none where every pixel lies on this
    machine; ratio: its pixels along a lattice pixel's side; stored_bytes: of one of its pixels in patches; stored: the
    further layers (manifest.LAYERS) that it fills.
    """

    name: str
    channels: tuple[Channel, ...]
    settle: Settle
    stored_bytes: int
    ratio: int = 1
    stored: Mapping[str, StoredLayer] = field(default_factory=dict)

    def __hash__(self) -> int:
        return hash((self.name, self.channels, self.ratio))

    @property
    def largest_side_px(self) -> int:
        """The largest side of a request, in pixels."""
        return largest_side_px(self.channels, self.stored_bytes)


def largest_side_px(channels: Sequence[Channel], stored_bytes: int) -> int:
    """Side of a request that the server accepts and whose stored pixels take no more memory than that."""
    server_side_px = largest_side(channels) if channels else SIDE_LIMIT_PX
    return min(server_side_px, math.isqrt(requests.REQUEST_LIMIT_BYTES // stored_bytes))


def composite_layer(
    bands: Sequence[str], label_request: LabelRequest, sensors: Sequence[str] = ("sentinel2", "sentinel1")
) -> Layer:
    """The sensors' bands, the label, and the observation counts: all in one request, so never misaligned."""
    counts = tuple(name for name, sensor in COUNTS.items() if sensor in sensors)
    channels = [Channel(name) for name in bands]
    channels += [Channel(name, "uint8", 0) for name in counts]
    size = 2 * len(bands) + bool(label_request.sources) + label_request.share
    stored = {"shares": SHARES} if label_request.share else {}
    return Layer(
        "image", (*channels, *label_request.channels), partial(_settle, tuple(bands), counts), size, stored=stored
    )


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
