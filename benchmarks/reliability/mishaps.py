"""The ways in which a request goes wrong between a client and a server: 24 kinds, by name."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

END = b"\r\n\r\n"
LOGIN = b"<!DOCTYPE html><html><head><title>Sign in to the network</title></head><body>Accept the terms</body></html>"
GARBAGE = bytes(range(256)) * 4
TLS_ALERT = bytes.fromhex("15030300020246")  # what a TLS server says to a client that speaks plain HTTP
WRONG_CRC32C = b"crc32c=AAAAAA==,md5=AAAAAAAAAAAAAAAAAAAAAA=="
NOWHERE = "http://127.0.0.1:9/nowhere"  # the discard port, where nobody listens
RETRY_AFTER_S = 1
SLOW_PIECES, SLOW_S = 20, 0.5


@dataclass(frozen=True)
class Exchange:
    """A request on its way. forward: sends it on and gives the reply's bytes; send and reset act on the client."""

    forward: Callable[[], bytes]
    send: Callable[[bytes], None]
    reset: Callable[[], None]


Mishap = Callable[[Exchange], None]


def passed(exchange: Exchange) -> None:
    """Nothing goes wrong."""
    exchange.send(exchange.forward())


def answered(status: int, body: bytes, content_type: str, headers: Mapping[str, str], exchange: Exchange) -> None:
    """Somebody on the way answers; the server hears nothing."""
    exchange.send(http(status, body, {"Content-Type": content_type, **headers}))


def refused(status: int, name: str, reason: str, exchange: Exchange) -> None:
    """A refusal in the form of Google's servers (https://cloud.google.com/apis/design/errors)."""
    message = f"{name.replace('_', ' ').capitalize()}."
    error = {"code": status, "message": message, "status": name, "errors": [{"reason": reason, "message": message}]}
    waits = {"Retry-After": str(RETRY_AFTER_S)} if status == 429 else {}
    answered(status, json.dumps({"error": error}).encode(), "application/json", waits, exchange)


def of_other_length(change: int, exchange: Exchange) -> None:
    """The announced length is not that of the body."""
    head, body = split(exchange.forward())
    exchange.send(with_header(head, b"Content-Length", b"%d" % max(0, len(body) + change)) + body)


def cut_body(exchange: Exchange) -> None:
    """Half of the body, then a reset."""
    head, body = split(exchange.forward())
    exchange.send(with_header(head, b"Content-Length", b"%d" % len(body)) + body[: len(body) // 2])
    exchange.reset()


def cut_head(exchange: Exchange) -> None:
    """The reply ends within its first line."""
    exchange.send(exchange.forward()[:11])


def bad_checksum(exchange: Exchange) -> None:
    """The checksum of a download is another one, and a byte of the body, too."""
    head, body = split(exchange.forward())
    if b"x-goog-hash" in head.lower() and body:
        head = with_header(head, b"x-goog-hash", WRONG_CRC32C)
        body = bytes([body[0] ^ 1]) + body[1:]
    exchange.send(head + body)


def reset(exchange: Exchange) -> None:
    """The connection is reset and the server hears nothing."""
    exchange.reset()


def lost(exchange: Exchange) -> None:
    """The server does its work and the reply is lost."""
    exchange.forward()
    exchange.reset()


def twice(exchange: Exchange) -> None:
    """The request arrives twice; the client hears the second reply."""
    exchange.forward()
    exchange.send(exchange.forward())


def slow(exchange: Exchange) -> None:
    """The reply comes in small pieces."""
    reply = exchange.forward()
    step = max(1, len(reply) // SLOW_PIECES)
    for at in range(0, len(reply), step):
        exchange.send(reply[at : at + step])
        time.sleep(SLOW_S / SLOW_PIECES)


def tls(exchange: Exchange) -> None:
    """Bytes of TLS where HTTP is expected."""
    exchange.send(TLS_ALERT)


MISHAPS: dict[str, Mishap] = {
    "length too short": partial(of_other_length, -7),
    "length too long": partial(of_other_length, 7),
    "garbage 200": partial(answered, 200, GARBAGE, "application/octet-stream", {}),
    "login page 200": partial(answered, 200, LOGIN, "text/html; charset=utf-8", {}),
    "empty 200": partial(answered, 200, b"", "application/json", {}),
    "cut body": cut_body,
    "cut head": cut_head,
    "bad crc32c": bad_checksum,
    "reset": reset,
    "lost reply": lost,
    "sent twice": twice,
    "redirect to nowhere": partial(answered, 302, b"", "text/html", {"Location": NOWHERE}),
    "TLS bytes": tls,
    "slow": slow,
    "401": partial(refused, 401, "UNAUTHENTICATED", "authError"),
    "403": partial(refused, 403, "PERMISSION_DENIED", "forbidden"),
    "403 rate limit": partial(refused, 403, "RATE_LIMIT_EXCEEDED", "rateLimitExceeded"),
    "404": partial(refused, 404, "NOT_FOUND", "notFound"),
    "408": partial(refused, 408, "REQUEST_TIMEOUT", "requestTimeout"),
    "429 Retry-After": partial(refused, 429, "RESOURCE_EXHAUSTED", "rateLimitExceeded"),
    "500": partial(refused, 500, "INTERNAL", "backendError"),
    "502 page": partial(answered, 502, b"<html>Bad Gateway</html>", "text/html", {}),
    "503": partial(refused, 503, "UNAVAILABLE", "backendError"),
    "504": partial(refused, 504, "DEADLINE_EXCEEDED", "gatewayTimeout"),
}


def http(status: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A reply after which the connection is closed."""
    lines = {**headers, "Content-Length": str(len(body)), "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body


def split(reply: bytes) -> tuple[bytes, bytes]:
    """Head, with the empty line at its end, and body of a reply that has a Content-Length."""
    head, _, body = reply.partition(END)
    return head + END, body


def with_header(head: bytes, name: bytes, value: bytes) -> bytes:
    """The head with one header instead of those of its name."""
    others = re.sub(rb"(?im)^%b:.*\r\n" % re.escape(name), b"", head)
    return others[:-2] + name + b": " + value + b"\r\n\r\n"
