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


class BoundedConnection(H11Protocol):
    """One connection. Where there are too many, the one that has been without a request longest is closed.

    So idle connections, which cost their owner nothing, shut out nobody: a request that is under way is never closed.
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
        if len(self.connections) >= CONNECTIONS:
            self._make_room()

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

    def _make_room(self) -> None:
        """Closes the idle connection that has been so longest, those that never sent a request before others."""
        idle = [each for each in self.connections if isinstance(each, BoundedConnection) and each.is_idle]
        others = [each for each in idle if each is not self]
        if others:
            # Those that never asked first: an attacker's cost nothing, a visitor's will be used again.
            oldest = min(others, key=lambda each: (each.cycle is not None, each._idle_since))
            self.connections.discard(oldest)
            oldest.transport.abort()

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
