"""What is remembered while pixels are read: shared images once within one outermost read, within a bound.

Before the first pixel, the outermost read finds out which bands of which images it will need. An image that several
others read is then read once, with all those bands together, and let go when the read ends or the bound is reached.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Protocol

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export.engine.pixels import Pixels, is_uniform

BOUND_BYTES = 384 << 20

Reading = Callable[[GeoBox, tuple[int, ...]], Pixels]


class Readable(Protocol):
    """An image: how it is read, and what that reads."""

    reading: Reading
    inputs: Callable[[tuple[int, ...]], Sequence[tuple[Any, Iterable[int]]]]


class Demand:
    """The bands that one read needs of every image below it, and how many images ask for them."""

    def __init__(self, root: Readable, positions: tuple[int, ...]) -> None:
        self._bands: dict[int, set[int]] = {}
        self._askers: dict[int, set[tuple[int, int]]] = {}
        waiting: list[tuple[Readable, frozenset[int]]] = [(root, frozenset(positions))]
        while waiting:
            image, wanted = waiting.pop()
            known = self._bands.setdefault(id(image.reading), set())
            fresh = wanted - known
            if not fresh:
                continue
            known |= fresh
            for place, (parent, needed) in enumerate(image.inputs(tuple(sorted(fresh)))):
                self._askers.setdefault(id(parent.reading), set()).add((id(image.reading), place))
                waiting.append((parent, frozenset(needed)))

    def of(self, image: Readable) -> set[int]:
        """The bands that will be asked for; empty where only one image asks."""
        key = id(image.reading)
        return self._bands[key] if len(self._askers.get(key, ())) > 1 else set()


class Memo:
    """Bands of windows by image; the least recently used go first beyond the bound."""

    def __init__(self, demand: Demand, bound_bytes: int = BOUND_BYTES) -> None:
        self.demand = demand
        self._bound = bound_bytes
        self._held: OrderedDict[tuple, tuple[np.ndarray, np.ndarray, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple) -> tuple[np.ndarray, np.ndarray] | None:
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[0], found[1]

    def put(self, key: tuple, band: tuple[np.ndarray, np.ndarray]) -> None:
        size = sum(64 if is_uniform(array) else array.nbytes for array in band)
        if size > self._bound:
            return
        self._held[key] = (*band, size)
        self._bytes += size
        while self._bytes > self._bound:
            self._bytes -= self._held.popitem(last=False)[1][2]


_current: ContextVar[Memo | None] = ContextVar("pixel memo", default=None)


def remembered(image: Readable, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    """An image's pixels, from memory where this outermost read has seen them."""
    memo = _current.get()
    if memo is not None:
        wanted = memo.demand.of(image)
        return _recall(memo, image, wanted, geobox, positions) if wanted else image.reading(geobox, positions)
    token = _current.set(Memo(Demand(image, positions)))
    try:
        return image.reading(geobox, positions)
    finally:
        _current.reset(token)


def _recall(memo: Memo, image: Readable, wanted: set[int], geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    window = (id(image.reading), tuple(geobox.shape), tuple(geobox.affine), str(geobox.crs))
    held = {position: memo.get((*window, position)) for position in positions}
    if any(band is None for band in held.values()):
        held |= {position: memo.get((*window, position)) for position in wanted if position not in held}
        missing = tuple(sorted(position for position, band in held.items() if band is None))
        fresh = image.reading(geobox, missing)
        for position, *band in zip(missing, fresh.values, fresh.masks, strict=True):
            held[position] = tuple(band)
            memo.put((*window, position), tuple(band))
    bands = [held[position] for position in positions]
    return Pixels(tuple(values for values, _ in bands), tuple(mask for _, mask in bands))
