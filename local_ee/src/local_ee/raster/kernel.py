"""Kernels: weights around a pixel; those measured in metres are drawn again for each pixel size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster.projection import projection_of

MOST_SIDE = 512  # pixels (release notes of Earth Engine: larger kernels are refused)


@dataclass(frozen=True, eq=False)
class Weights:
    """weights [row, column]; (row, column) is the pixel itself. No weight that is 0 belongs to the neighbourhood."""

    values: np.ndarray
    row: int
    col: int

    @property
    def margins(self) -> tuple[int, int, int, int]:
        """How far the kernel reaches over a window: above, below, left, right."""
        height, width = self.values.shape
        return self.row, height - 1 - self.row, self.col, width - 1 - self.col

    @property
    def is_box(self) -> bool:
        """True where all weights are equal."""
        return bool((self.values == self.values.flat[0]).all() and self.values.flat[0] != 0)

    @property
    def is_positive_box(self) -> bool:
        """True where all weights are equal and count for something, so that means do not know them."""
        return self.is_box and bool(self.values.flat[0] > 0)


@dataclass(frozen=True)
class Metric:
    """What a kernel of distances measures: euclidean, manhattan or chebyshev, up to a radius in the kernel's units."""

    name: str
    radius: float


@dataclass(frozen=True, eq=False)
class Kernel:
    """draw makes the weights for a pixel side: in pixels (1), or in metres. metric: of kernels of distances."""

    draw: Callable[[float], Weights] = field(repr=False)
    in_metres: bool = False
    metric: Metric | None = None

    def weights(self, geobox: GeoBox) -> Weights:
        """The weights on a grid."""
        kernel_weights = self.draw(projection_of(geobox).nominal_scale_m if self.in_metres else 1.0)
        check_side(max(kernel_weights.values.shape))
        return kernel_weights

    def changed(self, change: Callable[[Weights], Weights]) -> Kernel:
        return Kernel(lambda step: change(self.draw(step)), self.in_metres)

    def to_json(self) -> dict:
        kernel_weights = self.draw(1.0)
        return {
            "type": "Kernel",
            "weights": kernel_weights.values.tolist(),
            "center": [kernel_weights.col, kernel_weights.row],
        }


def check_side(side: float) -> None:
    """EngineError for a kernel that is too large."""
    if side > MOST_SIDE:
        raise EngineError(f"The kernel size exceeds the limit of {MOST_SIDE} pixels: {side:.0f}.")


def normalised(weights: np.ndarray, normalize: bool, magnitude: float) -> np.ndarray:
    """Weights that sum to the magnitude, or to 0 if one is negative; without normalising, times the magnitude."""
    weights = np.asarray(weights, float)
    if not normalize:
        return weights * magnitude
    if (weights < 0).any():
        return (weights - weights.mean()) * magnitude
    total = weights.sum()
    return weights / total * magnitude if total else weights


def drawn(
    radius: float,
    units: str,
    normalize: bool,
    magnitude: float,
    weigh: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
) -> Kernel:
    """A kernel of a radius; weigh gives the weight at column and row offsets (pixels) for the radius in pixels."""
    in_metres = metres(units)
    if radius <= 0:
        raise EngineError("The radius of a kernel must be positive.")

    def draw(step: float) -> Weights:
        reach = radius / step
        check_side(2 * math.floor(min(reach, 1e9) + 1e-9) + 1)  # before the weights take their memory
        side = max(math.floor(reach + 1e-9), 0)
        y, x = np.mgrid[-side : side + 1, -side : side + 1].astype(float)
        return Weights(normalised(weigh(x, y, reach), normalize, magnitude), side, side)

    return Kernel(draw, in_metres)


def metres(units: str) -> bool:
    """True for meters, False for pixels."""
    if units not in ("pixels", "meters"):
        raise EngineError(f"Unknown kernel units '{units}'. Use 'pixels' or 'meters'.")
    return units == "meters"


def fixed(weights: np.ndarray, row: int, col: int) -> Kernel:
    """A kernel of given weights."""
    values = np.asarray(weights, float)
    return Kernel(lambda step: Weights(values, row, col))
