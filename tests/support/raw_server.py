"""A server of a few lines that answers every HTTP request with bytes as they are, or not at all."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Sequence

SILENCE = b""  # the connection stays open and nothing is said
HANG_UP = None  # the connection ends without an answer
# The storage client looks up its bucket in a thread of its own, at any time: not counted.
ASIDE = re.compile(rb"/b/[^/?]+\?projection=noAcl")


def reply(status: int, body: bytes | dict = b"", *, content_type: str = "application/json", more: int = 0) -> bytes:
    """An HTTP reply; more: bytes that its length promises and that never come."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Type: {content_type}", f"Content-Length: {len(content) + more}"]
    return "\r\n".join([*lines, *(["Connection: close"] if more else []), "", ""]).encode() + content


def refusal(status: int, message: str, reason: str = "") -> bytes:
    """Google's form of an error."""
    return reply(status, {"error": {"code": status, "message": message, "errors": [{"reason": reason}]}})


class RawServer:
    """Gives the n-th request the n-th answer, and every later one the last."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers: Sequence[bytes | None] = answers
        self.requests: list[bytes] = []
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> RawServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as file:
            while (head := _head(file)) is not None:
                if ASIDE.search(head):
                    connection.sendall(refusal(404, "Not found"))
                    continue
                with self._lock:
                    answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
                    self.requests.append(head)
                if answer is HANG_UP:
                    connection.shutdown(socket.SHUT_RDWR)
                    return
                connection.sendall(answer)
                if b"Connection: close" in answer:
                    connection.shutdown(socket.SHUT_RDWR)
                    return


def _head(file) -> bytes | None:
    """The first line of a request, read to the end of its body; None where the client has gone."""
    try:
        lines = []
        while (line := file.readline()) not in (b"\r\n", b""):
            lines.append(line)
        if not lines:
            return None
        lengths = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length")]
        file.read(lengths[0] if lengths else 0)
        return lines[0].strip()
    except OSError:
        return None
