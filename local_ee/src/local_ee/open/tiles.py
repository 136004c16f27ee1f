"""Tiles of archives' files: each fetched once however many ask, kept on disk, decoded as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np

from local_ee import budget
from local_ee.budget import Budget, Cancelled
from local_ee.catalog.kept import KeptPixels
from local_ee.open import own_header
from local_ee.open.blocks import Blocks
from local_ee.open.errors import ArchiveFault
from local_ee.open.flights import apart, decoding, waited
from local_ee.open.tiff import Level

GAP_BYTES, MOST_JOINED_BYTES = 64 << 10, 16 << 20
MOST_COMPUTATION_BYTES = 4 << 30
KEPT_BYTES = 192 << 20  # of tiles that were read
AHEAD_BYTES = 384 << 20  # of tiles that are decoded before they are read
UNREAD_S = 60.0  # after which a decoded tile that nobody read makes room

Pieces = Callable[[int, int], bytes]  # bytes of one file: from where, how many


@dataclass(frozen=True)
class TileFile:
    """What tiles are read of: one level of a file, its address for errors, names on disk, and how bytes are fetched."""

    address: str
    level: Level
    key: Callable[[int], str]
    piece: Pieces


@dataclass(eq=False)
class Flight:
    """A tile under way. readers: who waits for it; askers: the computations that will (None: work of no engine)."""

    landed: Future[None] = field(default_factory=Future)
    readers: int = 0
    askers: set[Budget | None] = field(default_factory=set)

    @property
    def is_wanted(self) -> bool:
        """Whether anybody waits for it, or may yet."""
        return self.readers > 0 or any(asker is None or asker.is_running for asker in self.askers)


@dataclass
class Tiles:
    """Tiles by file and number, from memory or disk where they are there, else fetched. Threads may share it."""

    blocks: Blocks
    _flights: dict[str, Flight] = field(default_factory=dict, repr=False)
    _decoded: KeptPixels = field(default_factory=lambda: KeptPixels(KEPT_BYTES), repr=False)
    _ahead: Ahead = field(default_factory=lambda: Ahead(AHEAD_BYTES), repr=False)
    _spent: WeakKeyDictionary[Budget, int] = field(default_factory=WeakKeyDictionary, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def begin(self, file: TileFile, numbers: Iterable[int], asker: Budget | None) -> None:
        """Begins to bring tiles near for a computation (None: of no engine); given up where it ends before."""
        self._join(file, numbers, asker, lambda flight: flight.askers.add(asker))

    def bring(self, wanted: Iterable[tuple[TileFile, Sequence[int]]]) -> None:
        """Brings tiles of several files near, all at once."""
        joined: list[Flight] = []

        def join(flight: Flight) -> None:
            flight.readers += 1
            joined.append(flight)

        try:
            for file, numbers in wanted:
                self._join(file, numbers, budget.computation(), join)
            for flight in joined:
                waited(flight.landed)
        finally:
            with self._lock:
                for flight in joined:
                    flight.readers -= 1

    def pixels(self, file: TileFile, number: int) -> np.ndarray | None:
        """A tile's values [band, row, column]; None where the file has none there."""
        if not file.level.counts[number]:
            return None
        key = file.key(number)
        kept = self._decoded.get(key)
        if kept is not None:
            return kept[0]
        values = self._ahead.take(key)
        if values is None:
            values = self._read(file, number)
        # KeptPixels keeps pairs of values and masks; a tile has no mask.
        self._decoded.put(key, (values, np.ones(1, bool)))
        return values

    def _read(self, file: TileFile, number: int) -> np.ndarray:
        """A tile from disk, decoded."""
        key = file.key(number)
        stored = self.blocks.get(key)
        if stored is None:  # removed since it was fetched, or damaged
            self.bring([(file, [number])])
            ahead = self._ahead.take(key)
            if ahead is not None:
                return ahead
            stored = self.blocks.get(key)
        if stored is None:
            raise ArchiveFault(f"{file.address}: a tile was removed from {self.blocks.folder} while it was read")
        try:
            return own_header.decoded(file.level, stored)
        except ValueError as error:
            self.blocks.forget(key)
            raise ArchiveFault(f"{file.address}: {error}: run the same command again") from error

    def _join(
        self, file: TileFile, numbers: Iterable[int], asker: Budget | None, join: Callable[[Flight], None]
    ) -> None:
        """Joins the flights of tiles that are not in memory; those that nobody has begun yet begin."""
        keys = {index: file.key(index) for index in numbers if file.level.counts[index]}
        # The disk is asked outside the lock, for which all readers wait; in it only for what was not there.
        here = {index for index, key in keys.items() if not self._is_decoded(key) and self.blocks.holds(key)}
        with self._lock:
            fresh = [n for n, key in keys.items() if key not in self._flights and not self._is_decoded(key)]
            fetched = [n for n in fresh if n not in here and not self.blocks.holds(keys[n])]
            self._spend(int(sum(file.level.counts[index] for index in fetched)), asker)
            has_room = self._ahead.has_room(file.level.decoded_bytes)
            kept = [n for n in fresh if n not in fetched] if has_room else []
            begun = {index: Flight() for index in (*fetched, *kept)}
            self._flights |= {keys[index]: flight for index, flight in begun.items()}
            for key in keys.values():
                if key in self._flights:
                    join(self._flights[key])
        for index in kept:
            decoding(self._decode, file, index, begun[index], None)
        for run in joined(file.level, fetched):
            apart(self._fly, file, run, begun)

    def _is_decoded(self, key: str) -> bool:
        return key in self._ahead or self._decoded.get(key) is not None

    def _spend(self, size: int, computation: Budget | None) -> None:
        """Counts what a computation fetches; ValueError beyond the bound of one."""
        if computation is None:
            return
        spent = self._spent.get(computation, 0) + size
        if spent > MOST_COMPUTATION_BYTES:
            raise ValueError(
                f"this computation would fetch more than {MOST_COMPUTATION_BYTES >> 30} GiB of archives' pixels: "
                "ask for a smaller region, fewer scenes or a finer scale (coarse pixels are made of all the fine ones)"
            )
        self._spent[computation] = spent

    def _fly(self, file: TileFile, run: Sequence[int], flights: dict[int, Flight]) -> None:
        """Fetches neighbouring tiles by one request; they land when they are decoded."""
        level = file.level
        start = int(level.offsets[run[0]])
        try:
            if self._is_given_up(file, run, flights):
                return
            body = file.piece(start, int(level.offsets[run[-1]] + level.counts[run[-1]]) - start)
            for index in run:
                begin = int(level.offsets[index]) - start
                stored = body[begin : begin + int(level.counts[index])]
                _check(file, stored)
                self.blocks.put(file.key(index), stored)
                self._decode(file, index, flights[index], stored)
        # Whatever it was: who waits for these tiles would else wait for ever.
        except BaseException as error:
            for index in run:
                self._land(file.key(index), flights[index], error)

    def _is_given_up(self, file: TileFile, run: Sequence[int], flights: dict[int, Flight]) -> bool:
        """Whether nobody wants these tiles any more; whoever asks from now on begins them again."""
        with self._lock:
            if any(flights[index].is_wanted for index in run):
                return False
            for index in run:
                del self._flights[file.key(index)]
        for index in run:
            flights[index].landed.set_exception(Cancelled())
        return True

    def _decode(self, file: TileFile, number: int, flight: Flight, stored: bytes | None) -> None:
        """Lands a tile: decoded where there is room; where it cannot be decoded, its reader says so."""
        key, size = file.key(number), file.level.decoded_bytes
        try:
            if self._ahead.has_room(size):
                stored = self.blocks.get(key) if stored is None else stored
                with suppress(ValueError):
                    if stored is not None:
                        self._ahead.put(key, own_header.decoded(file.level, stored))
        finally:
            self._land(key, flight, None)

    def _land(self, key: str, flight: Flight, error: BaseException | None) -> None:
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if flight.landed.done():
            return
        if error is None:
            flight.landed.set_result(None)
        else:
            flight.landed.set_exception(error)


