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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.cog import RowsFile

# Some 50 MB of labels and classes, whatever the size of the map.
STRIP_PX = 1 << 22  # pixels labelled at once
SQUARE_METRES = {"m2": 1.0, "ha": 1e4, "km2": 1e6}
_AREA = re.compile(r"(\d+(?:\.\d+)?)\s*(px|m2|ha|km2)?")


def unit_px(text: str, step_m: float, *, option: str = "sieve") -> int:
    """The unit in pixels of step_m metres, rounded up: "9" or "9px" as it is, else of an area such as 500m2 or 0.5ha.

    ValueError, which names the option, for other words and for less than two pixels, which would remove nothing.
    """
    match = _AREA.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{option} {text!r}: expected pixels or an area, such as 9, 9px, 500m2 or 0.5ha")
    area, name = float(match[1]), match[2] or "px"
    pixels = area if name == "px" else area * SQUARE_METRES[name] / step_m**2
    # Rounded first: an area of whole pixels must not become one more by the last digit of a product.
    least = math.ceil(round(pixels, 6))
    if least < 2:
        raise ValueError(f"{option} {text}: less than two pixels of {step_m:g} m; give a larger unit or leave it out")
    return least


def reach_px(least_px: int) -> int:
    """Pixels around a part of a map that decide it: the margin with which a tile equals the whole map.

    A component's size is sure once least_px of its pixels are seen, and so is that of each of its neighbours.
    """
    return 2 * least_px


@dataclass(frozen=True, eq=False)
class SievePiece:
    """The classes of a part of a map. row, col: pieces whose rows or columns differ by one touch along a side."""

    row: int
    col: int
    class_HW: np.ndarray


Pieces = Callable[[], Iterator[SievePiece]]
Line = tuple[np.ndarray, np.ndarray]  # classes and component numbers of pixels along a side
Border = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # the lines of both sides


def tags_of(least_px: int) -> dict[str, str]:
    """What a map says of its sieve."""
    return {"sieve": f"{least_px} px"}


def sieved(rows: RowsFile, out: RowsFile, least_px: int) -> RowsFile:
    """`out`: the rows' classes without components smaller than least_px, their other numbers as they are.

    Memory: 20 bytes for each component, and a strip.
    """
    strips = partial(rows.read, STRIP_PX)
    cleaned = sieved_pieces(lambda: (SievePiece(row, 0, each[0]) for row, each in enumerate(strips())), least_px)
    out.path.unlink(missing_ok=True)
    for values_NHW, piece in zip(strips(), cleaned, strict=True):
        out.append(np.concatenate([piece.class_HW[None], values_NHW[1:]]))
    return out


def sieved_pieces(pieces: Pieces, least_px: int) -> Iterator[SievePiece]:
    """The pieces of a map without components smaller than least_px, whatever the map is cut into.

    pieces: gives the same ones in the same order at each of its three calls: a piece after those above it and left of
    it, all of a column equally wide and all of a row equally high. Where one is missing nothing is known.
    Memory: 20 bytes for each component, a piece, and a line of pixels along the row of pieces above it.
    """
    components = _Components(pieces, least_px)
    target_N = components.targets()
    for piece, label_HW, _ in components.labelled():
        class_HW = target_N[label_HW]
        yield replace(piece, class_HW=np.where(class_HW == UNKNOWN, piece.class_HW, class_HW))


class _Seams:
    """The last lines of the pieces so far, where later ones touch them."""

    def __init__(self) -> None:
        self._above: dict[int, tuple[int, Line]] = {}  # by column: the row of the last piece, its lowest line
        self._left: dict[int, tuple[int, Line]] = {}  # by row: the column of the last piece, its right line

    def borders(self, piece: SievePiece, label_HW: np.ndarray) -> list[Border]:
        """Where a piece touches those before it, whose lines it then takes the place of."""
        class_HW = piece.class_HW
        borders = []
        row, line = self._above.get(piece.col, (None, None))
        if line is not None and row == piece.row - 1:
            borders.append((*line, class_HW[0], label_HW[0]))
        col, line = self._left.get(piece.row, (None, None))
        if line is not None and col == piece.col - 1:
            borders.append((*line, class_HW[:, 0], label_HW[:, 0]))
        # Copies, because a view would keep the whole piece in memory.
        self._above[piece.col] = piece.row, (class_HW[-1].copy(), label_HW[-1].copy())
        self._left[piece.row] = piece.col, (class_HW[:, -1].copy(), label_HW[:, -1].copy())
        return borders


class _Components:
    """The components of a map's classes, found piece by piece and joined where pieces meet."""

    def __init__(self, pieces: Pieces, least_px: int) -> None:
        self._pieces = pieces
        joins, sizes, seams = [np.zeros((0, 2), np.int64)], [np.zeros(1, np.int64)], _Seams()  # number 0 is none
        for piece, label_HW, first in self.labelled():
            sizes.append(np.bincount(label_HW[label_HW > 0] - first))
            joins += [_touching(*border) for border in seams.borders(piece, label_HW)]
        size_N = np.concatenate(sizes)
        self._root_N = _joined(np.concatenate(joins), len(size_N))
        # Sizes are summed over the joined parts first: a component that is small in each piece may be large.
        total_N = np.bincount(self._root_N, weights=size_N)[self._root_N]
        self._small_N = (total_N < least_px) & (np.arange(len(size_N)) > 0)

    def labelled(self) -> Iterator[tuple[SievePiece, np.ndarray, int]]:
        """Each piece, the component of each of its pixels (0: unknown), and its first new component's number.

        Numbers are the same whenever it is called; a component that reaches over pieces has one in each.
        """
        first = 1
        for piece in self._pieces():
            label_HW = _labelled(piece.class_HW, first)
            yield piece, label_HW, first
            first = max(first, int(label_HW.max(initial=0)) + 1)

    def targets(self) -> np.ndarray:
        """For each component the class that it takes, uint8; 255: it stays."""
        votes: dict[int, np.ndarray] = {}
        seams = _Seams()
        for piece, label_HW, _ in self.labelled():
            class_HW = piece.class_HW
            for border in (
                (class_HW[:, :-1], label_HW[:, :-1], class_HW[:, 1:], label_HW[:, 1:]),
                (class_HW[:-1], label_HW[:-1], class_HW[1:], label_HW[1:]),
                *seams.borders(piece, label_HW),
            ):
                self._count(votes, *border)
        return self._chosen(votes)

    def _count(self, votes: dict[int, np.ndarray], *border: np.ndarray) -> None:
        """Adds each side's class to the votes of the small component on the other side."""
        class_a, label_a, class_b, label_b = (array.ravel() for array in border)
        differ = (class_a != class_b) & (label_a > 0) & (label_b > 0)
        pairs = (
            (label_a[differ], label_b[differ], class_b[differ]),
            (label_b[differ], label_a[differ], class_a[differ]),
        )
        for label, neighbour, other_class in pairs:
            # Small neighbours have no vote: two specks would exchange their classes.
            counts = self._small_N[label] & ~self._small_N[neighbour]
            for value in np.unique(other_class[counts]).tolist():
                # By root, so that a component's border is counted whole, wherever pieces cut it.
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

    # 64 bits, as numbers go on over all pieces of a zone.
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

    # By a sparse graph and not by merging labels pixel by pixel: seams are few, pixels are not.
    links = sparse.coo_array((np.ones(len(pairs_M2), np.int8), pairs_M2.T), shape=(count, count))
    return connected_components(links, directed=False)[1]
