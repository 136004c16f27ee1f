"""The outline that a vector file draws, in EPSG:4326: any format and system, one outline of all its features.

Straight lines stay straight in the file's own system. Rings that cross themselves are repaired, and how is said on
the standard error. Points and lines become ground by a buffer in metres.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Geod
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import regions, vector_file
from isamap.gee_export.base.regions import Region
from isamap.gee_export.base.vector_file import Features

ENDINGS = (".geojson", ".json", ".gpkg", ".shp", ".zip", ".fgb", ".parquet", ".geoparquet", ".kml")
MAX_BUFFER_M = 100_000.0  # a third of a UTM zone: beyond, metres of the zone are not metres of the ground
DENSE_M = 500.0  # an edge is followed this closely from one system into another: within 1 cm
CIRCLE = 32  # segments of a quarter of a buffer's circle: its area within 0.1 %
MOST_NEW_POINTS = 1_000_000  # so many of an outline at most
_FORMATS = "GeoJSON, GeoPackage, Shapefile (also as .zip), FlatGeobuf, GeoParquet or KML"


def read_outline(path: str | Path, buffer_m: float | None = None) -> BaseGeometry:
    """The polygons of a file (points and lines too with `buffer_m`) as one outline in EPSG:4326.

    GeoJSON, GeoPackage, Shapefile (also zipped), FlatGeobuf, GeoParquet or KML, of any coordinate system. buffer_m
    widens every feature by so many metres of its own UTM zone. ValueError names the file, what is wrong and the remedy.
    """
    path = Path(path).expanduser()
    _check_buffer(buffer_m)
    try:
        _check_format(path)
        features = vector_file.read_features(path)
        if not len(features.shapes):
            raise ValueError(f"holds no features in layer {features.layer}")
        shapes = _in_degrees(features, _system(features))
    except OSError as error:
        raise ValueError(f"geometry file {path} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ValueError(f"geometry file {path} {error}") from error
    shapes = _repaired(shapes, f"geometry file {path}, layer {features.layer}")
    if buffer_m is not None:
        # Feature by feature: a file may span zones, and one zone's metres are no metres in the next but one.
        shapes = np.array([_buffered(each, buffer_m) for each in shapes], dtype=object)
    return _united(shapes, f"geometry file {path}, layer {features.layer},")


def from_geometry(path: str | Path, *, within: Region | None = None, buffer_m: float | None = None) -> Region:
    """The region of a file's outline, called as the file is; on `within`'s lattice where one is given."""
    outline = read_outline(path, buffer_m)
    return within.outlined(outline) if within is not None else regions.from_outline(outline, name=name_of(path))


def name_of(path: str | Path) -> str:
    """What the region of a file is called."""
    return regions.slug(Path(path).stem)


def _check_buffer(buffer_m: float | None) -> None:
    if buffer_m is not None and not 0 < buffer_m <= MAX_BUFFER_M:
        raise ValueError(f"--buffer {buffer_m:g}: expected more than 0 and at most {MAX_BUFFER_M:,.0f} metres")


def _check_format(path: Path) -> None:
    if not path.is_file():
        raise ValueError("was not found: check the path" if not path.is_dir() else f"is a folder: give {_FORMATS}")
    if path.suffix.lower() not in ENDINGS:
        raise ValueError(f"ends in {path.suffix or 'nothing'}: give {_FORMATS}, such as ogr2ogr writes from others")
    if not vector_file.has_its_format(path):
        raise ValueError(f"is no {path.suffix} by its first bytes: give {_FORMATS} under its own ending")


def _system(features: Features) -> CRS:
    """The system of the coordinates; ValueError where nothing says it."""
    crs = features.crs
    if crs is None:
        raise ValueError(
            f"has no coordinate system in layer {features.layer}: add one (a .prj file, or ogr2ogr -a_srs EPSG:...)"
        )
    declared = CRS.from_user_input(crs)
    if declared.is_geographic and not _may_be_degrees(features.shapes):
        west, south, east, north = shapely.total_bounds(features.shapes)
        raise ValueError(
            f"holds coordinates of {west:g} {south:g} to {east:g} {north:g} in layer {features.layer}, which are no "
            f"degrees of {crs}: GeoJSON without a crs is EPSG:4326; reproject it (ogr2ogr -s_srs EPSG:... "
            "-t_srs EPSG:4326) or give a GeoPackage that says its system"
        )
    return declared


def _may_be_degrees(shapes: np.ndarray) -> bool:
    west, south, east, north = shapely.total_bounds(shapes)
    # One turn beyond +-180: files that cross the antimeridian count on, and `zones.wrapped` turns them back.
    return bool(west >= -540 and east <= 540 and south >= -90 and north <= 90)


def _in_degrees(features: Features, crs: CRS) -> np.ndarray:
    """The geometries in EPSG:4326, as they are where they are in it."""
    if crs.to_epsg() == 4326 or crs.to_authority() == ("OGC", "CRS84"):
        return features.shapes
    step = DENSE_M / crs.axis_info[0].unit_conversion_factor if crs.is_projected else regions.DENSE_DEG
    # A line around the globe in steps of 500 m would be 80,000 points; thousands of such lines fill the memory.
    step = max(step, float(shapely.length(features.shapes).sum()) / MOST_NEW_POINTS)
    moved: np.ndarray = regions.reprojected(features.shapes, crs, 4326, step)
    if not np.isfinite(shapely.total_bounds(moved)).all():
        raise ValueError(f"holds coordinates outside its system {features.crs} in layer {features.layer}: check both")
    return moved


def _repaired(shapes: np.ndarray, name: str) -> np.ndarray:
    """The geometries, invalid ones made valid (GEOS MakeValid), with a note on what that changed."""
    wrong = ~shapely.is_valid(shapes)
    if not wrong.any():
        return shapes
    sound = np.where(wrong, shapely.make_valid(shapes), shapes)
    before = sum(_area_km2(shape, _as_drawn) for shape in shapes[wrong])
    after = sum(_area_km2(shape, shapely.orient_polygons) for shape in sound[wrong])
    reason = shapely.is_valid_reason(shapes[wrong][0])
    print(
        f"note: {name}: {int(wrong.sum())} of {len(shapes)} features were repaired ({reason}): their area was "
        f"{before:.6g} km2 as drawn and is {after:.6g} km2 now; look whether this is the ground that you mean",
        file=sys.stderr,
    )
    return sound


def _area_km2(shape: BaseGeometry, oriented: Callable[[BaseGeometry], BaseGeometry]) -> float:
    geod = Geod(ellps="WGS84")
    return sum(abs(geod.geometry_area_perimeter(oriented(polygon))[0]) for polygon in _polygons(shape)) / 1e6


def _as_drawn(polygon: BaseGeometry) -> BaseGeometry:
    """Rings in the order of their points: the two halves of a bow-tie then cancel out."""
    return polygon


def _polygons(shape: BaseGeometry) -> list[BaseGeometry]:
    return [polygon for each in _simple(shape) for polygon in shapely.get_parts(each) if polygon.geom_type == "Polygon"]


def _simple(shape: BaseGeometry) -> list[BaseGeometry]:
    """A geometry, or those that a collection holds, as they are."""
    if shape.geom_type != "GeometryCollection":
        return [shape]
    return [each for member in shape.geoms for each in _simple(member)]


def _buffered(shape: BaseGeometry, buffer_m: float) -> BaseGeometry:
    """A geometry widened in metres of the UTM zone of its middle."""
    west, south, east, north = shape.bounds
    # A single point has no width, which a box must have.
    regions.check_bbox((west - 1e-9, south - 1e-9, east + 1e-9, north + 1e-9))
    epsg = regions.utm_epsg((west + east) / 2, (south + north) / 2)
    wide = shapely.buffer(regions.in_metres(shape, epsg), buffer_m, quad_segs=CIRCLE)
    return regions.reprojected(wide, epsg, 4326, DENSE_M)


def _united(shapes: np.ndarray, name: str) -> BaseGeometry:
    """One outline of all polygons; ValueError where there is none."""
    parts = [geometry for shape in shapes for geometry in _simple(shape)]
    outline = shapely.union_all([geometry for geometry in parts if geometry.geom_type in ("Polygon", "MultiPolygon")])
    others = Counter(geometry.geom_type for geometry in parts if geometry.geom_type not in ("Polygon", "MultiPolygon"))
    if outline.is_empty:
        raise ValueError(
            f"{name} holds no polygon but {parts[0].geom_type}s: give polygons, or make areas of points and lines with "
            "`isamap export --buffer METRES`"
        )
    if math.isclose(outline.area, 0):
        raise ValueError(f"{name} holds polygons without area: draw them again")
    if others:
        counts = " and ".join(
            f"{count} {geometry_type}{'s' * (count > 1)}" for geometry_type, count in sorted(others.items())
        )
        print(
            f"note: {name} holds {counts} beside polygons: left out, as they have no area (--buffer METRES makes some)",
            file=sys.stderr,
        )
    return outline
