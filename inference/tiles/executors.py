"""Who makes the tiles: this process, several processes of this machine, each of which may die, or these for a part."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from typing import Protocol

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.inference.tiles.receipt import Failure, Receipt
from isamap.inference.tiles.spending import Spending
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.work import Work

Outcome = Receipt | Failure
# More than a few bad tiles side by side, and few enough to stop within minutes.
HOPELESS = 10
_PART = re.compile(r"(\d{1,6})/(\d{1,6})")  # of job arrays: Slurm, Cloud Run and Batch tasks know their number alone
PATIENCE = Patience(base_s=1.0, cap_s=30.0)  # between attempts of tiles when only failed ones are left


class Executor(Protocol):
    """Has every tile made by `work` and tells of each once: its receipt, or its failure after all attempts.

    tiles of `run`: those of `mine` that are to be made. retries: attempts after the first. spending: when it allows no
    further tile, those under way are finished and no other begins. Closing the iterator ends the work; what is stored
    stays.
    """

    @property
    def words(self) -> str:
        """Who works, for messages."""
        ...

    def mine(self, tiles: Sequence[Tile]) -> Sequence[Tile]:
        """The tiles of a run that it makes."""
        ...

    def run(
        self, tiles: Sequence[Tile], work: Work, *, retries: int, spending: Spending | None = None
    ) -> Iterator[Outcome]: ...


class Attempts:
    """The tiles that wait for their turn: failed ones come again behind the others, until their attempts end.

    Fault where HOPELESS attempts failed one after another and others were never tried: a full disk or a server that
    is down would fail them all.
    """

    def __init__(
        self, tiles: Iterable[Tile], retries: int, patience: Patience = PATIENCE, spending: Spending | None = None
    ) -> None:
        self._waiting = deque((tile, 1) for tile in tiles)
        self._retries, self._patience = retries, patience
        self._spending = spending or Spending()
        self._failed_in_a_row = self._under_way = 0
        self._untried = len(self._waiting)

    def __len__(self) -> int:
        """Tiles that may begin: none where the next one might exceed what the run may spend."""
        if self._waiting and not self._spending.allows(self._waiting[0][0], self._under_way):
            return 0
        return len(self._waiting)

    def next(self) -> tuple[Tile, int]:
        """A tile and the number of its attempt; before one that failed there is a pause."""
        tile, attempt = self._waiting.popleft()
        self._under_way += 1
        if attempt > 1:
            self._patience.wait(attempt - 2)
        else:
            self._untried -= 1
        return tile, attempt

    def again(self, tile: Tile, attempt: int) -> None:
        """The tile is next once more; the attempt does not count."""
        self._under_way -= 1
        self._untried += attempt == 1
        # In front: its machine was lost, nothing is wrong with the tile.
        self._waiting.appendleft((tile, attempt))

    def settled(self, tile: Tile, attempt: int, outcome: Outcome) -> Iterator[Outcome]:
        """The outcome where it is the last word; otherwise the tile waits again."""
        self._under_way -= 1
        self._spending.count(outcome)
        if isinstance(outcome, Receipt):
            self._failed_in_a_row = 0
            yield outcome
            return
        self._failed_in_a_row += 1
        if outcome.final or attempt > self._retries:
            yield replace(outcome, attempts=attempt)
        else:
            # Behind the others: what failed for a moment gets time to pass.
            self._waiting.append((tile, attempt + 1))
        if self._untried and self._failed_in_a_row >= HOPELESS:
            raise Fault(
                f"{HOPELESS} tiles failed one after another, {self._untried} more were not tried; the last, "
                f"{tile.name}: {outcome.reason}"
            )


@dataclass(frozen=True)
class InProcess:
    """This process, or `workers` processes of this machine; a process that dies is replaced and its tile repeated."""

    workers: int = 1
    patience: Patience = PATIENCE

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= 256:
            raise ValueError(f"--workers {self.workers}: expected 1 to 256 tiles at once")

    @property
    def words(self) -> str:
        return "this process" if self.workers == 1 else f"{self.workers} processes of this machine"

    def mine(self, tiles: Sequence[Tile]) -> Sequence[Tile]:
        return tiles

    def run(
        self, tiles: Sequence[Tile], work: Work, *, retries: int, spending: Spending | None = None
    ) -> Generator[Outcome, None, None]:
        attempts = Attempts(tiles, retries, self.patience, spending)
        if self.workers > 1:
            # Each process gets its part of the quota, or all together would be refused.
            shared = replace(work.among(self.workers), beside=self.workers)
            yield from _in_processes(attempts, shared, min(self.workers, len(tiles)))
            return
        while attempts:
            tile, attempt = attempts.next()
            yield from attempts.settled(tile, attempt, work.attempted(tile))


@dataclass(frozen=True)
class Numbered:
    """Every n-th tile, beginning with the k-th (from 1): neighbours fall to different parts, so all take as long."""

    rank: int
    count: int
    executor: Executor

    def __post_init__(self) -> None:
        if not 1 <= self.rank <= self.count:
            raise ValueError(f"--part {self.rank}/{self.count}: expected 1/{self.count} to {self.count}/{self.count}")

    @property
    def words(self) -> str:
        return f"part {self.rank} of {self.count} ({self.executor.words})"

    def mine(self, tiles: Sequence[Tile]) -> Sequence[Tile]:
        # Of all tiles and not of the missing ones: parts that start at different times must not count differently.
        return tiles[self.rank - 1 :: self.count]

    def run(
        self, tiles: Sequence[Tile], work: Work, *, retries: int, spending: Spending | None = None
    ) -> Iterator[Outcome]:
        """All parts share Earth Engine's quota: each takes an n-th of it."""
        return self.executor.run(tiles, work.among(self.count), retries=retries, spending=spending)


