"""Pixels of many grids at once: nothing is lost, whatever the server answers; sent as fast as it accepts."""

from __future__ import annotations

import asyncio
import json
import math
import os
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Window, crop
from isamap.gee_export.base.outage import NETWORK
from isamap.gee_export.base.retry import Patience, Reaction, Refused, classify, exhausted, remedy
from isamap.gee_export.requests import quota, transport
from isamap.gee_export.requests.channel import Channel, record, unmasked
from isamap.gee_export.requests.meter import PUBLISHED_SECONDS, Meter, OverLimit
from isamap.gee_export.requests.reply import decode
from isamap.gee_export.requests.result_queue import ResultQueue
from isamap.gee_export.requests.throttle import Slot, Throttle
from isamap.gee_export.requests.transport import Connect, Line, payload

if TYPE_CHECKING:
    import ee

    from isamap.gee_export.earth_engine.session import Session

SPLIT_FLOOR_PX = 64  # a request this small that is still too much will never fit
PAYLOAD_LIMIT_BYTES = 10 << 20  # https://developers.google.com/earth-engine/guides/usage
DEAD_S = 3 * transport.DEADLINE_S  # a server that sends nothing for so long, on any connection, is down
# Ours: fewer would end an export over a few bad cells, more would ask a closed door for minutes.
HOPELESS = 5  # cells refused for good in a row: the others would fare no better
# A serialised graph has up to 10 MB; the blocks of one image follow each other, so few are in use.
EXPRESSIONS = 16  # serialised images that are kept


@dataclass(frozen=True, eq=False)
class Cell:
    """One request's worth of pixels: of an export, of one layer of one part (region x period).

    index: among others; name: says in words what it is (region, period, layer, place); image: lazy, has every
    channel by name; None where there is none to ask for; months: of the composite, for what it costs.
    """

    index: int
    name: str
    image: ee.Image | None
    geobox: GeoBox
    channels: tuple[Channel, ...]
    months: float = 1.0

    def effort_of(self, geobox: GeoBox) -> float:
        """Megapixels x months of a part of it: what its computing grows with."""
        height, width = geobox.shape
        return float(height * width * self.months / 1e6)


Fetched = tuple[Cell, np.ndarray]  # a cell with its pixels


@dataclass
class Tally:
    """Requests sent (all of them), repeated for a failure, rejected as too many, and cut in four as too much."""

    requests: int = 0
    repeated: int = 0
    rejected: int = 0
    cut: int = 0


class TooMuch(Exception):
    """The server will not compute so many pixels at once."""


