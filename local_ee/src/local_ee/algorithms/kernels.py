"""Kernels (Kernel.*). Assumption: a radius that is not whole reaches the pixels whose centres it covers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from local_ee.errors import EngineError
from local_ee.evaluation.registry import add, algorithm
from local_ee.raster import kernel as kernels
from local_ee.raster.kernel import Kernel, Weights, fixed, normalised

Weigh = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _diamond(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    return (np.abs(x) + np.abs(y) <= reach + 1e-9).astype(float)


def _octagon(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
    """A square without its corners, whose cut sides are about as long as the others."""
    cut = np.floor(reach) + np.round(np.floor(reach) * (np.sqrt(2) - 1))
    return (np.abs(x) + np.abs(y) <= cut + 1e-9).astype(float)


SHAPES: dict[str, Weigh] = {
    "square": lambda x, y, reach: np.ones_like(x),
    "circle": lambda x, y, reach: (np.hypot(x, y) <= reach + 1e-9).astype(float),
    "cross": lambda x, y, reach: (np.abs(x) == np.abs(y)).astype(float),
    "plus": lambda x, y, reach: ((x == 0) | (y == 0)).astype(float),
    "diamond": _diamond,
    "octagon": _octagon,
}
_DISTANCES: dict[str, Weigh] = {
    "euclidean": lambda x, y, reach: np.hypot(x, y),
    "manhattan": lambda x, y, reach: np.abs(x) + np.abs(y),
    "chebyshev": lambda x, y, reach: np.maximum(np.abs(x), np.abs(y)),
}
_EDGES: dict[str, list] = {
    "laplacian4": [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
    "laplacian8": [[1, 1, 1], [1, -8, 1], [1, 1, 1]],
    "sobel": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "prewitt": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
    "kirsch": [[5, -3, -3], [5, 0, -3], [5, -3, -3]],
    "compass": [[1, 1, -1], [1, -2, -1], [1, 1, -1]],
}
_ROBERTS = [[1, 0], [0, -1]]


def _round(weigh: Weigh) -> Callable[..., Kernel]:
    def build(radius: float, units: str, normalize: bool, magnitude: float) -> Kernel:
        return kernels.drawn(radius, units, normalize, magnitude, weigh)

    return build


def _edge(weights: list) -> Callable[..., Kernel]:
    def build(magnitude: float, normalize: bool) -> Kernel:
        return fixed(normalised(np.array(weights), normalize, magnitude), 1, 1)

    return build


def _distance(name: str, weigh: Weigh) -> Callable[..., Kernel]:
    def build(radius: float, units: str, normalize: bool, magnitude: float) -> Kernel:
        drawn = kernels.drawn(radius, units, normalize, magnitude, weigh)
        return replace(drawn, metric=kernels.Metric(name, radius))

    return build


for _name, _weigh in SHAPES.items():
    add(f"Kernel.{_name}", _round(_weigh))
for _name, _weigh in _DISTANCES.items():
    add(f"Kernel.{_name}", _distance(_name, _weigh))
for _name, _weights in _EDGES.items():
    add(f"Kernel.{_name}", _edge(_weights))


@algorithm("Kernel.roberts")
def roberts(magnitude: float, normalize: bool) -> Kernel:
    """Roberts's 2 x 2 cross; the pixel itself is the lower right one (apidocs ee-kernel-roberts)."""
    return fixed(normalised(np.array(_ROBERTS), normalize, magnitude), 1, 1)


@algorithm("Kernel.gaussian")
def gaussian(radius: float, sigma: float, units: str, normalize: bool, magnitude: float) -> Kernel:
    """A bell of a standard deviation, cut off at the radius."""
    in_metres = kernels.metres(units)

    def weigh(x: np.ndarray, y: np.ndarray, reach: float) -> np.ndarray:
        width = sigma * reach / radius if in_metres else sigma
        return np.exp(-(x * x + y * y) / (2 * width * width))

    return kernels.drawn(radius, units, normalize, magnitude, weigh)


@algorithm("Kernel.rectangle")
def rectangle(xRadius: float, yRadius: float, units: str, normalize: bool, magnitude: float) -> Kernel:
    """A rectangle of two radii."""
    in_metres = kernels.metres(units)
    if not (xRadius >= 0 and yRadius >= 0):
        raise EngineError(f"The radii of a kernel must not be negative, got {xRadius:g} and {yRadius:g}.")

    def draw(step: float) -> Weights:
        kernels.check_side(2 * int(min(max(xRadius, yRadius) / step, 1e9) + 1e-9) + 1)
        row, col = int(yRadius / step + 1e-9), int(xRadius / step + 1e-9)
        return Weights(normalised(np.ones((2 * row + 1, 2 * col + 1)), normalize, magnitude), row, col)

    return Kernel(draw, in_metres)


@algorithm("Kernel.fixed")
def fixed_kernel(width: int, height: int, weights: list, x: int, y: int, normalize: bool) -> Kernel:
    """Given weights, row by row; the pixel itself at (x, y), or in the middle."""
    try:
        values = np.array(weights, float)
    except (TypeError, ValueError) as error:
        raise EngineError("The weights of a kernel must be rows of numbers of equal length.") from error
    if values.ndim != 2:
        raise EngineError("The weights of a kernel must be rows of numbers of equal length.")
    for side, size in ((values.shape[1], width), (values.shape[0], height)):
        if size not in (-1, side):
            raise EngineError(f"The weights have {side} entries where {size} are declared.")
    col = x if x >= 0 else values.shape[1] // 2
    row = y if y >= 0 else values.shape[0] // 2
    return fixed(normalised(values, normalize, 1.0), row, col)


@algorithm("Kernel.rotate")
def rotate(kernel: Kernel, rotations: int) -> Kernel:
    """Turned by quarter circles, clockwise for positive numbers."""

    def turned(weights: Weights) -> Weights:
        marks = np.zeros(weights.values.shape)
        marks[weights.row, weights.col] = 1
        row, col = np.argwhere(np.rot90(marks, -rotations))[0]
        return Weights(np.rot90(weights.values, -rotations).copy(), int(row), int(col))

    return kernel.changed(turned)


@algorithm("Kernel.inverse")
def inverse(kernel: Kernel) -> Kernel:
    """One over each weight that is not 0."""

    def inverted(weights: Weights) -> Weights:
        values = np.divide(1.0, weights.values, out=np.zeros_like(weights.values), where=weights.values != 0)
        return Weights(values, weights.row, weights.col)

    return kernel.changed(inverted)


@algorithm("Kernel.add")
def added(kernel1: Kernel, kernel2: Kernel, normalize: bool) -> Kernel:
    """The sum of two kernels, their pixels on each other."""

    def draw(step: float) -> Weights:
        first, second = kernel1.draw(step), kernel2.draw(step)
        row, col = max(first.row, second.row), max(first.col, second.col)
        below = max(each.margins[1] for each in (first, second))
        right = max(each.margins[3] for each in (first, second))
        total = np.zeros((row + below + 1, col + right + 1))
        for each in (first, second):
            height, width = each.values.shape
            total[row - each.row : row - each.row + height, col - each.col : col - each.col + width] += each.values
        return Weights(normalised(total, normalize, 1.0), row, col)

    return Kernel(draw, kernel1.in_metres or kernel2.in_metres)
