"""Images computed band by band from the pixels around each pixel."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.margin import Margin
from local_ee.raster.pixels import Pixels

BandPixels = tuple[np.ndarray, np.ndarray]  # values and mask
# From a band's pixels with the margin, and the window without it, to the outputs of the band in the window.
Compute = Callable[[np.ndarray, np.ndarray, GeoBox], Sequence[BandPixels]]


def band_by_band(image: Image, bands: Sequence[Band], margin: Callable[[GeoBox], Margin], compute: Compute) -> Image:
    """The image of a function of each band's neighbourhoods; every input band gives equally many of `bands` in order.

    What the function gives at a pixel must depend on the pixels within the margin alone.
    """
    outputs = max(len(bands) // max(len(image.bands), 1), 1)

    def around(geobox: GeoBox) -> GeoBox:
        return margin(geobox).around(geobox)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        inputs = tuple(dict.fromkeys(i // outputs for i in positions))
        pixels = image.read_at(around(geobox), inputs)
        results = {
            i: compute(values, mask, geobox)
            for i, values, mask in zip(inputs, pixels.values, pixels.masks, strict=True)
        }
        pairs = [results[i // outputs][i % outputs] for i in positions]
        values = (each.astype(bands[i].type.dtype, copy=False) for i, (each, _) in zip(positions, pairs, strict=True))
        return Pixels(tuple(values), tuple(mask for _, mask in pairs))

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{i // outputs for i in positions}]

    return recomputed(image, bands, reading, needs=needs, around=around)
