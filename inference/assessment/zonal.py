"""Square metres of each class, or of each change, in each zone: counted pixel by pixel, block by block.

The ground of a pixel is its area on the ellipsoid, not its area on the grid; a pixel on a zone's border counts with the
share of it that the zone covers. What is counted is the map: without a sample of reference data nothing says how far
it is from the ground (Olofsson et al. 2014, Remote Sensing of Environment 148, 42-57, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gee_export.base.scheme import UNKNOWN
from inference.assessment.class_map import ELSEWHERE, Block, ClassMap, Paths, open_class_map
from inference.assessment.pixel_area import pixel_areas_m2
from inference.assessment.zones import METHODS, Zones

WHOLE = "all"  # the one zone where none are given
KM2 = 1e6


@dataclass(frozen=True, eq=False)
class AreaTable:
    """km2 (zones, classes) by zone and class, and of ground that the map leaves unknown (zones,).

    zone_km2: the zones' own areas (None: no zones were given); what of them is off the map is in neither.
    """

    zones: tuple[str, ...]
    classes: tuple[str, ...]
    km2: np.ndarray
    unknown_km2: np.ndarray

    @property
    def known_km2(self) -> np.ndarray:
        """km2 of all classes together, by zone."""
        total: np.ndarray = self.km2.sum(axis=1)
        return total

    def of(self, zone: str, name: str) -> float:
        """km2 of one class in one zone."""
        return float(self.km2[self.zones.index(zone), self.classes.index(name)])


@dataclass(frozen=True, eq=False)
class ChangeTable:
    """km2 (zones, classes before, classes after), and of ground that either map leaves unknown (zones,)."""

    zones: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    km2: np.ndarray
    unknown_km2: np.ndarray

    @property
    def net_km2(self) -> np.ndarray:
        """Gain minus loss of each class that both maps name, (zones, classes of `before`)."""
        shared = [self.after.index(name) if name in self.after else -1 for name in self.before]
        after = np.stack(
            [self.km2[:, :, at].sum(axis=1) if at >= 0 else 0 * self.km2[:, 0, 0] for at in shared], axis=1
        )
        return after - self.km2.sum(axis=2)


def class_areas(paths: Paths | ClassMap, zones: Zones | None = None, *, method: str = "exact") -> AreaTable:
    """km2 of each class in each zone, of one map (a GeoTIFF, a VRT, a folder of tiles).

    method: "exact" counts the share of each pixel that a zone covers, "centre" the pixels whose centre lies in it.
    Memory: one block of 1,024 x 1,024 pixels. ValueError: a class without a name, zones off the map.
    """
    classes = paths if isinstance(paths, ClassMap) else open_class_map(paths)
    sums = _sums(classes, zones, method, lambda block: block.class_HW)
    _check_values(sums, len(classes.classes), classes)
    names = _zone_names(zones)
    return AreaTable(names, classes.classes, sums[:, : len(classes.classes)] / KM2, sums[:, UNKNOWN] / KM2)


def transition_areas(
    before: Paths | ClassMap, after: Paths | ClassMap, zones: Zones | None = None, *, method: str = "exact"
) -> ChangeTable:
    """km2 of every change of class from one map to another, by zone; the second is read at the first one's pixels."""
    first, second = (each if isinstance(each, ClassMap) else open_class_map(each) for each in (before, after))
    count_1, count_2 = len(first.classes), len(second.classes)
    if count_1 * count_2 > ELSEWHERE:
        raise ValueError(f"{count_1} x {count_2} classes are too many changes: at most {ELSEWHERE} are counted")

    def changes(block: Block) -> np.ndarray:
        """Number of the change of each pixel, UNKNOWN where either map is."""
        later = second.on_grid(block.geobox)
        unknown = (block.class_HW >= ELSEWHERE) | (later == UNKNOWN)
        _check_range(block.class_HW, count_1, first)
        _check_range(later, count_2, second)
        index = np.where(unknown, 0, block.class_HW).astype(np.int64) * count_2 + np.where(unknown, 0, later)
        index = np.where(unknown, UNKNOWN, index)
        return np.where(block.class_HW == ELSEWHERE, ELSEWHERE, index).astype(np.uint8)

    sums = _sums(first, zones, method, changes)
    km2 = sums[:, : count_1 * count_2].reshape(-1, count_1, count_2) / KM2
    return ChangeTable(_zone_names(zones), first.classes, second.classes, km2, sums[:, UNKNOWN] / KM2)


def _sums(classes: ClassMap, zones: Zones | None, method: str, values) -> np.ndarray:
    """m2 of each value 0 to 255 in each zone."""
    if method not in METHODS:
        raise ValueError(f"--method {method!r}: expected {' or '.join(METHODS)}")
    sums = np.zeros((1 if zones is None else len(zones.names), UNKNOWN + 1))
    for block in classes.blocks():
        parts = list(_parts(block, zones, method))
        if not parts:
            continue
        value_HW, area_HW = values(block), np.broadcast_to(pixel_areas_m2(block.geobox), block.class_HW.shape)
        for index, share_HW in parts:
            weight = area_HW if share_HW is None else area_HW * share_HW
            sums[index] += np.bincount(value_HW.ravel(), weight.ravel(), UNKNOWN + 1)
    if zones is not None and not sums.any(axis=1).all():
        lost = zones.names[int(np.flatnonzero(~sums.any(axis=1))[0])]
        raise ValueError(f"zone {lost!r} does not lie on the map {classes.name}: leave it out, or map its ground")
    return sums


def _parts(block: Block, zones: Zones | None, method: str) -> Iterator[tuple[int, np.ndarray | None]]:
    """The zones on a block, and the share of its pixels that each covers (None: all)."""
    if zones is None:
        yield 0, None
        return
    on_grid = zones.on(block.geobox)
    for index in on_grid.touching(block.geobox):
        yield int(index), on_grid.shares(int(index), block.geobox, method)


def _zone_names(zones: Zones | None) -> tuple[str, ...]:
    return (WHOLE,) if zones is None else zones.names


def _check_values(sums: np.ndarray, count: int, classes: ClassMap) -> None:
    beyond = np.flatnonzero(sums[:, count:ELSEWHERE].any(axis=0))
    if len(beyond):
        raise ValueError(_nameless(int(beyond[0]) + count, classes))


def _check_range(class_HW: np.ndarray, count: int, classes: ClassMap) -> None:
    beyond = class_HW[(class_HW >= count) & (class_HW < ELSEWHERE)]
    if len(beyond):
        raise ValueError(_nameless(int(beyond.min()), classes))


def _nameless(value: int, classes: ClassMap) -> str:
    names = ", ".join(classes.classes)
    return f"{classes.name} holds value {value}, but its classes are 0 to {len(classes.classes) - 1} ({names})"
