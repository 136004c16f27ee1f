"""Texture of neighbourhoods: entropy, co-occurrence of gray levels, neighbourhoods as arrays (guides/image_texture)."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.focal import BandPixels, band_by_band
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image
from local_ee.raster import cooccurrence
from local_ee.raster.kernel import Kernel, Weights, check_side
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import both, opaque

_STRIP_BYTES = 128 << 20
_OFFSETS = ((-1, -1), (-1, 0), (-1, 1), (0, -1))  # (row, column): those of the default kernel, in its order


def _check_whole(image: Image) -> None:
    for band in image.bands:
        if not band.type.is_integer or band.type.dtype.itemsize > 4:
            raise EngineError("Only 32-bit or smaller integer types are currently supported.")


@algorithm("Image.entropy")
def entropy(image: Image, kernel: Kernel) -> Image:
    """-sum(p log2 p) of the shares p of the values under the kernel's cells that are not 0.

    Masked neighbours are left out. Assumption: a pixel keeps its mask.
    """
    _check_whole(image)
    bands = [band.typed(DOUBLE) for band in image.bands]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        weights = kernel.weights(geobox)
        margin = Margin.of(weights)
        return [(_entropies(values, opaque(mask), weights), margin.moved(mask, 0, 0))]

    return band_by_band(image, bands, lambda geobox: Margin.of(kernel.weights(geobox)), compute)


def _entropies(values: np.ndarray, valid: np.ndarray, weights: Weights) -> np.ndarray:
    """By strips of rows, so that the samples of all pixels are never held at once."""
    rows = values.shape[0] - weights.values.shape[0] + 1
    cells = np.argwhere(weights.values != 0)
    strip = max(1, _STRIP_BYTES // (max(len(cells), 1) * values.shape[1] * 16))
    height = weights.values.shape[0] - 1
    parts = []
    for top in range(0, rows, strip):
        budget.check()
        cut = slice(top, min(top + strip, rows) + height)
        parts.append(_strip_entropy(values[cut], valid[cut], cells, weights))
    return np.concatenate(parts)


def _strip_entropy(values: np.ndarray, valid: np.ndarray, cells: np.ndarray, weights: Weights) -> np.ndarray:
    """From sorted samples: H = (n log2 n - sum of c log2 c over values) / n for n samples, c of a value."""
    # The samples of each pixel are sorted, invalid ones last, so that equal values follow one another.
    # Where a run of c equal ones ends, c log2 c is added: one pass over the layers does it for all pixels.
    # The order of the additions is that of the values, and so the same in every window.
    margin = Margin.of(weights)
    shape = margin.moved(values, 0, 0).shape
    samples = np.empty((len(cells), *shape))
    for layer, (row, col) in zip(samples, cells - (weights.row, weights.col), strict=True):
        layer[...] = np.where(margin.moved(valid, row, col), margin.moved(values, row, col), np.inf)
    samples.sort(axis=0)
    addends = _times_log(np.arange(len(cells) + 1))
    run, total, count = np.zeros(shape, int), np.zeros(shape), np.zeros(shape, int)
    for i, layer in enumerate(samples):
        inside = np.isfinite(layer)
        goes_on = inside & (layer == samples[i - 1]) if i else np.zeros(shape, bool)
        total += np.where(goes_on, 0, addends[run])
        run = np.where(inside, np.where(goes_on, run + 1, 1), 0)
        count += inside
    total += addends[run]
    return np.maximum(addends[count] - total, 0) / np.maximum(count, 1)


def _times_log(counts: np.ndarray) -> np.ndarray:
    return counts * np.log2(np.maximum(counts, 1))


@algorithm("Image.glcmTexture")
def glcm_texture(image: Image, size: int, kernel: Kernel | None, average: bool) -> Image:
    """18 metrics of the co-occurrence of gray levels in the square of 2 size + 1 pixels, of each band: band_asm ...

    Averaged over the directions of the kernel, or one set for each of them: band_asm_x_y. Assumptions (not
    documented): pairs lie in the square and count both ways; entropies take natural logarithms; the sum variance is
    that around the sum average; maxcorr, which Google does not compute, is 0; a pixel keeps its mask, but is masked
    too where a direction has no pair of valid pixels.
    """
    _check_whole(image)
    if size < 1:
        raise EngineError(f"The size must be at least 1, got {size}.")
    check_side(2 * size + 1)
    offsets = _OFFSETS if kernel is None else _directions(kernel)
    margin = Margin.all_round(size)
    bands = [band for source in image.bands for band in _metric_bands(source, offsets, average)]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        own = margin.moved(mask, 0, 0)
        sets = [cooccurrence.metrics(values, opaque(mask), size, offset) for offset in offsets]
        if not average:
            return [(layer, both(own, has_pairs)) for layers, has_pairs in sets for layer in layers]
        has_pairs = np.logical_and.reduce([has_pairs for _, has_pairs in sets])
        total = np.sum([layers for layers, _ in sets], axis=0)
        return [(layer, both(own, has_pairs)) for layer in total / len(sets)]

    return band_by_band(image, bands, lambda geobox: margin, compute)


def _metric_bands(source: Band, offsets: tuple[tuple[int, int], ...], average: bool) -> list[Band]:
    ends = [""] if average else [f"_{col}_{row}" for row, col in offsets]
    return [source.renamed(f"{source.name}_{name}{end}").typed(DOUBLE) for end in ends for name in cooccurrence.METRICS]


def _directions(kernel: Kernel) -> tuple[tuple[int, int], ...]:
    """The offsets of the kernel's cells, each direction and distance once."""
    if kernel.in_metres:
        raise EngineError("The local engine takes kernels in pixels, not in meters.")
    weights = kernel.draw(1.0)
    directions: list[tuple[int, int]] = []
    for row, col in np.argwhere(weights.values != 0) - (weights.row, weights.col):
        offset = int(row), int(col)
        if offset != (0, 0) and (-offset[0], -offset[1]) not in directions:
            directions.append(offset)
    if not directions:
        raise EngineError("The kernel has no cell but the pixel itself.")
    return tuple(directions)


@algorithm("Image.neighborhoodToArray")
def neighborhood_to_array(image: Image, kernel: Kernel, defaultValue: float) -> Image:
    """The pixels under the kernel's box as an array of each pixel, rows by columns; masked ones are the default."""
    if not (kernel.draw(1.0).values != 0).all():
        raise EngineError("Only fixed, square and rectangle kernels are supported.")
    bands = [band.typed(band.type.of_dimensions(2)) for band in image.bands]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        weights = kernel.weights(geobox)
        filled = np.where(opaque(mask), values, _clamped(defaultValue, values.dtype)).astype(values.dtype)
        windows = sliding_window_view(filled, weights.values.shape)
        budget.allocate(windows.size * values.dtype.itemsize)
        arrays = np.empty(windows.shape[:2], object)
        for index in np.ndindex(arrays.shape):
            arrays[index] = windows[index].copy()
        return [(arrays, Margin.of(weights).moved(mask, 0, 0))]

    return band_by_band(image, bands, lambda geobox: Margin.of(kernel.weights(geobox)), compute)


def _clamped(value: float, dtype: np.dtype) -> float:
    """The default within the band's range; whole types cut its fraction off."""
    if dtype.kind == "f":
        return value
    bounds = np.iinfo(dtype)
    return min(max(int(value), bounds.min), bounds.max)
