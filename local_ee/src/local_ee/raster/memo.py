"""What is remembered while pixels are read: shared images once within one outermost read, within a bound.

Before the first pixel, the outermost read finds out which bands of which images it will need. A reading with a method
`begin` (of an archive) is told then, so that all its pixels are on their way before the first are waited for. An image
that several others read is then read once, with all those bands together, and let go when the read ends or the bound
is reached.
Windows of a few pixels are kept as long as the computation runs: a series of a place reads them again for each date.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.budget import Budget
from local_ee.raster.lattice import place_of
from local_ee.raster.pixels import Pixels, size_of
from local_ee.raster.projection import key_of

BOUND_BYTES = 256 << 20
SMALL_PIXELS = 1024  # of a window that a whole computation keeps
SMALL_BYTES = 32 << 20  # of all such windows of a computation
_ENTRY_BYTES = 512  # of what holds a window's band beside its pixels
_LEAST_BYTES = 2  # of a pixel of a band, with its mask
# Two windows at opposite ends of a scene must not become a read of all that lies between them.
_MOST_GROWTH = 1.5  # of the largest request: beyond it, requests of an image are read apart

Reading = Callable[[GeoBox, tuple[int, ...]], Pixels]
# What reading some bands of a window reads: images, their bands, and their window (None where it is on another grid).
Inputs = Callable[[tuple[int, ...], GeoBox | None], Sequence[tuple[Any, Iterable[int], GeoBox | None]]]


class Readable(Protocol):
    """An image: how it is read, and what that reads."""

    @property
    def reading(self) -> Reading: ...

    @property
    def inputs(self) -> Inputs: ...


class Demand:
    """What one read needs of every image below it: bands, windows, and how many images ask for them."""

    def __init__(self, root: Readable, geobox: GeoBox, positions: tuple[int, ...]) -> None:
        self._bands: dict[tuple[int, tuple | None], set[int]] = {}  # by image and lattice, None where it is not known
        self._askers: dict[int, set[tuple[int, int]]] = {}
        self._windows: dict[tuple, tuple[int, int, int, int, int]] = {}  # edges, and pixels of the largest request
        self.ahead: list[tuple[Any, GeoBox, tuple[int, ...]]] = []  # what may be brought near before it is read
        seen: dict[tuple, set[int]] = {}
        waiting: list[tuple[Readable, frozenset[int], GeoBox | None]] = [(root, frozenset(positions), geobox)]
        while waiting:
            budget.check()
            image, bands, window = waiting.pop()
            earlier = seen.setdefault((id(image.reading), window and key_of(window)), set())
            fresh = bands - earlier
            if not fresh:
                continue
            earlier |= fresh
            self._note(image, fresh, window)
            if window is not None and hasattr(image.reading, "begin"):
                self.ahead.append((image.reading, window, tuple(sorted(fresh))))
            for input_index, (parent, needed, around) in enumerate(image.inputs(tuple(sorted(fresh)), window)):
                self._askers.setdefault(id(parent.reading), set()).add((id(image.reading), input_index))
                waiting.append((parent, frozenset(needed), around))

    def _note(self, image: Readable, positions: Iterable[int], geobox: GeoBox | None) -> None:
        key = None if geobox is None else _lattice_of(geobox)
        self._bands.setdefault((id(image.reading), key), set()).update(positions)
        if geobox is None:
            return
        top, left, bottom, right = _edges(geobox)
        old = self._windows.get((id(image.reading), key), (top, left, bottom, right, 0))
        union = min(top, old[0]), min(left, old[1]), max(bottom, old[2]), max(right, old[3])
        self._windows[(id(image.reading), key)] = (*union, max(old[4], geobox.shape[0] * geobox.shape[1]))

    def of(self, image: Readable, geobox: GeoBox) -> set[int]:
        """The bands that will be asked for on this window's lattice; empty where only one image asks.

        By lattice, because a band of 20-km pixels would otherwise bring its 10-m neighbours to its own lattice.
        """
        key = id(image.reading)
        if len(self._askers.get(key, ())) < 2:
            return set()
        bands = self._bands.get((key, _lattice_of(geobox)))
        return self._bands.get((key, None), set()) if bands is None else bands

    def askers(self, reading: Reading) -> set[tuple[int, int]]:
        """Who reads what a reading gives: ids of the readings, and which of their inputs it is."""
        return self._askers.get(id(reading), set())

    def window(self, image: Readable, geobox: GeoBox) -> tuple[GeoBox, int, int]:
        """The window to read for a request, and the request's row and column in it.

        It is the one around all requests on this lattice, where that is little more than the largest of them.
        """
        lattice = _lattice_of(geobox)
        if lattice is None:
            return geobox, 0, 0
        own = _edges(geobox)
        top, left, bottom, right, most = self._windows.get((id(image.reading), lattice), (*own, 0))
        height, width = bottom - top, right - left
        inside = top <= own[0] and left <= own[1] and own[2] <= bottom and own[3] <= right
        if not inside or height * width > _MOST_GROWTH * most:
            return geobox, 0, 0
        affine = geobox.affine * Affine.translation(left - own[1], top - own[0])
        return GeoBox((height, width), affine, geobox.crs), own[0] - top, own[1] - left


def _lattice_of(geobox: GeoBox) -> tuple | None:
    """None for sheared grids, which have no rows and columns to compare."""
    if geobox.affine.b or geobox.affine.d:
        return None
    window = place_of(geobox)
    return window.crs, window.step_x, window.step_y, window.phase_x, window.phase_y


def _edges(geobox: GeoBox) -> tuple[int, int, int, int]:
    window = place_of(geobox)
    return window.row, window.col, window.row + window.height, window.col + window.width


class Windows:
    """Bands of windows by image; the least recently used go first beyond the bound. Any thread may ask."""

    def __init__(self, bound_bytes: int) -> None:
        self._bound = bound_bytes
        self._held: OrderedDict[tuple, tuple[Reading, np.ndarray, np.ndarray, int]] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def read(
        self, image: Readable, geobox: GeoBox, positions: Sequence[int], fetch: Reading, also: Iterable[int] = ()
    ) -> Pixels:
        """Bands of a window, as held; where one is missing it is fetched, and then the bands `also` with it."""
        reading = image.reading
        key = (id(reading), *key_of(geobox))
        windows = {position: self._get((*key, position)) for position in positions}
        if any(band is None for band in windows.values()):
            windows |= {position: self._get((*key, position)) for position in also if position not in windows}
            missing = tuple(sorted(position for position, band in windows.items() if band is None))
            fresh = fetch(geobox, missing)
            for position, values, mask in zip(missing, fresh.values, fresh.masks, strict=True):
                windows[position] = (values, mask)
                self._put((*key, position), reading, values, mask)
        bands = [band for position in positions if (band := windows[position]) is not None]
        return Pixels(tuple(values for values, _ in bands), tuple(mask for _, mask in bands))

    def _get(self, key: tuple) -> tuple[np.ndarray, np.ndarray] | None:
        with self._lock:
            entry = self._held.get(key)
            if entry is None:
                return None
            self._held.move_to_end(key)
            return entry[1:3]

    def _put(self, key: tuple, reading: Reading, values: np.ndarray, mask: np.ndarray) -> None:
        """The reading is held too: its id is the key's, and must not become another's."""
        size = _ENTRY_BYTES + size_of(values) + size_of(mask)
        if size > self._bound:
            return
        with self._lock:
            old = self._held.pop(key, None)
            self._bytes += size - (0 if old is None else old[3])
            self._held[key] = (reading, values, mask, size)
            while self._bytes > self._bound:
                self._bytes -= self._held.popitem(last=False)[1][3]


class Memo:
    """What one outermost read needs, and what it has read of that."""

    def __init__(self, demand: Demand, bound_bytes: int = BOUND_BYTES) -> None:
        self.demand = demand
        self.windows = Windows(bound_bytes)


_current: ContextVar[Memo | None] = ContextVar("pixel memo", default=None)
# By the computation and weakly: what it kept goes when it ends, whoever forgets to say so.
_small: WeakKeyDictionary[Budget, Windows] = WeakKeyDictionary()
_small_lock = threading.Lock()


def remembered(image: Readable, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    """An image's pixels, from memory where this computation has seen them; a step of the computation's budget."""
    budget.check()
    count = geobox.shape[0] * geobox.shape[1]
    budget.allocate(float(count) * len(positions) * _LEAST_BYTES)
    computation = budget.computation()
    if computation is None or count > SMALL_PIXELS:
        return _read(image, geobox, positions)
    return _small_windows(computation).read(image, geobox, positions, partial(_read, image))


def _small_windows(computation: Budget) -> Windows:
    with _small_lock:
        return _small.setdefault(computation, Windows(SMALL_BYTES))


def _read(image: Readable, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    memo = _current.get()
    if memo is not None:
        bands = memo.demand.of(image, geobox)
        return _recall(memo, image, bands, geobox, positions) if bands else image.reading(geobox, positions)
    with budget.turn():
        return remembered_apart(image, geobox, positions)


def remembered_apart(image: Readable, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    """The pixels of an image that is made while another one is read: no demand of that read says what it shares."""
    demand = Demand(image, geobox, positions)
    for reading, window, bands in demand.ahead:
        reading.begin(window, bands)
    token = _current.set(Memo(demand))
    try:
        return image.reading(geobox, positions)
    finally:
        _current.reset(token)


def askers_of(reading: Reading) -> set[tuple[int, int]]:
    """Demand.askers of the outermost read under way; nobody, where there is none."""
    memo = _current.get()
    return set() if memo is None else memo.demand.askers(reading)


def _recall(memo: Memo, image: Readable, shared_bands: set[int], geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    full_geobox, row, col = memo.demand.window(image, geobox)
    pixels = memo.windows.read(image, full_geobox, positions, image.reading, shared_bands)
    section = np.s_[row : row + geobox.shape[0], col : col + geobox.shape[1]]
    return Pixels(tuple(each[section] for each in pixels.values), tuple(each[section] for each in pixels.masks))
