"""Distances of spectra, and morphology by them (Image.spectralDistance, spectralDilation, ...).

A. Plaza et al., "Spatial/spectral endmember extraction by multidimensional morphological operations", IEEE Transactions
on Geoscience and Remote Sensing 40, 2002.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived, recomputed
from local_ee.raster.kernel import Kernel, fixed
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, both, opaque

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
    for other in pixels.masks[1:]:
        mask = both(mask, other)
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
        (left, mask), (right, other) = _read(image1, geobox), _read(image2, geobox)
        return Pixels((measure(left, right),) * len(positions), (both(mask, other),) * len(positions))

    return derived([image1, image2], [Band(_DISTANCE, DOUBLE, model.projection, model.dimensions)], reading)


@algorithm("Image.spectralDilation")
def spectral_dilation(image: Image, metric: str, kernel: Kernel | None, useCentroid: bool) -> Image:
    """Each pixel the spectrum under the kernel that is farthest from that of the pixel, or from the mean of all.

    Assumption: of equal distances the first counts; masked neighbours do not; a pixel keeps its mask.
    """
    return _chosen(image, _metric(metric), (kernel, useCentroid), np.greater)


@algorithm("Image.spectralErosion")
def spectral_erosion(image: Image, metric: str, kernel: Kernel | None, useCentroid: bool) -> Image:
    """Each pixel the spectrum under the kernel that is nearest to that of the pixel, or to the mean of all."""
    return _chosen(image, _metric(metric), (kernel, useCentroid), np.less)


@algorithm("Image.spectralGradient")
def spectral_gradient(image: Image, metric: str, kernel: Kernel | None, useCentroid: bool) -> Image:
    """Band distance: how far the spectral dilation of each pixel is from its erosion."""
    dilation = spectral_dilation(image, metric, kernel, useCentroid)
    return spectral_distance(dilation, spectral_erosion(image, metric, kernel, useCentroid), metric)


def _chosen(image: Image, measure: Distance, window: tuple[Kernel | None, bool], better: np.ufunc) -> Image:
    kernel, use_centroid = window
    kernel = kernel or fixed(np.ones((3, 3)), 1, 1)

    def around(geobox: GeoBox) -> GeoBox:
        return Margin.of(kernel.weights(geobox)).around(geobox)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        weights = kernel.weights(geobox)
        margin = Margin.of(weights)
        spectra, mask = _read(image, margin.around(geobox))
        steps = [(int(row), int(col)) for row, col in np.argwhere(weights.values != 0) - (weights.row, weights.col)]
        chosen = _best(spectra, opaque(mask), margin, steps, (measure, better, use_centroid))
        own = margin.moved(mask, 0, 0)
        values = (chosen[i].astype(image.bands[i].type.dtype) for i in positions)
        return Pixels(tuple(values), (own,) * len(positions))

    return recomputed(image, image.bands, reading, around=around)


def _best(
    spectra: np.ndarray,
    valid: np.ndarray,
    margin: Margin,
    steps: list[tuple[int, int]],
    rule: tuple[Distance, np.ufunc, bool],
) -> np.ndarray:
    """The spectra of the neighbours whose distance from the middle is best, the first of equals."""
    measure, better, use_centroid = rule

    def moved(step: tuple[int, int]) -> np.ndarray:
        return np.stack([margin.moved(band, *step) for band in spectra])

    middle = moved((0, 0))
    chosen = middle.copy()
    if use_centroid:
        shares = [margin.moved(valid, *step) for step in steps]
        total = sum(np.where(share, moved(step), 0) for step, share in zip(steps, shares, strict=True))
        middle = total / np.maximum(sum(share.astype(float) for share in shares), 1)
    best = np.full(middle.shape[1:], np.nan)
    for step in steps:
        budget.check()
        candidate = moved(step)
        away = measure(candidate, middle)
        wins = margin.moved(valid, *step) & (np.isnan(best) | better(away, best))
        best, chosen = np.where(wins, away, best), np.where(wins, candidate, chosen)
    return chosen
