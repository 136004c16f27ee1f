"""Neighbourhoods of pixels: reducers, focal filters and convolutions over kernels.

Neighbours are those of the output grid (guides/projections: inputs are computed in the output's projection and scale).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.algorithms import reducers
from local_ee.algorithms.kernels import SHAPES
from local_ee.errors import EngineError
from local_ee.evaluation.registry import add, algorithm
from local_ee.evaluation.values import Image, alike, recomputed
from local_ee.raster import accumulate
from local_ee.raster.kernel import Kernel, Weights, drawn
from local_ee.raster.neighborhood import window_moments, window_sums
from local_ee.raster.pixels import Pixels, as_weight, both, hidden, is_blank, opaque
from local_ee.raster.reducing import Reducer

_STRIP_BYTES = 128 << 20
MOST_ITERATIONS = 100  # of a focal filter here; Google documents no limit
_WEIGHTS = ("mask", "kernel", "min")
_FROM_SUMS = {
    "mean": lambda w, wx, wxx: accumulate.mean_of(w, wx),
    "sum": lambda w, wx, wxx: accumulate.sum_of(w, wx),
    "variance": accumulate.variance_of,
    "stdDev": accumulate.stddev_of,
}
_FROM_MOMENTS = {
    "mean": lambda mean, variance: mean,
    "variance": lambda mean, variance: variance,
    "stdDev": lambda mean, variance: np.sqrt(variance),
}

Band = tuple[np.ndarray, np.ndarray]


def padded(geobox: GeoBox, weights: Weights) -> GeoBox:
    """A window with the margins that a kernel needs, on the same lattice."""
    above, below, left, right = weights.margins
    height, width = geobox.shape
    affine = geobox.affine * Affine.translation(-left, -above)
    return GeoBox((height + above + below, width + left + right), affine, geobox.crs)


@algorithm("Image.reduceNeighborhood")
def reduce_neighborhood(
    image: Image, reducer: Reducer, kernel: Kernel, inputWeight: str, skipMasked: bool, optimization: str | None
) -> Image:
    """Each band reduced over the pixels under the kernel's non-zero cells; bands are named band_output.

    Masked neighbours are left out. The weight of a neighbour is the kernel's, its mask's, or the smaller of both;
    skipMasked masks the output where the pixel itself is masked. optimization changes nothing here.
    """
    if inputWeight not in _WEIGHTS:
        raise EngineError(f"Unknown input weight '{inputWeight}'. Use one of 'mask', 'kernel' or 'min'.")
    return over_neighbourhood(image, reducer, kernel, weight=inputWeight, skip_masked=skipMasked)


def over_neighbourhood(
    image: Image, reducer: Reducer, kernel: Kernel, *, weight: str, skip_masked: bool, keep_names: bool = False
) -> Image:
    reducer = reducer.for_pixels().over(1)
    outputs = len(reducer.outputs)
    bands = [
        band.renamed(band.name if keep_names else label).typed(output_type)
        for band in image.bands
        for label, output_type in zip(reducer.band_names(band.name), reducer.typed(band.type), strict=True)
    ]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        weights = kernel.weights(geobox)
        input_positions = tuple(dict.fromkeys(i // outputs for i in positions))
        pixels = image.read_at(padded(geobox, weights), input_positions)
        reductions = {
            i: _reduced((values, mask), reducer, weights, weight, skip_masked)
            for i, values, mask in zip(input_positions, pixels.values, pixels.masks, strict=True)
        }
        pairs = [reductions[i // outputs][i % outputs] for i in positions]
        values = (pair[0].astype(bands[i].type.dtype, copy=False) for i, pair in zip(positions, pairs, strict=True))
        return Pixels(tuple(values), tuple(mask for _, mask in pairs))

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{i // outputs for i in positions}]

    def around(geobox: GeoBox) -> GeoBox:
        return padded(geobox, kernel.weights(geobox))

    return recomputed(image, bands, reading, needs=needs, around=around)


def _reduced(band: Band, reducer: Reducer, weights: Weights, weight: str, skip_masked: bool) -> list[Band]:
    values, mask = band
    height, width = weights.values.shape
    shape = (values.shape[0] - height + 1, values.shape[1] - width + 1)
    if is_blank(mask):
        return [hidden(np.float64, shape) for _ in reducer.outputs]
    names = reducer.name.split("+")
    if all(name in _FROM_MOMENTS for name in names) and weight == "kernel" and weights.is_positive_box:
        squares = any(name != "mean" for name in names)
        moments = window_moments(values, opaque(mask), weights, squares=squares)
        results = [(_FROM_MOMENTS[name](*moments[:2]), moments[2]) for name in names]
    elif all(name in _FROM_SUMS for name in names) and _single(mask, weights, weight):
        share = opaque(mask) if weight == "kernel" else mask
        cells = weights if weight == "kernel" else Weights((weights.values != 0) * 1.0, weights.row, weights.col)
        sums = window_sums(values, share, cells, squares=any(name in ("variance", "stdDev") for name in names))
        results = [_FROM_SUMS[name](*sums) for name in names]
    else:
        results = _by_cells(values, mask, reducer, weights, weight)
    if not skip_masked:
        return results
    centre = opaque(mask)[weights.row : weights.row + shape[0], weights.col : weights.col + shape[1]]
    return [(result, both(valid, centre)) for result, valid in results]


def _single(mask: np.ndarray, weights: Weights, weight: str) -> bool:
    """True where one pass of sums tells all: the weight of a neighbour is the kernel's alone or the mask's alone."""
    return weight != "min" and bool((weights.values >= 0).all())


def _by_cells(values: np.ndarray, mask: np.ndarray, reducer: Reducer, weights: Weights, weight: str) -> list[Band]:
    """Any reducer: the shifted windows under the kernel's cells are its samples; by strips of rows."""
    cells = np.argwhere(weights.values != 0)
    height, width = weights.values.shape
    rows, cols = values.shape[0] - height + 1, values.shape[1] - width + 1
    strip = rows if reducer.streams else max(4, _STRIP_BYTES // (len(cells) * cols * 9))
    pieces = []
    for top in range(0, rows, strip):
        count = min(strip, rows - top)
        running = reducer.start()
        for row, col in cells:
            budget.check()
            window = slice(top + row, top + row + count), slice(col, col + cols)
            share = _share(mask[window], float(weights.values[row, col]), weight)
            running.add([(values[window][None], share[None])])
        pieces.append(running.result())
    outputs = range(len(pieces[0]))
    return [
        (np.concatenate([piece[k][0] for piece in pieces]), np.concatenate([piece[k][1] for piece in pieces]))
        for k in outputs
    ]


def _share(mask: np.ndarray, cell: float, weight: str) -> np.ndarray:
    if weight == "mask":
        return mask
    kernel = np.where(opaque(mask), np.float32(cell), np.float32(0))
    return kernel if weight == "kernel" else np.minimum(kernel, as_weight(mask))


@algorithm("Image.convolve")
def convolve(image: Image, kernel: Kernel) -> Image:
    """The sum of the kernel's weights times the pixels under them.

    Assumption (local_ee/docs/reference.md, "Undocumented"): a pixel with a masked one under a non-zero weight is
    masked.
    """
    bands = [band.typed(band.type.floating()) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        weights = kernel.weights(geobox)
        pixels = image.read_at(padded(geobox, weights), positions)
        pairs = [
            _convolved((values, mask), weights, bands[i].type.dtype)
            for i, values, mask in zip(positions, pixels.values, pixels.masks, strict=True)
        ]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    def around(geobox: GeoBox) -> GeoBox:
        return padded(geobox, kernel.weights(geobox))

    return recomputed(image, bands, reading, needs=alike, around=around)


def _convolved(band: Band, weights: Weights, dtype: np.dtype) -> Band:
    values, mask = band
    height, width = weights.values.shape
    shape = (values.shape[0] - height + 1, values.shape[1] - width + 1)
    if is_blank(mask):
        return hidden(dtype, shape)
    _, total, _ = window_sums(values, opaque(mask), weights, squares=False)
    cells = Weights((weights.values != 0) * 1.0, weights.row, weights.col)
    coverage, _, _ = window_sums(mask, opaque(mask), cells, squares=False)
    return total.astype(dtype, copy=False), coverage >= cells.values.sum() - 0.5


def _focal(make: Callable[[], Reducer]) -> Callable[..., Image]:
    def filtered(
        image: Image, radius: float, kernelType: str, units: str, iterations: int, kernel: Kernel | None
    ) -> Image:
        if iterations > MOST_ITERATIONS:
            raise EngineError(f"The number of iterations must be at most {MOST_ITERATIONS}, got {iterations}.")
        if kernel is None:
            if kernelType not in SHAPES:
                raise EngineError(f"Unknown kernel type '{kernelType}'. Use one of: {', '.join(SHAPES)}.")
            kernel = drawn(radius, units, False, 1.0, SHAPES[kernelType])
        for _ in range(iterations):
            image = over_neighbourhood(image, make(), kernel, weight="kernel", skip_masked=False, keep_names=True)
        return image

    return filtered


_FOCAL: dict[str, Callable[[], Reducer]] = {
    "Mean": reducers.mean,
    "Median": lambda: reducers.median(None, None, None),
    "Mode": lambda: reducers.mode(None, None, None),
    "Min": lambda: reducers.minimum(1),
    "Max": lambda: reducers.maximum(1),
}
for _name, _make in _FOCAL.items():
    add(f"Image.focal{_name}", _focal(_make))
    add(f"Image.focal_{_name.lower()}", _focal(_make))
