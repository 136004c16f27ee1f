"""Series of pixels: the values of a collection's images at one place, in the order of their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.stacks import union_footprint
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixels import Pixels, opaque

LARGEST = 1e100  # larger numbers are masked: their squares have no number
YEAR_MS = 365.25 * 86_400_000

# From a pixel's series [band, observation] and the positions of its images (and a further image's pixel) to the values
# of all bands of the result; None: masked.
PixelFunction = Callable[..., Sequence[Any] | None]


def images_in_time(collection: Any) -> tuple[list[Image], np.ndarray]:
    """The images in the order of their times, and these in milliseconds; EngineError where they are no series."""
    images = list(collection.images)
    if not images:
        raise EngineError("The collection is empty: check its filters.")
    if not all(image.band_names == images[0].band_names and image.bands for image in images):
        raise EngineError("The images of the collection must have the same bands.")
    times = [image.properties.get("system:time_start") for image in images]
    if not all(isinstance(time, int | float) and np.isfinite(time) for time in times):
        raise EngineError("An image of the collection has no system:time_start in milliseconds.")
    order = np.argsort(np.array(times, float), kind="stable")
    return [images[i] for i in order], np.array(times, float)[order]


def per_pixel(
    images: Sequence[Image], bands: Sequence[Band], function: PixelFunction, beside: Image | None = None
) -> Image:
    """An image of a function of each pixel's series, of the images at which all its bands are valid."""
    names = images[0].band_names

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        table, valid = _read(images, names, geobox)
        inside, further = valid.any(axis=2), None
        if beside is not None:
            own = beside.read_at(geobox, (0,))
            inside, further = inside & opaque(own.masks[0]), own.values[0]
        outputs = [np.zeros(inside.shape, bands[i].type.dtype) for i in positions]
        shown = np.zeros(inside.shape, bool)
        for row, col in zip(*np.nonzero(inside), strict=True):
            budget.check()
            present = np.flatnonzero(valid[row, col])
            arguments = () if further is None else (further[row, col],)
            results = function(np.ascontiguousarray(table[row, col][:, present]), present, *arguments)
            if results is not None:
                shown[row, col] = True
                for output, i in zip(outputs, positions, strict=True):
                    output[row, col] = results[i]
        return Pixels(tuple(outputs), (shown,) * len(positions))

    parents = [*images, *([] if beside is None else [beside])]
    return derived(parents, bands, reading, footprint_of=union_footprint(list(images)))


def _read(images: Sequence[Image], names: Sequence[str], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Values [row, column, band, image], and at which images a pixel is valid [row, column, image]."""
    height, width = geobox.shape
    budget.allocate(height * width * len(images) * (len(names) * 8 + 1))
    table = np.zeros((height, width, len(names), len(images)))
    valid = np.ones((height, width, len(images)), bool)
    for i, image in enumerate(images):
        pixels = image.read(geobox, names)
        for b, (values, mask) in enumerate(zip(pixels.values, pixels.masks, strict=True)):
            table[:, :, b, i] = values
            valid[:, :, i] &= opaque(mask) & (np.abs(values) < LARGEST)
    return table, valid


def first_at_each_time(times: np.ndarray) -> np.ndarray:
    """Which of times in order come first of their kind."""
    return np.diff(times, prepend=-np.inf) > 0
