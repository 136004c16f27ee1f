"""Labels of a user's points or polygons with a class each, from an attribute; all other pixels are unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer

from isamap.gee_export.base.answer_class import UNCERTAIN, answered_class, check_named
from isamap.gee_export.base.feature_table import FeatureTable
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.outline import inside
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.base.scheme import UNKNOWN, Scheme
from isamap.gee_export.labelling import local_file, shares
from isamap.gee_export.labelling.label_source import COLUMN, IMPERVIOUS, LabelSource
from isamap.gee_export.labelling.label_vectors import attributes, info_of, near_features, values_of

OPTIONS = (COLUMN, IMPERVIOUS, "layer")


@dataclass(frozen=True, eq=False)
class LocalPoints:
    """Points around a region in degrees, and the class of each, uint8."""

    info: Mapping[str, Any]
    lon: np.ndarray
    lat: np.ndarray
    class_N: np.ndarray
    scheme: Scheme
    touches: bool = True
    label: None = None
    share: None = None

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label: the class of the points in a pixel, 255 without one and where they disagree. Share: 0 or 100."""
        x, y = Transformer.from_crs(4326, crs_of(geobox).to_wkt(), always_xy=True).transform(self.lon, self.lat)
        col, row = (np.floor(axis).astype(np.int64) for axis in ~geobox.affine * (np.asarray(x), np.asarray(y)))
        height, width = geobox.shape
        within = (row >= 0) & (row < height) & (col >= 0) & (col < width)
        at, class_N = row[within] * width + col[within], self.class_N[within].astype(np.int64)
        least, most = np.full(height * width, UNKNOWN), np.full(height * width, -1)
        # Least and greatest class of a pixel: where they are equal its points agree, without sorting them.
        np.minimum.at(least, at, class_N)
        np.maximum.at(most, at, class_N)
        label = np.where(least == most, least, UNKNOWN).astype(np.uint8).reshape(height, width)
        return label, shares.of_classes(label, self.scheme)


@dataclass(frozen=True, eq=False)
class LocalAreas:
    """Polygons around a region, and the class of each, uint8."""

    info: Mapping[str, Any]
    table: FeatureTable
    class_N: np.ndarray
    scheme: Scheme
    touches: bool = True
    label: None = None
    share: None = None
    _moved: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def read(self, geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        """Label: the class of the polygons that hold a pixel's centre, 255 without one and where they disagree.
        Share: 0 or 100.
        """
        shapes = self._in(crs_of(geobox).to_wkt())
        near = np.flatnonzero(shapely.intersects(shapes, shapely.box(*geobox.boundingbox.bbox)))
        least, most = np.full(geobox.shape, UNKNOWN), np.full(geobox.shape, -1)
        for index in near:
            covered, value = inside(shapes[index], geobox), int(self.class_N[index])
            least[covered], most[covered] = np.minimum(least[covered], value), np.maximum(most[covered], value)
        label = np.where(least == most, least, UNKNOWN).astype(np.uint8)
        return label, shares.of_classes(label, self.scheme)

    def _in(self, wkt: str) -> np.ndarray:
        if wkt not in self._moved:
            self._moved[wkt] = self.table.in_system(CRS.from_wkt(wkt))
        return self._moved[wkt]


def open_classed(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> LocalPoints | LocalAreas:
    """A file's points or polygons around a region with the classes that an attribute gives, by name or number.

    Options: column=NAME, the attribute; impervious=VALUES of it, with commas, all others pervious; layer=NAME. Features
    whose attribute is empty or says that it is uncertain are left out. ValueError: another class, a value that no
    feature has, no such attribute, lines, points and polygons in one file.
    """
    source.refuse_options(OPTIONS)
    column = source.options[COLUMN]
    table, bounds = near_features(source, region, (column,))
    touches = local_file.touches(bounds, table.crs, region)
    table = table[~(table.geometry.isna() | table.geometry.is_empty)].to_crs(4326)
    are_areas = _are_areas(source, table.columns, table.geometry.geom_type)
    names = _classes(source, scheme, [_text(value) for value in table[column]])
    is_named = np.array([bool(name) and name != UNCERTAIN for name in names], bool)
    shapes = table.geometry.to_numpy()[is_named]
    class_N = np.array([scheme.names.index(name) for name in np.array(names, object)[is_named]], np.uint8)
    if are_areas:
        polygons = FeatureTable(shapely.make_valid(shapes), CRS.from_epsg(4326), {})
        return LocalAreas(info_of(source), polygons, class_N, scheme, touches)
    lon, lat = shapely.get_coordinates(shapes).reshape(-1, 2).T
    return LocalPoints(info_of(source), lon, lat, class_N, scheme, touches)


def _classes(source: LabelSource, scheme: Scheme, answers: Sequence[str]) -> list[str]:
    where, words = f"label {source.name}", source.options.get(IMPERVIOUS)
    impervious = () if words is None else tuple(words.split(","))
    if words is not None and (not words or "impervious" not in scheme.names or "pervious" not in scheme.names):
        raise ValueError(
            f"{where}: #{IMPERVIOUS}=VALUES names values of two classes, pervious and impervious: take --scheme isa, "
            "or leave it out"
        )
    if not {each.lower() for each in impervious} <= {answer.strip().lower() for answer in answers}:
        # Only then is the whole file read: another region of the same export may have them.
        check_named(impervious, map(_text, values_of(source, source.options[COLUMN])), where)
    return [answered_class(answer, scheme.names, where, impervious) for answer in answers]


def _text(value: Any) -> str:
    """An attribute's value as an interpreter would have written it: 1 of 1.0."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _are_areas(source: LabelSource, columns: Iterable[str], kinds: Iterable[str]) -> bool:
    if (column := source.options[COLUMN]) not in columns:
        fields = attributes(source)
        raise ValueError(f"label {source.text!r}: the file has no attribute {column!r}, it has {', '.join(fields)}")
    if set(kinds) <= {"Point"}:
        return False
    if set(kinds) <= {"Polygon", "MultiPolygon"}:
        return True
    raise ValueError(
        f"label {source.text!r}: #{COLUMN} is of points, or of polygons, and the file holds "
        f"{', '.join(sorted(set(kinds)))}: give one kind alone"
    )
