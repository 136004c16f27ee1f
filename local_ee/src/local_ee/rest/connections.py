"""Connections to the engine: bounded in number, and closed where no request comes over them."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from local_ee.platform.machine import most_open_files
from local_ee.wire import Reply

HEAD_S = 20.0  # a request's head must be there so long after its first byte, or after the connection's opening
MAX_CONNECTIONS = 1000
FEWEST = 16  # also where the system allows few open files


def most_connections() -> int:
    """At most half of the files that this process may open: the other half is for what the requests need."""
    most = most_open_files()
    return MAX_CONNECTIONS if most is None else max(min(MAX_CONNECTIONS, most // 2), FEWEST)


class BoundedConnection(H11Protocol):
    """One connection of uvicorn's server: refused (503) where there are too many, closed where its head is late.

    The protocol is h11's, whatever else is installed: it bounds the size of heads and lets no line end into headers.
    """

    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= most_connections():
            self.transport = transport
            transport.write(_busy())
            transport.close()
            return
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:
            self._stop_timer()  # a head came whole
        elif cycle is None or cycle.response_complete:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


def _busy() -> bytes:
    body = Reply.error(503, "The local engine has too many open connections.").content
    head = (
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json; charset=UTF-8\r\n"
        f"content-length: {len(body)}\r\nretry-after: 1\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
