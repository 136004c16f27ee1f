"""How many requests are under way and how fast they follow: below the quota if it is known, found out if it is not."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gee_export.bucket import Bucket, Flow
from gee_export.ceiling import Ceiling

# Half of a project's quotas of 40 requests at once and 100 a second (earth-engine.md section 3.3).
DEFAULT_WORKERS = 20
DEFAULT_RATE_PER_S = 50.0
FILLED = 0.75  # a refusal with fewer than this share of the requests allowed under way is not about their number
HISTORY_S = 1.0  # the rate borne is not known sooner


@dataclass(frozen=True)
class Passage:
    """What was true when a request was sent, to judge its answer by."""

    width_cuts: int
    rate_cuts: int
    full: bool  # as many were under way as are allowed
    paced: bool  # it had to wait for its token


class Throttle:
    """A gate for the requests of one event loop: a bound on their number and one on their rate, both adaptive.

    Earth Engine refuses with 429 and the words "request rate or concurrency limit", which leaves open which; refused
    with the window nearly full, it was the number, otherwise the rate.
    """

    def __init__(
        self,
        workers: int = DEFAULT_WORKERS,
        *,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.workers = workers
        self.width = Ceiling(workers)
        self.rate = Ceiling(rate_per_s)
        self.bucket = Bucket(rate_per_s, clock=clock)
        self._borne = Flow(clock=clock)
        self._sleep = sleep
        self._held = 0  # places taken, on the wire or waiting for a token
        self._sent = 0  # on the wire
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """Requests allowed at once now."""
        return int(self.width.level)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Passage]:
        """Waits for a place and a token; the place is free again at the end."""
        await self._enter()
        try:
            wait_s = self.bucket.take()
            if wait_s > 0:
                await self._sleep(wait_s)
            self._sent += 1
            try:
                yield Passage(self.width.cuts, self.rate.cuts, self._sent >= self.limit, wait_s > 0)
            finally:
                self._sent -= 1
        finally:
            self._held -= 1
            self._wake()

    def accepted(self, passage: Passage) -> None:
        """The server took the request."""
        self._borne.count()
        self.width.accepted(full=passage.full)
        self.rate.accepted(full=passage.paced)
        self.bucket.rate_per_s = self.rate.level
        self._wake()

    def refused(self, passage: Passage) -> bool:
        """The server wants fewer or slower requests; call it inside the slot. True where none at all was borne."""
        others = self._sent - 1
        if others >= FILLED * (self.limit - 1) or self._borne.seconds < HISTORY_S:
            self.width.refused(others, passage.width_cuts)
        else:
            self.rate.refused(self._borne.per_s, passage.rate_cuts)
            self.bucket.rate_per_s = self.rate.level
        return others == 0

    async def _enter(self) -> None:
        if self._held < self.limit and not self._waiting:
            self._held += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._held -= 1  # the place was given in the same moment
                self._wake()
            else:
                self._waiting.remove(place)
            raise

    def _wake(self) -> None:
        while self._waiting and self._held < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self._held += 1
                place.set_result(None)
