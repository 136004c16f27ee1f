"""Collections drawn as images of colours (apidocs ee-featurecollection-style, ee-featurecollection-draw)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.features import Collection, geometry_of, get_property
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image
from local_ee.raster import drawing
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, hidden

_BANDS = ("vis-red", "vis-green", "vis-blue")
_FILL_OPACITY = 0.66  # of the colour, where no fill colour is given
_MOST_PIXELS = 512  # of a width or a marker
Colour = tuple[float, float, float, float]  # red, green, blue 0 to 255, and opacity 0 to 1


def colour(text: Any) -> Colour:
    """A CSS colour: a name, or hexadecimal digits with or without #, also with two for the opacity."""
    from PIL import ImageColor

    if not isinstance(text, str):
        raise EngineError(f"color: expected a String, got {type_name(text)}.")
    name = text.strip()
    is_hex = len(name) in (3, 4, 6, 8) and all(letter in "0123456789abcdefABCDEF" for letter in name)
    try:
        red, green, blue, *opacity = ImageColor.getrgb(f"#{name}" if is_hex else name)
    except ValueError as error:
        raise EngineError(f"Invalid color '{text}'.") from error
    return red, green, blue, opacity[0] / 255 if opacity else 1.0


@dataclass(frozen=True)
class Style:
    """How a feature is drawn; widths and sizes in pixels."""

    color: str = "black"
    pointSize: float = 3
    pointShape: str = "circle"
    width: float = 2.0
    fillColor: str | None = None
    lineType: str = "solid"

    def __post_init__(self) -> None:
        if self.pointShape not in drawing.MARKERS:
            raise EngineError(f"Unknown pointShape '{self.pointShape}'. Use one of: {', '.join(drawing.MARKERS)}.")
        if self.lineType not in drawing.LINE_TYPES:
            raise EngineError(f"Unknown lineType '{self.lineType}'. Use one of: {', '.join(drawing.LINE_TYPES)}.")
        for name, size in (("pointSize", self.pointSize), ("width", self.width)):
            if not isinstance(size, int | float) or not 0 <= size <= _MOST_PIXELS:
                raise EngineError(f"{name} must be 0 to {_MOST_PIXELS} pixels, got {size!r:.40}.")
        _ = self.line, self.fill

    @property
    def line(self) -> Colour:
        return colour(self.color)

    @property
    def fill(self) -> Colour:
        if self.fillColor is not None:
            return colour(self.fillColor)
        red, green, blue, opacity = self.line
        return red, green, blue, opacity * _FILL_OPACITY

    def changed(self, options: Any) -> Style:
        """With the values of a feature's own dictionary."""
        if options is None:
            return self
        if not isinstance(options, Mapping):
            raise EngineError(f"The style property must be a dictionary, got {type_name(options)}.")
        unknown = sorted(set(options) - set(self.__dataclass_fields__))
        if unknown:
            names = ", ".join(self.__dataclass_fields__)
            raise EngineError(f"Unknown style '{unknown[0]}'. Use one of: {names}.")
        return replace(self, **options)


@algorithm("Collection.style")
def style(
    collection: Collection,
    color: str,
    pointSize: int,
    pointShape: str,
    width: float,
    fillColor: str | None,
    styleProperty: str | None,
    neighborhood: int,
    lineType: str,
) -> Image:
    """Red, green and blue of the features, 0 to 255, their opacity as the mask; later features on top.

    Assumptions (not documented): dots are as long as the line is wide, dashes four times as long; what a feature's
    own style draws farther than the neighbourhood from it is cut off.
    """
    common = Style(color, pointSize, pointShape, width, fillColor, lineType)
    if styleProperty is None:
        return _drawn(collection, lambda element: common, None)
    return _drawn(collection, lambda element: common.changed(get_property(element, styleProperty)), neighborhood)


@algorithm("Collection.draw")
def draw(collection: Collection, color: str, pointRadius: int, strokeWidth: int) -> Image:
    """Red, green and blue of the features in one colour; areas are filled half transparently."""
    common = Style(color, 2 * pointRadius, "circle", strokeWidth)
    return _drawn(collection, lambda element: common, None)


def _drawn(collection: Collection, style_of: Any, reach: float | None) -> Image:
    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        canvas = np.zeros((4, *geobox.shape))
        for element in collection.elements:
            budget.check()
            geometry = geometry_of(element)
            if geometry is not None and not geometry.unbounded:
                _paint(canvas, geometry, style_of(element), (geobox, reach))
        opacity = canvas[3]
        if not opacity.any():
            nothing = hidden(np.uint8, tuple(geobox.shape))
            return Pixels((nothing[0],) * len(positions), (nothing[1],) * len(positions))
        mask = opacity > 0 if np.isin(opacity, (0, 1)).all() else opacity.astype(np.float32)
        return Pixels(tuple(np.rint(canvas[i]).astype(np.uint8) for i in positions), (mask,) * len(positions))

    bands = tuple(Band(name, NAMED["uint8"]) for name in _BANDS)
    return Image(bands, reading, {}, None, lambda: geometry_of(collection))


def _paint(canvas: np.ndarray, geometry: Geometry, own: Style, window: tuple[GeoBox, float | None]) -> None:
    """Fills and lines of one feature onto the canvas [red, green, blue, opacity; row, column]."""
    geobox, reach = window
    shape = drawing.in_pixels(geometry, geobox)
    limit = None if reach is None else shape.buffer(reach)
    fills, lines = [drawing.areas(shape)], drawing.edges(shape)
    markers: list[Any] = []
    for point in drawing.points(shape):
        area, outline = drawing.marker(own.pointShape, point, own.pointSize)
        fills.append(area)
        markers += outline
    strokes = [drawing.stroke(lines, own.width, own.lineType), drawing.stroke(markers, own.width)]
    for shapes, ink in ((fills, own.fill), (strokes, own.line)):
        cut = shapes if limit is None else [each.intersection(limit) for each in shapes]
        where = np.logical_or.reduce([drawing.covered(each, geobox) for each in cut])
        _over(canvas, where, ink)


def _over(canvas: np.ndarray, where: np.ndarray, ink: Sequence[float]) -> None:
    """T. Porter and T. Duff's "over": a transparent colour above what is there (SIGGRAPH 1984)."""
    *rgb, opacity = ink
    below = canvas[3][where]
    total = opacity + below * (1 - opacity)
    safe = np.where(total > 0, total, 1)
    for channel, value in enumerate(rgb):
        canvas[channel][where] = (value * opacity + canvas[channel][where] * below * (1 - opacity)) / safe
    canvas[3][where] = total
