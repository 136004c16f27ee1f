"""The ASGI layer in front of every route: refusals, limits, headers and counts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from isamap.inference.serve.door import Door
from isamap.inference.serve.metrics import Metrics
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.rate import Rates

OWNER = "isamap.owner"  # keys of the ASGI scope
ROUTE = "isamap.route"
UNCOUNTED = ("/health",)  # a monitor behind the same address as others takes a refusal for a dead service
REFUSED = "refused "  # before an address: the bucket of its refused requests
# Of any real length; Python takes quadratic time for the number of a longer text.
LENGTH_DIGITS = 18
BODY_S = 20.0  # between two pieces of a body
HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}
FAILED = Problem(500, "The service failed at this request: see its log.")
log = logging.getLogger(__name__)


class Gate:
    """Lets requests through that the door and the rates allow, with bodies that are not too large."""

    def __init__(self, app: ASGIApp, door: Door, *, rates: Rates, metrics: Metrics, body_bytes: int) -> None:
        self._app, self._door, self._rates, self._metrics = app, door, rates, metrics
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        begun, reply = time.perf_counter(), _Reply(send)
        try:
            self._admit(scope)
            await self._app(scope, _Body(receive, self._body_bytes), reply)
        except Problem as problem:
            await reply.fail(problem, scope, receive)
        except Exception:  # the reply names no detail: the log does
            log.exception("%r %r failed", scope["method"][:20], scope["path"][:200])  # a path may hold line ends
            await reply.fail(FAILED, scope, receive)
        finally:
            route = scope.get(ROUTE, "none")
            self._metrics.count(scope["method"], route, reply.status, time.perf_counter() - begun)

    def _admit(self, scope: Scope) -> None:
        headers = headers_of(scope)
        address = (scope.get("client") or ("unknown", 0))[0]
        try:
            owner = self._door.check(scope["method"], scope["path"], headers)
        except Problem:
            self._rates.spend(f"{REFUSED}{address}")  # who guesses is slowed down; others of the address are not
            raise
        if scope["path"] not in UNCOUNTED:
            # By token where there is one: visitors behind one proxy share an address.
            self._rates.spend(owner or address)
        _check_length(headers, self._body_bytes)
        scope[OWNER] = owner


class _Body:
    """Receives a body of at most so many bytes, each piece in time."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive, self._limit, self._size, self._whole = receive, limit, 0, False

    async def __call__(self) -> Message:
        if self._whole:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), BODY_S)
        except TimeoutError as error:
            raise Problem(408, f"The body did not come within {BODY_S:.0f} s.") from error
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
        if self._size > self._limit:
            raise _too_large(self._limit)
        return message


class _Reply:
    """Sends on with the headers of every reply; knows its status."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {key.lower() for key, _ in message.get("headers", [])}
            further = [(key, value) for key, value in HEADERS.items() if key not in names]
            message = {**message, "headers": [*message.get("headers", []), *further]}
        await self._send(message)

    async def fail(self, problem: Problem, scope: Scope, receive: Receive) -> None:
        """Replies with a problem, unless a reply is under way, which then stays half: no client takes it for whole."""
        if not self.status:
            await problem.response(scope, receive, self)


def headers_of(scope: Scope) -> dict[str, str]:
    """Names in lower case; a header that came twice is joined, so that a second value hides nothing."""
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name, text = key.decode("latin-1").lower(), value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers


def _check_length(headers: Mapping[str, str], limit: int) -> None:
    """Problem where the length of the body is too large, or said in two ways that a proxy may read otherwise.

    RFC 9112, section 6.1: a message with both may be an attempt of request smuggling, and its connection is closed.
    """
    length = headers.get("content-length")
    if length is None:
        return
    if "transfer-encoding" in headers:
        detail = "Content-Length and Transfer-Encoding exclude each other: send one of them."
        raise Problem(400, detail, headers={"Connection": "close"})
    if not length.isdecimal() or len(length) > LENGTH_DIGITS or int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> Problem:
    return Problem(413, f"The body has more than {limit:,} bytes: send a smaller one.")


def owner_of(request: Any) -> str:
    """Who sent a request: a digest of the token, "" where none was asked for."""
    return str(request.scope.get(OWNER, ""))
