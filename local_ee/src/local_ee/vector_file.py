"""The one way in which the engine opens and makes vector files: from bytes whose beginning is checked first.

GDAL follows what a file says: a virtual layer of any name may read any file of this machine or any address
(https://gdal.org/en/stable/user/security.html), so only bytes of the formats below are given to it.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from local_ee.geopackages import check_stored

MOST_BYTES = 64 << 20  # of one table's files together, unpacked
HEADS = {".gpkg": b"SQLite format 3\0", ".zip": b"PK\x03\x04", ".shp": b"\0\0\x27\x0a"}
SHAPEFILE_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")
LONLAT = "EPSG:4326"


@dataclass(frozen=True, eq=False)
class Layer:
    """The rows of a vector file: shapely geometries (None where a row has none), and attributes by name.

    crs: as the file declares it; None where it does not.
    """

    shapes: np.ndarray
    columns: Mapping[str, np.ndarray]
    crs: str | None

    def in_lonlat(self, crs: str | None = None) -> np.ndarray:
        """The geometries with longitude before latitude; from `crs` where it is named, else from the file's own.

        A file that declares none is in WGS84 (https://developers.google.com/earth-engine/guides/table_upload).
        """
        source = crs or self.crs or LONLAT
        try:
            if CRS.from_user_input(source).equals(CRS.from_user_input(LONLAT), ignore_axis_order=True):
                return self.shapes
            change = Transformer.from_crs(source, LONLAT, always_xy=True)
            moved: np.ndarray = shapely.transform(self.shapes, lambda xy: np.column_stack(change.transform(*xy.T)))
        except (CRSError, ProjError) as error:
            raise ValueError(f"its coordinate system {source!r} cannot be used: {error}") from error
        return moved


def read(suffix: str, content: bytes) -> Layer:
    """The only layer of a GeoPackage (.gpkg) or of a shapefile in an archive (.zip); ValueError says what is wrong."""
    _check_head(suffix, content)
    if suffix == ".zip":
        content = _archive(_unpacked(content))
    import pyogrio

    try:
        with _source(suffix, content) as source:
            if isinstance(source, Path):
                check_stored(source)
            names = [str(name) for name, geometry in pyogrio.list_layers(source) if geometry is not None]
            if len(names) != 1:
                raise ValueError(f"it has {len(names)} layers with geometries: give a file of one layer")
            head, _, shapes, values = pyogrio.raw.read(source, layer=names[0], force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError, UnicodeDecodeError) as error:
        raise ValueError("it is damaged, or not of the format of its ending") from error
    try:
        geometries = shapely.from_wkb(shapes)
    except shapely.errors.ShapelyError as error:
        raise ValueError(f"it holds a geometry that cannot be read: {error}") from error
    columns = {str(name): column for name, column in zip(head["fields"], values, strict=True)}
    return Layer(geometries, columns, head["crs"])


def read_shapefile(parts: Mapping[str, bytes]) -> Layer:
    """The rows of a shapefile whose files are given by ending (.shp, .shx and .dbf at least)."""
    absent = [ending for ending in SHAPEFILE_PARTS[:3] if ending not in parts]
    if absent:
        raise ValueError(f"it has no {absent[0]} file beside it")
    _check_head(".shp", parts[".shp"])
    return read(".zip", _archive(parts))


def shapefile(shapes: Sequence[shapely.Geometry], columns: Mapping[str, np.ndarray]) -> dict[str, bytes]:
    """The files of a shapefile in EPSG:4326 by ending; the geometries are all of one type."""
    import pyogrio

    geometry_type = _common_type(shapes)
    with tempfile.TemporaryDirectory() as folder:
        pyogrio.raw.write(
            Path(folder) / "table.shp",
            geometry=shapely.to_wkb(np.array(shapes, dtype=object)),
            field_data=list(columns.values()),
            fields=list(columns),
            driver="ESRI Shapefile",
            crs=LONLAT,
            geometry_type=geometry_type,
            promote_to_multi=False,
        )
        return {path.suffix: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def _common_type(shapes: Sequence[shapely.Geometry]) -> str:
    """The type of all; a MultiPolygon and a Polygon are stored alike in a shapefile, lines too."""
    types = {shape.geom_type.replace("LinearRing", "LineString") for shape in shapes}
    multiple = next((name for name in types if name.startswith("Multi") and name != "MultiPoint"), None)
    if multiple is not None and types <= {multiple, multiple.removeprefix("Multi")}:
        return multiple
    if len(types) != 1:
        raise ValueError(f"a shapefile holds geometries of one type; these are {', '.join(sorted(types)) or 'none'}")
    return types.pop()


@contextmanager
def _source(suffix: str, content: bytes) -> Iterator[bytes | Path]:
    """What GDAL reads: an archive in memory; a GeoPackage in a file, because GDAL warns of one without its ending."""
    if suffix == ".zip":
        yield content
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"table{suffix}"
        path.write_bytes(content)
        yield path


def _check_head(suffix: str, content: bytes) -> None:
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    if not content.startswith(HEADS[suffix]):
        raise ValueError(f"it does not begin as a {suffix} file does")


def _unpacked(content: bytes) -> dict[str, bytes]:
    """The files of the one shapefile in an archive, by ending."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if "__MACOSX" not in member.filename]
            shapefiles = [member.filename for member in members if member.filename.lower().endswith(".shp")]
            if len(shapefiles) != 1:
                raise ValueError(f"it holds {len(shapefiles)} shapefiles: zip one .shp with its .shx, .dbf and .prj")
            stem = shapefiles[0][:-4]
            own = [m for m in members if m.filename[:-4] == stem and m.filename[-4:].lower() in SHAPEFILE_PARTS]
            if sum(member.file_size for member in own) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES:,} bytes")
            parts = {member.filename[-4:].lower(): archive.read(member) for member in own}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise ValueError(f"it is no archive that can be read: {error}") from error
    _check_head(".shp", parts[".shp"])
    return parts


def _archive(parts: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for ending in SHAPEFILE_PARTS:
            if ending in parts:
                archive.writestr(f"table{ending}", parts[ending])
    return packed.getvalue()
