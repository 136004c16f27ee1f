"""Numbers of a map: the class at a point, in every map that covers it, and km2 of classes in a polygon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import CRS
from rasterio.windows import Window as RioWindow
from shapely.geometry.base import BaseGeometry

from gee_export.base.feature_table import FeatureTable
from gee_export.base.scheme import UNKNOWN
from inference.assessment.class_map import ClassMap, Sheet
from inference.assessment.zonal import AreaTable, class_areas
from inference.assessment.zones import Zones
from inference.legend import PROB_STEPS
from inference.serve.map_store import StoredMap

NOTE = "counted pixels are biased by the map's errors: an estimate with an interval needs a sample (process assess)"
AREA = "area"


@dataclass(frozen=True)
class PointValue:
    """What a map says of a point. probability: of impervious; None where it is not known."""

    map: StoredMap
    value: int
    probability: float | None

    @property
    def name(self) -> str:
        """Of the class."""
        return self.map.file.legend.names[self.value]

    def document(self) -> dict[str, Any]:
        """For histories."""
        return {
            "period": self.map.period,
            "map": self.map.id,
            "class": self.name,
            "probability": self.probability,
        }


def value_at(stored: StoredMap, lon: float, lat: float) -> PointValue | None:
    """The value of the pixel that a point lies in, or None where the map knows nothing."""
    file = stored.pixels()
    sheet = Sheet(file.path, file.geobox)
    rows, cols = sheet.rows_cols(np.array([lon]), np.array([lat]))
    row, col = int(rows[0]), int(cols[0])
    height, width = file.geobox.shape
    if not (0 <= row < height and 0 <= col < width):
        return None
    window = RioWindow(col, row, 1, 1)
    value, steps = (int(band.read(window=window)[0, 0]) for band in (file.classes, file.probability))
    if value == UNKNOWN or value >= len(file.legend.names):
        return None
    return PointValue(stored, value, None if steps == UNKNOWN else round(steps / PROB_STEPS, 4))


def history_at(maps: Iterable[StoredMap], lon: float, lat: float) -> list[PointValue]:
    """The point in every map that knows it, by period."""
    near = [stored for stored in maps if _holds(stored, lon, lat)]
    values = [value for stored in near if (value := value_at(stored, lon, lat)) is not None]
    return sorted(values, key=lambda value: (value.map.file.tags.get("period_start", ""), value.map.id))


def point_document(stored: StoredMap, maps: Iterable[StoredMap], lon: float, lat: float) -> dict[str, Any] | None:
    """Value, class, probability and history of a point, or None where the map knows nothing."""
    value = value_at(stored, lon, lat)
    if value is None:
        return None
    history = [each.document() for each in history_at(maps, lon, lat)]
    return {"value": value.value, "class": value.name, "probability": value.probability, "history": history}


def areas_in(stored: StoredMap, polygon: BaseGeometry) -> dict[str, Any]:
    """km2 by class in a polygon of EPSG:4326; ValueError where it is off the map."""
    shapes = np.array([polygon], dtype=object)
    zones = Zones((AREA,), FeatureTable(shapes, CRS.from_epsg(4326), {"zone": np.array([AREA], dtype=object)}))
    try:
        table = class_areas(_class_map(stored), zones)
    except ValueError as error:
        raise ValueError("the polygon does not lie on the map: draw one inside it") from error
    known_km2 = float(table.known_km2[0])
    pixel_km2 = stored.step_m**2 / 1e6
    return {
        "area_km2": by_class(table),
        "pixels": round(known_km2 / pixel_km2),
        "nodata_km2": round(float(table.unknown_km2[0]), 6),
        "note": NOTE,
    }


def whole_areas(stored: StoredMap) -> Mapping[str, float]:
    """km2 by class of the whole map."""
    return by_class(class_areas(_class_map(stored)))


def by_class(table: AreaTable) -> dict[str, float]:
    """km2 of the table's only zone, by class."""
    return {name: round(float(km2), 6) for name, km2 in zip(table.classes, table.km2[0], strict=True)}


def _class_map(stored: StoredMap) -> ClassMap:
    file = stored.pixels()
    return ClassMap((Sheet(file.path, file.geobox),), file.legend.names)


def _holds(stored: StoredMap, lon: float, lat: float) -> bool:
    west, south, east, north = stored.bbox
    return west <= lon <= east and south <= lat <= north
