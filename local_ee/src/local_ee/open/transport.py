"""The one place that speaks HTTP to archives: one request, never redirected, its answer bounded in bytes and time.

Source: https://urllib3.readthedocs.io/en/stable/reference/urllib3.connectionpool.html.
"""

from __future__ import annotations

import logging
import os
import ssl
import time
import urllib.request
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import certifi
import urllib3

from local_ee import budget

CONNECT_SECONDS, READ_SECONDS = 20.0, 60.0
WHOLE_SECONDS = 600.0  # of one answer: a server that sends a byte a minute is given up
_PIECE = 1 << 20


def _without_queries(record: logging.LogRecord) -> bool:
    """Cuts the query, which may be a token, off the targets that urllib3 logs at DEBUG."""
    if isinstance(record.args, tuple):
        record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
    return True


logging.getLogger("urllib3.connectionpool").addFilter(_without_queries)


class Interrupted(Exception):
    """A request had no whole answer; another try may have one. The message holds no address."""


@dataclass(frozen=True)
class Ask:
    """One request to a host: `target` is the path and query as sent."""

    method: str
    host: str
    target: str
    headers: Mapping[str, str]
    most_bytes: int
    body: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What came: header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connections:
    """Pools of connections, of at most so many a host; loopback: hosts that a server of this machine stands for."""

    def __init__(self, most: Callable[[str], int], loopback: Mapping[str, int]) -> None:
        self._pool = cache(lambda host: _pool(host, most(host), loopback.get(host)))

    def send(self, ask: Ask) -> Answer:
        """The answer, whatever its status; Interrupted where it is not whole or larger than asked for."""
        try:
            response = self._pool(ask.host).urlopen(
                ask.method,
                ask.target,
                body=ask.body,
                headers={**ask.headers, "Host": ask.host},
                redirect=False,
                retries=False,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            )
            try:
                body = _body(response, ask)
            except BaseException:
                response.close()  # what is left of the answer is never read
                raise
            finally:
                response.release_conn()  # or its place in the pool would be lost
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Interrupted(_kind(error)) from None  # its text holds the query, which may be a token
        return Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, body)


def _body(response: urllib3.BaseHTTPResponse, ask: Ask) -> bytes:
    """The bytes of an answer, unpacked where it is gzip; Interrupted beyond the bound."""
    stored, begun = bytearray(), time.monotonic()
    while piece := response.read1(_PIECE, decode_content=False):
        stored += piece
        if len(stored) > ask.most_bytes:
            raise Interrupted(f"an answer of more than {ask.most_bytes:,} bytes")
        if time.monotonic() - begun > WHOLE_SECONDS:
            raise Interrupted(f"an answer that took more than {WHOLE_SECONDS:.0f} s")
        budget.check()
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != len(stored):
        raise Interrupted(f"{len(stored):,} of {int(length):,} bytes")
    if response.headers.get("Content-Encoding", "identity") == "gzip":
        return _unpacked(bytes(stored), ask.most_bytes)
    return bytes(stored)


def _unpacked(stored: bytes, most_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        body = unpacker.decompress(stored, most_bytes + 1)
    except zlib.error as error:
        raise Interrupted("a damaged answer") from error
    if len(body) > most_bytes:
        raise Interrupted(f"an answer of more than {most_bytes:,} bytes")
    return body


def _kind(error: Exception) -> str:
    """What went wrong, in words without an address."""
    if isinstance(error, urllib3.exceptions.SSLError) or "CERTIFICATE" in str(error):
        return "no trusted certificate (name your own authority with REQUESTS_CA_BUNDLE)"
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, urllib3.exceptions.NameResolutionError):
        return "its name is not known here: is this machine online?"
    return "the connection failed"


def _pool(host: str, most: int, loopback_port: int | None) -> urllib3.HTTPConnectionPool:
    if loopback_port is not None:
        return urllib3.HTTPConnectionPool("127.0.0.1", loopback_port, maxsize=most, block=True)
    options: dict[str, Any] = {"maxsize": most, "block": True, "ssl_context": _trust()}
    proxy = None if urllib.request.proxy_bypass(host) else urllib.request.getproxies().get("https")
    manager = urllib3.ProxyManager(proxy, **options) if proxy else urllib3.PoolManager(**options)
    return manager.connection_from_host(host, 443, "https")


@cache
def _trust() -> ssl.SSLContext:
    named = os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    return (
        ssl.create_default_context(capath=named) if os.path.isdir(named) else ssl.create_default_context(cafile=named)
    )
