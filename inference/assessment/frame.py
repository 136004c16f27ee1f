"""The sampling frame: all pixels that a map knows, by stratum; their ground is measured once, then pixels are drawn.

A point of the ground is drawn evenly over the area, and the pixel that holds it is taken: so every square metre has the
same chance, on any grid.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

import numpy as np

from isamap.inference.assessment.class_map import BLOCK_PX, ClassMap, SheetBlock
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.assessment.strata import OUTSIDE, Strata

MOST_PASSES = 50  # over the map, for samples that take most of a stratum's pixels


@dataclass(frozen=True, eq=False)
class SamplingFrame:
    """Ground (m2) and pixels of each stratum in each block (blocks, strata), and of the map's classes (classes,).

    class_m2 counts only what some stratum holds.
    """

    class_map: ClassMap
    strata: Strata
    side_px: int
    area_BH: np.ndarray
    pixels_BH: np.ndarray
    class_m2: np.ndarray

    @property
    def strata_m2(self) -> np.ndarray:
        """Ground of each stratum."""
        total: np.ndarray = self.area_BH.sum(axis=0)
        return total

    @property
    def total_m2(self) -> float:
        """Ground of the frame."""
        return float(self.area_BH.sum())

    @property
    def weights(self) -> np.ndarray:
        """Shares of the frame's ground by stratum."""
        return self.strata_m2 / self.total_m2

    @property
    def strata_pixels(self) -> np.ndarray:
        """Pixels of each stratum."""
        total: np.ndarray = self.pixels_BH.sum(axis=0)
        return total

    def check_points(self, points: int) -> None:
        """ValueError where so many points are more than its pixels."""
        if points > (pixels := int(self.pixels_BH.sum())):
            raise ValueError(f"--points {points}: the map knows the class of {pixels} pixels: ask for fewer")

    def blocks(self, only: Container[int] | None = None) -> Iterator[SheetBlock]:
        """The map's blocks in the order of area_BH, or some of them."""
        return self.class_map.blocks(self.side_px, only)


@dataclass(frozen=True, eq=False)
class FramePixels:
    """Drawn pixels: sheet, row and column, stratum, the map's class, m2 of ground, block; one entry each."""

    sheet_N: np.ndarray
    row_N: np.ndarray
    col_N: np.ndarray
    stratum_N: np.ndarray
    class_N: np.ndarray
    area_N: np.ndarray
    block_N: np.ndarray

    def __len__(self) -> int:
        return len(self.row_N)

    def subset(self, which: np.ndarray) -> FramePixels:
        """Some of the pixels, in the order given."""
        return FramePixels(*(getattr(self, name)[which] for name in self.__dataclass_fields__))

    def lonlat(self, class_map: ClassMap) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of their centres."""
        lon, lat = np.zeros(len(self)), np.zeros(len(self))
        for index, sheet in enumerate(class_map.sheets):
            own = self.sheet_N == index
            lon[own], lat[own] = sheet.lonlat(self.row_N[own], self.col_N[own])
        return lon, lat


def survey(class_map: ClassMap, strata: Strata, side_px: int = BLOCK_PX) -> SamplingFrame:
    """Measures the map's ground by stratum, in blocks of side_px pixels; ValueError where it knows no pixel."""
    areas, pixels, count = [], [], len(strata.names)
    class_m2 = np.zeros(256)
    for block in class_map.blocks(side_px):
        number_HW, area_HW = _known(block, strata)
        in_frame = number_HW != OUTSIDE
        areas.append(np.bincount(number_HW[in_frame], area_HW[in_frame], count))
        pixels.append(np.bincount(number_HW[in_frame], minlength=count))
        class_m2 += np.bincount(block.class_HW[in_frame], area_HW[in_frame], 256)
    _check_classes(class_m2, class_map)
    frame = SamplingFrame(
        class_map, strata, side_px, np.array(areas), np.array(pixels), class_m2[: len(class_map.classes)]
    )
    if not frame.area_BH.any():
        raise ValueError(f"{class_map.name} has no known pixel in the strata {', '.join(strata.names)}")
    return frame


