"""Labels of a user's vector file: buildings as polygons and roads as lines with a width, rasterised on any grid."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base import parquet_file, regions, vector_file
from isamap.gee_export.base.grid import crop, crs_of
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.base.scheme import UNKNOWN, Scheme
from isamap.gee_export.labelling import coverage, local_file
from isamap.gee_export.labelling.label_source import LabelSource
from isamap.gee_export.labelling.rules import HARD_SHARE_PERCENT

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

WIDTHS = ("width", "width_m")  # attributes of lines, in metres
OPTIONS = ("width", "extent", "layer")
_PIECE_PX = 1 << 18  # pixels worked on at a time: of a city, about 10,000 houses
_MARGIN_M = 500.0  # features so far outside a region may reach into it
_DENSE_M = 100.0  # an edge that is straight in one system is followed this closely in another


@dataclass(frozen=True)
class Shapes:
    """Impervious ground as polygons, and where the file knows the ground (None: everywhere), in one system."""

    crs: CRS
    polygons: np.ndarray
    known_ground: BaseGeometry | None
    tree: shapely.STRtree = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", shapely.STRtree(self.polygons))

    def into(self, crs: CRS) -> Shapes:
        """The shapes in another coordinate system."""
        if crs == self.crs:
            return self
        known_ground = (
            None if self.known_ground is None else regions.reprojected(self.known_ground, self.crs, crs, _DENSE_M)
        )
        return Shapes(crs, regions.reprojected(self.polygons, self.crs, crs, _DENSE_M), known_ground)


@dataclass(frozen=True)
class LocalVectors:
    """A vector file's impervious ground around a region, in metres of the region's zone."""

    info: Mapping[str, Any]
    shapes: Shapes
    touches: bool = True
    label: None = None
    share: None = None
    _moved: dict[str, Shapes] = field(default_factory=dict, repr=False, compare=False)

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label: more than half of a pixel's area is impervious. Share: the percentage of its area, half to even.

        Both are of the part of the pixel that the file knows, and 255 where that is less than half of it.
        """
        shapes = self._in(crs_of(geobox).to_wkt())
        label, share = np.empty(geobox.shape, np.uint8), np.empty(geobox.shape, np.uint8)
        for window in local_file.pieces(geobox, _PIECE_PX):
            built = built_share(shapes, crop(geobox, window))
            unknown = np.isnan(built)
            label[window.slices] = np.where(unknown, UNKNOWN, built > HARD_SHARE_PERCENT / 100)
            share[window.slices] = np.where(unknown, UNKNOWN, np.rint(100 * np.where(unknown, 0, built)))
        return label, share

    def _in(self, wkt: str) -> Shapes:
        # Kept by system: patches of one region ask a hundred thousand times for the same one.
        if wkt not in self._moved:
            self._moved[wkt] = self.shapes.into(CRS.from_wkt(wkt))
        return self._moved[wkt]


def built_share(shapes: Shapes, geobox: GeoBox) -> np.ndarray:
    """Impervious share of each pixel's known area, 0 to 1, exact to 1e-9; NaN where less than half is known."""
    box = shapely.box(*geobox.extent.boundingbox)
    # Houses that overlap are united first: their areas would count twice.
    built = coverage.apart(shapes.polygons[shapes.tree.query(box)])
    if shapes.known_ground is None or shapely.covers(shapes.known_ground, box):
        return coverage.covered(built, geobox)
    if not shapely.intersects(shapes.known_ground, box):
        return np.full(geobox.shape, np.nan)
    known_share = coverage.covered(coverage.apart(np.array([shapes.known_ground])), geobox)
    seen = coverage.covered(shapely.intersection(built, shapes.known_ground), geobox)
    return np.where(known_share >= 0.5, np.minimum(seen / np.maximum(known_share, 0.5), 1), np.nan)


