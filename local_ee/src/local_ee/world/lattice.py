"""Pixels counted from a zone's origin: columns east, rows south (row 0 lies south of northing 0), and tiles of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import idle, parallel

TILE = 128  # 10-m pixels along a world tile
STEP_M = 10
Part = tuple[int, int, tuple[slice, slice], tuple[slice, slice]]  # of a cut: see Cut.tiles


@dataclass(frozen=True)
class Cut:
    """A rectangle of a zone's pixels of `step_m` metres; `row` and `col` count from the zone's origin."""

    epsg: int
    row: int
    col: int
    height: int
    width: int
    step_m: int = STEP_M

    @classmethod
    def of(cls, geobox: GeoBox) -> Cut:
        """The window of a north-up grid whose origin is a multiple of its step."""
        step = round(geobox.affine.a)
        col, row = round(geobox.affine.c / step), round(-geobox.affine.f / step)
        height, width = geobox.shape
        epsg = None if geobox.crs is None else geobox.crs.to_epsg()
        if epsg is None:
            raise ValueError(f"the grid's projection {geobox.crs} has no EPSG code")
        return cls(epsg, row, col, height, width, step)

    def fine(self, margin: int = 0) -> Cut:
        """The same ground in 10-m pixels, with a margin of `margin` of this cut's own pixels on each side."""
        f = self.step_m // STEP_M
        return Cut(
            self.epsg, (self.row - margin) * f, (self.col - margin) * f,
            (self.height + 2 * margin) * f, (self.width + 2 * margin) * f,
        )  # fmt: skip

    def covers(self, other: Cut) -> np.ndarray:
        """Which pixels of another cut, of any step, have their centre in this one: bool [row, column]."""
        ratio = other.step_m / self.step_m
        rows = (np.arange(other.row, other.row + other.height) + 0.5) * ratio
        cols = (np.arange(other.col, other.col + other.width) + 0.5) * ratio
        in_rows = (rows >= self.row) & (rows < self.row + self.height)
        in_cols = (cols >= self.col) & (cols < self.col + self.width)
        return in_rows[:, None] & in_cols[None, :]

    def around(self, margin: int) -> Cut:
        """The cut with `margin` more of its pixels on every side."""
        m = margin
        return Cut(self.epsg, self.row - m, self.col - m, self.height + 2 * m, self.width + 2 * m, self.step_m)

    def tiles(self) -> Iterator[Part]:
        """World tiles under a cut of 10-m or 1-m pixels: column, row, the part of the cut, the part of the tile."""
        side = TILE * STEP_M // self.step_m
        for row in range(self.row // side, (self.row + self.height - 1) // side + 1):
            for col in range(self.col // side, (self.col + self.width - 1) // side + 1):
                top, left = max(row * side, self.row), max(col * side, self.col)
                low = min((row + 1) * side, self.row + self.height)
                right = min((col + 1) * side, self.col + self.width)
                yield (
                    col, row,
                    (slice(top - self.row, low - self.row), slice(left - self.col, right - self.col)),
                    (slice(top - row * side, low - row * side), slice(left - col * side, right - col * side)),
                )  # fmt: skip


def pooled(values: np.ndarray, factor: int) -> np.ndarray:
    """Means of factor x factor pixels."""
    if factor == 1:
        return values
    height, width = values.shape[0] // factor, values.shape[1] // factor
    return values.reshape(height, factor, width, factor).mean(axis=(1, 3), dtype=np.float32)


def mosaic(cut: Cut, tile: Callable[[int, int], np.ndarray]) -> np.ndarray:
    """The cut put together from world tiles [..., row, column] that `tile(column, row)` gives, in any thread."""
    parts = list(cut.tiles())
    if not parts:
        raise ValueError("a window without pixels was asked for: its height and width must be at least 1")
    first = tile(*parts[0][:2])
    out = np.empty((*first.shape[:-2], cut.height, cut.width), first.dtype)

    def paste(part: Part) -> None:
        col, row, here, tile_slices = part
        out[(..., *here)] = tile(col, row)[(..., *tile_slices)]

    parallel.each(paste, parts)
    return out


class TileCache:
    """Arrays by key, made when first asked for, kept up to a number of bytes; two threads never make the same one."""

    def __init__(self, bound_bytes: int) -> None:
        self._bound = bound_bytes
        self.kept_bytes = 0
        self._values: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._turns: dict[Hashable, threading.Lock] = {}
        self._guard = threading.Lock()
        idle.forgets(self)

    def get(self, key: Hashable, make: Callable[[], np.ndarray]) -> np.ndarray:
        """The value of a key."""
        with self._guard:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            with self._guard:
                if key in self._values:
                    return self._values[key]
            value = make()
            with self._guard:
                old = self._values.pop(key, None)
                self._values[key] = value
                self.kept_bytes += value.nbytes - (0 if old is None else old.nbytes)
                self._turns.pop(key, None)
                while self.kept_bytes > self._bound:
                    self.kept_bytes -= self._values.popitem(last=False)[1].nbytes
        return value

    def forget(self) -> None:
        """Lets go of everything."""
        with self._guard:
            self._values.clear()
            self.kept_bytes = 0
