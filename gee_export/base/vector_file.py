"""A user's vector file: that it is what its name says, which layers it has, and its features as shapely geometries.

GDAL follows what a file says: a virtual layer (OGR VRT) or a pipeline (GDALG) of any name may read any file of this
machine or any address (https://gdal.org/en/stable/user/security.html). So the first bytes are checked against the
ending before GDAL sees the file.

A GeoPackage must hold stored rows only: a view may compute without end (WITH RECURSIVE), or make a gigabyte of nothing
(zeroblob), while GDAL reads its first row; so may a generated column. Only the schema is read to tell.
"""

from __future__ import annotations

import sqlite3
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import shapely

from isamap.gee_export.base import parquet_file

if TYPE_CHECKING:
    import numpy as np

    Columns = Mapping[str, np.ndarray]

HEADS = {  # by ending, how files begin
    ".geojson": (b"{",),
    ".json": (b"{",),
    ".gpkg": (b"SQLite format 3\0",),
    ".shp": (b"\0\0\x27\x0a",),
    ".fgb": (b"fgb",),
    ".parquet": (b"PAR1",),
    ".geoparquet": (b"PAR1",),
    ".kml": (b"<?xml", b"<kml"),
    ".zip": (b"PK\x03\x04",),
}
TEXTS = (".geojson", ".json", ".kml")
INDIRECT = (b"<OGRVRT", b"gdal_streamed_alg")  # what GDAL knows a virtual layer and a pipeline by
SEARCHED_BYTES = 1 << 20  # of a text for those words: far more than GDAL looks at
UNPACKED_BYTES = parquet_file.MOST_BYTES  # of an archive's files together, too

_INDEX = "create virtual table%using%rtree%"  # of GeoPackage's own spatial index
_COMPUTED = f"""SELECT type || ' ' || name FROM sqlite_master
    WHERE type = 'view' OR (sql LIKE 'create virtual table%' AND NOT sql LIKE '{_INDEX}') LIMIT 1"""
_GENERATED = """SELECT 'column ' || m.name || '.' || x.name FROM sqlite_master m, pragma_table_xinfo(m.name) x
    WHERE m.type = 'table' AND NOT m.sql LIKE 'create virtual table%' AND x.hidden IN (2, 3) LIMIT 1"""


@dataclass(frozen=True)
class Features:
    """The geometries of one layer, their system in words (None: the file has none), and the layer's name.

    columns: attributes by name, of as many rows.
    """

    layer: str
    crs: str | None
    driver: str
    shapes: np.ndarray
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)


def has_its_format(path: Path) -> bool:
    """Whether a file begins as its ending says and points nowhere else; OSError where it cannot be read."""
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        # Editors of Windows begin texts by a byte order mark.
        head = stream.read(SEARCHED_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(HEADS.get(suffix, ())):
        return False
    if suffix == ".kml" and b"<kml" not in head:
        return False
    return not any(word in head for word in INDIRECT) if suffix in TEXTS else True


def check_rows(path: Path) -> None:
    """ValueError, without the file's name, where SQLite would compute the rows of a GeoPackage, or where a Parquet file
    unpacks to more than memory may hold.
    """
    if path.suffix.lower() == ".gpkg":
        _check_stored(path)
    if parquet_file.is_parquet(path):
        parquet_file.check_unpacked(path)


def layers(path: str | Path) -> list[str]:
    """Names of the layers that have geometries; what pyogrio raises where there is no vector file."""
    import pyogrio

    return [str(name) for name, geometry_type in pyogrio.list_layers(path) if geometry_type is not None]


def read_features(path: Path, columns: Sequence[str] | None = ()) -> Features:
    """Every geometry of a file of one layer (empty ones left out), in the file's own system.

    columns: attributes that are read, too (None: all). A ring that is not closed is closed, which is said on the
    standard error. ValueError in one sentence without the file's name: for a file that is not what its ending says,
    that cannot be read, that has several layers or coordinates that are no numbers.
    """
    if parquet_file.is_parquet(path):
        return _features(path.stem, *parquet_file.read_rows(path, columns))
    import pyogrio

    name = archived(path) if path.suffix.lower() == ".zip" else str(path)
    check_rows(path)
    try:
        with _told(path):
            layer = _only_layer(layers(name))
            head, _, content, values = pyogrio.raw.read(name, layer=layer, columns=columns, force_2d=False)
            driver = pyogrio.read_info(name, layer=layer)["driver"]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            "holds no vectors that can be read: it is damaged, or not of the format of its ending"
        ) from error
    return _features(layer, head["crs"], driver, content, dict(zip(map(str, head["fields"]), values, strict=True)))


def _features(layer: str, crs: str | None, driver: str, content: np.ndarray, columns: Columns) -> Features:
    """Geometries (WKB) that are there, and their attributes: GeoPackages may hold features without a geometry."""
    shapes = _shapes(content)
    present = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    return Features(layer, crs, driver, shapes[present], {name: values[present] for name, values in columns.items()})


def _only_layer(names: list[str]) -> str:
    if len(names) != 1:
        listed = f"the layers {', '.join(names)}" if names else "no layer with geometries"
        raise ValueError(f"has {listed}: give a file of one layer (ogr2ogr one.gpkg FILE LAYER)")
    return names[0]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """GDAL's warnings about a file as one note each instead of Python's lines about them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RuntimeWarning)
        yield
    for message in dict.fromkeys(str(warning.message) for warning in caught):
        words = "a ring was not closed: it was closed" if "Non closed ring" in message else message
        print(f"note: {path}: {words}", file=sys.stderr)


def _shapes(content: np.ndarray) -> np.ndarray:
    """The geometries, also empty ones; ValueError in one sentence for what is none."""
    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # of NaN, which is told below
            shapes: np.ndarray = shapely.from_wkb(content, on_invalid="fix")
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"holds a geometry that cannot be read: {error}") from error
    if not np.isfinite(shapely.get_coordinates(shapes)).all():
        raise ValueError("holds coordinates that are no numbers (NaN or infinite): correct or remove those points")
    return shapes


def archived(path: Path) -> str:
    """GDAL's name of the one shapefile in an archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
            names = [name for name in archive.namelist() if name.lower().endswith(".shp") and "__MACOSX" not in name]
            heads = [archive.open(name).read(4) for name in names]
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise ValueError(f"is no archive that can be read: {error}") from error
    if size > UNPACKED_BYTES:
        raise ValueError(f"unpacks to {size:,} bytes; at most {UNPACKED_BYTES:,} are read: give the shapefile itself")
    if len(names) != 1:
        raise ValueError(f"holds {len(names)} shapefiles: zip one .shp with its .shx, .dbf and .prj")
    if heads[0] not in HEADS[".shp"] or ".." in Path(names[0]).parts:
        raise ValueError(f"holds {names[0]}, which is no shapefile by its first bytes")
    return f"/vsizip/{{{path.resolve()}}}/{names[0]}"


def _check_stored(path: Path) -> None:
    """ValueError, without the file's name, where a row of the GeoPackage is computed, or its schema is damaged."""
    # Immutable: SQLite then takes no lock and writes no journal beside a file that may lie in a read-only folder.
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as base:
            row = base.execute(_COMPUTED).fetchone() or base.execute(_GENERATED).fetchone()
    except sqlite3.Error as error:
        raise ValueError(f"is no GeoPackage that can be read: {error}") from error
    if row is not None:
        raise ValueError(
            f"holds the {row[0]!r:.100}, which is computed and not stored: write its rows into a table "
            "(ogr2ogr stored.gpkg FILE LAYER), if you trust the file"
        )
