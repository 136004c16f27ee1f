"""Requests as bytes over a socket: what a browser, an attacker or a broken program may send."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from http.client import HTTPResponse

from local_ee import LocalEngine


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"", *, port: int) -> bytes:
    """The bytes of a request to 127.0.0.1:port, with Host and Content-Length where they are not given."""
    fields = {"Host": f"127.0.0.1:{port}", **headers}
    if body:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def exchange(engine: LocalEngine, sent: bytes) -> Answer:
    """The server's answer to these bytes."""
    with socket.create_connection(("127.0.0.1", engine.port), timeout=300) as line:
        line.sendall(sent)
        return read_answer(line)


def read_answer(line: socket.socket) -> Answer:
    """The next answer over an open connection."""
    response = HTTPResponse(line)
    response.begin()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
