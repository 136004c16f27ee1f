"""Parts of neighbouring pieces, joined into whole polygons that leave as soon as nothing can touch them any more.

Memory: the parts of polygons that touch the row of pieces at hand, however long the map is. Ground that is one
connected area, such as the pervious ground of a whole country, is one polygon and is held whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import shapely

from isamap.inference.polygons.parts import PieceParts, PolygonPart


@dataclass(frozen=True, eq=False)
class Joined:
    """A whole polygon: its class, ground, pixels, and mean of the shares in steps (None: none is known)."""

    value: int
    shape: shapely.Polygon | shapely.MultiPolygon
    pixels: int
    mean_share: float | None


@dataclass
class Joiner:
    """Takes pieces row by row, gives whole polygons row by row."""

    _groups: dict[int, list[PolygonPart]] = field(
        default_factory=dict
    )  # by root: the parts of a polygon that is not whole yet
    _group_of: dict[int, int] = field(default_factory=dict)  # part -> another of its group, itself at the root
    _above: dict[int, np.ndarray] = field(
        default_factory=dict
    )  # by column: parts along the lower edge of the row above
    _row: dict[int, np.ndarray] = field(default_factory=dict)  # the same of the row at hand
    _next: int = 0

    def add(self, col: int, piece: PieceParts, left: np.ndarray | None) -> np.ndarray:
        """Takes a piece; `left`: what this gave for the piece that touches it on the left. The right edge's parts."""
        first = self._next
        self._next += len(piece.parts)
        for at, polygon in enumerate(piece.parts, first):
            self._group_of[at], self._groups[at] = at, [polygon]
        number_HW = np.where(piece.number_HW >= 0, piece.number_HW + first, -1)
        if left is not None:
            self._touch(left, number_HW[:, 0])
        if col in self._above:
            self._touch(self._above[col], number_HW[0])
        self._row[col] = number_HW[-1]
        return number_HW[:, -1]

    def end_row(self, *, touches_next: bool) -> Iterator[Joined]:
        """The polygons that no later piece can touch; touches_next: whether the next row of pieces follows directly."""
        lines = list(self._row.values()) if touches_next else []
        open_parts: list[int] = [at for at in np.unique(np.concatenate(lines)).tolist() if at >= 0] if lines else []
        open_roots = {self._root(at) for at in open_parts}
        closed = sorted(set(self._groups) - open_roots)
        for root in closed:
            yield _united(self._groups.pop(root))
        self._above = self._row if touches_next else {}
        self._row = {}
        self._group_of = {root: root for root in self._groups} | {at: self._root(at) for at in open_parts}

    def _touch(self, one: np.ndarray, other: np.ndarray) -> None:
        """Joins parts of one class that lie side by side."""
        both = (one >= 0) & (other >= 0)
        for a, b in np.unique(np.stack([one[both], other[both]], axis=1), axis=0).tolist():
            self._join(a, b)

    def _join(self, a: int, b: int) -> None:
        # The smaller number stays the root, so that polygons come in the same order however pieces meet.
        first, second = sorted((self._root(a), self._root(b)))
        if first != second and self._groups[first][0].value == self._groups[second][0].value:
            self._group_of[second] = first
            self._groups[first] += self._groups.pop(second)

    def _root(self, at: int) -> int:
        path = []
        while self._group_of[at] != at:
            path.append(at)
            at = self._group_of[at]
        # The path is shortened: without it, chains of parts would be walked again for each of their pixels.
        for each in path:
            self._group_of[each] = at
        return at


def _united(parts: Iterable[PolygonPart]) -> Joined:
    parts = list(parts)
    shapes = np.array([piece.shape for piece in parts], dtype=object)
    shape = shapes[0] if len(parts) == 1 else shapely.union_all(shapes)
    known_pixels = sum(piece.share_pixels for piece in parts)
    mean = sum(piece.share_sum for piece in parts) / known_pixels if known_pixels else None
    return Joined(parts[0].value, shape, sum(piece.pixels for piece in parts), mean)