class Client:
    """A supply of pixels by interactive requests.

    One for a whole run: what it learns (how many requests the server takes, which size it refuses, the text of each
    image's graph) stays for the next call. One call at a time.
    """

    def __init__(
        self,
        throttle: Throttle | None = None,
        *,
        patience: Patience | None = None,
        log: Callable[[str], None] = lambda text: None,
        connect: Connect = transport.connect,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        meter: Meter | None = None,
    ) -> None:
        self.throttle, self.patience = throttle or Throttle(), patience or Patience()
        self.meter = meter or Meter()
        self.tally = Tally()
        self.side_px: dict[tuple[Channel, ...], int] = {}  # sides beyond these were refused
        self._log, self._connect, self._sleep = log, connect, sleep
        self._texts: OrderedDict[tuple[int, tuple[Channel, ...]], tuple[object, asyncio.Future[bytes]]] = OrderedDict()
        self._barren = 0  # refusals in a row with nothing else under way
        self._failed: list[Fault] = []
        self._failed_in_a_row = 0
        self._hopeless = False
        self._heard_s = 0.0

    @classmethod
    def of(
        cls,
        session: Session,
        workers: int | None = None,
        log: Callable[[str], None] = lambda text: None,
        meter: Meter | None = None,
    ) -> Client:
        """This process's share of a project's quotas on Google's servers (half of them where it is alone) and long
        patience; of the engine in this process all there is.

        workers: requests at a time, where the default shall not hold.
        """
        if session.is_local:  # it either answers soon or is gone
            # One more than processors, so that one is encoded or on its way while all compute; no rate, as nobody
            # meters it.
            throttle = Throttle(workers or (os.cpu_count() or 1) + 1, rate_per_s=math.inf)
            return cls(throttle, patience=Patience(attempts=3), log=log, meter=quota.counted(meter or Meter()))
        share = quota.current()
        throttle = Throttle(workers or share.at_once, rate_per_s=share.per_s)
        meter = meter or Meter()
        meter.seconds_per_effort = PUBLISHED_SECONDS[1]  # Google's answers name no seconds: a limit counts cautiously
        meter.measured_s = share.measured_s if meter.measured_s is None else meter.measured_s
        return cls(throttle, log=log, meter=quota.counted(meter))

    @property
    def counts(self) -> Mapping[str, int]:
        """What was sent so far, by name."""
        return asdict(self.tally)

    def __call__(self, cells: Sequence[Cell]) -> Generator[tuple[Cell, np.ndarray], None, None]:
        """Each cell with its pixels as they come: a structured array, masked pixels holding their channel's fill.

        A cell that the server refuses for good does not keep the others from coming; at the end there is a Fault
        that says what failed and why. Closing the generator ends every request.
        """
        self._failed, self._failed_in_a_row, self._hopeless, self._barren = [], 0, False, 0
        result_queue: ResultQueue[Fetched] = ResultQueue()
        if cells:
            yield from result_queue.items(lambda: self._fetch(cells, result_queue))
        if self._failed:
            raise self._failure(len(cells))

    async def _fetch(self, cells: Sequence[Cell], result_queue: ResultQueue[Fetched]) -> None:
        """Two lanes for every request that may be under way: one waits for its turn, or after a failure."""
        self._texts.clear()  # their futures belong to an event loop that has ended
        self.throttle.begin()
        self._heard_s = time.monotonic()
        queue = iter(cells)
        async with self._connect(self._log) as line:
            count = min(2 * self.throttle.workers, len(cells))
            lanes = [asyncio.ensure_future(self._lane(queue, line, result_queue)) for _ in range(count)]
            try:
                await asyncio.gather(*lanes)
            finally:
                for lane in lanes:
                    lane.cancel()
                await asyncio.gather(*lanes, return_exceptions=True)

    async def _lane(self, queue: Iterator[Cell], line: Line, result_queue: ResultQueue[Fetched]) -> None:
        for cell in queue:
            # Before the request and not after it: what was fetched would have to lie somewhere.
            await result_queue.room()
            if self._hopeless:
                return
            try:
                pixels = await self._read(line, cell, cell.geobox)
            except Fault as fault:
                self._failed.append(fault)
                self._log(f"failed: {fault}")
                self._failed_in_a_row += 1
                self._hopeless = self._hopeless or self._failed_in_a_row >= HOPELESS
                continue
            self._failed_in_a_row = 0
            result_queue.give((cell, pixels), pixels.nbytes)

    async def _read(self, line: Line, cell: Cell, geobox: GeoBox) -> np.ndarray:
        if max(geobox.shape) > self.side_px.get(cell.channels, max(geobox.shape)):
            return await self._read_quarters(line, cell, geobox)
        try:
            return await self._persist(line, cell, geobox)
        except TooMuch as error:
            side = max(geobox.shape)
            # Half of it would be below the floor.
            if side < 2 * SPLIT_FLOOR_PX:
                raise _fault(cell, geobox, error.__cause__ or error) from error
            self.tally.cut += 1
            # Learned for all cells of these channels: each would else be refused once at full size, minutes each.
            self.side_px[cell.channels] = min(self.side_px.get(cell.channels, side), math.ceil(side / 2))
            self._log(f"{cell.name}: {side} px are too much, {self.side_px[cell.channels]} from now on")
            return await self._read_quarters(line, cell, geobox)

    async def _read_quarters(self, line: Line, cell: Cell, geobox: GeoBox) -> np.ndarray:
        height, width = geobox.shape
        # The longer side halves, so that a long strip is cut across.
        half = math.ceil(max(height, width) / 2)
        places = [
            Window(row, col, min(half, height - row), min(half, width - col))
            for row in range(0, height, half)
            for col in range(0, width, half)
        ]
        parts = await asyncio.gather(*(self._read(line, cell, crop(geobox, quarter)) for quarter in places))
        pixels = np.empty((height, width), record(cell.channels))
        for quarter, piece in zip(places, parts, strict=True):
            pixels[quarter.slices] = piece
        return pixels

    async def _persist(self, line: Line, cell: Cell, geobox: GeoBox) -> np.ndarray:
        """The pixels, requested again while that may help; TooMuch, or a Fault with the server's words."""
        body = payload(await self._text(cell), geobox, line.workload_tag)
        shape = geobox.shape.yx
        failures = deadlines = 0
        while True:
            try:
                return await self._ask(line, body, cell, geobox)
            except (Refused, OSError) as error:  # the line's errors are all of OSError's kin
                answer, last = classify(error), error
            self._check_alive(last)
            deadlines += type(last) is TimeoutError
            # One deadline may be a busy server's; two say that the request is too large.
            if answer is Reaction.SMALLER or (deadlines > 1 and max(shape) >= 2 * SPLIT_FLOOR_PX):
                raise TooMuch(str(last)) from last
            if answer is Reaction.NEVER:
                self._hopeless = self._hopeless or getattr(last, "status", 0) in (401, 403)
                raise _fault(cell, geobox, last) from last
            if answer is Reaction.AGAIN:
                failures += 1
                await self._pause(cell, last, failures)
            # A 429 is not counted against the patience of the cell: it says nothing about its pixels.
            elif self._hopeless or self._barren >= self.patience.attempts:
                self._give_up(last)

    async def _ask(self, line: Line, body: bytes, cell: Cell, geobox: GeoBox) -> np.ndarray:
        async with self.throttle.slot() as slot:
            effort = self._begin(cell.effort_of(geobox))
            try:
                reply = await line.send(body)
            except Refused as refused:
                self._heard_s = time.monotonic()
                self.meter.cancel(effort, refused.cpu_seconds)
                if classify(refused) is Reaction.SLOWER:
                    self._slow_down(refused, slot)
                raise
            # A cancelled request, too, must not stay in the meter as under way.
            except BaseException:
                self.meter.cancel(effort)
                raise
        self._heard_s = time.monotonic()
        self.meter.end(effort, reply.cpu_seconds)
        self.meter.received(math.prod(geobox.shape.yx) * sum(channel.bytes for channel in cell.channels))
        pixels = decode(reply.body, geobox.shape.yx, record(cell.channels))
        # After decoding: a damaged reply is no evidence that the server bore the load.
        self.throttle.accepted(slot)
        self._barren = 0
        return pixels

    def _begin(self, effort: float) -> float:
        """Counts a request that is about to be sent; OverLimit, which ends the others too, where it may not be."""
        try:
            self.meter.begin(effort)
        except OverLimit:
            self._hopeless = True
            raise
        self.tally.requests += 1
        return effort

    def _slow_down(self, refused: Refused, slot: Slot) -> None:
        self.tally.rejected += 1
        before = self.throttle.limit
        wait_s = refused.retry_after_s
        if self.throttle.refused(slot):
            self._barren += 1
            wait_s = max(wait_s, self.patience.seconds(self._barren - 1))
        if wait_s:
            self.throttle.bucket.hold(wait_s)
        if self.throttle.limit != before or wait_s:
            now = f"{self.throttle.limit} at once, {self.throttle.bucket.rate_per_s:.0f} a second from now on"
            self._log(f"{refused}: {now}" + (f", after {wait_s:.1f} s" if wait_s else ""))

    async def _pause(self, cell: Cell, error: Exception, failures: int) -> None:
        """Waits before the next attempt; Fault when patience ends or nothing is to be hoped for."""
        if failures >= self.patience.attempts or self._hopeless:
            self._give_up(error, failures)
        self.tally.repeated += 1
        wait_s = max(self.patience.seconds(failures - 1), getattr(error, "retry_after_s", 0.0))
        self._log(f"{cell.name}: {error or type(error).__name__}; again in {wait_s:.1f} s")
        await self._sleep(wait_s)

    def _check_alive(self, last: Exception) -> None:
        """Fault where request after request ran into its deadline: smaller ones would wait as long, cell by cell."""
        silent_s = time.monotonic() - self._heard_s
        if type(last) is not TimeoutError or silent_s < DEAD_S:
            return
        self._hopeless = True
        raise Fault(
            f"Earth Engine has said nothing for {silent_s:.0f} s on any connection: {NETWORK}; "
            "what was fetched is kept, run the same command again"
        ) from last

    def _give_up(self, last: Exception, attempts: int | None = None) -> None:
        self._hopeless = True
        raise exhausted(attempts or self.patience.attempts, last) from last

    async def _text(self, cell: Cell) -> bytes:
        """The serialised graph of the cell's channels, made once for all cells of an image."""
        key = (id(cell.image), cell.channels)
        if key not in self._texts:
            making = asyncio.ensure_future(asyncio.to_thread(_serialised, cell))
            self._texts[key] = (cell.image, making)  # the image too, so that its id stays its own
            while len(self._texts) > EXPRESSIONS:
                self._texts.popitem(last=False)
        # Shielded: a cancelled lane must not cancel the text that others wait for.
        return await asyncio.shield(self._texts[key][1])

    def _failure(self, request_count: int) -> Fault:
        over = [fault for fault in self._failed if isinstance(fault, OverLimit)]
        if over or len(self._failed) == 1:
            return (over or self._failed)[0]
        outcome = "what was fetched is kept" if self._hopeless else "the others are done"
        count = f"{len(self._failed)} of {request_count} requests failed, {outcome}"
        return Fault(f"{count}; the first: {self._failed[0]}")


def _serialised(cell: Cell) -> bytes:
    from ee import serializer

    text = json.dumps(serializer.encode(unmasked(cell.image, cell.channels)), separators=(",", ":")).encode()
    # Before it is sent: the server refuses it with 400, after ten megabytes on the line.
    if len(text) > PAYLOAD_LIMIT_BYTES:
        raise ValueError(
            f"the graph of {cell.name} has {len(text):,} bytes, Earth Engine takes {PAYLOAD_LIMIT_BYTES:,}: "
            "give a shorter period or fewer bands"
        )
    return text


def _fault(cell: Cell, geobox: GeoBox, error: BaseException) -> Fault:
    advice = remedy(error)
    height, width = geobox.shape
    refusal = f"Earth Engine will not compute {width} x {height} pixels of {cell.name}: {error}"
    return Fault(f"{refusal}; {advice}" if advice else refusal)
