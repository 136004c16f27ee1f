"""Image.paint: features burnt into an image (guides/feature_collections_visualizing)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, geometry_of, get_property
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, alike, recomputed
from local_ee.raster import drawing
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixels import Pixels, as_weight
from local_ee.raster.rasterise import centres_inside


@algorithm("Image.paint")
def paint(image: Image, featureCollection: Collection, color: Any, width: Any) -> Image:
    """Every band's pixels whose centre lies in a feature set to a number, valid then; later features on top.

    `color` is the number or the name of the property that holds it, `width` that of the pixels of an outline, which is
    drawn instead of the area: within half of it from the edge.

    Assumption: a property that a feature lacks is the color 0, because 'black' in an example of the catalog
    (TIGER/2018/Counties) and '000000' in guides/reducers_reduce_to_vectors draw outlines.
    """
    burns = [
        (geometry_of(each), _colour(each, color), None if width is None else _number(each, width, "width"))
        for each in featureCollection.elements
    ]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        where, numbers = _burnt(burns, geobox)
        values = tuple(np.where(where, numbers, values).astype(values.dtype) for values in pixels.values)
        return Pixels(values, tuple(_shown(mask, where) for mask in pixels.masks))

    return recomputed(image, image.bands, reading, needs=alike)


def _burnt(
    burns: Sequence[tuple[Geometry | None, float, float | None]], geobox: GeoBox
) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels a feature covers, and the colour of the last one that does."""
    where, numbers = np.zeros(geobox.shape, bool), np.zeros(geobox.shape)
    for geometry, colour, width in burns:
        if geometry is not None:
            inside = centres_inside(geometry, geobox) if width is None else _outline(geometry, geobox, width)
            where |= inside
            numbers[np.broadcast_to(inside, numbers.shape)] = colour
    return where, numbers


def _shown(mask: np.ndarray, where: np.ndarray) -> np.ndarray:
    return mask | where if mask.dtype == bool else np.where(where, as_weight(where), mask)


def _outline(geometry: Geometry, geobox: GeoBox, width: float) -> np.ndarray:
    """Pixels of lines and of the edges of areas; a point is a dot."""
    if geometry.unbounded:
        return np.zeros(geobox.shape, bool)
    shape = drawing.in_pixels(geometry, geobox)
    return drawing.covered(drawing.stroke([*drawing.edges(shape), *drawing.points(shape)], width), geobox)


def _colour(element: Any, value: Any) -> float:
    if isinstance(value, str) and get_property(element, value) is None:
        return 0.0
    return _number(element, value, "color")


def _number(element: Any, value: Any, name: str) -> float:
    width = get_property(element, value) if isinstance(value, str) else value
    if not isinstance(width, int | float):
        raise EngineError(f"Image.paint: expected a number or a numeric property for '{name}', got {width!r}.")
    return float(width)
