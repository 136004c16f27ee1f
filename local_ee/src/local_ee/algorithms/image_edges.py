"""Changes from pixel to pixel: gradients, derivatives, zero crossings, edges (guides/image_gradients, image_edges)."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.terrain import spacing
from local_ee.errors import EngineError
from local_ee.evaluation.focal import BandPixels, band_by_band
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import FLOAT, NAMED
from local_ee.raster.pixels import opaque

_ONE = Margin.all_round(1)
_MOST_SIGMA = 32.0  # pixels
_REACH = 3  # standard deviations to which a bell is drawn
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))  # (row, column) ahead, by eighths of a turn from the right, downwards


@algorithm("Image.gradient")
def gradient(input: Image) -> Image:
    """Bands x and y: the change of the one band per metre to the east and to the north.

    Half the difference of the pixels on both sides; masked where a neighbour is. Assumptions (not documented): per
    metre and northwards, as the slopes of Terrain are; several bands are refused, because the result has two.
    """
    if len(input.bands) != 1:
        raise EngineError(f"The image must have 1 band, got {len(input.bands)}: select one.")
    bands = [input.bands[0].renamed(name).typed(FLOAT) for name in ("x", "y")]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        (right, down), valid = _differences(values, mask)
        across_m, down_m = spacing(geobox)
        return [(right / across_m, valid), (-down / down_m, valid)]

    return band_by_band(input, bands, lambda geobox: _ONE, compute)


@algorithm("Image.derivative")
def derivative(image: Image) -> Image:
    """Of each band two, band_x and band_y: its change per pixel to the right, and downwards.

    Assumption (not documented): half the difference of the pixels on both sides; masked where a neighbour is.
    """
    bands = [band.renamed(f"{band.name}_{axis}").typed(FLOAT) for band in image.bands for axis in "xy"]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        changes, valid = _differences(values, mask)
        return [(change, valid) for change in changes]

    return band_by_band(image, bands, lambda geobox: _ONE, compute)


def _differences(values: np.ndarray, mask: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Half differences to the right and downwards, and where the pixel and its four neighbours are valid."""
    numbers, valid = np.asarray(values, float), opaque(mask)
    complete = valid[1:-1, 1:-1] & valid[1:-1, 2:] & valid[1:-1, :-2] & valid[2:, 1:-1] & valid[:-2, 1:-1]
    right = (numbers[1:-1, 2:] - numbers[1:-1, :-2]) / 2
    down = (numbers[2:, 1:-1] - numbers[:-2, 1:-1]) / 2
    return (right, down), complete


@algorithm("Image.zeroCrossing")
def zero_crossing(image: Image) -> Image:
    """1 where the pixel on the right, below, or below on the right has the opposite sign, else 0 (guides/image_edges).

    Assumption: masked neighbours and zeros have no sign; a pixel keeps its mask.
    """
    margin = Margin(0, 1, 0, 1)
    bands = [band.typed(NAMED["uint8"]) for band in image.bands]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        signs = np.where(opaque(mask), np.sign(np.asarray(values, float)), 0)
        own = margin.moved(signs, 0, 0)
        crossing = np.zeros(own.shape, bool)
        for row, col in ((0, 1), (1, 0), (1, 1)):
            crossing |= own * margin.moved(signs, row, col) < 0
        return [(crossing, margin.moved(mask, 0, 0))]

    return band_by_band(image, bands, lambda geobox: margin, compute)


@algorithm("CannyEdgeDetector")
def canny(image: Image, threshold: float, sigma: float) -> Image:
    """The gradient's magnitude per pixel on edges, 0 elsewhere (J. Canny, IEEE PAMI 8, 1986, without hysteresis).

    An edge is a pixel whose gradient is higher than the threshold and not lower than those of the two neighbours
    along the gradient. Assumptions (not documented): the bell is drawn to 3 sigma and leaves masked pixels out; the
    direction is one of four.
    """
    if not 0 <= sigma <= _MOST_SIGMA:
        raise EngineError(f"sigma must be 0 to {_MOST_SIGMA:g} pixels, got {sigma:g}.")
    reach = math.ceil(_REACH * sigma)
    margin = Margin.all_round(reach + 2)
    bands = [band.typed(FLOAT) for band in image.bands]

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        smooth, valid = _smoothed(np.asarray(values, float), opaque(mask), sigma, reach)
        (right, down), complete = _differences(smooth, valid)
        size = np.where(complete, np.hypot(right, down), 0)
        edge = _crests(size, right, down) & (size[1:-1, 1:-1] > threshold)
        return [(np.where(edge, size[1:-1, 1:-1], 0), margin.moved(mask, 0, 0))]

    return band_by_band(image, bands, lambda geobox: margin, compute)


def _smoothed(values: np.ndarray, valid: np.ndarray, sigma: float, reach: int) -> BandPixels:
    """Means weighted by a bell, along both axes, without the margin of its reach."""
    # A bell of two dimensions is the product of two of one, so that rows and columns can be summed one after the
    # other. Masked pixels weigh nothing in both sums, and their quotient is the mean of what is valid.
    # Every pixel's terms are added in one order, so that its value does not depend on the window.
    if not reach:
        return values, valid
    bell = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma * sigma))
    total, weight = np.where(valid, values, 0), valid.astype(float)
    for axis in (0, 1):
        length = values.shape[axis] - 2 * reach
        cuts = [(slice(i, i + length), slice(None))[:: 1 - 2 * axis] for i in range(2 * reach + 1)]
        total, weight = (
            sum(share * each[cut] for share, cut in zip(bell, cuts, strict=True)) for each in (total, weight)
        )
    centre = valid[reach:-reach, reach:-reach]
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0), centre


def _crests(size: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Where the inner pixels' gradient is not lower than on either side along its direction."""
    margin = Margin.all_round(1)
    eighth = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int)[1:-1, 1:-1] % 4
    crest = np.zeros(eighth.shape, bool)
    own = margin.moved(size, 0, 0)
    for turn, (row, col) in enumerate(_STEPS):
        ahead, behind = margin.moved(size, row, col), margin.moved(size, -row, -col)
        crest |= (eighth == turn) & (own >= ahead) & (own >= behind)
    return crest
