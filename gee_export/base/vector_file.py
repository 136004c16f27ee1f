"""A user's vector file: that it is what its name says, which layers it has, and its features as shapely geometries.

GDAL follows what a file says: a virtual layer (OGR VRT) or a pipeline (GDALG) of any name may read any file of this
machine or any address (https://gdal.org/en/stable/user/security.html). So the first bytes are checked against the
ending before GDAL sees the file.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

if TYPE_CHECKING:
    import numpy as np

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
UNPACKED_BYTES = 1 << 30  # of an archive's files together


@dataclass(frozen=True)
class Features:
    """The geometries of one layer, their system in words (None: the file has none), and the layer's name."""

    layer: str
    crs: str | None
    driver: str
    shapes: np.ndarray


def has_its_format(path: Path) -> bool:
    """Whether a file begins as its ending says and points nowhere else; OSError where it cannot be read."""
    suffix = path.suffix.lower()
    with path.open("rb") as stream:
        head = stream.read(SEARCHED_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(HEADS.get(suffix, ())):
        return False
    if suffix == ".kml" and b"<kml" not in head:
        return False
    return not any(word in head for word in INDIRECT) if suffix in TEXTS else True


def layers(path: str | Path) -> list[str]:
    """Names of the layers that have geometries; what pyogrio raises where there is no vector file."""
    import pyogrio

    return [str(name) for name, geometry_type in pyogrio.list_layers(path) if geometry_type is not None]


def read_features(path: Path) -> Features:
    """Every geometry of a file of one layer (empty ones left out), in the file's own system.

    ValueError in one sentence without the file's name: for a file that is not what its ending says, that cannot be
    read, or that has several layers.
    """
    import pyogrio

    name = archived(path) if path.suffix.lower() == ".zip" else str(path)
    try:
        found = layers(name)
        if len(found) != 1:
            listed = f"the layers {', '.join(found)}" if found else "no layer with geometries"
            raise ValueError(f"has {listed}: give a file of one layer (ogr2ogr one.gpkg FILE LAYER)")
        head, _, content, _ = pyogrio.raw.read(name, layer=found[0], columns=[], force_2d=False)
        driver = pyogrio.read_info(name, layer=found[0])["driver"]
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            "holds no vectors that can be read: it is damaged, or not of the format of its ending"
        ) from error
    try:
        shapes = shapely.from_wkb(content)
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"holds a geometry that cannot be read: {error}") from error
    return Features(found[0], head["crs"], driver, shapes[~(shapely.is_missing(shapes) | shapely.is_empty(shapes))])


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
