"""Pixels and their neighbours: neighbourhoods as bands, and sizes of patches of one value."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_neighborhood import padded
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, alike, recomputed
from local_ee.raster import segments
from local_ee.raster.kernel import Kernel, Weights
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, opaque

MOST_PATCH = 1024  # pixels of a patch that are counted (apidocs ee-image-connectedpixelcount)


@algorithm("Image.neighborhoodToBands")
def neighborhood_to_bands(image: Image, kernel: Kernel) -> Image:
    """A band for each of the kernel's cells that are not 0, of each band: band_x_y, counted from the kernel's centre.

    Kernels in metres are refused: they have other cells on other grids. Assumption: x and y are offsets in pixels.
    """
    if kernel.in_metres:
        raise EngineError("Image.neighborhoodToBands: The local engine takes kernels in pixels, not in metres.")
    weights = kernel.draw(1.0)
    cells = [(int(row), int(col)) for row, col in np.argwhere(weights.values != 0)]
    bands = [
        band.renamed(f"{band.name}_{col - weights.col}_{row - weights.row}")
        for band in image.bands
        for row, col in cells
    ]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        height, width = geobox.shape
        inputs = tuple(dict.fromkeys(i // len(cells) for i in positions))
        pixels = image.read_at(padded(geobox, weights), inputs)
        values, masks = [], []
        for i in positions:
            row, col = cells[i % len(cells)]
            window = np.s_[row : row + height, col : col + width]
            values.append(pixels.values[inputs.index(i // len(cells))][window])
            masks.append(pixels.masks[inputs.index(i // len(cells))][window])
        return Pixels(tuple(values), tuple(masks))

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{i // len(cells) for i in positions}]

    return recomputed(image, bands, reading, needs=needs, around=lambda geobox: padded(geobox, weights))


@algorithm("Image.connectedPixelCount")
def connected_pixel_count(input: Image, maxSize: int, eightConnected: bool) -> Image:
    """How many pixels of the same value are connected to each pixel, itself included, up to maxSize."""
    if not 1 <= maxSize <= MOST_PATCH:
        raise EngineError(f"Image.connectedPixelCount: maxSize must be 1 to {MOST_PATCH}, got {maxSize}.")
    side = 2 * maxSize + 1  # a patch of fewer pixels does not reach beyond
    reach = Weights(np.ones((side, side)), maxSize, maxSize)
    bands = [band.typed(NAMED["int32"]) for band in input.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        height, width = geobox.shape
        pixels = input.read_at(padded(geobox, reach), positions)
        centre = np.s_[maxSize : maxSize + height, maxSize : maxSize + width]
        values = [
            np.minimum(patch_sizes(each, opaque(mask), eight_connected=eightConnected), maxSize)[centre]
            for each, mask in zip(pixels.values, pixels.masks, strict=True)
        ]
        masks = tuple(mask[centre] for mask in pixels.masks)
        return Pixels(tuple(value.astype(np.int32) for value in values), masks)

    return recomputed(input, bands, reading, needs=alike, around=lambda geobox: padded(geobox, reach))


def patch_sizes(values: np.ndarray, valid: np.ndarray, *, eight_connected: bool) -> np.ndarray:
    """The number of valid pixels of one value that are connected to each pixel; 1 where it is not valid."""
    return np.maximum(
        segments.sizes(segments.labelled(values, valid, segments.EIGHT if eight_connected else segments.FOUR)), 1
    )
