"""Connections that send nothing are closed in time, and give way to those that ask."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse

from isamap.inference.serve import connections
from isamap.inference.serve.connections import BoundedConnection

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Of a server with an application of one word."""
    with socket.create_server(("127.0.0.1", 0)) as listening, served(listening):
        yield listening.getsockname()


@contextmanager
def served(listening: socket.socket) -> Iterator[None]:
    """The server, which begins to take what has connected by then."""
    config = uvicorn.Config(
        PlainTextResponse("here"),
        http=BoundedConnection,
        ws="none",
        lifespan="off",
        log_config=None,
        limit_concurrency=connections.CONNECTIONS,
        timeout_keep_alive=30,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield
    server.should_exit = True
    thread.join(60)


@contextmanager
def silent(address: tuple[str, int], count: int, words: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections over which no request comes, or the beginning of one."""
    opened = [socket.create_connection(address, timeout=20) for _ in range(count)]
    try:
        for each in opened:
            with suppress(ConnectionError):  # it may have given way by now
                each.sendall(words)
        yield opened
    finally:
        for each in opened:
            each.close()


def asked(address: tuple[str, int]) -> bytes:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(REQUEST)
        return reply(connection)


def reply(connection: socket.socket) -> bytes:
    """A whole one, with its body."""
    received = b""
    while not received.endswith(b"here"):
        piece = connection.recv(4096)
        assert piece, "the connection was closed"
        received += piece
    return received


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 10)


@pytest.mark.parametrize("words", [b"", REQUEST[:-3]])
def test_silent_connections_shut_out_nobody(few, address, words):
    with silent(address, 30, words):
        assert asked(address).startswith(b"HTTP/1.1 200")


def test_the_oldest_silent_connection_gives_way(few, address):
    with silent(address, 1) as (first,):
        assert asked(address).startswith(b"HTTP/1.1 200")  # so the server has taken the first
        with silent(address, 12):
            assert is_closed(first)


def test_a_connection_that_has_served_stays_longer_than_silent_ones(few, address):
    with silent(address, 1, REQUEST) as (served,):
        assert reply(served).startswith(b"HTTP/1.1 200")
        with silent(address, 30):
            served.sendall(REQUEST)
            assert reply(served).startswith(b"HTTP/1.1 200")


@pytest.mark.long
@pytest.mark.parametrize("words", [b"", REQUEST[:-3]])
def test_a_connection_whose_head_does_not_come_is_closed(monkeypatch, address, words):
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    with silent(address, 1, words) as (late,):
        assert is_closed(late)


@pytest.mark.long
def test_a_head_that_comes_in_time_keeps_its_connection(monkeypatch):
    """It is there when the server takes the connection, however busy the machine is."""
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        silent(listening.getsockname(), 1, REQUEST) as (connection,),
        served(listening),
    ):
        assert reply(connection).startswith(b"HTTP/1.1 200")
        time.sleep(1.0)
        connection.sendall(REQUEST)
        assert reply(connection).startswith(b"HTTP/1.1 200")


def test_the_service_listens_by_it():
    from isamap.inference.serve.server import _config

    configured: Callable[..., object] = _config(_Application(), None).http  # type: ignore[assignment,arg-type]
    assert configured is BoundedConnection


class _Application:
    def application(self) -> PlainTextResponse:
        return PlainTextResponse("")
