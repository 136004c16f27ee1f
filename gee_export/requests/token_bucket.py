"""Tokens that come at a steady rate: every request takes one before it is sent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# Ours: bridges a late wake of the event loop, and is too short to be a burst of its own.
BURST_S = 0.1  # so much of a second's tokens may be used at once
# Quotas count by the second; a longer memory would hide a burst in the mean.
MEMORY_S = 1.0


class TokenBucket:
    """At most `rate_per_s` tokens a second, a burst of BURST_S; a caller that comes a little late loses none."""

    def __init__(self, rate_per_s: float = math.inf, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate_per_s = rate_per_s
        self._clock = clock
        self._due_s = -math.inf  # when the next token would come if none were ever taken early
        self._held_s = -math.inf

    def wait_s(self) -> float:
        """Seconds until there is a token, 0 where there is one."""
        now = self._clock()
        # Sleeps end late by some milliseconds: without credit each would lower the rate for good.
        early_s = max(BURST_S - 1 / self.rate_per_s, 0.0)
        return max(0.0, self._due_s - early_s - now, self._held_s - now)

    def take(self) -> None:
        """Takes one."""
        self._due_s = max(self._due_s, self._clock()) + 1 / self.rate_per_s

    def hold(self, seconds: float) -> None:
        """Gives no token for so many seconds."""
        self._held_s = max(self._held_s, self._clock() + seconds)


class EventRate:
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
        # A young flow has not filled the memory yet, so it is divided by the part that it has.
        return faded / (MEMORY_S * -math.expm1(-self.seconds / MEMORY_S))
