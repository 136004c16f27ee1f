"""Tokens that come at a steady rate: every request takes one before it is sent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

BURST_S = 0.1  # so much of a second's tokens may be used at once
MEMORY_S = 1.0


class Bucket:
    """Times of sending: at most `rate_per_s` a second, a burst of BURST_S, first come first served."""

    def __init__(self, rate_per_s: float = math.inf, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate_per_s = rate_per_s
        self._clock = clock
        self._next_s = -math.inf  # when the next token would be there if none were ever saved up

    def take(self) -> float:
        """Takes a token; seconds until it may be used, 0 where one was there."""
        now = self._clock()
        self._next_s = max(self._next_s, now)
        wait_s = max(0.0, self._next_s - now - max(BURST_S - 1 / self.rate_per_s, 0.0))
        self._next_s += 1 / self.rate_per_s
        return wait_s

    def hold(self, seconds: float) -> None:
        """No token for so long."""
        self._next_s = max(self._next_s, self._clock() + seconds + BURST_S)


class Flow:
    """How many events a second there were lately."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_s = self._last_s = math.nan
        self._sum = 0.0

    def count(self) -> None:
        """One more event now."""
        now = self._clock()
        if math.isnan(self._first_s):
            self._first_s = self._last_s = now
        self._sum = self._sum * math.exp((self._last_s - now) / MEMORY_S) + 1
        self._last_s = now

    @property
    def seconds(self) -> float:
        """Since the first event."""
        return 0.0 if math.isnan(self._first_s) else self._clock() - self._first_s

    @property
    def per_s(self) -> float:
        """Events a second over about the last second, the short memory of a young flow allowed for."""
        if self.seconds <= 0:
            return 0.0
        faded = self._sum * math.exp((self._last_s - self._clock()) / MEMORY_S)
        return faded / (MEMORY_S * -math.expm1(-self.seconds / MEMORY_S))
