"""What a patch is made of: each layer has its own bands, its own pixels a lattice pixel, and its way into blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export import blocks
from gee_export.blocks import Observed
from gee_export.manifest import NODATA, UNKNOWN
from gee_export.opened import Opened
from gee_export.pixels import Channel

COUNTS = {"s2_count": "sentinel2", "s1_count": "sentinel1"}  # clear observations per pixel, beside the bands

# From the server's structured array on a grid to what is stored of it: arrays (bands, rows, columns) by name, and the
# observations that it counts. The third argument says which pixels are wanted (None: all).
Settle = Callable[[np.ndarray, GeoBox, np.ndarray | None, Opened], tuple[Mapping[str, np.ndarray], Observed]]


@dataclass(frozen=True)
class Layer:
    """name: of its image in a part's Opened; channels: its bands; ratio: its pixels along a lattice pixel's side."""

    name: str
    channels: tuple[Channel, ...]
    settle: Settle
    ratio: int = 1


def composite_layer(bands: Sequence[str], label: bool) -> Layer:
    """Sentinel's bands, the label, and the observation counts: all in one request, so never misaligned."""
    channels = [Channel(name) for name in bands]
    channels += [Channel("label", "uint8", UNKNOWN)] if label else []
    channels += [Channel(name, "uint8", 0) for name in COUNTS]
    return Layer("image", tuple(channels), partial(_settle, tuple(bands)))


def quantised(pixels: np.ndarray, bands: Sequence[str], inside: np.ndarray | None) -> np.ndarray:
    """int16 (bands, rows, columns), rounded half to even; missing pixels and those outside are NODATA."""
    image = np.empty((len(bands), *pixels.shape), np.int16)
    for number, band in enumerate(bands):
        rounded = np.rint(pixels[band])
        # The fill lies far below and NaN loses against every number, so both become the no-data value.
        np.fmax(rounded, NODATA, out=rounded)
        image[number] = np.fmin(rounded, 32767, out=rounded)
    if inside is not None:
        image[:, ~inside] = NODATA
    return image


def _settle(
    bands: Sequence[str], pixels: np.ndarray, geobox: GeoBox, inside: np.ndarray | None, opened: Opened
) -> tuple[dict[str, np.ndarray], Observed]:
    arrays = {"image": quantised(pixels, bands, inside)}
    if "label" in (pixels.dtype.names or ()):
        label = pixels["label"].copy()
        if inside is not None:
            label[~inside] = UNKNOWN
        arrays["label"] = label[None]
    return arrays, {name: blocks.observed(pixels[name], inside) for name in COUNTS}
