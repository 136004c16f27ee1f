"""Districts of a request: the polygons of a GeoJSON document by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pyproj import CRS

from isamap.gee_export.base.feature_table import FeatureTable
from isamap.inference.assessment.zone_names import NAME_COLUMNS
from isamap.inference.assessment.zones import Zones, zones_of
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.place import polygons_of

MOST_DISTRICTS, NAME_LETTERS = 500, 80


def districts_of(document: Any, limits: Limits) -> Zones:
    """Of a FeatureCollection of polygons in degrees, named by name, NAME_2, id ... (`zone_names`), else numbered.

    ValueError: none, too many of them or of their vertices, or a feature that is no polygon.
    """
    features = document.get("features") if isinstance(document, Mapping) else None
    if not isinstance(features, list) or not 1 <= len(features) <= MOST_DISTRICTS:
        raise ValueError(
            f"districts: expected a GeoJSON FeatureCollection of 1 to {MOST_DISTRICTS} polygons in degrees"
        )
    shapes = polygons_of(features, limits, "districts", "read: simplify them")
    properties = [feature.get("properties") or {} for feature in features]
    if not all(isinstance(each, Mapping) for each in properties):
        raise ValueError("districts: properties of a feature are an object of values by name")
    given = [name for name in NAME_COLUMNS if any(name in each for each in properties)]
    columns = {name: np.array([_shown(each.get(name)) for each in properties], dtype=object) for name in given}
    return zones_of(FeatureTable(shapes, CRS.from_epsg(4326), columns), None, "districts")


def _shown(value: Any) -> str:
    """A name as tables show it: short, without control characters; empty where there is none."""
    if value is None:
        return ""
    return "".join(letter for letter in str(value) if letter.isprintable())[:NAME_LETTERS]
