"""What a map is divided into before it is sampled: nothing, its own classes, another raster's classes, or polygons."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gee_export.base.outline import inside
from gee_export.base.vector_file import HEADS
from inference.assessment.class_map import ELSEWHERE, Block, ClassMap, open_class_map
from inference.assessment.zones import Zones, read_zones

OUTSIDE = -1  # a pixel that is no part of what is sampled


class Strata(Protocol):
    """A division of the map's known pixels."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def of(self, block: Block) -> np.ndarray:
        """Number of each pixel's stratum, int16, OUTSIDE where the map knows no class or no stratum is."""
        ...


@dataclass(frozen=True)
class WholeMap:
    """One stratum: all that the map knows."""

    names: tuple[str, ...] = ("the map",)

    def of(self, block: Block) -> np.ndarray:
        return np.where(block.class_HW < ELSEWHERE, 0, OUTSIDE).astype(np.int16)


@dataclass(frozen=True)
class MapClasses:
    """The map's classes, each a stratum."""

    names: tuple[str, ...]

    def of(self, block: Block) -> np.ndarray:
        number_HW = block.class_HW.astype(np.int16)  # first, as NumPy makes 255 of -1 beside uint8
        return np.where(block.class_HW < ELSEWHERE, number_HW, OUTSIDE).astype(np.int16)


@dataclass(frozen=True)
class OtherRaster:
    """The classes of another raster at the map's pixels, such as an older map or a difficulty layer."""

    raster_map: ClassMap

    @property
    def names(self) -> tuple[str, ...]:
        return self.raster_map.classes

    def of(self, block: Block) -> np.ndarray:
        number_HW = self.raster_map.on_grid(block.geobox).astype(np.int16)
        known_HW = (block.class_HW < ELSEWHERE) & (number_HW < ELSEWHERE)
        return np.where(known_HW, number_HW, OUTSIDE).astype(np.int16)


@dataclass(frozen=True, eq=False)
class Polygons:
    """Named polygons by the centres of pixels; where two overlap, the first. What no polygon holds is not sampled."""

    zones: Zones

    @property
    def names(self) -> tuple[str, ...]:
        return self.zones.names

    def of(self, block: Block) -> np.ndarray:
        number_HW = np.full(block.class_HW.shape, OUTSIDE, np.int16)
        on_grid = self.zones.on(block.geobox)
        for index in reversed(on_grid.touching(block.geobox)):
            number_HW[inside(on_grid.shapes[index], block.geobox)] = index
        return np.where(block.class_HW < ELSEWHERE, number_HW, OUTSIDE).astype(np.int16)


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
