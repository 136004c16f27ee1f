"""Labels that people draw on the page: named sets of polygons with a class each, kept as GeoPackages."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from isamap.gee_export.base.atomic import disk_fault
from isamap.gee_export.base.feature_table import FeatureTable, geopackage, read_table, write_geopackage
from isamap.gee_export.base.scheme import CLASSES, SCHEMES, SEVEN
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.place import geojson_of, polygons_of
from isamap.inference.serve.settings import NAME

CLASS, LAYER, ENDING = "class", "labels", ".gpkg"
DRAWN = tuple(dict.fromkeys((*CLASSES, *SEVEN)))  # classes that polygons may have
MOST_SETS, DEGREES = 1000, 7  # decimals: a centimetre


@dataclass(frozen=True, eq=False)
class Labels:
    """Polygons in degrees and the class of each."""

    shapes: np.ndarray
    classes: tuple[str, ...]

    @property
    def scheme(self) -> str:
        """The first label scheme that has all of the classes."""
        return next(scheme.name for scheme in SCHEMES.values() if set(self.classes) <= set(scheme.names))

    @property
    def table(self) -> FeatureTable:
        """As a GeoPackage has them."""
        return FeatureTable(self.shapes, CRS.from_epsg(4326), {CLASS: np.array(self.classes, dtype=object)})

    def geopackage(self) -> bytes:
        """The bytes of the file that `--label FILE#column=class` takes."""
        return geopackage(self.table, LAYER)

    def document(self) -> dict[str, Any]:
        """A GeoJSON FeatureCollection from which `labels_of` makes the same labels."""
        features = [
            {"type": "Feature", "properties": {CLASS: name}, "geometry": geojson_of(shape, DEGREES)}
            for shape, name in zip(self.shapes, self.classes, strict=True)
        ]
        return {"type": "FeatureCollection", "features": features}


def labels_of(document: Any, limits: Limits) -> Labels:
    """Labels of a GeoJSON FeatureCollection of polygons with a property `class`; ValueError says what is wrong."""
    features = document.get("features") if isinstance(document, Mapping) else None
    if not isinstance(features, list) or not features:
        raise ValueError(f"labels: expected a GeoJSON FeatureCollection of polygons with a property {CLASS!r}")
    names = tuple(_class_of(feature) for feature in features)
    if not any(set(names) <= set(scheme.names) for scheme in SCHEMES.values()):
        raise ValueError(f"labels: classes {', '.join(sorted(set(names)))} are of two schemes: {_schemes()}")
    return Labels(polygons_of(features, limits, "labels", "kept: draw fewer"), names)


@dataclass(frozen=True)
class LabelSets:
    """The sets in a folder. A name is looked up in the folder's list, never made into a path."""

    folder: Path

    def names(self) -> list[str]:
        """Of all sets."""
        return sorted(path.stem for path in self.folder.glob(f"*{ENDING}") if NAME.fullmatch(path.stem))

    def path(self, name: str) -> Path | None:
        """The GeoPackage of a set, or None."""
        return self.folder / f"{name}{ENDING}" if name in self.names() else None

    def read(self, path: Path) -> Labels:
        """The labels of a set's GeoPackage; ValueError where it is none.

        A reader opens the file twice, and another set may take its place meanwhile: a copy is read.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            copy.write_bytes(path.read_bytes())
            table = read_table(copy, "labels")
        return Labels(table.in_system(CRS.from_epsg(4326)), tuple(map(str, table.columns[CLASS])))

    def write(self, name: str, labels: Labels) -> None:
        """Keeps a set under a name, whole or not at all. ValueError: too many sets. Fault: the disk refuses."""
        if name not in (names := self.names()) and len(names) >= MOST_SETS:
            raise ValueError(f"{MOST_SETS:,} sets of labels are kept already: delete one")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_geopackage(self.folder / f"{name}{ENDING}", labels.table, LAYER)
        except OSError as error:
            raise disk_fault(self.folder, error) from error


def _class_of(feature: Any) -> str:
    properties = feature.get("properties") if isinstance(feature, Mapping) else None
    name = properties.get(CLASS) if isinstance(properties, Mapping) else None
    if name not in DRAWN:
        raise ValueError(f"labels: class {str(name)[:40]!r} is unknown: {_schemes()}")
    return str(name)


def _schemes() -> str:
    return "expected " + ", or ".join(", ".join(scheme.names) for scheme in SCHEMES.values())
