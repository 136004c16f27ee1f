"""The workers of a server: processes of their own, replaced when they die, ended with the server."""

from __future__ import annotations

import multiprocessing
import os
import threading
from multiprocessing.context import SpawnProcess

from inference.serve.settings import Settings
from inference.serve.worker import work

CHECK_S, END_S = 1.0, 15.0


class Crew:
    """`count` workers while it is open."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings, self._count = settings, count
        self._stop = threading.Event()
        self._processes: list[SpawnProcess] = []
        self._watch = threading.Thread(target=self._keep_up, name="isamap-crew", daemon=True)

    def __enter__(self) -> Crew:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._watch.join()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(END_S)
            process.kill()

    @property
    def processes(self) -> tuple[int, ...]:
        """Numbers of the workers' processes that live."""
        return tuple(process.pid for process in self._processes if process.is_alive() and process.pid is not None)

    def _keep_up(self) -> None:
        while not self._stop.is_set():
            self._processes = [process for process in self._processes if process.is_alive()]
            while len(self._processes) < self._count:
                self._processes.append(self._started())
            self._stop.wait(CHECK_S)

    def _started(self) -> SpawnProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(self._settings, os.getpid()), name="isamap-worker", daemon=True
        )
        process.start()
        return process
