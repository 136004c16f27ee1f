"""A map as a file to take away: GeoTIFF, GeoPackage of polygons, table of areas, or picture."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import CRS

from gee_export.base.atomic import write_whole
from gee_export.base.feature_table import FeatureTable, write_geopackage
from gee_export.base.grid import crs_of
from gee_export.base.scheme import UNKNOWN
from inference.legend import Legend
from inference.serve.cache import Cache
from inference.serve.map_store import StoredMap
from inference.serve.map_values import NOTE, whole_areas

POLYGON_PX = 4096  # a side of what becomes polygons: of larger maps every second, fourth ... pixel
FORMATS = {
    "geotiff": ("tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    "probability": ("prob.tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    "gpkg": ("gpkg", "application/geopackage+sqlite3"),
    "csv": ("csv", "text/csv; charset=utf-8"),
    "png": ("png", "image/png"),
}


@dataclass
class Downloads:
    """Files of maps, made when they are asked for first and kept for a while, one made at a time."""

    cache: Cache
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def file(self, stored: StoredMap, format: str) -> Path:
        """The file; of `geotiff` and `probability` the map's own."""
        if format == "geotiff":
            return stored.pixels().path
        if format == "probability":
            return stored.pixels().probability.path
        suffix, _ = FORMATS[format]
        path = self.cache.folder / f"{stored.id}-{stored.version}.{suffix}"
        with self._lock:
            if not self.cache.use(path):
                self.cache.folder.mkdir(parents=True, exist_ok=True)
                _WRITERS[format](stored, path)
                self.cache.sweep()
        return path


def polygons(class_HW: np.ndarray, geobox: GeoBox, legend: Legend) -> FeatureTable:
    """Areas of equal class as polygons of the grid's system, with value and name; unknown ground is left out."""
    import rasterio.features
    from shapely.geometry import shape

    known_HW = class_HW != UNKNOWN
    pairs = list(rasterio.features.shapes(class_HW, mask=known_HW, transform=geobox.affine))
    shapes = np.array([shape(geometry) for geometry, _ in pairs], dtype=object)
    values = np.array([int(value) for _, value in pairs], dtype=np.int32)
    names = np.array([legend.names[value] for value in values], dtype=object)
    return FeatureTable(shapes, CRS.from_wkt(crs_of(geobox).to_wkt()), {"value": values, "class": names})


def _write_polygons(stored: StoredMap, path: Path) -> None:
    values_2HW, geobox = stored.pixels().shrunk(POLYGON_PX)
    write_geopackage(path, polygons(values_2HW[0], geobox, stored.file.legend), "classes")


def _write_table(stored: StoredMap, path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("map", "period", "class", "counted_km2", "simulated", "note"))
    for name, km2 in whole_areas(stored).items():
        writer.writerow((stored.id, stored.period, name, km2, str(stored.is_simulated).lower(), NOTE))
    write_whole(path, text.getvalue().encode())


def _write_picture(stored: StoredMap, path: Path) -> None:
    from inference.picture import view

    temporary = path.with_name(f".{path.name}.part.png")
    view(stored.pixels().path, out=temporary)
    temporary.replace(path)


_WRITERS: dict[str, Callable[[StoredMap, Path], None]] = {
    "gpkg": _write_polygons,
    "csv": _write_table,
    "png": _write_picture,
}
