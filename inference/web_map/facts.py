"""What a page says of each of its maps: name, period, areas of all its pixels, source and date."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from isamap.gee_export.base.grid import crop, crs_of, tiles
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.inputs.checks import step_m
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.map_files.map_file import MapFile, holds_shares, together
from isamap.inference.map_files.simulation import sentence

BLOCK_PX = 1024  # a side of what is counted at once
SERVERS = {"local-engine": "the local engine of isamap", "earth-engine": "Google Earth Engine"}


@dataclass(frozen=True)
class MapFacts:
    """A map's words and numbers. area_km2: by class, unknown_km2: in no class; both of all its pixels."""

    label: str
    name: str
    area_km2: Mapping[str, float]
    unknown_km2: float
    simulated: str
    rows: tuple[tuple[str, str], ...]

    def described(self) -> dict[str, Any]:
        """The record of the page's head."""
        return {
            "label": self.label,
            "name": self.name,
            "area_km2": {name: round(value, 6) for name, value in self.area_km2.items()},
            "unknown_km2": round(self.unknown_km2, 6),
            "facts": [list(row) for row in self.rows],
        }


def facts_of(map_file: MapFile, label: str) -> MapFacts:
    """Reads every pixel of the map once."""
    area_km2 = _areas_km2(map_file)
    by_class = {name: float(area_km2[value]) for value, name in enumerate(map_file.legend.names)}
    return MapFacts(
        label, name_of(map_file), by_class, float(area_km2[UNKNOWN]), sentence(map_file.tags), _rows(map_file)
    )


def labels_of(map_files: Sequence[MapFile]) -> tuple[str, ...]:
    """The period of each map, or the name of its file where periods do not tell the maps apart."""
    periods = [each.tags.get("period", "") for each in map_files]
    stems = [each.path.stem for each in map_files]
    if all(periods) and len(set(periods)) == len(periods):
        return tuple(periods)
    return tuple(stems if len(set(stems)) == len(stems) else [f"{i + 1}: {stem}" for i, stem in enumerate(stems)])


def name_of(map_file: MapFile) -> str:
    """The region or the mapped file, else the name of the map's own file."""
    return map_file.tags.get("region") or map_file.tags.get("input") or map_file.path.stem


def _areas_km2(map_file: MapFile) -> np.ndarray:
    from rasterio.windows import Window as RioWindow

    total = np.zeros(256)
    height, width = map_file.geobox.shape
    for window in tiles(height, width, BLOCK_PX):
        class_HW = map_file.classes.read(window=RioWindow.from_slices(*window.slices))
        area_m2 = np.broadcast_to(pixel_areas_m2(crop(map_file.geobox, window)), class_HW.shape)
        if holds_shares(map_file.tags):
            step_HW = map_file.probability.read(window=RioWindow.from_slices(*window.slices))
            _, step_HW = together(class_HW, step_HW)
            total += _of_shares(step_HW, area_m2, map_file.legend.impervious)
        else:
            total += np.bincount(class_HW.ravel(), weights=area_m2.ravel(), minlength=256) / 1e6
    return total


def _of_shares(step_HW: np.ndarray, area_m2: np.ndarray, impervious: int) -> np.ndarray:
    """km2 of each of two classes (256,), each pixel counted with its share."""
    total, known_m2 = np.zeros(256), np.where(step_HW == UNKNOWN, 0.0, area_m2) / 1e6
    total[impervious] = float((known_m2 * step_HW).sum() / PROB_STEPS)
    total[1 - impervious] = float(known_m2.sum()) - total[impervious]
    total[UNKNOWN] = float(area_m2.sum()) / 1e6 - float(known_m2.sum())
    return total


def _rows(map_file: MapFile) -> tuple[tuple[str, str], ...]:
    tags, crs = map_file.tags, crs_of(map_file.geobox)
    height, width = map_file.geobox.shape
    rows = {
        "Map": map_file.path.name,
        "Period": _period(tags),
        "Place": name_of(map_file),
        "Images": SERVERS.get(tags.get("source", ""), tags.get("source", "")),
        "Scenes": _scenes(tags.get("scenes", "")),
        "Network": tags.get("model", ""),
        "Checkpoint": tags.get("checkpoint", "")[:16],
        "Threshold of impervious": tags.get("threshold", ""),
        "Grid": f"{width:,} × {height:,} pixels of {step_m(map_file.geobox):.4g} m, {_crs_name(crs.to_wkt())}",
        "Licence": tags.get("licence", ""),
        "Simulated": sentence(tags),
    }
    return tuple((name, text) for name, text in rows.items() if text)


def _period(tags: Mapping[str, str]) -> str:
    days = " to ".join(tags[key] for key in ("period_start", "period_end") if key in tags)
    return " ".join(text for text in (tags.get("period", ""), f"({days})" if days else "") if text)


def _scenes(text: str) -> str:
    """`sentinel1: A B; sentinel2: C` as numbers of scenes."""
    counts = []
    for clause in text.split(";"):
        sensor, _, names = clause.partition(":")
        if names.split():
            counts.append(f"{len(names.split())} of {sensor.strip()}")
    return ", ".join(counts)


def _crs_name(wkt: str) -> str:
    from pyproj import CRS

    return CRS.from_wkt(wkt).name
