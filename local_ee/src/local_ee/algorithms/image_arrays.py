"""Images whose pixels are arrays, from bands and from collections (Image.toArray, ImageCollection.toArray)."""

from __future__ import annotations

from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.array_images import grown, together
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.stacks import union_footprint
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.array_pixels import computed
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels, both, opaque
from local_ee.raster.projection import WGS84


@algorithm("Image.toArray")
def to_array(image: Image, axis: int) -> Image:
    """One band, array: the bands of each pixel one after the other along an axis, which may be a new last one."""
    if not image.bands:
        raise EngineError("Image.toArray: The image has no bands.")
    element = image.bands[0].type
    for band in image.bands[1:]:
        element = element.union(band.type)
    dimensions = element.dimensions
    if not 0 <= axis <= dimensions:
        raise EngineError(f"Image.toArray: Axis {axis} is out of range of pixels with {dimensions} dimensions.")
    target = element.of_dimensions(max(dimensions, axis + 1))

    def compute(*stacks: np.ndarray) -> np.ndarray:
        try:
            return np.concatenate([grown(stack.astype(element.element.dtype), axis + 1) for stack in stacks], axis + 1)
        except ValueError as error:
            raise EngineError("Image.toArray: The arrays of the bands differ in length along other axes.") from error

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, image.everything)
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        return together([computed(compute, pixels.values, mask, target.dtype)])

    model = image.bands[0]
    return derived([image], [Band("array", target, model.projection, model.dimensions)], reading)


@algorithm("ImageCollection.toArray")
def collection_to_array(collection: Any) -> Image:
    """One band, array: of each pixel a row for each image whose bands are all valid, and a column for each band.

    Assumption: pixels without such an image are masked.
    """
    images, names, element = _alike_images(collection, "ImageCollection.toArray")
    if element.dimensions:
        raise EngineError("ImageCollection.toArray: Bands must have scalar values, not array values.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        height, width = geobox.shape
        budget.allocate(height * width * len(images) * len(names) * element.dtype.itemsize)
        table = np.zeros((height, width, len(images), len(names)), element.dtype)
        keep = np.ones((height, width, len(images)), bool)
        for i, image in enumerate(images):
            pixels = image.read(geobox, names)
            for k, (values, mask) in enumerate(zip(pixels.values, pixels.masks, strict=True)):
                table[:, :, i, k] = values
                keep[:, :, i] &= opaque(mask)
        return together([_rows(table, keep)])

    return derived(
        images,
        [Band("array", element.of_dimensions(2), WGS84)],
        reading,
        footprint_of=union_footprint(images),
        needs=lambda positions: [image.positions(names) for image in images],
    )


def _alike_images(collection: Any, use: str) -> tuple[list[Image], list[str], PixelType]:
    """The images, the names of their bands and the bands' common type."""
    images = list(collection.images)
    if not images:
        raise EngineError(f"{use}: The collection is empty.")
    names = list(images[0].band_names)
    for image in images:
        if list(image.band_names) != names:
            raise EngineError(f"{use}: The images must have the same bands, got {names} and {list(image.band_names)}.")
    element = images[0].bands[0].type
    for band in (band for image in images for band in image.bands):
        element = element.union(band.type)
    return images, names, element


def _rows(table: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each pixel the rows to keep."""
    values = np.zeros(keep.shape[:2], object)
    mask, full = np.asarray(keep.any(axis=2)), np.asarray(keep.all(axis=2))
    for row, col in zip(*np.nonzero(mask), strict=True):
        values[row, col] = table[row, col] if full[row, col] else table[row, col][keep[row, col]]
    return values, mask


@algorithm("ImageCollection.toArrayPerBand")
def collection_to_array_per_band(collection: Any, axis: int, dropMasked: bool) -> Image:
    """Each band: its pixels of all images one after the other along an axis; masked ones are left out where asked."""
    images, names, element = _alike_images(collection, "ImageCollection.toArrayPerBand")
    if not 0 <= axis <= element.dimensions:
        raise EngineError(f"ImageCollection.toArrayPerBand: Axis {axis} is out of range of {element.dimensions} axes.")
    target = element.of_dimensions(max(element.dimensions, axis + 1))

    def compute(*columns: np.ndarray) -> np.ndarray | None:
        """Values of all images, and after them, which of them are kept at these pixels."""
        *stacks, keep = columns
        kept_stacks = [stack for stack, kept in zip(stacks, keep, strict=True) if kept]
        parts = [grown(stack.astype(element.element.dtype), axis + 1) for stack in kept_stacks]
        return np.concatenate(parts, axis + 1) if parts else None

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        read = [image.read(geobox, [names[i] for i in positions]) for image in images]
        return together([_joined([(each.values[k], each.masks[k]) for each in read]) for k in range(len(positions))])

    def _joined(bands: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
        masks = np.stack([np.asarray(mask) for _, mask in bands])
        mask = masks.max(axis=0) if dropMasked else masks.min(axis=0)
        keep = _boxes(opaque(masks) if dropMasked else np.ones(masks.shape, bool))
        columns = [_with_shape(values, own, target, element) for (values, own) in bands]
        return computed(compute, columns, mask, target.dtype, parameters=[keep])

    return derived(
        images,
        [Band(name, target, WGS84) for name in names],
        reading,
        footprint_of=union_footprint(images),
        needs=lambda positions: [image.positions([names[i] for i in positions]) for image in images],
    )


def _with_shape(values: np.ndarray, mask: np.ndarray, target: PixelType, element: PixelType) -> np.ndarray:
    """Pixels that are arrays also where they are masked, so that they can be stacked."""
    if not element.dimensions:
        return values
    empty = np.zeros((0,) * element.dimensions, element.element.dtype)
    filled = values.copy()
    for row, col in zip(*np.nonzero(~opaque(mask)), strict=True):
        filled[row, col] = empty
    return filled


def _boxes(keep: np.ndarray) -> np.ndarray:
    """Which images are kept, as one array a pixel."""
    boxes = np.zeros(keep.shape[1:], object)
    for row, col in np.ndindex(boxes.shape):
        boxes[row, col] = keep[:, row, col]
    return boxes