class Ahead:
    """Decoded tiles that are not read yet, up to about a number of bytes. Any thread may ask."""

    def __init__(self, bound_bytes: int) -> None:
        self._bound = bound_bytes
        self._tiles: dict[str, tuple[float, np.ndarray]] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __contains__(self, key: str) -> bool:
        return key in self._tiles

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be kept; what nobody has read for long is dropped first."""
        with self._lock:
            if self._bytes + size > self._bound:
                since = time.monotonic() - UNREAD_S
                self._tiles = {key: tile for key, tile in self._tiles.items() if tile[0] > since}
                self._bytes = sum(values.nbytes for _, values in self._tiles.values())
            return self._bytes + size <= self._bound

    def put(self, key: str, values: np.ndarray) -> None:
        """Keeps a tile until it is read."""
        with self._lock:
            self._drop(key)
            self._tiles[key] = time.monotonic(), values
            self._bytes += values.nbytes

    def take(self, key: str) -> np.ndarray | None:
        """A tile, which is read now, or None."""
        with self._lock:
            return self._drop(key)

    def _drop(self, key: str) -> np.ndarray | None:
        _, values = self._tiles.pop(key, (0.0, None))
        self._bytes -= 0 if values is None else values.nbytes
        return values


def _check(file: TileFile, stored: bytes) -> None:
    """ArchiveFault for a tile that unpacks to more than it may."""
    try:
        own_header.check_unpacks(file.level, stored)
    except ValueError as error:
        raise ArchiveFault(f"{file.address}: {error}: this file cannot be used") from error


def joined(level: Level, numbers: Iterable[int]) -> list[list[int]]:
    """Tiles in runs that one request fetches: neighbours in the file with small gaps, not too many bytes."""
    runs: list[list[int]] = []
    for index in sorted(numbers, key=lambda each: int(level.offsets[each])):
        begin, end = int(level.offsets[index]), int(level.offsets[index] + level.counts[index])
        if runs:
            first, last = runs[-1][0], runs[-1][-1]
            gap = begin - int(level.offsets[last] + level.counts[last])
            if 0 <= gap <= GAP_BYTES and end - int(level.offsets[first]) <= MOST_JOINED_BYTES:
                runs[-1].append(index)
                continue
        runs.append([index])
    return runs
