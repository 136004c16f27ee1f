"""The minimum mapping unit: components of a class that are smaller take the class around them.

Components are pixels of one class that touch at their sides. A smaller one takes the class with which it shares the
longest border among the components that are large enough; one that touches none stays. All are judged by the map as it
was, so their order does not matter. Of two classes the result is that of GDAL's sieve filter
(https://gdal.org/en/stable/programs/gdal_sieve.html); of more, GDAL takes the largest neighbour, whose size may be
decided far away.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from gee_export.base.scheme import UNKNOWN
from inference.cog import RowsFile

STRIP_PX = 1 << 22  # pixels labelled at once
SQUARE_METRES = {"m2": 1.0, "ha": 1e4, "km2": 1e6}
_AREA = re.compile(r"(\d+(?:\.\d+)?)\s*(px|m2|ha|km2)?")


def unit_px(text: str, step_m: float) -> int:
    """The unit in pixels of step_m metres, rounded up: "9" or "9px" as it is, else of an area such as 500m2 or 0.5ha.

    ValueError for other words and for less than two pixels, which would remove nothing.
    """
    match = _AREA.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"sieve {text!r}: expected pixels or an area, such as 9, 9px, 500m2 or 0.5ha")
    number, name = float(match[1]), match[2] or "px"
    pixels = number if name == "px" else number * SQUARE_METRES[name] / step_m**2
    least = math.ceil(round(pixels, 6))
    if least < 2:
        raise ValueError(f"sieve {text}: less than two pixels of {step_m:g} m; give a larger unit or leave it out")
    return least


def reach_px(least_px: int) -> int:
    """Pixels around a part of a map that decide it: the margin with which a tile equals the whole map.

    A component's size is sure once least_px of its pixels are seen, and so is that of each of its neighbours.
    """
    return 2 * least_px


def sieved(rows: RowsFile, out: RowsFile, least_px: int) -> RowsFile:
    """`out`: the rows' classes without components smaller than least_px, their other numbers as they are.

    Memory: 20 bytes for each component, and a strip.
    """
    components = _Components(rows, least_px)
    target_N = components.targets()
    out.path.unlink(missing_ok=True)
    for values_NHW, label_HW, _ in components.strips():
        values_NHW = values_NHW.copy()
        class_HW = target_N[label_HW]
        values_NHW[0] = np.where(class_HW == UNKNOWN, values_NHW[0], class_HW)
        out.append(values_NHW)
    return out


class _Components:
    """The components of a map's classes, found strip by strip and joined where strips meet."""

    def __init__(self, rows: RowsFile, least_px: int) -> None:
        self._rows = rows
        joins, sizes, last = [], [np.zeros(1, np.int64)], None  # number 0 is no component
        for values_NHW, label_HW, first in self.strips():
            sizes.append(np.bincount(label_HW[label_HW > 0] - first))
            if last is not None:
                joins.append(_touching(*last, values_NHW[0, 0], label_HW[0]))
            last = values_NHW[0, -1].copy(), label_HW[-1]
        size_N = np.concatenate(sizes)
        self._root_N = _joined(np.concatenate(joins) if joins else np.zeros((0, 2), np.int64), len(size_N))
        total_N = np.bincount(self._root_N, weights=size_N)[self._root_N]
        self._small_N = (total_N < least_px) & (np.arange(len(size_N)) > 0)

    def strips(self) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
        """Values, component of each pixel (0: unknown), and the first new component's number, from the top.

        Numbers are the same whenever it is called; a component that reaches over strips has one in each.
        """
        first = 1
        for values_NHW in self._rows.read(STRIP_PX):
            label_HW = _labelled(values_NHW[0], first)
            yield values_NHW, label_HW, first
            first = max(first, int(label_HW.max(initial=0)) + 1)

    def targets(self) -> np.ndarray:
        """For each component the class that it takes, uint8; 255: it stays."""
        votes: dict[int, np.ndarray] = {}
        last = None
        for values_NHW, label_HW, _ in self.strips():
            class_HW = values_NHW[0]
            borders = [
                (class_HW[:, :-1], label_HW[:, :-1], class_HW[:, 1:], label_HW[:, 1:]),
                (class_HW[:-1], label_HW[:-1], class_HW[1:], label_HW[1:]),
            ]
            if last is not None:
                borders.append((*last, class_HW[0], label_HW[0]))
            for border in borders:
                self._count(votes, *border)
            last = class_HW[-1].copy(), label_HW[-1]
        return self._chosen(votes)

    def _count(self, votes: dict[int, np.ndarray], *border: np.ndarray) -> None:
        """Adds each side's class to the votes of the small component on the other side."""
        class_a, label_a, class_b, label_b = (array.ravel() for array in border)
        differ = (class_a != class_b) & (label_a > 0) & (label_b > 0)
        pairs = (
            (label_a[differ], label_b[differ], class_b[differ]),
            (label_b[differ], label_a[differ], class_a[differ]),
        )
        for label, other, other_class in pairs:
            counts = self._small_N[label] & ~self._small_N[other]
            for value in np.unique(other_class[counts]).tolist():
                roots, lengths = np.unique(self._root_N[label[counts & (other_class == value)]], return_counts=True)
                votes.setdefault(value, np.zeros(len(self._root_N), np.int32))[roots] += lengths.astype(np.int32)

    def _chosen(self, votes: dict[int, np.ndarray]) -> np.ndarray:
        most_N = np.zeros(len(self._root_N), np.int32)
        target_N = np.full(len(self._root_N), UNKNOWN, np.uint8)
        for value in sorted(votes):  # of equally long borders the lower class
            longer_N = votes[value] > most_N
            target_N[longer_N], most_N[longer_N] = value, votes[value][longer_N]
        return np.where(self._small_N, target_N[self._root_N], UNKNOWN).astype(np.uint8)


def _labelled(class_HW: np.ndarray, first: int) -> np.ndarray:
    """Components of equal known classes, numbered from `first`; 0 where nothing is known."""
    from scipy import ndimage  # an eighth of the time in which a map without a sieve starts

    label_HW = np.zeros(class_HW.shape, np.int64)
    for value in np.unique(class_HW[class_HW != UNKNOWN]).tolist():
        of_class_HW, count = ndimage.label(class_HW == value)
        label_HW += np.where(of_class_HW > 0, of_class_HW + (first - 1), 0)
        first += count
    return label_HW


def _touching(class_a: np.ndarray, label_a: np.ndarray, class_b: np.ndarray, label_b: np.ndarray):
    """Pairs of components of one class that touch across two neighbouring lines, (pairs, 2)."""
    touch = (class_a == class_b) & (label_a > 0) & (label_b > 0)
    return np.unique(np.stack([label_a[touch], label_b[touch]], axis=1), axis=0)


def _joined(pairs_M2: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` parts the number of the whole that it belongs to."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    links = sparse.coo_array((np.ones(len(pairs_M2), np.int8), pairs_M2.T), shape=(count, count))
    return connected_components(links, directed=False)[1]
