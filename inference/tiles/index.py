"""The index of a zone's tiles: two GDAL virtual files, of classes and of probabilities, that QGIS and GDAL open as one
map. https://gdal.org/en/stable/drivers/raster/vrt.html
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Mapping
from dataclasses import dataclass

from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.base.grid import Window, crs_of
from gee_export.base.scheme import UNKNOWN
from inference.cog import BLOCK_PX
from inference.legend import PROB_STEPS, PROBABILITY, Legend


@dataclass(frozen=True)
class ZoneGrid:
    """The pixels of all tiles of a zone together: where each tile's lie, by its name. geobox: in the map's step."""

    geobox: GeoBox
    places: Mapping[str, Window]


def class_index(grid: ZoneGrid, legend: Legend, sources: Mapping[str, str]) -> bytes:
    """The virtual file of the classes; sources: each tile's file, as seen from the index."""
    tree, band = _tree(grid, legend.band)
    _add(band, "ColorInterp", "Palette")
    table = xml.SubElement(band, "ColorTable")
    for colour in legend.colours:
        red, green, blue = bytes.fromhex(colour)
        xml.SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4="255")
    names = xml.SubElement(band, "CategoryNames")
    for name in legend.names:
        _add(names, "Category", name)
    return _filled(tree, band, grid, sources)


def probability_index(grid: ZoneGrid, sources: Mapping[str, str]) -> bytes:
    """The virtual file of the probabilities; sources as of `class_index`."""
    tree, band = _tree(grid, PROBABILITY)
    _add(band, "Scale", repr(1 / PROB_STEPS))
    return _filled(tree, band, grid, sources)


def _tree(grid: ZoneGrid, name: str) -> tuple[xml.Element, xml.Element]:
    height, width = grid.geobox.shape
    affine: Affine = grid.geobox.affine
    tree = xml.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    _add(tree, "SRS", crs_of(grid.geobox).to_wkt())
    numbers = (affine.c, affine.a, affine.b, affine.f, affine.d, affine.e)
    _add(tree, "GeoTransform", ", ".join(repr(float(number)) for number in numbers))
    band = xml.SubElement(tree, "VRTRasterBand", dataType="Byte", band="1")
    _add(band, "Description", name)
    _add(band, "NoDataValue", str(UNKNOWN))
    return tree, band


def _filled(tree: xml.Element, band: xml.Element, grid: ZoneGrid, sources: Mapping[str, str]) -> bytes:
    for name, file in sorted(sources.items()):
        place = grid.places[name]
        source = xml.SubElement(band, "SimpleSource")
        _add(source, "SourceFilename", file, relativeToVRT="1")
        _add(source, "SourceBand", "1")
        block = str(min(BLOCK_PX, place.width))
        xml.SubElement(
            source,
            "SourceProperties",
            RasterXSize=str(place.width),
            RasterYSize=str(place.height),
            DataType="Byte",
            BlockXSize=block,
            BlockYSize=block,
        )
        size = {"xSize": str(place.width), "ySize": str(place.height)}
        xml.SubElement(source, "SrcRect", {"xOff": "0", "yOff": "0", **size})
        xml.SubElement(source, "DstRect", {"xOff": str(place.col), "yOff": str(place.row), **size})
    xml.indent(tree)
    return xml.tostring(tree) + b"\n"


def _add(parent: xml.Element, name: str, text: str, **attributes: str) -> None:
    xml.SubElement(parent, name, attributes).text = text
