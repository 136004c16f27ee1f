"""`isamap serve`: the application on an address, with its workers, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

import uvicorn

from inference.serve.app import Service
from inference.serve.crew import Crew
from inference.serve.door import Door, Tokens, read_tokens
from inference.serve.memory import bound_memory
from inference.serve.settings import Settings

CONNECTIONS, KEEP_ALIVE_S, STOP_S = 500, 30, 5


@dataclass(frozen=True)
class Address:
    """Where the service listens, and who may come in. port 0: any free one. url: how browsers call it."""

    host: str = "127.0.0.1"
    port: int = 8765
    token_file: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"--port {self.port}: expected 0 to 65535")

    def door(self, port: int) -> Door:
        """The door on the port that was got; ValueError as `Door.of`."""
        tokens = read_tokens(self.token_file) if self.token_file is not None else Tokens()
        return Door.of(self.host, port, tokens, self.url)

    def shown(self, port: int) -> str:
        """The address for people."""
        return self.url or f"http://{'127.0.0.1' if self.host == 'localhost' else self.host}:{port}"


def serve(settings: Settings, address: Address, *, workers: int = 1) -> None:
    """Serves until Ctrl-C or SIGTERM, after printing its address. ValueError: mistakes; OSError: a port in use."""
    if not 0 <= workers <= 64:
        raise ValueError(f"--workers {workers}: expected 0 to 64 jobs at once")
    address.door(address.port)  # mistakes are refused before anything is made
    bound_memory()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # a command line may have its own exit code for it
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # it is raised once more at the end
    with _listening(address) as listening, suppress(KeyboardInterrupt):
        port = listening.getsockname()[1]
        server = uvicorn.Server(_config(Service(settings, address.door(port), _version())))
        with _signals_end(server), Crew(settings, workers):
            print(f"isamap serves {settings.folder} at {address.shown(port)} (Ctrl-C ends it)", flush=True)
            server.run(sockets=[listening])
    print("stopped", flush=True)


@contextmanager
def _signals_end(server: uvicorn.Server) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server in order, also before it runs; the handlers from before get them afterwards.

    Raised as exceptions they could leave an import's lock behind, for which the crew's thread would wait for ever.
    """
    received: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        received.append(number)
        server.handle_exit(number, frame)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def _config(service: Service) -> uvicorn.Config:
    return uvicorn.Config(
        service.application(),
        ws="none",
        log_config=None,  # uvicorn's own would close the log handlers that are there
        lifespan="off",
        proxy_headers=False,
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
