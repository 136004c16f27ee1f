"""Image.sldStyle: bands as colours by an OGC style (SLD 1.0, OGC 02-070, 11; SE 1.1, OGC 05-077r4, 11).

A style's XML comes from outside: one with a DOCTYPE, by which entities expand, is refused before it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_visualize import colours
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.colour_map import ColourMap, equalised, stretched
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels, both, opaque

_RGB = ("vis-red", "vis-green", "vis-blue")
_CHANNELS = ("RedChannel", "GreenChannel", "BlueChannel")
_MOST_CHARACTERS = 1_000_000
_SAMPLES = 256  # pixels along each side, of the whole image, that a contrast is made of
_TOP = 255
_CONTRASTS = {"Normalize": stretched, "Histogram": equalised}


@dataclass(frozen=True)
class Contrast:
    """How a channel's values become shares 0 to 1: stretch is Normalize, Histogram or none; then a power."""

    stretch: str | None = None
    gamma: float = 1.0

    def shares(self, values: np.ndarray, samples: np.ndarray) -> np.ndarray:
        stretch = _CONTRASTS.get(self.stretch or "")
        shares = np.clip(values / _TOP, 0, 1) if stretch is None else stretch(values, samples)
        brightened: np.ndarray = shares ** (1 / self.gamma)
        return brightened


@dataclass(frozen=True)
class Style:
    """A RasterSymbolizer: the bands that it shows with their contrasts, and its colour map if it has one."""

    channels: tuple[tuple[str | None, Contrast], ...]
    colour_map: ColourMap | None
    visible: bool


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _child(element: ElementTree.Element | None, name: str) -> ElementTree.Element | None:
    return None if element is None else next((child for child in element if _local(child) == name), None)


def _text(element: ElementTree.Element | None, default: str = "") -> str:
    return default if element is None else "".join(element.itertext()).strip()


def read_style(document: str) -> Style:
    """The style of a document; EngineError where it is no XML, or has none or several RasterSymbolizers."""
    if "<!DOCTYPE" in document or "<!ENTITY" in document or len(document) > _MOST_CHARACTERS:
        raise EngineError(f"Image.sldStyle: Expected XML without DOCTYPE, of at most {_MOST_CHARACTERS} characters.")
    try:
        root = ElementTree.fromstring(document.strip())
    except ElementTree.ParseError as error:
        raise EngineError(f"Image.sldStyle: The style is no XML: {error}.") from error
    symbolizers = [element for element in root.iter() if _local(element) in ("RasterSymbolizer", "SldRasterSymbolizer")]
    if len(symbolizers) != 1:
        raise EngineError(f"Image.sldStyle: Expected exactly one RasterSymbolizer, got {len(symbolizers)}.")
    symbolizer = symbolizers[0]
    try:
        return Style(_channels(symbolizer), _colour_map(_child(symbolizer, "ColorMap")), _visible(symbolizer))
    except ValueError as error:
        raise EngineError(f"Image.sldStyle: {error}.") from error


def _visible(symbolizer: ElementTree.Element) -> bool:
    """False with an opacity of 0; every other opacity is complete, as Google documents."""
    return float(_text(_child(symbolizer, "Opacity")) or 1) != 0


def _channels(symbolizer: ElementTree.Element) -> tuple[tuple[str | None, Contrast], ...]:
    common = _contrast(_child(symbolizer, "ContrastEnhancement"), Contrast())
    selection = _child(symbolizer, "ChannelSelection")
    gray = _child(selection, "GrayChannel")
    channels = [gray] if gray is not None else [_child(selection, name) for name in _CHANNELS]
    if selection is None:
        return ((None, common),)
    if any(channel is None for channel in channels):
        raise ValueError(f"a ChannelSelection has a GrayChannel, or {', '.join(_CHANNELS)}")
    return tuple(
        (_text(_child(channel, "SourceChannelName")), _contrast(_child(channel, "ContrastEnhancement"), common))
        for channel in channels
    )