def open_vectors(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> LocalVectors:
    """A vector file's features around a region; ValueError for what cannot be labels of an area.

    Options: width=METRES for lines without a width of their own; extent=all, or W,S,E,N in degrees, where the ground
    is known (the box around all features unless given); layer=NAME.
    """
    source.refuse_options(OPTIONS)
    table, bounds = near_features(source, region, WIDTHS)
    crs = CRS.from_epsg(region.epsg)
    shapes = Shapes(crs, _polygons(source, table, region), _known(source, bounds, table.crs, region))
    touches = "extent" in source.options or local_file.touches(bounds, table.crs, region)
    return LocalVectors(info_of(source), shapes, touches)


def info_of(source: LabelSource) -> dict[str, Any]:
    """What manifests say of a vector file."""
    facts = local_file.fingerprint(local_file.found(source))
    return {"product": source.name, "title": "the user's own", **facts, "options": dict(source.options)}


def _check_format(source: LabelSource, path: Path) -> None:
    """ValueError where a file is not what its name says: GDAL would follow the addresses in a virtual one."""
    if not vector_file.has_its_format(path):
        raise ValueError(
            f"label file {source.address} is no {path.suffix} by its first bytes: give GeoJSON, GeoPackage, Shapefile, "
            "FlatGeobuf or GeoParquet under its own ending"
        )
    try:
        vector_file.check_rows(path)
    except ValueError as error:
        raise ValueError(f"label file {source.address} {error}") from error


def near_features(
    source: LabelSource, region: Region, columns: Sequence[str]
) -> tuple[GeoDataFrame, tuple[float, ...]]:
    """The features near a region with those of the columns that the file has, and the bounds of all its features.

    Both in the file's own system. ValueError: no such file, of another format, without a system, empty.
    """
    import geopandas
    import pyogrio

    path = local_file.found(source)
    _check_format(source, path)
    try:
        if parquet_file.is_parquet(path):
            table = _table(source, path)
            _check_placed(source, table.crs, len(table))
            return table.iloc[table.sindex.query(shapely.box(*_box(region, table.crs)))], tuple(table.total_bounds)
        layer = source.options.get("layer") or _only_layer(source, path)
        head = pyogrio.read_info(path, layer=layer, force_total_bounds=True, force_feature_count=True)
        _check_placed(source, head["crs"], head["features"])
        kept = [name for name in columns if name in head["fields"]]
        near = _box(region, head["crs"])
        return geopandas.read_file(path, layer=layer, bbox=near, columns=kept), tuple(head["total_bounds"])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise ValueError(f"label file {source.address} holds no vectors that can be read: {error}") from error


def _table(source: LabelSource, path: Path) -> GeoDataFrame:
    try:
        return parquet_file.read_geoparquet(path)
    except ValueError as error:
        raise ValueError(f"label file {source.address} {error}") from error


def attributes(source: LabelSource) -> list[str]:
    """Names of a vector file's attributes."""
    import pyogrio

    path = local_file.found(source)
    _check_format(source, path)
    if parquet_file.is_parquet(path):
        return [str(name) for name in _table(source, path).columns]
    layer = source.options.get("layer") or _only_layer(source, path)
    return [str(name) for name in pyogrio.read_info(path, layer=layer)["fields"]]


def values_of(source: LabelSource, column: str) -> list[Any]:
    """Values of an attribute in all of a vector file."""
    import pyogrio

    path = local_file.found(source)
    _check_format(source, path)
    if parquet_file.is_parquet(path):
        return _table(source, path)[column].tolist()
    layer = source.options.get("layer") or _only_layer(source, path)
    return pyogrio.read_dataframe(path, layer=layer, columns=[column], read_geometry=False)[column].tolist()


def _only_layer(source: LabelSource, path: Path) -> str:
    layers = vector_file.layers(path)
    if len(layers) != 1:
        raise ValueError(
            f"label file {source.address} has the layers {', '.join(layers) or 'without geometry only'}: "
            f"say which, such as {source.address}#layer={layers[0] if layers else 'NAME'}"
        )
    return layers[0]


def _check_placed(source: LabelSource, crs: Any, count: int) -> None:
    if crs is None:
        raise ValueError(
            f"label file {source.address} has no coordinate system: add one (a .prj file, or ogr2ogr -a_srs EPSG:...)"
        )
    if not count:
        raise ValueError(f"label file {source.address} holds no features: draw some in it, or give another file")


def _box(region: Region, crs: Any) -> tuple[float, float, float, float]:
    left, bottom, right, top = region.bounds_m
    wide = (left - _MARGIN_M, bottom - _MARGIN_M, right + _MARGIN_M, top + _MARGIN_M)
    return regions.bounds_in(wide, region.epsg, crs)


def _polygons(source: LabelSource, table: GeoDataFrame, region: Region) -> np.ndarray:
    """Impervious ground in metres of the region's zone: polygons as they are, lines as wide as they say."""
    kept = table[~(table.geometry.isna() | table.geometry.is_empty)].to_crs(region.epsg)
    shapes = kept.geometry.to_numpy()
    kinds = shapely.get_dimensions(shapes)
    mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    if mixed.any():
        raise ValueError(
            f"label file {source.address} holds mixed collections, which have no one area: give polygons "
            "(buildings) or lines (roads)"
        )
    if points := int((kinds == 0).sum()):
        _tell_points(source, points, others=len(kinds) - points)
    lines = kinds == 1
    buffered = shapely.buffer(shapes[lines], _widths(source, kept[lines]) / 2)
    return np.concatenate([shapes[kinds == 2], buffered])


def _tell_points(source: LabelSource, points: int, *, others: int) -> None:
    """Says that points beside areas are left out; ValueError where there is nothing but points."""
    remedy = f"{source.address}#column=NAME takes the class of each from an attribute"
    if not others:
        raise ValueError(f"label file {source.address} holds points, which have no area: {remedy}")
    noun = "point is" if points == 1 else "points are"
    print(f"note: label {source.name}: {points} {noun} left out, as they have no area; {remedy}", file=sys.stderr)


def _widths(source: LabelSource, lines: GeoDataFrame) -> np.ndarray:
    """Width of each line in metres: of its attribute, else the option; ValueError where there is neither."""
    import pandas

    widths = np.full(len(lines), _number(source, "width"))
    for name in WIDTHS:
        if name in lines.columns:
            own = pandas.to_numeric(lines[name], errors="coerce").to_numpy(float)
            widths = np.where(own > 0, own, widths)
    missing = int(np.isnan(widths).sum())
    if missing:
        raise ValueError(
            f"label file {source.address}: {missing} of {len(lines)} lines have no attribute {' or '.join(WIDTHS)} "
            f"above 0: give theirs in metres, such as {source.address}#width=6"
        )
    return widths


def _number(source: LabelSource, name: str) -> float:
    words = source.options.get(name)
    if words is None:
        return float("nan")
    try:
        value = float(words)
    except ValueError:
        value = -1.0
    if not 0 < value <= 200:
        raise ValueError(f"label {source.text!r}: {name} {words!r}, expected 0 to 200 metres")
    return value


def _known(source: LabelSource, bounds: tuple[float, ...], crs: Any, region: Region) -> BaseGeometry | None:
    """The polygon of known ground in the region's zone; None means everywhere."""
    words = source.options.get("extent")
    if words == "all":
        return None
    if words is not None:
        return regions.in_metres(shapely.box(*_degrees(source, words)), region.epsg)
    box = shapely.box(*bounds)
    # The box bends in the region's zone: 200 points along its longer side follow it.
    step = max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 200 or 1
    return regions.reprojected(box, crs, region.epsg, step)


def _degrees(source: LabelSource, words: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(word) for word in words.split(","))
    except ValueError as error:
        raise ValueError(f"label {source.text!r}: extent {words!r}, expected all or W,S,E,N in degrees") from error
    regions.check_bbox((west, south, east, north))
    return west, south, east, north
