"""Pixels kept between requests, of images that never change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

import numpy as np

from local_ee import idle

BandPixels = tuple[np.ndarray, np.ndarray]  # values and mask [row, column] of a band; never written to


class KeptPixels:
    """Bands of windows by key, up to a number of bytes; the least recently used go first. Any thread may ask."""

    def __init__(self, bound_bytes: int) -> None:
        self._bound = bound_bytes
        self._bands: OrderedDict[Hashable, BandPixels] = OrderedDict()
        self._bytes = 0
        self._guard = threading.Lock()
        idle.forgets(self)

    def get(self, key: Hashable) -> BandPixels | None:
        """The band of a key, or None."""
        with self._guard:
            if key in self._bands:
                self._bands.move_to_end(key)
            return self._bands.get(key)

    def put(self, key: Hashable, band: BandPixels) -> None:
        """Keeps a band, unless it alone is more than the bound."""
        size = _size(band)
        if size > self._bound:
            return
        with self._guard:
            old = self._bands.pop(key, None)
            self._bands[key] = band
            self._bytes += size - (0 if old is None else _size(old))
            while self._bytes > self._bound:
                self._bytes -= _size(self._bands.popitem(last=False)[1])

    def forget(self) -> None:
        """Lets go of everything."""
        with self._guard:
            self._bands.clear()
            self._bytes = 0


def _size(band: BandPixels) -> int:
    """Bytes in memory; nothing for an array that repeats one number."""
    return sum(array.nbytes for array in band if any(array.strides))
