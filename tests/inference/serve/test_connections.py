"""Connections that send nothing are closed in time, and give way to those that ask."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from isamap.inference.serve import connections
from isamap.inference.serve.connections import BoundedConnection

REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
WITHOUT_ITS_BODY = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"  # under way until that comes
HERE, ELSEWHERE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def address() -> Iterator[tuple[str, int]]:
    """Of a server with an application of one word."""
    with socket.create_server(("127.0.0.1", 0)) as listening, served(listening):
        yield listening.getsockname()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers once the request is whole."""
    await Request(scope, receive).body()
    await PlainTextResponse("here")(scope, receive, send)


@contextmanager
def served(listening: socket.socket, proxy: str | None = None) -> Iterator[None]:
    """The server, which begins to take what has connected by then."""
    config = uvicorn.Config(
        application,
        proxy_headers=proxy is not None,
        forwarded_allow_ips=proxy or "",
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
def silent(
    address: tuple[str, int], count: int, words: bytes = b"", source: str = HERE
) -> Iterator[list[socket.socket]]:
    """Connections over which no request comes, or the beginning of one."""
    opened = [socket.create_connection(address, timeout=20, source_address=(source, 0)) for _ in range(count)]
    try:
        for each in opened:
            with suppress(ConnectionError):  # it may have given way by now
                each.sendall(words)
        yield opened
    finally:
        for each in opened:
            each.close()


def asked(address: tuple[str, int], source: str = HERE) -> bytes:
    with socket.create_connection(address, timeout=20, source_address=(source, 0)) as connection:
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


@pytest.fixture
def few_of_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "ADDRESS_CONNECTIONS", 5)


@pytest.fixture
def another_address() -> str:
    """Of this machine too: all of 127.0.0.0/8 is on Linux."""
    with socket.socket() as probe:
        try:
            probe.bind((ELSEWHERE, 0))
        except OSError:
            pytest.skip(f"{ELSEWHERE} is not an address of this machine")
    return ELSEWHERE


def test_an_address_with_its_number_of_requests_under_way_gets_no_further(few_of_an_address, address, another_address):
    with silent(address, 5, WITHOUT_ITS_BODY) as under_way:
        assert asked(address, another_address).startswith(b"HTTP/1.1 200")  # so the server has taken the five
        with silent(address, 1, REQUEST) as (further,):
            assert is_closed(further)
        assert asked(address, another_address).startswith(b"HTTP/1.1 200")
        under_way[0].sendall(b"body")
        assert reply(under_way[0]).startswith(b"HTTP/1.1 200")


def test_an_address_with_too_many_connections_loses_its_own_oldest(few_of_an_address, address, another_address):
    with silent(address, 1, source=another_address) as (others,), silent(address, 1) as (own,):
        assert asked(address).startswith(b"HTTP/1.1 200")  # so the server has taken both
        with silent(address, 5):
            assert is_closed(own)
        others.sendall(REQUEST)
        assert reply(others).startswith(b"HTTP/1.1 200")


def test_the_trusted_proxy_may_have_all_connections(few_of_an_address):
    with (
        socket.create_server((HERE, 0)) as listening,
        served(listening, proxy=HERE),
        silent(listening.getsockname(), 10, WITHOUT_ITS_BODY),
    ):
        assert asked(listening.getsockname()).startswith(b"HTTP/1.1 200")


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