def _contrast(element: ElementTree.Element | None, default: Contrast) -> Contrast:
    if element is None:
        return default
    stretch = next((name for name in _CONTRASTS if _child(element, name) is not None), None)
    gamma = float(_text(_child(element, "GammaValue")) or 1)
    if not gamma > 0:
        raise ValueError(f"a GammaValue of {gamma:g}: expected a number above 0")
    return Contrast(stretch, gamma)


def _colour_map(element: ElementTree.Element | None) -> ColourMap | None:
    if element is None:
        return None
    entries = [child for child in element if _local(child) == "ColorMapEntry"]
    if not entries:
        raise ValueError("a ColorMap without ColorMapEntry (Categorize and Interpolate of SE 1.1 are not read)")
    table = colours([entry.get("color", "") for entry in entries])
    quantities = np.array([float(entry.get("quantity", "nan")) for entry in entries])
    visible = np.array([float(entry.get("opacity", 1)) != 0 for entry in entries])
    return ColourMap(element.get("type", "ramp"), quantities, np.asarray(table), visible)


@algorithm("Image.sldStyle")
def sld_style(input: Image, sldXml: str) -> Image:
    """Bands vis-red, vis-green and vis-blue, 0 to 255, by a RasterSymbolizer.

    Assumptions (not documented): the bands' names; intervals end at their quantities, so that the first one has all
    values below it, and above the last there is no colour; without a contrast values are shown as they are, 0 to 255;
    Normalize and Histogram take 256 x 256 pixels of the whole image; no properties of histograms are set.
    """
    style = read_style(sldXml)
    channels = style.channels
    places = [_band_of(input, name) for name, _ in channels]
    if style.colour_map is not None and len(channels) > 1:
        raise EngineError("Image.sldStyle: A ColorMap colors one channel: select a GrayChannel.")
    model = input.bands[places[0]]
    bands = [Band(name, NAMED["uint8"], model.projection, model.dimensions) for name in _RGB]

    @cache
    def samples(place: int) -> np.ndarray:
        return _samples(input, place)

    def shown(values: np.ndarray, k: int) -> np.ndarray:
        contrast = channels[k][1]
        return contrast.shares(values, samples(places[k]) if contrast.stretch else values) * _TOP

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = input.read_at(geobox, tuple(places))
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        values = [np.asarray(plane, float) for plane in pixels.values]
        if style.colour_map is None:
            planes = np.stack([np.rint(shown(plane, k)).astype(np.uint8) for k, plane in enumerate(values)])
            coloured = np.ones(values[0].shape, bool)
        else:
            planes, coloured = style.colour_map.painted(shown(values[0], 0) if channels[0][1].stretch else values[0])
        visible = opaque(mask) & coloured & style.visible
        return Pixels(tuple(planes[i % len(planes)] for i in positions), (visible,) * len(positions))

    return recomputed(input, bands, reading, needs=lambda positions: [places])


def _band_of(image: Image, name: str | None) -> int:
    """The position of a band by its name, or else by its number from 1 on; the first band without either."""
    if name is None:
        return 0
    if name not in image.band_names and name.isdigit() and 0 < int(name) <= len(image.bands):
        return int(name) - 1
    return image.positions([name])[0]


def _samples(image: Image, place: int) -> np.ndarray:
    """Valid values of a band on a coarse grid over the whole image; EngineError where it has no end."""
    grid = image.bands[place].grid
    if grid is None:
        raise EngineError("Image.sldStyle: Normalize and Histogram need an image with dimensions, such as a scene.")
    coarse = grid.zoom_to((min(_SAMPLES, grid.shape[0]), min(_SAMPLES, grid.shape[1])))
    pixels = image.read_at(coarse, (place,))
    values: np.ndarray = np.asarray(pixels.values[0], float)[opaque(pixels.masks[0])]
    return values
