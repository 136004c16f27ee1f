"""The index of a zone's tiles, of classes and of probabilities, as files that QGIS and GDAL open as one map: a virtual
file, which every GDAL reads, and a raster tile index, which GDAL 3.9 and later open quickly with any number of tiles.
https://gdal.org/en/stable/drivers/raster/vrt.html and gti.html
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS
from shapely.geometry import box

from gee_export.base.feature_table import FeatureTable, geopackage
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


def tile_index(grid: ZoneGrid, sources: Mapping[str, str]) -> bytes:
    """The GDAL raster tile index (GTI) of a band: a GeoPackage of each tile's outline and file; sources as of
    `class_index`. Equal tiles give equal bytes.
    """
    affine, (height, width) = grid.geobox.affine, grid.geobox.shape
    names = sorted(sources)
    corners = [affine * (grid.places[name].col, grid.places[name].row) for name in names]
    sides = [affine * (grid.places[name].col_end, grid.places[name].row_end) for name in names]
    outlines = np.array([box(x, bottom, right, y) for (x, y), (right, bottom) in zip(corners, sides, strict=True)])
    columns = {"location": np.array([sources[name] for name in names], object)}
    right, bottom = affine * (width, height)
    metadata = {
        "RESX": repr(float(affine.a)),
        "RESY": repr(float(-affine.e)),
        "MINX": repr(float(affine.c)),
        "MAXX": repr(float(right)),
        "MINY": repr(float(bottom)),
        "MAXY": repr(float(affine.f)),
        "BAND_COUNT": "1",
        "DATA_TYPE": "Byte",
        "NODATA": str(UNKNOWN),
    }
    return geopackage(FeatureTable(outlines, CRS.from_wkt(crs_of(grid.geobox).to_wkt()), columns), "tiles", metadata)


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
