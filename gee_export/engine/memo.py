"""What is remembered while pixels are read: each shared image's windows once within one outermost read, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from gee_export.engine.pixels import Pixels, is_uniform

BOUND_BYTES = 384 << 20

Reading = Callable[[GeoBox, tuple[int, ...]], Pixels]


class Memo:
    """Bands of windows by image; the least recently used go first beyond the bound."""

    def __init__(self, bound_bytes: int = BOUND_BYTES) -> None:
        self._bound = bound_bytes
        self._held: OrderedDict[tuple, tuple[Any, np.ndarray, np.ndarray, int]] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple) -> tuple[np.ndarray, np.ndarray] | None:
        found = self._held.get(key)
        if found is None:
            return None
        self._held.move_to_end(key)
        return found[1], found[2]

    def put(self, key: tuple, owner: object, band: tuple[np.ndarray, np.ndarray]) -> None:
        """Holds the owner too, so that its id in the key is not given to another object meanwhile."""
        size = sum(64 if is_uniform(array) else array.nbytes for array in band)
        if size > self._bound:
            return
        self._held[key] = (owner, *band, size)
        self._bytes += size
        while self._bytes > self._bound:
            self._bytes -= self._held.popitem(last=False)[1][3]


_current: ContextVar[Memo | None] = ContextVar("pixel memo", default=None)


def remembered(owner: object, shared: bool, reading: Reading, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    """An image's pixels, from memory where this outermost read has seen them (only shared images are kept)."""
    memo = _current.get()
    if memo is not None:
        return _recall(memo, owner, reading, geobox, positions) if shared else reading(geobox, positions)
    token = _current.set(Memo())
    try:
        return reading(geobox, positions)
    finally:
        _current.reset(token)


def _recall(memo: Memo, owner: object, reading: Reading, geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
    window = (id(owner), tuple(geobox.shape), tuple(geobox.affine), str(geobox.crs))
    held = {position: memo.get((*window, position)) for position in positions}
    missing = tuple(position for position, band in held.items() if band is None)
    if missing:
        fresh = reading(geobox, missing)
        for position, *band in zip(missing, fresh.values, fresh.masks, strict=True):
            held[position] = tuple(band)
            memo.put((*window, position), owner, tuple(band))
    bands = [held[position] for position in positions]
    return Pixels(tuple(values for values, _ in bands), tuple(mask for _, mask in bands))
