"""The polygons by which areas are counted: districts of a vector file, each of a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS, Geod

from isamap.gee_export.base.feature_table import DENSE_DEG, FeatureTable, read_table
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.outline import inside
from isamap.gee_export.labelling.coverage import covered
from isamap.inference.assessment.zone_names import names_of

METHODS = ("exact", "centre")


@dataclass(frozen=True, eq=False)
class Zones:
    """Polygons, each of a name of its own. They may overlap: each counts all of its ground.

    notes: sentences on features whose names were not clear.
    """

    names: tuple[str, ...]
    table: FeatureTable
    notes: tuple[str, ...] = ()
    _by_system: dict[str, ZonesOnGrid] = field(default_factory=dict, init=False, repr=False)

    def subset(self, names: Sequence[str]) -> Zones:
        """Some of the zones, in the order given."""
        which = [self.names.index(name) for name in names]
        columns = {name: values[which] for name, values in self.table.columns.items()}
        return Zones(tuple(names), FeatureTable(self.table.shapes[which], self.table.crs, columns), self.notes)

    @property
    def km2(self) -> np.ndarray:
        """Area of each zone on the ellipsoid."""
        shapes = self.table.in_system(CRS.from_epsg(4326))
        dense = shapely.orient_polygons(shapely.segmentize(shapes, DENSE_DEG))
        return np.array([abs(Geod(ellps="WGS84").geometry_area_perimeter(each)[0]) / 1e6 for each in dense])

    def on(self, geobox: GeoBox) -> ZonesOnGrid:
        """The zones in the system of a grid; moved into it once."""
        system = crs_of(geobox).to_wkt()
        if system not in self._by_system:
            self._by_system[system] = ZonesOnGrid(self.table.in_system(CRS.from_wkt(system)))
        return self._by_system[system]

    def holding(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Which zone each point lies in, bool (zones, points)."""
        shapes = self.table.in_system(CRS.from_epsg(4326))
        return np.array([shapely.contains_xy(shape, lon, lat) for shape in shapes])


@dataclass(frozen=True, eq=False)
class ZonesOnGrid:
    """Polygons in the system of a grid, and which share of its pixels they cover."""

    shapes: np.ndarray

    def touching(self, geobox: GeoBox) -> np.ndarray:
        """Numbers of the zones that share ground with a grid."""
        return np.flatnonzero(shapely.intersects(self.shapes, _outline(geobox)))

    def shares(self, index: int, geobox: GeoBox, method: str) -> np.ndarray:
        """Share of each pixel that a zone covers, 0 to 1: exact, or 1 where it holds the pixel's centre."""
        shape = self.shapes[index]
        if shapely.contains_properly(shape, _outline(geobox)):
            return np.ones(tuple(geobox.shape))
        if method == "centre":
            return inside(shape, geobox).astype(np.float64)
        polygons = shapely.get_parts(shapely.clip_by_rect(shape, *geobox.boundingbox.bbox))
        polygons = polygons[shapely.get_dimensions(polygons) == 2]
        return covered(polygons, geobox) if len(polygons) else np.zeros(tuple(geobox.shape))


def read_zones(path: str | Path, column: str | None = None) -> Zones:
    """The polygons of a vector file by name.

    column: the attribute that names them, whose equal values are one zone. Without it each feature is a zone, named as
    `zone_names` says. ValueError: no polygons, an unknown column, a file that cannot be read.
    """
    return zones_of(read_table(path, "file of zones"), column, f"file of zones {path}")


def zones_of(table: FeatureTable, column: str | None, noun: str) -> Zones:
    """The polygons of a table by name, as of `read_zones`; noun: what messages call it."""
    flat = shapely.get_dimensions(table.shapes) != 2
    if flat.any():
        raise ValueError(f"{noun} holds a {table.shapes[flat][0].geom_type}: areas are counted by polygons, give those")
    named = names_of(table, column, noun)
    valid = shapely.make_valid(table.shapes)
    order = tuple(dict.fromkeys(named.names))
    shapes = np.array([_polygonal(valid[[each == name for each in named.names]]) for name in order], dtype=object)
    return Zones(order, FeatureTable(shapes, table.crs, {"zone": np.array(order, dtype=object)}), named.notes)


def _polygonal(shapes: np.ndarray):
    united = shapely.union_all(shapes)
    parts = shapely.get_parts(united)
    return shapely.MultiPolygon([polygon for polygon in parts if polygon.geom_type == "Polygon"])


def _outline(geobox: GeoBox):
    """The ground of a grid, in its own system."""
    return shapely.box(*geobox.boundingbox.bbox)
