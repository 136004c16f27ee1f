"""Numbers of a map: the class at a point, in every map that covers it, and km2 of classes in a polygon."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import CRS
from rasterio.windows import Window as RioWindow
from shapely.geometry.base import BaseGeometry

from isamap.gee_export.base.feature_table import FeatureTable
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.class_map import ClassMap, Sheet
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.assessment.zonal import class_areas
from isamap.inference.assessment.zones import Zones
from isamap.inference.map_files.legend import PROB_STEPS, ShareLegend
from isamap.inference.map_files.one_class import one_class_note
from isamap.inference.serve.map_store import StoredMap
from isamap.inference.serve.place import ground_km2

NOTE = "counted pixels are biased by the map's errors: an estimate with an interval needs a sample (process assess)"
NOTE_OF_SHARES = "the sum of percents is biased by the map's errors: an interval needs a sample (process assess)"
AREA = "area"


@dataclass(frozen=True)
class PointValue:
    """What a map says of a point. impervious: probability or share of impervious; None where it is not known."""

    map: StoredMap
    value: int
    impervious: float | None

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
            self.map.numbers: self.impervious,
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
    """Value, class, probability or share, and history of a point, or None where the map knows nothing."""
    value = value_at(stored, lon, lat)
    if value is None:
        return None
    history = [each.document() for each in history_at(maps, lon, lat)]
    return {"value": value.value, "class": value.name, stored.numbers: value.impervious, "history": history}


def areas_in(maps: Sequence[StoredMap], polygon: BaseGeometry) -> dict[str, Any]:
    """km2 by class in a polygon of EPSG:4326, of maps that are one: where they overlap, the first that knows counts.

    ValueError where it is off the maps, or where their classes differ.
    """
    try:
        table = class_areas(_joined(maps), _zone_of(polygon))
    except ValueError as error:
        raise ValueError("the polygon does not lie on the map: draw one inside it") from error
    known_km2 = float(table.known_km2[0])
    pixel_km2 = maps[0].step_m ** 2 / 1e6
    return {
        "area_km2": _by_class(maps[0], table.km2[0]),
        "pixels": round(known_km2 / pixel_km2),
        "nodata_km2": round(float(table.unknown_km2[0]), 6),
        "note": note_of(maps[0]),
    }


def district_areas(maps: Sequence[StoredMap], districts: Zones) -> dict[str, Any]:
    """km2 by class and district of maps that are one; districts off them are named and have no row.

    ValueError where all are off them.
    """
    table = class_areas(_joined(maps), districts)
    rows = [
        {"name": name, "area_km2": _by_class(maps[0], km2),
         "nodata_km2": round(float(unknown), 6), "off_km2": round(float(off), 6)}
        for name, km2, unknown, off in zip(table.zones, table.km2, table.unknown_km2, table.off_km2, strict=True)
    ]  # fmt: skip
    names = list(maps[0].file.legend.names)
    facts = {"off_map": list(table.off_map), "notes": list(districts.notes), "note": note_of(maps[0])}
    return {"districts": rows, "classes": names, **facts}


def _joined(maps: Sequence[StoredMap]) -> ClassMap:
    parts = [_values_of(stored) for stored in maps]
    if len({class_map.classes for class_map in parts}) > 1:
        raise ValueError("maps: their classes differ, so they are not one map: choose maps of the same classes")
    return ClassMap(tuple(sheet for class_map in parts for sheet in class_map.sheets), parts[0].classes)


def common_areas(maps: Sequence[StoredMap], polygon: BaseGeometry) -> dict[str, Any]:
    """km2 by class of several maps in a polygon of EPSG:4326, on the ground that all of them know.

    Counts of maps that know other ground each cannot be compared. known_share: of the polygon, which is that ground.
    Counted on the grid of the first map, at whose pixels the others are read.
    """
    first, *others = map(_values_of, maps)
    zones = _zone_of(polygon)
    km2 = np.zeros((len(maps), UNKNOWN + 1))
    for block in first.blocks():
        on_grid = zones.on(block.geobox)
        for index in on_grid.touching(block.geobox):
            weight_HW = pixel_areas_m2(block.geobox) * on_grid.shares(int(index), block.geobox, "exact") / 1e6
            values = [block.class_HW, *(class_map.on_grid(block.geobox) for class_map in others)]
            known_HW = np.all([each_HW < UNKNOWN for each_HW in values], axis=0)
            weight_HW = np.broadcast_to(weight_HW, known_HW.shape)[known_HW]
            # Weighted by ground: pixels of a grid in degrees or far from a zone's meridian are not of one size.
            km2 += [np.bincount(each_HW[known_HW], weight_HW, UNKNOWN + 1) for each_HW in values]
    whole_km2 = ground_km2(polygon)
    rows = [
        {"map": stored.id, "period": stored.period, "area_km2": _by_class(stored, sums[: len(each.classes)])}
        for stored, sums, each in zip(maps, km2, (first, *others), strict=True)
    ]
    known_km2 = float(km2[0].sum())
    return {"known_km2": round(known_km2, 6), "known_share": round(min(1.0, known_km2 / whole_km2), 4), "maps": rows}


def note_of(stored: StoredMap) -> str:
    """How the areas of a map are to be taken."""
    return NOTE_OF_SHARES if stored.numbers == "share" else NOTE


def whole_areas(stored: StoredMap) -> dict[str, Any]:
    """km2 by class of the whole map, and what to do about one of a single class."""
    area_km2 = _by_class(stored, class_areas(_values_of(stored)).km2[0])
    note = None if stored.numbers == "share" else one_class_note(area_km2)
    return {"area_km2": area_km2, "warnings": [note] if note else []}


def _by_class(stored: StoredMap, km2_V: np.ndarray) -> dict[str, float]:
    """km2 by class of km2 by value; of percents as their sum, because the pixels above one half are no area."""
    legend, km2 = stored.file.legend, km2_V
    if stored.numbers == "share":
        impervious = float(km2_V @ np.arange(len(km2_V)) / 100)
        km2 = np.array([impervious if name == "impervious" else km2_V.sum() - impervious for name in legend.names])
    return {name: round(float(each), 6) for name, each in zip(legend.names, km2, strict=True)}


def _zone_of(polygon: BaseGeometry) -> Zones:
    shapes = np.array([polygon], dtype=object)
    return Zones((AREA,), FeatureTable(shapes, CRS.from_epsg(4326), {"zone": np.array([AREA], dtype=object)}))


def _values_of(stored: StoredMap) -> ClassMap:
    """What areas are counted of: the classes, or the percents of a network that learned shares."""
    file = stored.pixels()
    if file.shares is not None:
        return ClassMap((Sheet(file.shares.path, file.geobox),), ShareLegend().names)
    return ClassMap((Sheet(file.path, file.geobox),), file.legend.names)


def _holds(stored: StoredMap, lon: float, lat: float) -> bool:
    west, south, east, north = stored.bbox
    return west <= lon <= east and south <= lat <= north
