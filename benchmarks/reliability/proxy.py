"""A proxy between the clients and one server of this machine, in which requests go wrong as a plan says."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from .mishaps import END, MISHAPS, Exchange, Mishap, passed, with_header

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset instead of the usual goodbye
TIMEOUT_S = 60.0
PIECE_BYTES = 1 << 16
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
CHUNKED = re.compile(rb"(?i)\r\ntransfer-encoding: *chunked")


@dataclass(frozen=True)
class Strike:
    """A kind of mishap for `count` requests from the `first` on, of those whose first line holds the expression."""

    name: str
    first: int = 1
    count: int = 1
    matching: str = ""

    def __post_init__(self) -> None:
        if self.name not in MISHAPS:
            raise ValueError(f"mishap {self.name!r}: expected one of {', '.join(MISHAPS)}")
        if self.first < 1 or self.count < 1:
            raise ValueError(f"{self.name}: first {self.first} and count {self.count} must be at least 1")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class Proxy:
    """`with Proxy(url, strikes) as proxy:` listens at proxy.url, which is the server's but for the port."""

    def __init__(self, url: str, strikes: Sequence[Strike] = ()) -> None:
        port = urlsplit(url).port
        if port is None:
            raise ValueError(f"the address {url} names no port")
        self._target = ("127.0.0.1", port)
        self._strikes = tuple(strikes)
        self._looked: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = url.replace(f":{port}", f":{self._listening.getsockname()[1]}")
        self.struck: Counter[str] = Counter()

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):  # wakes the thread that accepts
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        client.settimeout(TIMEOUT_S)
        with client, contextlib.suppress(OSError):
            request = read_request(client)
            if request:
                self._choose(request)(self._exchange(request, client))

    def _choose(self, request: bytes) -> Mishap:
        """What becomes of a request: the first strike that wants it has it, all of them count it."""
        line = request.split(b"\r\n", 1)[0].decode("latin-1")
        mishap = passed
        with self._lock:
            for index, strike in enumerate(self._strikes):
                if re.search(strike.matching, line):
                    self._looked[index] += 1
                    is_due = strike.first <= self._looked[index] < strike.first + strike.count
                    if is_due and mishap is passed:
                        mishap = MISHAPS[strike.name]
                        self.struck[strike.name] += 1
        return mishap

    def _exchange(self, request: bytes, client: socket.socket) -> Exchange:
        def reset() -> None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            client.close()

        return Exchange(lambda: self._forward(request), client.sendall, reset)

    def _forward(self, request: bytes) -> bytes:
        head, _, body = request.partition(END)
        # One request a connection: a reply then ends where the connection does, whatever its length says.
        alone = with_header(head + END, b"Connection", b"close")
        with socket.create_connection(self._target, TIMEOUT_S) as server:
            server.sendall(alone + body)
            return b"".join(_pieces(server))


def read_request(client: socket.socket) -> bytes:
    """One request, head and body; empty where the client closes before its end."""
    data = bytearray()
    for piece in _pieces(client):
        data += piece
        if _is_complete(data):
            return bytes(data)
    return b""


def _is_complete(data: bytearray) -> bool:
    head, end, body = data.partition(END)
    if not end:
        return False
    if CHUNKED.search(head):
        return body.endswith(b"0" + END)
    length = LENGTH.search(head)
    return len(body) >= (int(length[1]) if length else 0)


def _pieces(connection: socket.socket) -> Iterator[bytes]:
    while piece := connection.recv(PIECE_BYTES):
        yield piece
