"""Image.randomVisualizer: a colour for every value."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels

_NAMES = ("viz-red", "viz-green", "viz-blue")


@algorithm("Image.randomVisualizer")
def random_visualizer(image: Image) -> Image:
    """Bands of red, green and blue, 0 to 255, by the value of the first band alone; then all bands of the image.

    Assumption: the bands' names, and that the colours are not those of Google's servers.
    """
    if not image.bands:
        raise EngineError("Image has no bands.")
    first = image.bands[0]
    colours = [Band(name, NAMED["uint8"], first.projection, first.dimensions) for name in _NAMES]
    bands = [*colours, *image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        inputs = tuple(dict.fromkeys(max(i - len(_NAMES), 0) for i in positions))
        pixels = image.read_at(geobox, inputs)
        at = {i: k for k, i in enumerate(inputs)}
        pairs = []
        for i in positions:
            k = at[max(i - len(_NAMES), 0)]
            values = pixels.values[k] if i >= len(_NAMES) else _colour(np.asarray(pixels.values[k]), i)
            pairs.append((values, pixels.masks[k]))
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return recomputed(image, bands, reading, needs=lambda positions: [{max(i - len(_NAMES), 0) for i in positions}])


def _colour(values: np.ndarray, channel: int) -> np.ndarray:
    """Eight bits of a mix of the value's bits (Steele's SplitMix64), other ones for each channel."""
    bits = np.ascontiguousarray(values, np.float64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        bits = (bits ^ (bits >> np.uint64(shift))) * np.uint64(factor)
    return (bits >> np.uint64(8 * channel + 40)).astype(np.uint8)
