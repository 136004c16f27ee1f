"""How many requests are under way and how fast they follow: below the quota if it is known, found out if it is not."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from isamap.gee_export.requests.ceiling import Ceiling
from isamap.gee_export.requests.quota import DEFAULT_RATE_PER_S, DEFAULT_WORKERS
from isamap.gee_export.requests.token_bucket import EventRate, TokenBucket

FILLED = 0.75  # refused with this share of the allowed requests under way, it is clearly about their number
BORNE_BEFORE = 0.8  # refused with less than this share of what was borne before, it is clearly not
HISTORY_S = 1.0  # the rate borne is not known sooner
# Taken before the flow is measured: a guess, so it gives little away.
BACK_OFF = 0.85
# A pace equal to the measured flow could never learn that more is borne.
GAIN = 1.25
PROMPT_S = (0.1, 2.0)  # refusals come at once: what is not refused for so long is computed


@dataclass
class Slot:
    """What was true when a request was sent, to judge its answer by."""

    sent_s: float
    width_cuts: int
    rate_cuts: int
    others: int  # under way already
    pace_per_s: float | None  # the bound on the rate, if it had to wait for its token
    borne: bool = False  # not refused


class Throttle:
    """A gate for the requests of one event loop: a bound on their number and one on their rate, both adaptive.

    Earth Engine's 429 says "request rate or concurrency limit", which leaves open which. Refused with the window
    nearly full it was the number; refused with fewer than the server bore before, the rate; else the number is
    lowered and tried again at once. A request counts as borne when no refusal has come for a while: computing takes
    from a second to minutes, too long to wait for.
    """

    def __init__(
        self,
        workers: int = DEFAULT_WORKERS,
        *,
        rate_per_s: float = DEFAULT_RATE_PER_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workers = workers
        self.width = Ceiling(workers)
        self.rate = Ceiling(rate_per_s)
        self.bucket = TokenBucket(rate_per_s, clock=clock)
        self._flow = EventRate(clock=clock)
        self._clock = clock
        self._prompt_s: float | None = None  # twice the longest time that a refusal took; None before the first
        self._most_borne = 0
        self.begin()

    def begin(self) -> None:
        """Nothing is under way: for a new event loop, what is learned stays."""
        self._sent = 0  # under way
        self._paced = False  # the next request has to wait for its token
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: deque[asyncio.Future[Slot]] = deque()

    @property
    def limit(self) -> int:
        """Requests allowed at once now."""
        return int(self.width.level)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Slot]:
        """Waits for a place and a token; the place is free again at the end."""
        turn: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        self._wake()
        try:
            yield await turn
        finally:
            # A lane that was cancelled while it waited has no place to give back.
            if turn.done() and not turn.cancelled():
                self._sent -= 1
            self._wake()

    def accepted(self, slot: Slot) -> None:
        """The server took the request, as its answer or its silence tells."""
        if slot.borne:
            return
        slot.borne = True
        self._flow.count()
        self._most_borne = max(self._most_borne, slot.others + 1)
        # Both at today's bounds: what was sent before the last rise says nothing about it.
        self.width.accepted(full=slot.others + 1 >= self.limit)
        self.rate.accepted(full=slot.pace_per_s == self.rate.level)
        self._set_pace()
        self._wake()

    def refused(self, slot: Slot) -> bool:
        """The server wants fewer or slower requests; call it inside the slot. True where it accepted none at all."""
        slot.borne = True  # so that its silence is not heard later
        taken_s = self._clock() - slot.sent_s
        # Twice the slowest refusal seen, so that one on a busy line is not taken for an acceptance.
        self._prompt_s = min(max(PROMPT_S[0], self._prompt_s or 0.0, 2 * taken_s), PROMPT_S[1])
        others = self._sent - 1
        measured = self._flow.seconds >= HISTORY_S
        if others < BORNE_BEFORE * self._most_borne and others < FILLED * (self.limit - 1):
            self.rate.refused(self._flow.per_s if measured else BACK_OFF * self.rate.level, slot.rate_cuts)
        else:
            self.width.refused(others, slot.width_cuts, sure=measured and others >= FILLED * (self.limit - 1))
            # What was borne before the server tightened is no evidence any more.
            self._most_borne = min(self._most_borne, self.limit)
        self._set_pace()
        return others == 0

    def _wake(self) -> None:
        """Lets through who may pass now; sees to it that the next one is woken when his token comes."""
        while self._waiting and self._sent < self.limit:
            if self._waiting[0].cancelled():
                self._waiting.popleft()
                continue
            if wait_s := self.bucket.wait_s():
                self._wake_in(wait_s)
                return
            self.bucket.take()
            self._sent += 1
            self._waiting.popleft().set_result(self._passage())
            self._paced = False

    def _wake_in(self, wait_s: float) -> None:
        self._paced = True
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._wake()

    def _set_pace(self) -> None:
        """Sets the pace after refusals, a little above what was accepted: bursts are refused where a flow is not."""
        self.bucket.rate_per_s = self.rate.level
        if self.width.is_learned and self._flow.seconds >= HISTORY_S:
            self.bucket.rate_per_s = min(self.rate.level, max(GAIN * self._flow.per_s, self.rate.least))

    def _passage(self) -> Slot:
        pace_per_s = self.rate.level if self._paced else None
        slot = Slot(self._clock(), self.width.cuts, self.rate.cuts, self._sent - 1, pace_per_s)
        if self._prompt_s is not None:
            asyncio.get_running_loop().call_later(self._prompt_s, self.accepted, slot)
        return slot
