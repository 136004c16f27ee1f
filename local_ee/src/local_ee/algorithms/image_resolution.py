"""Image.reduceResolution: all finer pixels of a coarser one reduced (guides/reduce_resolution)."""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, recomputed
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import Projection
from local_ee.raster.reducing import Reducer

_STRIP_PX = 4 << 20  # finer pixels worked on at a time


@algorithm("Image.reduceResolution")
def reduce_resolution(image: Image, reducer: Reducer, bestEffort: bool, maxPixels: int) -> Image:
    """Each band reduced over the pixels of its default projection that lie under each pixel asked for.

    Assumption: the pixels under the centres of k x k parts of equal size count, k the ratio of the steps rounded up,
    with their masks as weights; where the grids nest, these are the input pixels exactly. Where the output is as fine
    as the input, the input. `bestEffort` takes the most parts that maxPixels allows instead of refusing.
    """
    reducer = reducer.for_pixels().over(1)
    if len(reducer.outputs) != 1:
        raise EngineError("Image.reduceResolution: the local engine takes reducers of one output.")
    bands = [band.typed(reducer.typed(band.type)[0]) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        parts = [_band(image, i, reducer, geobox, _side(image, i, geobox, maxPixels, bestEffort)) for i in positions]
        values = tuple(v.astype(bands[i].type.dtype, copy=False) for i, (v, _) in zip(positions, parts, strict=True))
        return Pixels(values, tuple(mask for _, mask in parts))

    # A finer window of the same ground: what would be fetched ahead is not what is read.
    return recomputed(image, bands, reading, needs=lambda positions: [positions], around=lambda geobox: None)


def _side(image: Image, position: int, geobox: GeoBox, most: int, best_effort: bool) -> int:
    """Parts along a pixel."""
    own_m = image.bands[position].projection.nominal_scale_m
    target_m = Projection(str(geobox.crs), geobox.affine).nominal_scale_m
    side = max(1, math.ceil(target_m / own_m - 1e-3))
    if side**2 <= most:
        return side
    if best_effort:
        return max(1, math.isqrt(int(most)))
    raise EngineError(f"ReduceResolution: Too many input pixels per output pixel ({side**2} > {int(most)}).")


def _band(image: Image, position: int, reducer: Reducer, geobox: GeoBox, side: int) -> tuple[np.ndarray, np.ndarray]:
    if side == 1:
        pixels = image.read_at(geobox, (position,))
        return pixels.values[0], pixels.masks[0]
    height, width = geobox.shape
    strip = max(1, _STRIP_PX // (side**2 * width))
    parts = [
        _strip(image, position, reducer, geobox[top : min(top + strip, height), :], side)
        for top in range(0, height, strip)
    ]
    return np.concatenate([values for values, _ in parts]), np.concatenate([mask for _, mask in parts])


def _strip(image: Image, position: int, reducer: Reducer, geobox: GeoBox, side: int) -> tuple[np.ndarray, np.ndarray]:
    shape = (geobox.shape[0] * side, geobox.shape[1] * side)
    fine = GeoBox(shape, geobox.affine * geobox.affine.scale(1 / side), geobox.crs)
    pixels = image.read_at(fine, (position,))
    running = reducer.start()
    running.add([(_stacked(pixels.values[0], shape, side), _stacked(pixels.masks[0], shape, side))])
    values, mask = running.result()[0]
    return np.asarray(values), np.asarray(mask)


def _stacked(fine: np.ndarray, shape: tuple[int, int], side: int) -> np.ndarray:
    """The parts of each pixel as layers: [part, row, column]."""
    subpixels = np.broadcast_to(fine, shape)
    blocks = subpixels.reshape(shape[0] // side, side, shape[1] // side, side)
    return blocks.transpose(1, 3, 0, 2).reshape(side * side, shape[0] // side, shape[1] // side)