def draw(frame: SamplingFrame, counts: np.ndarray, rng: np.random.Generator) -> FramePixels:
    """So many different pixels of each stratum, evenly over its ground; ValueError where a stratum has too few.

    A stratum of which all pixels are asked is taken whole, which leaves nothing to chance.
    """
    available = frame.strata_pixels
    for index in np.flatnonzero(counts > available):
        raise ValueError(
            f"stratum {frame.strata.names[index]!r} has {available[index]} pixels, {counts[index]} points are more"
        )
    # By chance the last pixels of a stratum may never come.
    pixels = _all_of(frame, np.flatnonzero((counts == available) & (counts > 0)))
    for _ in range(MOST_PASSES):
        have = (
            np.zeros(len(counts), np.int64) if pixels is None else np.bincount(pixels.stratum_N, minlength=len(counts))
        )
        shortage = counts - have
        if not shortage.any():
            break
        # Half as many more than lack: repeated pixels fall away, and each pass reads the blocks again.
        tries = np.where(shortage > 0, np.minimum(shortage + shortage // 2 + 2, 4 * available), 0)
        more = _drawn(frame, tries, rng)
        pixels = _distinct(more if pixels is None else joined(pixels, more), counts)
    assert pixels is not None
    if len(pixels) < counts.sum():
        lacking = np.bincount(pixels.stratum_N, minlength=len(counts)) < counts
        rest = _all_of(frame, np.flatnonzero(lacking))
        assert rest is not None
        # The order in which points of the ground would meet the pixels that are left.
        pixels = _distinct(joined(pixels, rest.subset(np.argsort(rng.exponential(1 / rest.area_N)))), counts)
    return pixels


def _all_of(frame: SamplingFrame, strata: np.ndarray) -> FramePixels | None:
    """Every pixel of some strata; None of none."""
    parts: list[tuple[np.ndarray, ...]] = []
    for block in frame.blocks(set(np.flatnonzero(frame.pixels_BH[:, strata].any(axis=1)).tolist())):
        number_HW, area_HW = _known(block, frame.strata)
        for stratum in strata.tolist():
            parts.append(_described(block, np.flatnonzero(number_HW.ravel() == stratum), stratum, area_HW))
    return FramePixels(*(np.concatenate(column) for column in zip(*parts, strict=True))) if parts else None


def _drawn(frame: SamplingFrame, tries: np.ndarray, rng: np.random.Generator) -> FramePixels:
    """Pixels under points spread evenly over each stratum's ground, in the order of drawing; some come twice."""
    # Sorted, so that one pass over the map's blocks finds all; `order` keeps the order of drawing.
    targets = [np.sort(rng.uniform(0, area, count)) for area, count in zip(frame.strata_m2, tries, strict=True)]
    order = [rng.permutation(count) for count in tries]
    return taken(frame, targets, order)


def taken(frame: SamplingFrame, targets: list[np.ndarray], order: list[np.ndarray]) -> FramePixels:
    """The pixels at places along each stratum's ground (m2 from the map's start, rising), put into an order."""
    ends = frame.area_BH.cumsum(axis=0)
    starts = ends - frame.area_BH
    parts: list[tuple[np.ndarray, ...]] = []
    spans_of = _spans(starts, ends, targets)
    for block in frame.blocks(spans_of):
        index, spans = block.index, spans_of[block.index]
        number_HW, area_HW = _known(block, frame.strata)
        for stratum, first, last in spans:
            flat = np.flatnonzero(number_HW.ravel() == stratum)
            reach = area_HW.ravel()[flat].cumsum()
            at = np.searchsorted(reach, targets[stratum][first:last] - starts[index, stratum], side="right")
            pixel = flat[np.minimum(at, len(flat) - 1)]
            rank = order[stratum][first:last]
            parts.append((*_described(block, pixel, stratum, area_HW), rank))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    by_rank = np.lexsort((columns[-1], columns[3]))
    return FramePixels(*(column[by_rank] for column in columns[:-1]))


def _spans(starts: np.ndarray, ends: np.ndarray, targets: list[np.ndarray]) -> dict[int, list[tuple[int, int, int]]]:
    """By block: stratum, first and last of the places that fall into it; blocks without any are left out."""
    spans: dict[int, list[tuple[int, int, int]]] = {}
    for stratum, places in enumerate(targets):
        first = np.searchsorted(places, starts[:, stratum])
        last = np.searchsorted(places, ends[:, stratum])
        for index in np.flatnonzero(last > first):
            spans.setdefault(int(index), []).append((stratum, int(first[index]), int(last[index])))
    return spans


def systematic(frame: SamplingFrame, spacing_m: float, rng: np.random.Generator) -> FramePixels:
    """The pixels on a square lattice of so many metres, its start drawn at random, one lattice in each system."""
    offsets: dict[str, np.ndarray] = {}
    parts: list[tuple[np.ndarray, ...]] = []
    for block in frame.blocks():
        system = str(block.geobox.crs)
        # One start for each system and not for each block, or the lattice would break at seams.
        offset = offsets.setdefault(system, rng.uniform(0, spacing_m, 2))
        rows, cols = _lattice(block, spacing_m, offset)
        if not len(rows):
            continue
        number_HW, area_HW = _known(block, frame.strata)
        pixel = rows * block.class_HW.shape[1] + cols
        for stratum in np.unique(number_HW[rows, cols]):
            if stratum != OUTSIDE:
                own = pixel[number_HW[rows, cols] == stratum]
                parts.append(_described(block, own, int(stratum), area_HW))
    if not parts:
        raise ValueError(f"no point of a lattice of {spacing_m:,.0f} m fell on known ground: ask for more points")
    return FramePixels(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _lattice(block: SheetBlock, spacing_m: float, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a block under the points of a lattice."""
    left, bottom, right, top = block.geobox.boundingbox.bbox
    xs, ys = (
        offset[axis]
        + spacing_m
        * np.arange(np.ceil((low - offset[axis]) / spacing_m), np.floor((high - offset[axis]) / spacing_m) + 1)
        for axis, (low, high) in enumerate(((left, right), (bottom, top)))
    )
    x, y = (grid.ravel() for grid in np.meshgrid(xs, ys))
    col, row = ~block.geobox.affine * (x, y)
    rows, cols = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    height, width = block.class_HW.shape
    inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
    return rows[inside], cols[inside]


def _described(block: SheetBlock, pixel: np.ndarray, stratum: int, area_HW: np.ndarray) -> tuple:
    width = block.class_HW.shape[1]
    row, col = pixel // width, pixel % width
    count = len(pixel)
    return (
        np.full(count, block.sheet), row + block.window.row, col + block.window.col, np.full(count, stratum),
        block.class_HW[row, col].astype(np.int64), area_HW[row, col], np.full(count, block.index),
    )  # fmt: skip


def _known(block: SheetBlock, strata: Strata) -> tuple[np.ndarray, np.ndarray]:
    return strata.of(block), np.broadcast_to(pixel_areas_m2(block.geobox), block.class_HW.shape)


def joined(first: FramePixels, second: FramePixels) -> FramePixels:
    """The pixels of both, one after the other."""
    names = first.__dataclass_fields__
    return FramePixels(*(np.concatenate([getattr(first, name), getattr(second, name)]) for name in names))


def _distinct(pixels: FramePixels, counts: np.ndarray) -> FramePixels:
    """Without repetitions, the first ones of each stratum and no more than asked."""
    keys = np.stack([pixels.sheet_N, pixels.row_N, pixels.col_N], axis=1)
    # The first of each pixel stays: a later one would favour what is drawn twice.
    _, first = np.unique(keys, axis=0, return_index=True)
    unique = pixels.subset(np.sort(first))
    parts = [np.flatnonzero(unique.stratum_N == stratum)[:count] for stratum, count in enumerate(counts)]
    return unique.subset(np.concatenate(parts).astype(np.int64))


def _check_classes(class_m2: np.ndarray, class_map: ClassMap) -> None:
    beyond = np.flatnonzero(class_m2[len(class_map.classes) :])
    if len(beyond):
        value = int(beyond[0]) + len(class_map.classes)
        raise ValueError(f"{class_map.name} holds value {value}, which none of {', '.join(class_map.classes)} names")
