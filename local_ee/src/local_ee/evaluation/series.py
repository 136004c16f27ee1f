"""Series of pixels: the values of a collection's images at one place, in the order of their times."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget, parallel
from local_ee.errors import EngineError
from local_ee.evaluation.stacks import union_footprint
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixels import Pixels, opaque

LARGEST = 1e100  # larger numbers are masked: their squares have no number
YEAR_MS = 365.25 * 86_400_000

# From a pixel's series [band, observation] and the positions of its images (and a further image's pixel) to the values
# of all bands of the result; None, or None for a band: masked.
PixelFunction = Callable[..., Sequence[Any] | None]


@dataclass(frozen=True)
class TimeUnit:
    """A way to count time: so many units a year, and its number at 1970-01-01."""

    per_year: float
    epoch: float

    def of(self, years: np.ndarray) -> np.ndarray:
        """Times of years since 1970."""
        return self.epoch + years * self.per_year


TIME_UNITS = (TimeUnit(365.25, 719_529.0), TimeUnit(1.0, 1970.0), TimeUnit(YEAR_MS, 0.0))  # by dateFormat


def images_alike(images: Sequence[Image]) -> list[Image]:
    """The images; EngineError where there is none, or where they have not the same bands of numbers."""
    images = list(images)
    if not images:
        raise EngineError("The collection is empty: check its filters.")
    if not all(image.band_names == images[0].band_names and image.bands for image in images):
        raise EngineError("The images of the collection must have the same bands.")
    arrays = [band.name for band in images[0].bands if band.type.dimensions]
    if arrays:
        raise EngineError(f"The pixels of band '{arrays[0]}' are arrays: a series takes numbers. Use arrayGet.")
    return images


def images_in_time(collection: Any) -> tuple[list[Image], np.ndarray]:
    """The images in the order of their times, and these in milliseconds; EngineError where they are no series."""
    images = images_alike(collection.images)
    times = [image.properties.get("system:time_start") for image in images]
    if not all(isinstance(time, int | float) and np.isfinite(time) for time in times):
        raise EngineError("An image of the collection has no system:time_start in milliseconds.")
    order = np.argsort(np.array(times, float), kind="stable")
    return [images[i] for i in order], np.array(times, float)[order]


def per_pixel(
    images: Sequence[Image],
    bands: Sequence[Band],
    function: PixelFunction,
    beside: Image | None = None,
) -> Image:
    """An image of a function of each pixel's series, at the images where all its bands are valid; else masked."""
    names = images[0].band_names

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        table, valid = _read(images, names, geobox)
        inside, further = np.asarray(valid.any(axis=(2, 3))), None
        if beside is not None:
            own = beside.read_at(geobox, (0,))
            inside, further = inside & opaque(own.masks[0]), own.values[0]
        outputs = [np.zeros(inside.shape, bands[i].type.dtype) for i in positions]
        shown = [np.zeros(inside.shape, bool) for _ in positions]

        def compute(row: int) -> None:
            for col in np.flatnonzero(inside[row]):
                budget.check()
                present = np.flatnonzero(valid[row, col].all(axis=0))
                if not len(present):
                    continue
                beside_it = () if further is None else (further[row, col],)
                results = function(np.ascontiguousarray(table[row, col][:, present]), present, *beside_it)
                for output, mask, i in zip(outputs, shown, positions, strict=True):
                    if results is not None and results[i] is not None:
                        output[row, col], mask[row, col] = results[i], True

        parallel.each(compute, range(len(inside)))
        return Pixels(tuple(outputs), tuple(shown))

    parents = [*images, *([] if beside is None else [beside])]
    return derived(parents, bands, reading, footprint_of=union_footprint(list(images)))


def _read(images: Sequence[Image], names: Sequence[str], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Values, and where they are valid [row, column, band, image]."""
    height, width = geobox.shape
    budget.allocate(height * width * len(images) * len(names) * 9)
    table = np.zeros((height, width, len(names), len(images)))
    valid = np.zeros(table.shape, bool)
    for i, image in enumerate(images):
        pixels = image.read(geobox, names)
        for b, (values, mask) in enumerate(zip(pixels.values, pixels.masks, strict=True)):
            table[:, :, b, i] = values
            valid[:, :, b, i] = opaque(mask) & (np.abs(values) < LARGEST)
    return table, valid


def first_at_each_time(times: np.ndarray) -> np.ndarray:
    """Which of times in order come first of their kind."""
    return np.diff(times, prepend=-np.inf) > 0


def date(millis: float) -> datetime:
    """A time as a date of UTC; EngineError where it is none."""
    try:
        return datetime.fromtimestamp(millis / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise EngineError(f"system:time_start {millis:g} of an image is no date.") from error


def images_by_year(collection: Any) -> tuple[list[Image], np.ndarray]:
    """The images in the order of their years, and the years; EngineError where two are of one year."""
    images, times = images_in_time(collection)
    years = np.array([float(date(time).year) for time in times])
    twice = years[1:][np.diff(years) == 0]
    if len(twice):
        raise EngineError(f"Two images are of {twice[0]:.0f}: the algorithm takes one image a year.")
    return images, years
