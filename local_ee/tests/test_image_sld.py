"""Image.sldStyle (guides/image_visualization, OGC 02-070): colours by hand, contrasts against NumPy."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

GRID = utm(20, 20)
CATALOG = Scenes((Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, seed=3),))


def colour_map(kind: str) -> str:
    entries = (("#0000ff", 0), ("#00ff00", 100), ("#ff0000", 200))
    lines = "".join(f'<ColorMapEntry color="{colour}" quantity="{quantity}"/>' for colour, quantity in entries)
    return f'<RasterSymbolizer><ColorMap type="{kind}">{lines}</ColorMap></RasterSymbolizer>'


def contrast(name: str) -> str:
    channels = "".join(
        f"<{channel}><SourceChannelName>{band}</SourceChannelName></{channel}>"
        for channel, band in (("RedChannel", "x"), ("GreenChannel", "2"), ("BlueChannel", "x"))
    )
    return (
        '<StyledLayerDescriptor xmlns="http://www.opengis.net/sld"><RasterSymbolizer>'
        f"<ContrastEnhancement><{name}/></ContrastEnhancement><ChannelSelection>{channels}</ChannelSelection>"
        "</RasterSymbolizer></StyledLayerDescriptor>"
    )


def rgb(image: ee.Image) -> list[int | None]:
    planes = [pixels(image, band=band)[0, 0] for band in range(3)]
    return [None if plane is np.ma.masked else int(plane) for plane in planes]


@pytest.mark.parametrize(
    ("kind", "number", "colour"),
    [
        ("intervals", -5, [0, 0, 255]),
        ("intervals", 0, [0, 0, 255]),
        ("intervals", 1, [0, 255, 0]),
        ("intervals", 100, [0, 255, 0]),
        ("intervals", 201, [None] * 3),
        ("values", 100, [0, 255, 0]),
        ("values", 99, [None] * 3),
        ("ramp", 25, [0, 64, 191]),
        ("ramp", 300, [255, 0, 0]),
        ("ramp", -1, [0, 0, 255]),
    ],
)
def test_a_value_has_the_colour_of_its_entry(kind, number, colour):
    assert rgb(ee.Image(number).sldStyle(colour_map(kind))) == colour


def test_an_entry_without_opacity_is_transparent():
    style = colour_map("values").replace('quantity="100"', 'quantity="100" opacity="0"')
    assert rgb(ee.Image(100).sldStyle(style)) == [None] * 3


def test_the_bands_are_colours():
    assert info(ee.Image(1).sldStyle(colour_map("ramp")).bandNames()) == ["vis-red", "vis-green", "vis-blue"]


def test_normalize_stretches_from_the_least_to_the_greatest_value():
    source = pixels(ee.Image("C/a").select("x"), CATALOG, GRID).astype(float)
    styled = pixels(ee.Image("C/a").sldStyle(contrast("Normalize")), CATALOG, GRID)
    expected = np.rint((source - source.min()) / (source.max() - source.min()) * 255)
    np.testing.assert_array_equal(styled, expected)


def test_a_histogram_is_level_after_its_equalisation():
    styled = pixels(ee.Image("C/a").sldStyle(contrast("Histogram")), CATALOG, GRID, band=1)
    counts, _ = np.histogram(styled, bins=4, range=(0, 256))
    np.testing.assert_allclose(counts, styled.size / 4, atol=styled.size * 0.03)


def test_gamma_brightens():
    gray = "<GrayChannel><SourceChannelName>1</SourceChannelName></GrayChannel>"
    enhanced = "<ContrastEnhancement><GammaValue>2</GammaValue></ContrastEnhancement>"
    style = f"<RasterSymbolizer><ChannelSelection>{gray}</ChannelSelection>{enhanced}</RasterSymbolizer>"
    assert rgb(ee.Image(64).sldStyle(style)) == [round((64 / 255) ** 0.5 * 255)] * 3


@pytest.mark.parametrize(
    ("style", "words"),
    [
        ("<RasterSymbolizer", "is no XML"),
        ("<a/>", "exactly one RasterSymbolizer, got 0"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><RasterSymbolizer/>', "without DOCTYPE"),
        (colour_map("steps"), "type 'steps' of a ColorMap: expected one of ramp, intervals, values"),
        (contrast("Normalize"), "Band pattern 'x' did not match"),
    ],
)
def test_a_style_that_cannot_be_read_is_refused(style, words):
    with pytest.raises(EngineError, match=words):
        value(ee.Image(1).sldStyle(style))


def test_an_image_without_an_end_has_no_histogram():
    style = "<RasterSymbolizer><ContrastEnhancement><Normalize/></ContrastEnhancement></RasterSymbolizer>"
    with pytest.raises(EngineError, match="need an image with dimensions"):
        pixels(ee.Image(1).sldStyle(style))
