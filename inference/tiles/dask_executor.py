"""Tiles on a Dask cluster: workers may come, go and die; what is made lies in the store, never in the scheduler.

A worker that dies makes its tile run again elsewhere, which Dask does itself; how often a tile may fail is counted
here. https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from gee_export.base.errors import Fault
from gee_export.base.retry import Patience
from inference.tiles.executors import PATIENCE, Attempts, Outcome
from inference.tiles.receipt import Failure, reason_of
from inference.tiles.spending import Spending
from inference.tiles.tile import Tile
from inference.tiles.work import Work

if TYPE_CHECKING:
    from distributed import Client, Future

CONNECT_S = 30
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
            key = f"isamap-{tile.name}-{attempt}-{next(self._number)}"
            future = client.submit(own.attempted, tile, key=key, pure=False, resources=resources)
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
