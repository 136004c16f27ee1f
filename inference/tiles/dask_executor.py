"""Tiles on a Dask cluster: workers may come, go and die; what is made lies in the store, never in the scheduler.

A worker that dies makes its tile run again elsewhere, which Dask does itself; how often a tile may fail is counted
here. https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.inference.tiles.executors import PATIENCE, Attempts, Outcome
from isamap.inference.tiles.receipt import Failure, Receipt, reason_of
from isamap.inference.tiles.spending import Spending
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.work import Work

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 30
GRACE_S = 30.0  # for the tile in hand, once a worker was told to end
_ENDED = ("closing", "closed", "stopping", "stopped", "failed")  # of distributed.core.Status
# Two: the next tile is there when one ends, and few are lost with a scheduler that goes.
AHEAD = 2  # tiles of a worker that the scheduler knows: one under way, one next


class Dask:
    """The workers of the scheduler at an address such as tcp://10.0.0.5:8786."""

    def __init__(self, address: str, *, patience: Patience = PATIENCE, connect_s: float = CONNECT_S) -> None:
        self.address = address
        self._patience, self._connect_s = patience, connect_s
        self._client: Client | None = None
        self._number = count()

    @property
    def words(self) -> str:
        workers = "" if self._client is None else f" with {len(self._workers())} workers"
        return f"the Dask scheduler at {self.address}{workers}"

    def mine(self, tiles: Sequence[Tile]) -> Sequence[Tile]:
        return tiles

    def run(
        self, tiles: Sequence[Tile], work: Work, *, retries: int, spending: Spending | None = None
    ) -> Generator[Outcome, None, None]:
        """As Executor.run. Fault: no scheduler answers, or it has gone."""
        attempts = Attempts(tiles, retries, self._patience, spending)
        tasks: dict[Future, tuple[Tile, int]] = {}
        with self._connected() as client:
            from distributed import as_completed

            completed = as_completed(loop=client.loop)
            try:
                self._submit(client, attempts, work, tasks, completed)
                for future in completed:
                    tile, attempt = tasks.pop(future)
                    outcome = self._outcome(client, future, tile)
                    # Let go at once: a scheduler keeps what somebody holds, and a run has a hundred thousand outcomes.
                    future.release()
                    if outcome is None:
                        attempts.again(tile, attempt)
                    else:
                        yield from attempts.settled(tile, attempt, outcome)
                    self._submit(client, attempts, work, tasks, completed)
            finally:
                with suppress(Exception):  # of a scheduler that has gone
                    client.cancel(list(tasks), force=True)

    def _submit(
        self,
        client: Client,
        attempts: Attempts,
        work: Work,
        tasks: dict[Future, tuple[Tile, int]],
        completed: Any,
    ) -> None:
        """Gives the scheduler as many tiles as its workers can begin soon."""
        workers = self._workers()
        working = max(1, len(workers))
        most = AHEAD * working
        if work.share is not None:  # of more workers than requests as many are given work as there are requests
            most = min(most, work.share.at_once)
            working = min(working, work.share.at_once)
        own = replace(work.among(working), beside=_neighbours(workers))
        while attempts and len(tasks) < most:
            tile, attempt = attempts.next()
            resources = {"GPU": 1} if tile.computing.device == "gpu" else None
            # A new key for each attempt: Dask answers a key that it knows with the result that it has.
            key = f"isamap-{tile.name}-{attempt}-{next(self._number)}"
            future = client.submit(_attempted, own, tile, key=key, pure=False, resources=resources)
            tasks[future] = tile, attempt
            completed.add(future)

    def _outcome(self, client: Client, future: Future, tile: Tile) -> Outcome | None:
        """None where a worker died that alone knew the outcome: the tile lies in the store, or is to be made again."""
        if future.cancelled() or future.status == "lost":
            if client.status == "running":
                return None
            raise Fault(
                f"the Dask scheduler at {self.address} has gone: start it again and run the same command, "
                "the tiles that are made are kept"
            )
        error = future.exception()
        if error is None:
            outcome: Outcome = future.result()
            return outcome
        return Failure(tile.id, tile.name, _worker_reason(error), final=isinstance(error, ImportError))

    @contextmanager
    def _connected(self) -> Iterator[Client]:
        client = _client(self.address, self._connect_s)
        self._client = client
        try:
            _raise_allowed_failures(client)
            yield client
        finally:
            self._client = None
            with suppress(Exception):
                client.close(timeout=2)

    def _workers(self) -> Mapping[str, Any]:
        """What the scheduler says of its workers, by address; a few seconds old."""
        if self._client is None:
            return {}
        workers: Mapping[str, Any] = self._client.scheduler_info(n_workers=-1).get("workers", {})
        return workers


def _attempted(work: Work, tile: Tile) -> Receipt | Failure:
    """As of `Work`, on a worker, which ends soon after it is told to."""
    _end_with_worker()
    return work.attempted(tile)


@cache
def _end_with_worker() -> None:
    """Has this process end GRACE_S after its worker began to close.

    Dask waits for the tile in hand, however long that takes; what is made of it is continued by the next worker. Only
    where the process is nothing but a worker: one of a cluster within a program is the program's to end.
    """
    from distributed import get_worker

    main = Path(getattr(sys.modules["__main__"], "__file__", None) or "program")
    if main.stem.startswith("dask") or main.parent.name == "dask":  # `dask worker`, `python -m distributed.cli...`
        threading.Thread(target=_end_after, args=(get_worker(),), daemon=True).start()


def _end_after(worker: Any) -> None:
    while worker.status.name not in _ENDED:
        time.sleep(1)
    time.sleep(GRACE_S)
    os._exit(1)


def _client(address: str, connect_s: float) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError(
            f"--scheduler {address} needs Dask, which is not installed: pip install 'isamap[cluster]'"
        ) from error
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # it prints tracebacks; errors are said here
    try:
        return Client(address, timeout=connect_s, set_as_default=False)
    except ValueError as error:
        raise ValueError(f"--scheduler {address}: expected an address such as tcp://10.0.0.5:8786 ({error})") from error
    except OSError as error:
        raise Fault(
            f"no Dask scheduler answers at {address}: start one with `dask scheduler`, or leave --scheduler out"
        ) from error


def _raise_allowed_failures(client: Client) -> None:
    """Lets workers die over a tile as often as they like: the tile is not at fault (distributed issue 5234)."""

    def allow(dask_scheduler: Any) -> None:  # inside, so that it travels by value: the scheduler needs no isamap
        dask_scheduler.allowed_failures = 1_000_000

    client.run_on_scheduler(allow)


def _neighbours(workers: Mapping[str, Any]) -> int:
    """Workers on the machine that has most of them."""
    return max(Counter(worker.get("host", "") for worker in workers.values()).values(), default=1)


def _worker_reason(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return f"a worker lacks isamap ({error}): install the same version there"
    if type(error).__name__ == "KilledWorker":
        return "workers died over it again and again: give them more memory or take smaller tiles (--tile-px)"
    return reason_of(error)
