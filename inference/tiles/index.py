"""The index of a zone's tiles, of classes and of probabilities, as files that QGIS and GDAL open as one map: a virtual
file, which every GDAL reads, and a raster tile index, which GDAL 3.9 and later open quickly with any number of tiles.
https://gdal.org/en/stable/drivers/raster/vrt.html and gti.html
"""

from __future__ import annotations

import xml.etree.ElementTree as xml
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from itertools import islice
from xml.sax.saxutils import escape

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS

from isamap.gee_export.base.feature_table import FeatureTable, geopackage_of
from isamap.gee_export.base.grid import Window, crs_of
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files import sidecar
from isamap.inference.map_files.cog import BLOCK_PX
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Palette

BATCH = 10_000  # outlines that are in memory at once


@dataclass(frozen=True)
class ZoneGrid:
    """The pixels of all tiles of a zone together: where each tile's lie, by its name. geobox: in the map's step."""

    geobox: GeoBox
    places: Mapping[str, Window]


@dataclass(frozen=True)
class Zone:
    """What the indexes of a zone show: its pixels, and the tags that its tiles have alike, such as the period."""

    grid: ZoneGrid
    tags: Mapping[str, str]


def class_index(zone: Zone, legend: Palette, sources: Mapping[str, str], unit: str = "") -> bytes:
    """The virtual file of classes or percents, which have colours; sources: each tile's file, seen from the index."""
    tree, band = _tree(zone, legend.band)
    if unit:
        _add(band, "UnitType", unit)
    sidecar.describe(band, legend)
    return _filled(tree, zone.grid, sources)


def probability_index(zone: Zone, sources: Mapping[str, str]) -> bytes:
    """The virtual file of the probabilities; sources as of `class_index`."""
    tree, band = _tree(zone, PROBABILITY)
    _add(band, "Scale", repr(1 / PROB_STEPS))
    return _filled(tree, zone.grid, sources)


def tile_index(zone: Zone, sources: Mapping[str, str]) -> bytes:
    """The GDAL raster tile index (GTI) of a band: a GeoPackage of each tile's outline and file; sources as of
    `class_index`. Equal tiles give equal bytes.
    """
    affine, (height, width) = zone.grid.geobox.affine, zone.grid.geobox.shape
    right, bottom = affine * (width, height)
    metadata = dict(zone.tags) | {
        "RESX": repr(float(affine.a)),
        "RESY": repr(float(-affine.e)),
        "MINX": repr(float(affine.c)),
        "MAXX": repr(float(right)),
        "MINY": repr(float(bottom)),
        "MAXY": repr(float(affine.f)),
        "BAND_COUNT": "1",
        "DATA_TYPE": "Byte",
        # Said here, so that GDAL opens no tile to learn it.
        "NODATA": str(UNKNOWN),
    }
    return geopackage_of(_outlines(zone.grid, sources), "tiles", metadata)


def _outlines(grid: ZoneGrid, sources: Mapping[str, str]) -> Iterator[FeatureTable]:
    """Each tile's outline and file, by name, in batches: a hundred thousand shapes take a tenth of a gigabyte."""
    crs, affine = CRS.from_wkt(crs_of(grid.geobox).to_wkt()), grid.geobox.affine
    remaining = iter(sorted(sources))
    while names := list(islice(remaining, BATCH)):
        places = [grid.places[name] for name in names]
        left, top = affine * np.array([[offset.col, offset.row] for offset in places]).T
        right, bottom = affine * np.array([[offset.col_end, offset.row_end] for offset in places]).T
        columns = {"location": np.array([sources[name] for name in names], object)}
        yield FeatureTable(shapely.box(left, bottom, right, top), crs, columns)


def _tree(zone: Zone, name: str) -> tuple[xml.Element, xml.Element]:
    height, width = zone.grid.geobox.shape
    affine: Affine = zone.grid.geobox.affine
    tree = xml.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    _add(tree, "SRS", crs_of(zone.grid.geobox).to_wkt())
    numbers = (affine.c, affine.a, affine.b, affine.f, affine.d, affine.e)
    _add(tree, "GeoTransform", ", ".join(repr(float(coefficient)) for coefficient in numbers))
    metadata = xml.SubElement(tree, "Metadata")
    for key, text in sorted(zone.tags.items()):
        _add(metadata, "MDI", text, key=key)
    band = xml.SubElement(tree, "VRTRasterBand", dataType="Byte", band="1")
    _add(band, "Description", name)
    _add(band, "NoDataValue", str(UNKNOWN))
    return tree, band


def _filled(tree: xml.Element, grid: ZoneGrid, sources: Mapping[str, str]) -> bytes:
    """The file's text with its tiles; these as text, because a hundred thousand elements take half a gigabyte."""
    xml.indent(tree)
    head, end, tail = xml.tostring(tree, encoding="unicode").rpartition("  </VRTRasterBand>")
    text = BytesIO(head.encode())
    text.seek(0, SEEK_END)
    for name in sorted(sources):
        text.write(_source(grid.places[name], sources[name]).encode())
    text.write(f"{end}{tail}\n".encode())
    return text.getvalue()


def _source(place: Window, file: str) -> str:
    block, size = min(BLOCK_PX, place.width), f'xSize="{place.width}" ySize="{place.height}"'
    return f"""    <SimpleSource>
      <SourceFilename relativeToVRT="1">{escape(file)}</SourceFilename>
      <SourceBand>1</SourceBand>
      <SourceProperties RasterXSize="{place.width}" RasterYSize="{place.height}" DataType="Byte" BlockXSize="{block}" \
BlockYSize="{block}" />
      <SrcRect xOff="0" yOff="0" {size} />
      <DstRect xOff="{place.col}" yOff="{place.row}" {size} />
    </SimpleSource>
"""


def _add(parent: xml.Element, name: str, text: str, **attributes: str) -> None:
    xml.SubElement(parent, name, attributes).text = text
