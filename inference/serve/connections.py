"""Connections to the service: those that send nothing give way to new ones, and late heads are not waited for.

The protocol is h11's, whatever else is installed: it bounds the size of heads and lets no line end into headers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from itertools import chain
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

# Without it 500 silent connections ended the service for all (trial of 2026-11-24).
HEAD_S = 20.0  # from a connection's opening, or a request's first byte, to the end of the request's head
# Below the 1,024 open files that most systems give a process, with room for maps and jobs.
CONNECTIONS = 500
# A quarter, so that no three addresses shut out a fourth; visitors behind one router have six each.
ADDRESS_CONNECTIONS = CONNECTIONS // 4


class Standing:
    """A server's connections: how many each address has, and the idle ones, the longest without a request first.

    Kept up one by one: looking through all of them for each new one held the server for .2 s where 500 came at once.
    """

    def __init__(self) -> None:
        self._members: set[BoundedConnection] = set()
        self._of_address: Counter[str] = Counter()
        # Dicts for their order. Those that never asked go first: an attacker's cost nothing, a visitor's come back.
        self._silent: dict[BoundedConnection, None] = {}
        self._served: dict[BoundedConnection, None] = {}

    def enter(self, connection: BoundedConnection) -> int:
        """How many its address has with it."""
        self._members.add(connection)
        self._of_address[connection.address] += 1
        self._silent[connection] = None
        return self._of_address[connection.address]

    def leave(self, connection: BoundedConnection) -> None:
        """Also of one that has left already."""
        self.asks(connection)
        if connection in self._members:
            self._members.remove(connection)
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]  # addresses come and go for months

    def asks(self, connection: BoundedConnection) -> None:
        """A request of it is under way."""
        self._silent.pop(connection, None)
        self._served.pop(connection, None)

    def rests(self, connection: BoundedConnection) -> None:
        """Its request was answered."""
        if connection in self._members:
            self._served[connection] = None

    def make_room(self, new: BoundedConnection, address: str | None = None) -> bool:
        """Closes another connection, of an address if one is given: whether any was idle."""
        idle = (each for each in chain(self._silent, self._served) if each is not new)
        oldest = next((each for each in idle if address is None or each.address == address), None)
        if oldest is None:
            return False
        self.leave(oldest)
        oldest.connections.discard(oldest)
        oldest.transport.abort()
        return True


_STANDING: WeakKeyDictionary[ServerState, Standing] = WeakKeyDictionary()


class BoundedConnection(H11Protocol):
    """One connection. Where there are too many, the one that has been without a request longest is closed.

    So idle connections, which cost their owner nothing, shut out nobody: a request that is under way is never closed.
    An address that has its number of them under way gets no further one, unless it is the trusted proxy's.
    """

    _timer: asyncio.TimerHandle | None = None
    _standing: Standing

    @property
    def address(self) -> str:
        """Of the other end."""
        return self.client[0] if self.client else "unknown"

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._standing = _STANDING.setdefault(self.server_state, Standing())
        count = self._standing.enter(self)
        self._await_head()
        is_trusted = self.config.proxy_headers and self.address == self.config.forwarded_allow_ips
        if count > ADDRESS_CONNECTIONS and not is_trusted and not self._standing.make_room(self, self.address):
            self.transport.abort()
        elif len(self.connections) >= CONNECTIONS:
            self._standing.make_room(self)

    def data_received(self, data: bytes) -> None:
        cycle = self.cycle
        super().data_received(data)
        if self.cycle is not cycle:
            self._stop_timer()  # a head came whole
            self._standing.asks(self)
        elif self.is_idle:
            self._await_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.is_idle:  # else the next request had come already
            self._standing.rests(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._standing.leave(self)
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEAD_S, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
