"""Square metres of each class, or of each change, in each zone: counted pixel by pixel, block by block.

The ground of a pixel is its area on the ellipsoid, not its area on the grid; a pixel on a zone's border counts with the
share of it that the zone covers. What is counted is the map: without a sample of reference data nothing says how far
it is from the ground (Olofsson et al. 2014, Remote Sensing of Environment 148, 42-57, section 2).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.assessment.class_map import (
    ELSEWHERE,
    ClassMap,
    Paths,
    SheetBlock,
    check_one_place,
    open_class_map,
)
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.assessment.zones import METHODS, Zones
from isamap.inference.map_files.legend import PROB_STEPS

WHOLE = "all"  # the one zone where none are given
KM2 = 1e6
BEYOND = UNKNOWN + 1  # ground of another sheet, among shares, whose steps take all other values
LEAST_OFF = {"exact": 1e-5, "centre": 0.02}  # of a zone: less is how its edges are counted, by method


@dataclass(frozen=True, eq=False)
class AreaTable:
    """km2 (zones, classes) by zone and class, of ground that the map leaves unknown, and of ground off it (zones,).

    off_map: the zones that share no ground with the map, which have no row.
    """

    zones: tuple[str, ...]
    classes: tuple[str, ...]
    km2: np.ndarray
    unknown_km2: np.ndarray
    off_km2: np.ndarray
    off_map: tuple[str, ...] = ()

    @property
    def known_km2(self) -> np.ndarray:
        """km2 of all classes together, by zone."""
        total: np.ndarray = self.km2.sum(axis=1)
        return total

    def with_shares(self, impervious_km2: np.ndarray) -> AreaTable:
        """The same ground as sums of shares: so much impervious by zone, the rest pervious (maps of two classes)."""
        at = self.classes.index("impervious")
        km2 = np.zeros_like(self.km2)
        km2[:, at], km2[:, 1 - at] = impervious_km2, self.known_km2 - impervious_km2
        return replace(self, km2=km2)

    def of(self, zone: str, name: str) -> float:
        """km2 of one class in one zone."""
        return float(self.km2[self.zones.index(zone), self.classes.index(name)])


@dataclass(frozen=True, eq=False)
class ChangeTable:
    """km2 (zones, classes before, classes after), of ground that either map leaves unknown, and of ground off the first
    map (zones,). off_map: the zones that share no ground with it, which have no row.
    """

    zones: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    km2: np.ndarray
    unknown_km2: np.ndarray
    off_km2: np.ndarray
    off_map: tuple[str, ...] = ()


def class_areas(paths: Paths | ClassMap, zones: Zones | None = None, *, method: str = "exact") -> AreaTable:
    """km2 of each class in each zone, of one map (a GeoTIFF, a VRT, a folder of tiles).

    method: "exact" counts the share of each pixel that a zone covers, "centre" the pixels whose centre lies in it.
    Memory: one block of 1,024 x 1,024 pixels. ValueError: a class without a name, zones that all lie off the map.
    """
    classes = paths if isinstance(paths, ClassMap) else open_class_map(paths)
    sums = _sums(classes, zones, method, lambda block: block.class_HW)
    _check_values(sums, len(classes.classes), classes)
    ground = _ground(sums, zones, classes, method)
    own = sums[ground.rows]
    return AreaTable(
        ground.zones, classes.classes, own[:, : len(classes.classes)] / KM2, own[:, UNKNOWN] / KM2, ground.off_km2,
        ground.off_map,
    )  # fmt: skip


def share_areas(paths: Paths | ClassMap, zones: Zones | None = None, *, method: str = "exact") -> np.ndarray:
    """km2 of impervious ground in each zone on the map, as the sum of the shares (probabilities) beside its classes.

    The zones are those of `class_areas`, in its order. ValueError: a map without a file of shares, as there.
    """
    classes = paths if isinstance(paths, ClassMap) else open_class_map(paths)
    sheets = classes.share_sheets
    if sheets is None:
        raise ValueError(f"{classes.name} has no shares beside it (a file NAME_prob.tif or NAME_share.tif)")

    def steps(block: SheetBlock) -> np.ndarray:
        step_HW = sheets[block.sheet].read(block.window, greatest=PROB_STEPS).astype(np.int64)
        # Where both files know: a sum of shares is compared with classes of the same ground.
        known_HW = (step_HW != UNKNOWN) & (block.class_HW != UNKNOWN)
        return np.where(block.class_HW == ELSEWHERE, BEYOND, np.where(known_HW, step_HW, UNKNOWN))

    sums = _sums(classes, zones, method, steps)
    share: np.ndarray = sums[:, : PROB_STEPS + 1] @ np.arange(PROB_STEPS + 1) / PROB_STEPS / KM2
    return share[sums.any(axis=1)]


def transition_areas(
    before: Paths | ClassMap, after: Paths | ClassMap, zones: Zones | None = None, *, method: str = "exact"
) -> ChangeTable:
    """km2 of every change of class from one map to another, by zone; the second is read at the first one's pixels.

    ValueError: maps that share no ground, or no pixel that both know; zones off the map.
    """
    first, second = (each if isinstance(each, ClassMap) else open_class_map(each) for each in (before, after))
    count_1, count_2 = len(first.classes), len(second.classes)
    if count_1 * count_2 > ELSEWHERE:
        raise ValueError(f"{count_1} x {count_2} classes are too many changes: at most {ELSEWHERE} are counted")

    def changes(block: SheetBlock) -> np.ndarray:
        """Number of the change of each pixel, UNKNOWN where either map is."""
        later = second.on_grid(block.geobox)
        unknown = (block.class_HW >= ELSEWHERE) | (later == UNKNOWN)
        _check_range(block.class_HW, count_1, first)
        _check_range(later, count_2, second)
        # Unknown pixels count as 0 in the product, so that no change gets their number, and are put back after it.
        index = np.where(unknown, 0, block.class_HW).astype(np.int64) * count_2 + np.where(unknown, 0, later)
        index = np.where(unknown, UNKNOWN, index)
        return np.where(block.class_HW == ELSEWHERE, ELSEWHERE, index).astype(np.uint8)

    check_one_place(first, second)
    sums = _sums(first, zones, method, changes)
    if not sums[:, : count_1 * count_2].any():
        raise ValueError(f"no pixel is known in both {first.name} and {second.name}: there is no change to count")
    ground = _ground(sums, zones, first, method)
    own = sums[ground.rows]
    km2 = own[:, : count_1 * count_2].reshape(-1, count_1, count_2) / KM2
    return ChangeTable(
        ground.zones, first.classes, second.classes, km2, own[:, UNKNOWN] / KM2, ground.off_km2, ground.off_map
    )


def _sums(classes: ClassMap, zones: Zones | None, method: str, values) -> np.ndarray:
    """m2 of each value 0 to BEYOND in each zone."""
    if method not in METHODS:
        raise ValueError(f"--method {method!r}: expected {' or '.join(METHODS)}")
    sums = np.zeros((1 if zones is None else len(zones.names), BEYOND + 1))
    for block in classes.blocks():
        parts = list(_parts(block, zones, method))
        if not parts:
            continue
        value_HW, area_HW = values(block), np.broadcast_to(pixel_areas_m2(block.geobox), block.class_HW.shape)
        for index, share_HW in parts:
            # Each pixel counts by its own ground, which changes by up to 0.3 % across a UTM zone.
            weight = area_HW if share_HW is None else area_HW * share_HW
            sums[index] += np.bincount(value_HW.ravel(), weight.ravel(), BEYOND + 1)
    return sums


@dataclass(frozen=True, eq=False)
class _Ground:
    """Which zones share ground with the map (rows of all), their names, and how much of each lies off it."""

    rows: np.ndarray
    zones: tuple[str, ...]
    off_km2: np.ndarray
    off_map: tuple[str, ...]


def _ground(sums: np.ndarray, zones: Zones | None, classes: ClassMap, method: str) -> _Ground:
    """ValueError where all zones lie off the map. Ground that another sheet counts (ELSEWHERE) is on the map."""
    if zones is None:
        return _Ground(np.arange(1), (WHOLE,), np.zeros(1), ())
    on_map = sums.any(axis=1)
    if not on_map.any():
        raise ValueError(
            f"no zone lies on the map {classes.name} ({len(zones.names)} zones, the first {zones.names[0]!r}): check "
            "the coordinate system of the zones, or map their ground"
        )
    rows = np.flatnonzero(on_map)
    # ELSEWHERE is left out: another sheet counts that ground, which would else be there twice.
    zone_km2, map_km2 = zones.km2[rows], np.delete(sums[rows], ELSEWHERE, axis=1).sum(axis=1) / KM2
    off_km2 = np.where(zone_km2 - map_km2 > LEAST_OFF[method] * zone_km2, zone_km2 - map_km2, 0.0)
    names = np.array(zones.names, dtype=object)
    return _Ground(rows, tuple(names[rows]), off_km2, tuple(names[~on_map]))


def _parts(block: SheetBlock, zones: Zones | None, method: str) -> Iterator[tuple[int, np.ndarray | None]]:
    """The zones on a block, and the share of its pixels that each covers (None: all)."""
    if zones is None:
        yield 0, None
        return
    on_grid = zones.on(block.geobox)
    for index in on_grid.touching(block.geobox):
        yield int(index), on_grid.shares(int(index), block.geobox, method)


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
