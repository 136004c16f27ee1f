"""Distances of spectra, pixel by pixel (Image.spectralDistance)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, both

_DISTANCE = "distance"
Distance = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of spectra [band, row, column]


def _angle(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The angle between two spectra in radians; 0 where one is nothing."""
    lengths = np.sqrt((left * left).sum(axis=0) * (right * right).sum(axis=0))
    cosine = np.divide((left * right).sum(axis=0), lengths, out=np.ones_like(lengths), where=lengths > 0)
    return np.arccos(np.clip(cosine, -1, 1))


def _divergence(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """C.-I. Chang's spectral information divergence: both relative entropies of the shares of the bands."""
    first, second = _shares(left), _shares(right)
    usable = (first > 0) & (second > 0)
    ratio = np.divide(first, second, out=np.ones_like(first), where=usable)
    return ((first - second) * np.log(ratio)).sum(axis=0)


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return ((left - right) ** 2).sum(axis=0)


def _moved(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The earth mover's distance of the shares of the bands, a band from the next one being 1."""
    return np.abs(np.cumsum(_shares(left) - _shares(right), axis=0)).sum(axis=0)


def _shares(spectra: np.ndarray) -> np.ndarray:
    total = spectra.sum(axis=0)
    return np.divide(spectra, total, out=np.zeros_like(spectra), where=total != 0)


_METRICS: dict[str, Distance] = {"sam": _angle, "sid": _divergence, "sed": _squared, "emd": _moved}


def _metric(name: str) -> Distance:
    if name not in _METRICS:
        raise EngineError(f"Unknown metric '{name}'. Use one of: {', '.join(_METRICS)}.")
    return _METRICS[name]


def _read(image: Image, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Spectra [band, row, column], and where all bands are valid."""
    pixels = image.read_at(geobox, image.everything)
    mask = pixels.masks[0]
    for band_mask in pixels.masks[1:]:
        mask = both(mask, band_mask)
    return np.stack([np.asarray(values, float) for values in pixels.values]), mask


@algorithm("Image.spectralDistance")
def spectral_distance(image1: Image, image2: Image, metric: str) -> Image:
    """Band distance: how far the spectra of two images are from each other, pixel by pixel.

    Assumption (not documented): sid and emd compare the bands' shares of the sum.
    """
    measure = _metric(metric)
    if not image1.bands or len(image1.bands) != len(image2.bands):
        raise EngineError(
            f"Images must have the same number of bands, got {len(image1.bands)} and {len(image2.bands)}."
        )
    model = image1.bands[0]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        (left, mask), (right, right_mask) = _read(image1, geobox), _read(image2, geobox)
        return Pixels((measure(left, right),) * len(positions), (both(mask, right_mask),) * len(positions))

    return derived([image1, image2], [Band(_DISTANCE, DOUBLE, model.projection, model.dimensions)], reading)
