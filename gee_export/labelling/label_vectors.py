"""Labels of a user's vector file: buildings as polygons and roads as lines with a width, rasterised on any grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from shapely.geometry.base import BaseGeometry

from gee_export.base import regions
from gee_export.base.grid import crop, crs_of
from gee_export.base.rasters import head_of
from gee_export.base.regions import Period, Region
from gee_export.base.scheme import UNKNOWN, Scheme
from gee_export.labelling import local_file, shares
from gee_export.labelling.label_source import LabelSource
from gee_export.labelling.rules import HARD_SHARE_PERCENT

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

FINEST_M = 1.0  # a pixel is cut into parts of at most this side: 10 x 10 at 10 m, 3 x 3 at 3 m, none at 1 m
WIDTHS = ("width", "width_m")  # attributes of lines, in metres
OPTIONS = ("width", "extent", "layer")
HEADS = {  # by ending, how files begin
    ".geojson": b"{",
    ".json": b"{",
    ".gpkg": b"SQLite format 3\0",
    ".shp": b"\0\0\x27\x0a",
    ".fgb": b"fgb",
    ".parquet": b"PAR1",
    ".geoparquet": b"PAR1",
}
_PIECE_PX = 1 << 24
_MARGIN_M = 500.0  # features so far outside a region may reach into it
_DENSE_M = 100.0  # an edge that is straight in one system is followed this closely in another


@dataclass(frozen=True)
class Shapes:
    """Impervious ground as polygons, and where the file knows the ground (None: everywhere), in one system."""

    crs: CRS
    polygons: np.ndarray
    known: BaseGeometry | None
    tree: shapely.STRtree = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tree", shapely.STRtree(self.polygons))

    def into(self, crs: CRS) -> Shapes:
        """The same ground in another system."""
        if crs == self.crs:
            return self
        change = Transformer.from_crs(self.crs, crs, always_xy=True)

        def moved(shapes: Any) -> Any:
            dense = shapely.segmentize(shapes, _DENSE_M)
            return shapely.transform(dense, lambda points: np.column_stack(change.transform(*points.T)))

        return Shapes(crs, moved(self.polygons), None if self.known is None else moved(self.known))


@dataclass(frozen=True)
class LocalVectors:
    """A vector file's impervious ground around a region, in metres of the region's zone."""

    info: Mapping[str, Any]
    shapes: Shapes
    label: None = None
    share: None = None
    _moved: dict[str, Shapes] = field(default_factory=dict, repr=False, compare=False)

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label: more than half of a pixel's parts (a part counts by its centre). Share: the percentage of the parts.

        255 where the file does not know the ground.
        """
        shapes = self._in(crs_of(geobox).to_wkt())
        side = shares.subpixels(local_file.step_m(geobox), FINEST_M)
        share = np.empty(geobox.shape, np.uint8)
        for window in local_file.pieces(geobox, _PIECE_PX // side**2):
            fine = burnt(shapes, local_file.finer(crop(geobox, window), side))
            share[window.slices] = shares.of_blocks(fine, side)
        return shares.hard(share, HARD_SHARE_PERCENT), share

    def _in(self, wkt: str) -> Shapes:
        if wkt not in self._moved:
            self._moved[wkt] = self.shapes.into(CRS.from_wkt(wkt))
        return self._moved[wkt]


def burnt(shapes: Shapes, geobox: GeoBox) -> np.ndarray:
    """0 or 100 percent by pixel centres, 255 where the ground is not known."""
    from rasterio.features import rasterize

    box = shapely.box(*geobox.extent.boundingbox)
    near = shapes.polygons[shapes.tree.query(box)]
    grid = {"out_shape": tuple(geobox.shape), "transform": geobox.affine, "dtype": np.uint8}
    out = rasterize([(each, 100) for each in near], **grid) if len(near) else np.zeros(geobox.shape, np.uint8)
    if shapes.known is None or shapely.covers(shapes.known, box):
        return out
    if not shapely.intersects(shapes.known, box):
        return np.full(geobox.shape, UNKNOWN, np.uint8)
    return np.where(rasterize([(shapes.known, 1)], **grid) == 1, out, np.uint8(UNKNOWN))


def open_vectors(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> LocalVectors:
    """A vector file's features around a region; ValueError for what cannot be labels of an area.

    Options: width=METRES for lines without a width of their own; extent=all, or W,S,E,N in degrees, where the ground
    is known (the box around all features unless given); layer=NAME.
    """
    source.refuse_options(OPTIONS)
    path = local_file.found(source)
    _check_format(source, path)
    table, bounds = _table(source, path, region)
    shapes = Shapes(
        CRS.from_epsg(region.epsg), _polygons(source, table, region), _known(source, bounds, table.crs, region)
    )
    info = {"product": source.name, "title": "the user's own", **local_file.fingerprint(path)}
    return LocalVectors(info | {"options": dict(source.options)}, shapes)


def _check_format(source: LabelSource, path: Path) -> None:
    """ValueError where a file is not what its name says: GDAL would follow the addresses in a virtual one."""
    head = head_of(path).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head.startswith(HEADS.get(path.suffix.lower(), b"")) or b"<OGR" in head:
        raise ValueError(
            f"label file {source.place} is no {path.suffix} by its first bytes: give GeoJSON, GeoPackage, Shapefile, "
            "FlatGeobuf or GeoParquet under its own ending"
        )


def _table(source: LabelSource, path: Path, region: Region) -> tuple[GeoDataFrame, tuple[float, ...]]:
    """The features near the region with their attributes, and the bounds of all features in the file's own system."""
    import geopandas
    import pyogrio

    try:
        if path.suffix.lower().endswith("parquet"):
            table = geopandas.read_parquet(path)
            _check_placed(source, table.crs, len(table))
            return table.iloc[table.sindex.query(shapely.box(*_box(region, table.crs)))], tuple(table.total_bounds)
        layer = source.options.get("layer") or _only_layer(source, path)
        head = pyogrio.read_info(path, layer=layer, force_total_bounds=True, force_feature_count=True)
        _check_placed(source, head["crs"], head["features"])
        kept = [name for name in WIDTHS if name in head["fields"]]
        near = _box(region, head["crs"])
        return geopandas.read_file(path, layer=layer, bbox=near, columns=kept), tuple(head["total_bounds"])
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as error:
        raise ValueError(f"label file {source.place} holds no vectors that can be read: {error}") from error


def _only_layer(source: LabelSource, path: Path) -> str:
    import pyogrio

    layers = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
    if len(layers) != 1:
        raise ValueError(
            f"label file {source.place} has the layers {', '.join(layers) or 'without geometry only'}: "
            f"say which, such as {source.place}#layer={layers[0] if layers else 'NAME'}"
        )
    return layers[0]


def _check_placed(source: LabelSource, crs: Any, count: int) -> None:
    if crs is None:
        raise ValueError(
            f"label file {source.place} has no coordinate system: add one (a .prj file, or ogr2ogr -a_srs EPSG:...)"
        )
    if not count:
        raise ValueError(f"label file {source.place} holds no features")


def _box(region: Region, crs: Any) -> tuple[float, float, float, float]:
    left, bottom, right, top = region.bounds_m
    wide = (left - _MARGIN_M, bottom - _MARGIN_M, right + _MARGIN_M, top + _MARGIN_M)
    return Transformer.from_crs(region.epsg, crs, always_xy=True).transform_bounds(*wide, densify_pts=21)


def _polygons(source: LabelSource, table: GeoDataFrame, region: Region) -> np.ndarray:
    """Impervious ground in metres of the region's zone: polygons as they are, lines as wide as they say."""
    kept = table[~(table.geometry.isna() | table.geometry.is_empty)].to_crs(region.epsg)
    shapes = kept.geometry.to_numpy()
    kinds = shapely.get_dimensions(shapes)
    mixed = shapely.get_type_id(shapes) == shapely.GeometryType.GEOMETRYCOLLECTION
    if (kinds == 0).any() or mixed.any():
        raise ValueError(
            f"label file {source.place} holds points or mixed collections, which have no area: "
            "give polygons (buildings) or lines (roads)"
        )
    lines = kinds == 1
    buffered = shapely.buffer(shapes[lines], _widths(source, kept[lines]) / 2)
    return np.concatenate([shapes[kinds == 2], buffered])


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
            f"label file {source.place}: {missing} of {len(lines)} lines have no attribute {' or '.join(WIDTHS)} "
            f"above 0: give theirs in metres, such as {source.place}#width=6"
        )
    return widths


def _number(source: LabelSource, name: str) -> float:
    words = source.options.get(name)
    if words is None:
        return float("nan")
    try:
        number = float(words)
    except ValueError:
        number = -1.0
    if not 0 < number <= 200:
        raise ValueError(f"label {source.text!r}: {name} {words!r}, expected 0 to 200 metres")
    return number


def _known(source: LabelSource, bounds: tuple[float, ...], crs: Any, region: Region) -> BaseGeometry | None:
    """Where the ground is known, in the region's zone: None is everywhere."""
    words = source.options.get("extent")
    if words == "all":
        return None
    if words is not None:
        return regions.in_metres(shapely.box(*_degrees(source, words)), region.epsg)
    box = shapely.box(*bounds)
    change = Transformer.from_crs(crs, region.epsg, always_xy=True)
    dense = shapely.segmentize(box, max(bounds[2] - bounds[0], bounds[3] - bounds[1]) / 200 or 1)
    return shapely.transform(dense, lambda points: np.column_stack(change.transform(*points.T)))


def _degrees(source: LabelSource, words: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(word) for word in words.split(","))
    except ValueError as error:
        raise ValueError(f"label {source.text!r}: extent {words!r}, expected all or W,S,E,N in degrees") from error
    regions.check_bbox((west, south, east, north))
    return west, south, east, north
