"""What a map is divided into before it is sampled: nothing, its own classes, another raster's classes, or polygons."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from odc.geo.geobox import pad

from isamap.gee_export.base.outline import inside
from isamap.gee_export.base.vector_file import HEADS
from isamap.inference.assessment.class_map import ELSEWHERE, ClassMap, SheetBlock, open_class_map
from isamap.inference.assessment.pixel_area import cell_area_m2
from isamap.inference.assessment.zones import Zones, read_zones

MOST_REACH_PX = 100  # of a buffer
ROUNDING_PX = 0.02  # the ground of a pixel of 10 m is 9.98 to 10.01 m wide: a buffer of 30 m holds three
OUTSIDE = -1  # a pixel that is no part of what is sampled


class Strata(Protocol):
    """A division of the map's known pixels."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def class_of(self) -> Mapping[str, str]:
        """The map's class of strata that lie within one, by their names."""
        ...

    def of(self, block: SheetBlock) -> np.ndarray:
        """Number of each pixel's stratum, int16, OUTSIDE where the map knows no class or no stratum is."""
        ...


@dataclass(frozen=True)
class WholeMap:
    """One stratum: all that the map knows."""

    names: tuple[str, ...] = ("the map",)
    class_of: Mapping[str, str] = field(default_factory=dict)

    def of(self, block: SheetBlock) -> np.ndarray:
        return np.where(block.class_HW < ELSEWHERE, 0, OUTSIDE).astype(np.int16)


@dataclass(frozen=True)
class MapClasses:
    """The map's classes, each a stratum."""

    names: tuple[str, ...]

    @property
    def class_of(self) -> Mapping[str, str]:
        return dict(zip(self.names, self.names, strict=True))

    def of(self, block: SheetBlock) -> np.ndarray:
        number_HW = block.class_HW.astype(np.int16)  # first, as NumPy makes 255 of -1 beside uint8
        return np.where(block.class_HW < ELSEWHERE, number_HW, OUTSIDE).astype(np.int16)


@dataclass(frozen=True)
class Buffered:
    """The map's classes, those but `rare` divided into what lies within reach_m of it and the rest.

    What a map misses of a rare class lies mostly beside it: points there find omissions that hardly any point of the
    whole class meets (Olofsson et al. 2020, Remote Sensing of Environment 236, 111492).
    """

    class_map: ClassMap
    rare: str
    reach_m: float

    def __post_init__(self) -> None:
        classes, step_m = self.class_map.classes, math.sqrt(cell_area_m2(self.class_map.sheets[0].geobox))
        if self.rare not in classes:
            raise ValueError(f"--around {self.rare!r}: the map's classes are {', '.join(classes)}")
        if not 0.9 * step_m <= self.reach_m <= MOST_REACH_PX * step_m:
            raise ValueError(
                f"--buffer {self.reach_m:g}: expected metres, {step_m:.3g} (a pixel) to {MOST_REACH_PX * step_m:.6g}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.class_of)

    @property
    def class_of(self) -> Mapping[str, str]:
        others = [name for name in self.class_map.classes if name != self.rare]
        near = {f"{name} near {self.rare}": name for name in others}
        return {name: name for name in self.class_map.classes} | near

    def of(self, block: SheetBlock) -> np.ndarray:
        """Distances are between pixels' centres, in the grid's own metres."""
        from scipy.ndimage import distance_transform_edt

        step = math.sqrt(cell_area_m2(self.class_map.sheets[0].geobox))
        # With ground around the block: the class beyond its edge is as near as that within.
        margin, rare = math.ceil(self.reach_m / step) + 1, self.class_map.classes.index(self.rare)
        around_HW = self.class_map.on_grid(pad(block.geobox, margin)) != rare
        near_HW = np.zeros(block.class_HW.shape, bool)
        if not around_HW.all():
            apart_HW = distance_transform_edt(around_HW)[margin:-margin, margin:-margin]
            near_HW = apart_HW <= self.reach_m / step + ROUNDING_PX
        number_HW = block.class_HW.astype(np.int16)
        known_HW = block.class_HW < ELSEWHERE
        shift_HW = np.where(number_HW > rare, number_HW - 1, number_HW) + len(self.class_map.classes)
        number_HW = np.where(near_HW & (number_HW != rare), shift_HW, number_HW)
        return np.where(known_HW, number_HW, OUTSIDE).astype(np.int16)


@dataclass(frozen=True)
class OtherRaster:
    """The classes of another raster at the map's pixels, such as an older map or a difficulty layer."""

    raster_map: ClassMap
    class_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.raster_map.classes

    def of(self, block: SheetBlock) -> np.ndarray:
        number_HW = self.raster_map.on_grid(block.geobox).astype(np.int16)
        known_HW = (block.class_HW < ELSEWHERE) & (number_HW < ELSEWHERE)
        return np.where(known_HW, number_HW, OUTSIDE).astype(np.int16)


@dataclass(frozen=True, eq=False)
class Polygons:
    """Named polygons by the centres of pixels; where two overlap, the first. What no polygon holds is not sampled."""

    zones: Zones
    class_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return self.zones.names

    def of(self, block: SheetBlock) -> np.ndarray:
        number_HW = np.full(block.class_HW.shape, OUTSIDE, np.int16)
        on_grid = self.zones.on(block.geobox)
        # Painted in reverse, so that of two that overlap the first stays on top.
        for index in reversed(on_grid.touching(block.geobox)):
            number_HW[inside(on_grid.shapes[index], block.geobox)] = index
        return np.where(block.class_HW < ELSEWHERE, number_HW, OUTSIDE).astype(np.int16)


def notes_of(strata: Strata) -> tuple[str, ...]:
    """Sentences on names of strata that were not clear."""
    return strata.zones.notes if isinstance(strata, Polygons) else ()


def strata_named(text: str, class_map: ClassMap, classes: tuple[str, ...] = ()) -> Strata:
    """The division that a user names: "none", "map" (its classes), a vector file, or a raster (classes: its names)."""
    if text == "none":
        return WholeMap()
    if text == "map":
        return MapClasses(class_map.classes)
    if not Path(text).exists():
        raise ValueError(f"--strata {text!r}: expected none, map, or a vector or raster file that is there")
    if Path(text).suffix.lower() in HEADS:
        return Polygons(read_zones(text))
    return OtherRaster(open_class_map(text, classes))
