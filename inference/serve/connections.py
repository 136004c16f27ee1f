"""Connections to the service: those that send nothing give way to new ones, and late heads are not waited for.

The protocol is h11's, whatever else is installed: it bounds the size of heads and lets no line end into headers.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

# Without it 500 silent connections ended the service for all (trial of 2026-11-24).
HEAD_S = 20.0  # from a connection's opening, or a request's first byte, to the end of the request's head
# Below the 1,024 open files that most systems give a process, with room for maps and jobs.
CONNECTIONS = 500
# A quarter, so that no three addresses shut out a fourth; visitors behind one router have six each.
ADDRESS_CONNECTIONS = CONNECTIONS // 4


class BoundedConnection(H11Protocol):
    """One connection. Where there are too many, the one that has been without a request longest is closed.

    So idle connections, which cost their owner nothing, shut out nobody: a request that is under way is never closed.
    An address that has its number of them under way gets no further one, unless it is the trusted proxy's.
    """

    _timer: asyncio.TimerHandle | None = None
    _idle_since: float = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._await_head()
        together = [each for each in self.connections if isinstance(each, BoundedConnection)]
        neighbours = [] if self._is_of_the_proxy else [each for each in together if each._host == self._host]
        if len(neighbours) > ADDRESS_CONNECTIONS and not self._make_room(neighbours):
            self.transport.abort()
        elif len(self.connections) >= CONNECTIONS:
            self._make_room(together)

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else "unknown"

    @property
    def _is_of_the_proxy(self) -> bool:
        return self.config.proxy_headers and self._host == self.config.forwarded_allow_ips

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:
            self._stop_timer()  # a head came whole
        elif self.is_idle:
            self._await_head()

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def _make_room(self, connections: list[BoundedConnection]) -> bool:
        """Closes the idle one of them that has been so longest, and says whether there was one.

        Those that never asked go first: an attacker's cost nothing, a visitor's will be used again.
        """
        idle = [each for each in connections if each is not self and each.is_idle]
        if not idle:
            return False
        oldest = min(idle, key=lambda each: (each.cycle is not None, each._idle_since))
        self.connections.discard(oldest)
        oldest.transport.abort()
        return True

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
