"""A map as a file to take away: GeoTIFF, GeoPackage of polygons, table of areas, or picture."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from isamap.gee_export.base.atomic import write_whole
from isamap.inference.serve.cache import Cache
from isamap.inference.serve.map_store import StoredMap
from isamap.inference.serve.map_values import note_of, whole_areas

FORMATS = {
    "geotiff": ("tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    "probability": ("prob.tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    "share": ("share.tif", "image/tiff; application=geotiff; profile=cloud-optimized"),
    "gpkg": ("gpkg", "application/geopackage+sqlite3"),
    "csv": ("csv", "text/csv; charset=utf-8"),
    "png": ("png", "image/png"),
}


def formats_of(stored: StoredMap) -> tuple[str, ...]:
    """The formats that a map has: of a network that learned shares percents in the place of probabilities."""
    absent = {"probability", "share"} - {stored.numbers}
    return tuple(name for name in FORMATS if name not in absent)


@dataclass
class Downloads:
    """Files of maps, made when they are asked for first and kept for a while, one made at a time."""

    cache: Cache
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def file(self, stored: StoredMap, format: str) -> Path:
        """The file; of `geotiff`, `probability` and `share` the map's own."""
        if format == "geotiff":
            return stored.pixels().path
        if format == "probability":
            return stored.pixels().probability.path
        if format == "share" and (shares := stored.pixels().shares):
            return shares.path
        suffix, _ = FORMATS[format]
        path = self.cache.folder / f"{stored.id}-{stored.version}.{suffix}"
        # One at a time: the polygons of a large map take seconds and memory, and two askers want the same file.
        with self._lock:
            if not self.cache.use(path):
                self.cache.folder.mkdir(parents=True, exist_ok=True)
                _WRITERS[format](stored, path)
                self.cache.sweep()
        return path


def _write_polygons(stored: StoredMap, path: Path) -> None:
    """Every class, each pixel of the map."""
    from isamap.inference.polygons.polygons import PolygonOptions, map_polygons

    map_polygons(stored.pixels().path, path, PolygonOptions(stored.file.legend.names))


def _write_table(stored: StoredMap, path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    column = "summed_km2" if stored.numbers == "share" else "counted_km2"
    writer.writerow(("map", "period", "class", column, "simulated", "note"))
    for name, km2 in whole_areas(stored)["area_km2"].items():
        writer.writerow((stored.id, stored.period, name, km2, str(stored.is_simulated).lower(), note_of(stored)))
    write_whole(path, text.getvalue().encode())


def _write_picture(stored: StoredMap, path: Path) -> None:
    from isamap.inference.web_map.static_picture import view

    temporary = path.with_name(f".{path.name}.part.png")
    view(stored.pixels().path, out=temporary)
    temporary.replace(path)


_WRITERS: dict[str, Callable[[StoredMap, Path], None]] = {
    "gpkg": _write_polygons,
    "csv": _write_table,
    "png": _write_picture,
}
