"""`isamap serve`: the application on an address, with its workers, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import SpawnProcess
from types import FrameType

import uvicorn

from isamap.inference.serve.address import Address
from isamap.inference.serve.app import Service
from isamap.inference.serve.connections import CONNECTIONS, BoundedConnection
from isamap.inference.serve.door import Door
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import OTHERS, Tokens, private_folder, read_tokens
from isamap.inference.serve.worker import work

KEEP_ALIVE_S, STOP_S = 30, 5
CHECK_S, END_S = 1.0, 15.0
# Of <malloc.h>; https://man7.org/linux/man-pages/man3/mallopt.3.html
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
# 20 clients cost 44 MB with two heaps and 78 with glibc's own rule (docs/service.md, "How fast").
ARENAS = 2
# Tiles' arrays have as many bytes: mapped by themselves, they go back to the system when they are freed.
LARGE_BYTES = 1 << 18
GDAL_CACHE_MB = "64"  # of decoded blocks, for all tiles together


def serve(settings: ServiceSettings, address: Address, *, workers: int = 1) -> None:
    """Serves until Ctrl-C or SIGTERM, after printing its address. ValueError: mistakes; OSError: a port in use."""
    if not 0 <= workers <= 64:
        raise ValueError(f"--workers {workers}: expected 0 to 64 jobs at once")
    tokens_of_file = read_tokens(address.token_file) if address.token_file is not None else Tokens()
    Door.at(address, address.port, tokens_of_file)  # mistakes are refused before anything is made
    bound_memory()
    os.umask(OTHERS)  # jobs, logs and maps are for this user alone
    private_folder(settings.folder)
    tokens = address.tokens(settings.folder)
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # a command line may have its own exit code for it
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # it is raised once more at the end
    with _listening(address) as listening, suppress(KeyboardInterrupt):
        port = listening.getsockname()[1]
        service = Service(settings, Door.at(address, port, tokens), _version())
        server = uvicorn.Server(_config(service, address.proxy))
        with _signals_end(server, service.imagery.end), Crew(settings, workers):
            print(f"isamap serves {settings.folder} at {address.shown(port, tokens)} (Ctrl-C ends it)", flush=True)
            try:
                server.run(sockets=[listening])
            finally:
                service.imagery.end()
    print("stopped", flush=True)


class Crew:
    """`count` workers while it is open: processes of their own, replaced when they die, ended with the server."""

    def __init__(self, settings: ServiceSettings, count: int) -> None:
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
            # In order first, so that a worker gives its job back; then at once, as a request to Google may hang.
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
        # Spawned: torch's threads and locks do not survive a fork.
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(self._settings, os.getpid()), name="isamap-worker", daemon=True
        )
        process.start()
        return process


def bound_memory() -> None:
    """Bounds what this process keeps for later, before its threads begin.

    By default glibc gives threads up to 8 heaps a processor, and each keeps what its own peak needed: with 50 threads
    of requests that adds up for as long as peaks fall on other threads. GDAL would keep 5 % of the machine's memory.
    C libraries without mallopt are left as they are.
    """
    os.environ.setdefault("GDAL_CACHEMAX", GDAL_CACHE_MB)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    if "MALLOC_ARENA_MAX" not in os.environ:
        mallopt(M_ARENA_MAX, ARENAS)
    if "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)


@contextmanager
def _signals_end(server: uvicorn.Server, imagery_end: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server in order, also before it runs; the handlers from before get them afterwards.

    Pictures end first, so that no request that waits for one must be cancelled, which uvicorn logs with a traceback.
    Raised as exceptions they could leave an import's lock behind, for which the crew's thread would wait for ever.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        imagery_end()
        server.handle_exit(number, frame)

    before = {signal_number: signal.signal(signal_number, end) for signal_number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signal_number, handler in before.items():
            signal.signal(signal_number, handler)
        if received:
            signal.raise_signal(received[0])


def _config(service: Service, proxy: str | None) -> uvicorn.Config:
    return uvicorn.Config(
        service.application(),
        http=BoundedConnection,
        ws="none",
        log_config=None,  # uvicorn's own would close the log handlers that are there
        lifespan="off",
        proxy_headers=proxy is not None,
        forwarded_allow_ips=proxy or "",
        server_header=False,
        access_log=False,
        log_level="warning",
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=STOP_S,
    )


@contextmanager
def _listening(address: Address) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's algorithm off only on such sockets: 40 ms a request otherwise.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((address.host, address.port))
            listening.listen()  # from here on clients wait for an answer, and are not refused
        except OSError as error:
            message = f"port {address.port} of {address.host} cannot be used ({error.strerror}): choose another --port"
            raise OSError(message) from error
        yield listening


def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("isamap")
    except metadata.PackageNotFoundError:
        return "unreleased"
