"""Vector features with their attributes: read from a user's file, written as a GeoPackage."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from isamap.gee_export.base import regions, vector_file
from isamap.gee_export.base.storage import write_whole

DENSE_M = 500.0  # an edge is followed this closely from one system into another: within 1 cm
# The same 500 m in degrees, at the equator.
DENSE_DEG = 0.005
# GeoPackage says when it was written; equal features are to give equal bytes
WRITTEN = "2000-01-01T00:00:00.000Z"


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Geometries (shapely, one a row), their coordinate system, and attributes by name, of as many rows."""

    shapes: np.ndarray
    crs: CRS
    columns: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        for name, values in self.columns.items():
            if len(values) != len(self.shapes):
                raise ValueError(f"column {name} has {len(values)} values for {len(self.shapes)} features")

    def in_system(self, crs: CRS) -> np.ndarray:
        """The geometries in another system, edges followed so closely that straight lines stay where they are."""
        if crs.equals(self.crs, ignore_axis_order=True):
            return self.shapes
        step = DENSE_M / self.crs.axis_info[0].unit_conversion_factor if self.crs.is_projected else DENSE_DEG
        moved: np.ndarray = regions.reprojected(self.shapes, self.crs, crs, step)
        return moved


def read_table(path: str | Path, noun: str = "vector file") -> FeatureTable:
    """Every feature with a geometry, and all attributes; ValueError names the file, what is wrong and the remedy."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise ValueError(f"{noun} {path} was not found: check the path")
    if path.suffix.lower() not in vector_file.HEADS or not vector_file.has_its_format(path):
        raise ValueError(
            f"{noun} {path} is no vector file of its ending: give GeoPackage, GeoJSON, Shapefile, FlatGeobuf or "
            "GeoParquet"
        )
    try:
        features = vector_file.read_features(path, columns=None)
    except ValueError as error:
        raise ValueError(f"{noun} {path} {error}") from error
    if features.crs is None:
        raise ValueError(f"{noun} {path} has no coordinate system: add one (a .prj file, or ogr2ogr -a_srs EPSG:...)")
    if not len(features.shapes):
        raise ValueError(f"{noun} {path} holds no features in layer {features.layer}")
    crs = CRS.from_user_input(features.crs)
    _check_coordinates(features.shapes, crs, f"{noun} {path}")
    return FeatureTable(features.shapes, crs, features.columns)


def write_geopackage(path: Path, table: FeatureTable, layer: str) -> None:
    """Writes the table as a GeoPackage of one layer, whole or not at all; equal tables give equal bytes."""
    write_whole(path, geopackage(table, layer))


def geopackage(table: FeatureTable, layer: str) -> bytes:
    """The bytes of a GeoPackage of one layer; equal tables give equal bytes."""
    return geopackage_of([table], layer)


def geopackage_of(batches: Iterable[FeatureTable], layer: str, metadata: Mapping[str, str] | None = None) -> bytes:
    """As `geopackage`, of a table that comes in batches, so that not all its shapes are in memory at once.

    metadata: of the layer, by name. Equal batches give equal bytes.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "features.gpkg"
        for table in batches:
            append_layer(made, table, layer, _geometry_type(table.shapes), metadata)
        return made.read_bytes()


def append_layer(
    path: Path, table: FeatureTable, layer: str, geometry_type: str, metadata: Mapping[str, str] | None = None
) -> None:
    """Adds a batch to a GeoPackage's layer, which the first batch makes with its metadata; errors are GDAL's."""
    import pyogrio

    is_further = path.exists()
    with undated():
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(table.shapes),
            field_data=[np.asarray(values) for values in table.columns.values()],
            fields=list(table.columns),
            layer=layer,
            driver="GPKG",
            crs=table.crs.to_wkt(),
            geometry_type=geometry_type,
            promote_to_multi=False,
            append=is_further,
            layer_metadata=dict(metadata) if metadata and not is_further else None,
        )


@contextmanager
def undated() -> Iterator[None]:
    """GeoPackages written in the block say that they were written at WRITTEN."""
    import pyogrio

    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": WRITTEN})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def _check_coordinates(shapes: np.ndarray, crs: CRS, name: str) -> None:
    west, south, east, north = shapely.total_bounds(shapes)
    if crs.is_geographic and not (west >= -540 and east <= 540 and south >= -90 and north <= 90):
        raise ValueError(
            f"{name} holds coordinates of {west:g} {south:g} to {east:g} {north:g}, which are no degrees of "
            f"{crs.to_string()}: reproject it (ogr2ogr -s_srs EPSG:... -t_srs EPSG:4326)"
        )


def _geometry_type(shapes: np.ndarray) -> str:
    kinds = {shape.geom_type for shape in shapes}
    return kinds.pop() if len(kinds) == 1 else "Unknown"
