"""How often somebody may ask: a bucket of tokens for each owner or address, filled at a steady rate."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from isamap.inference.serve.problem import Problem

MOST_CLIENTS = 10_000  # of which levels are kept; the one that was quiet longest is forgotten, its bucket is full


@dataclass
class Rates:
    """Requests left, by client. per_s: that come back a second; burst: at most."""

    per_s: float
    burst: int
    clock: Callable[[], float] = time.monotonic
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def spend(self, client: str) -> None:
        """Counts a request; Problem 429, which says when to come back, where the bucket is empty."""
        now = self.clock()
        level, then = self._levels.pop(client, (float(self.burst), now))
        level = min(self.burst, level + (now - then) * self.per_s)
        allowed = level >= 1
        # A refused request costs nothing: who comes too often waits, and is not shut out for ever.
        self._levels[client] = (level - 1 if allowed else level, now)
        if len(self._levels) > MOST_CLIENTS:
            self._levels.popitem(last=False)
        if not allowed:
            wait_s = max(1, math.ceil((1 - level) / self.per_s))
            raise Problem(
                429,
                f"More than {self.burst} requests at once, or {self.per_s:g} a second: come back in {wait_s} s.",
                headers={"Retry-After": str(wait_s)},
            )
