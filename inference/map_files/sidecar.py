"""The file beside a map in which GDAL and QGIS look for what a GeoTIFF cannot hold: class names and a short palette.

A TIFF's palette of 8 bits has 256 entries (TIFF 6.0, section 5), which QGIS would list one by one. The palette of the
sidecar, which GDAL prefers, has the classes alone.
Source: https://gdal.org/en/stable/user/raster_data_model.html.
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Sequence

import numpy as np

from isamap.inference.map_files.legend import Palette

# name, type (GDALRATFieldType) and usage (GDALRATFieldUsage) of each column of the attribute table
INTEGER, REAL, TEXT = 0, 1, 2
COLUMNS = (
    ("Value", INTEGER, 5),
    ("Class", TEXT, 2),
    ("Red", INTEGER, 6),
    ("Green", INTEGER, 7),
    ("Blue", INTEGER, 8),
    ("Count", REAL, 1),
)


def content(legend: Palette, counts: np.ndarray) -> bytes:
    """The bytes of NAME.tif.aux.xml: palette, class names and attribute table; counts: pixels of each value 0..255."""
    tree = xml.Element("PAMDataset")
    band = xml.SubElement(tree, "PAMRasterBand", band="1")
    describe(band, legend)
    rows = enumerate(zip(legend.names, legend.colours, strict=True))
    band.append(_table([(value, name, *bytes.fromhex(rgb), int(counts[value])) for value, (name, rgb) in rows]))
    xml.indent(tree)
    return xml.tostring(tree) + b"\n"


def describe(band: xml.Element, legend: Palette) -> None:
    """Adds the palette and the names of the classes to a band of GDAL's XML, here or in a virtual file."""
    xml.SubElement(band, "ColorInterp").text = "Palette"
    palette = xml.SubElement(band, "ColorTable")
    for colour in legend.colours:
        red, green, blue = bytes.fromhex(colour)
        xml.SubElement(palette, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4="255")
    names = xml.SubElement(band, "CategoryNames")
    for name in legend.names:
        xml.SubElement(names, "Category").text = name


def _table(rows: Sequence[tuple[object, ...]]) -> xml.Element:
    table = xml.Element("GDALRasterAttributeTable", tableType="thematic")
    for index, (name, field_type, usage) in enumerate(COLUMNS):
        column = xml.SubElement(table, "FieldDefn", index=str(index))
        for key, text in (("Name", name), ("Type", field_type), ("Usage", usage)):
            xml.SubElement(column, key).text = str(text)
    for index, values in enumerate(rows):
        row = xml.SubElement(table, "Row", index=str(index))
        for value in values:
            xml.SubElement(row, "F").text = str(value)
    return table