def part_of(text: str) -> tuple[int, int]:
    """Number and count of `k/n`; ValueError for other text."""
    matched = _PART.fullmatch(text.strip())
    if matched is None:
        raise ValueError(f"--part {text}: expected k/n, such as 3/8 for the third of eight parts")
    return int(matched[1]), int(matched[2])


def _in_processes(attempts: Attempts, work: Work, count: int) -> Generator[Outcome, None, None]:
    processes = [_Process(work) for _ in range(count)]
    try:
        while True:
            for process in processes:
                if process.task is None and attempts:
                    process.begin(*attempts.next())
            busy = {process.pipe: process for process in processes if process.task is not None}
            if not busy:
                return
            for pipe in wait(list(busy)):
                process = busy[pipe]  # type: ignore[index]
                tile, attempt, outcome = process.end()
                yield from attempts.settled(tile, attempt, outcome)
    finally:
        for process in processes:
            process.kill()


class _Process:
    """A process that makes one tile after another; begun again where it died."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self.task: tuple[Tile, int] | None = None
        self._start()

    def begin(self, tile: Tile, attempt: int) -> None:
        """Sends the process a tile."""
        self.task = tile, attempt
        with suppress(OSError):  # it died meanwhile: `end` says so
            self.pipe.send(tile)

    def end(self) -> tuple[Tile, int, Outcome]:
        """What became of the tile; a failure where the process died over it."""
        assert self.task is not None
        (tile, attempt), self.task = self.task, None
        try:
            return tile, attempt, self.pipe.recv()
        except (EOFError, OSError):
            # Joined before it is asked for its exit code, which a process has only once it was waited for.
            self._process.join()
            reason = f"its process ended ({_ending(self._process.exitcode)}): give fewer --workers if memory is short"
            self._start()
            return tile, attempt, Failure(tile.id, tile.name, reason)

    def kill(self) -> None:
        """Ends the process at once; a map in the making is continued by the next run."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # threads of torch and of the local engine survive no fork
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._work), daemon=True)
        self._process.start()
        # Our copy of its end: while it is open, the pipe of a dead process would never end.
        theirs.close()


def _serve(pipe: Connection, work: Work) -> None:
    """Makes the tiles that come until the pipe is closed; ends with the process that started this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(work.attempted(pipe.recv()))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        # Not sys.exit, which would wait for the threads of a network in the middle of a tile.
        os._exit(1)


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
