"""Faults at the HTTP side: refusals, broken connections, short and corrupt bodies, waits; and GET /faults."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Callable, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_ee.injector import Injector, Seen, Verdict
from local_ee.rest.connections import BoundedConnection
from local_ee.rest.replying import send_reply
from local_ee.storage.xml_uploads import is_xml_upload
from local_ee.wire import Reply

REPORT = "/faults"
BODY_ROUTES = ("pixels",)  # their bodies say which grid is asked for
THUMBNAILS = ("thumbnails", "videoThumbnails", "filmstripThumbnails")
STORAGE_REASONS = {429: "rateLimitExceeded", 500: "backendError", 503: "backendError"}
HEAD_END = b"\r\n\r\n"
AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends a reset instead of the usual goodbye

Connections = MutableMapping[Any, asyncio.Transport]  # by the client's address


def connections() -> tuple[type[BoundedConnection], Connections]:
    """A protocol for uvicorn and the open connections that it keeps: ASGI has no way to break one."""
    opened: Connections = {}

    class Recorded(BoundedConnection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            opened[transport.get_extra_info("peername")] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            opened.pop(self.transport.get_extra_info("peername"), None)
            super().connection_lost(exc)

    return Recorded, opened


class FaultyHttp:
    """An ASGI application whose requests go wrong as the injector says."""

    def __init__(self, app: ASGIApp, injector: Injector, opened: Connections) -> None:
        self._app = app
        self._injector = injector
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] == REPORT and scope["method"] == "GET":
            await send_reply(Reply.of(self._injector.report()), send)
            return
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        route = route_of(scope["method"], path, scope["query_string"].decode("latin-1"))
        body = await _read(receive) if route in BODY_ROUTES else None
        address = f"{scope['method']} {scope['path']}"
        grid = _grid(body) if body else None
        seen = Seen(route, address, _pixels(grid))
        began = time.monotonic()
        facts = {"grid": grid} if grid else {}
        with self._injector.verdict(seen) as verdict:

            def note(status: int | None) -> None:
                seconds = round(time.monotonic() - began, 4)
                self._injector.note(seen, verdict, status=status, seconds=seconds, **facts)

            if verdict.delay_s:
                await asyncio.sleep(verdict.delay_s)
            receiving = receive if body is None else _replayed(body, receive)
            telling = _Telling(send, note)
            telling.note(await self._act(verdict, route, scope, receiving, telling))

    async def _act(self, verdict: Verdict, route: str, scope: Scope, receive: Receive, send: Send) -> int | None:
        """Answers; the status that the client got whole, None where its connection broke."""
        refused = _refusal(verdict, route)
        if refused is not None:
            await _drained(receive)
            await send_reply(refused, send)
            return refused.status
        if verdict.kind == "reset":
            await self._break(scope, receive)
            return None
        noted = _Noted(send)
        if verdict.kind == "lost":
            # All is done and nobody told: who asks again must find it done.
            await self._app(scope, receive, _nowhere)
            await self._break(scope, receive)
            return None
        if verdict.kind == "truncate":
            await self._app(scope, receive, noted.half)
            await self._break(scope, receive)
            return None
        if verdict.kind == "corrupt":
            receive = _flipped_body(receive) if route == "upload" else receive
            await self._app(scope, receive, noted if route == "upload" else noted.flipped)
        else:
            await self._app(scope, receive, noted)
        return noted.status

    async def _break(self, scope: Scope, receive: Receive) -> None:
        """Ends the connection without a goodbye."""
        transport = self._opened.get(tuple(scope["client"]))
        if transport is not None:
            await asyncio.sleep(0.01)  # what was sent leaves first
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            transport.abort()
            while (await receive())["type"] != "http.disconnect":
                pass


def route_of(method: str, path: str, query: str) -> str:
    """The name of a request's route (faults.HTTP); path: escaped as it was sent, so that names hold no slash."""
    parts = [segment for segment in path.split("/") if segment]
    first = parts[0] if parts else ""
    if first in ("upload", "resumable") or is_xml_upload(path, query):
        return "upload"
    if first == "download" or (first == "storage" and method == "GET" and "alt=media" in query.split("&")):
        return "download"
    if first == "batch":
        return "batch"
    if first == "storage":
        return _storage_route(method, parts)
    return _engine_route(path, parts)


def _storage_route(method: str, parts: list[str]) -> str:
    if len(parts) > 6:
        return "copy"  # or compose, rewrite
    if len(parts) <= 4:
        return "bucket"
    if len(parts) == 5:
        return "list"
    return "delete" if method == "DELETE" else "object"


def _engine_route(path: str, parts: list[str]) -> str:
    resource = parts[3].partition(":")[0] if len(parts) > 3 else ""
    if resource in THUMBNAILS:
        return "thumbnails"
    if path.endswith((":computePixels", ":getPixels")):
        return "pixels"
    for ending, route in ((":compute", "value"), (":export", "export"), (":import", "import")):
        if path.endswith(ending):
            return route
    return resource if resource in ("operations", "assets", "maps") else "other"


def _refusal(verdict: Verdict, route: str) -> Reply | None:
    """The reply of a fault that is one."""
    if verdict.rule is None:
        return None
    words = verdict.rule.words
    if verdict.kind in ("memory", "timeout"):
        return Reply.error(400, words)
    if verdict.kind in ("429", "500", "503", "quota"):
        status = 429 if verdict.kind == "quota" else int(verdict.kind)
        of_storage = route in ("upload", "download", "list", "object", "delete", "copy", "bucket", "batch")
        return Reply.error(status, words, reason=STORAGE_REASONS[status] if of_storage else None)
    return None


class _Telling:
    """Sends on, and notes a call once: before the last byte leaves, so that who has read the answer finds the note."""

    def __init__(self, send: Send, note: Callable[[int | None], None]) -> None:
        self._send, self._note = send, note
        self._status: int | None = None
        self._told = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        elif not message.get("more_body"):
            self.note(self._status)
        await self._send(message)

    def note(self, status: int | None) -> None:
        if not self._told:
            self._told = True
            self._note(status)


class _Noted:
    """Sends on and notes the status; `half` sends half a body, `flipped` one with a wrong byte."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._done = False
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def half(self, message: Message) -> None:
        body = message.get("body", b"")
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._done:
            self._done = True
            # More is announced: uvicorn would itself complain of a last piece that leaves the body too short.
            await self._send({"type": "http.response.body", "body": bytes(body)[: len(body) // 2], "more_body": True})

    async def flipped(self, message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("body") and not self._done:
            self._done = True
            message = {**message, "body": _flip(message["body"], len(message["body"]) // 2)}
        await self(message)


async def _nowhere(message: Message) -> None:
    """Where a lost reply goes."""


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while (message := await receive())["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return bytes(body)


async def _drained(receive: Receive) -> None:
    """Reads what is still being sent, so that the client hears the reply."""
    while (await receive()).get("more_body"):
        pass


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The request's body again, then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay


def _flipped_body(receive: Receive) -> Receive:
    """The request with a wrong byte in the first piece of its content."""
    flipped = False

    async def flipping() -> Message:
        nonlocal flipped
        message = await receive()
        if flipped or not message.get("body"):
            return message
        flipped = True
        return {**message, "body": _flip(message["body"], _content_start(message["body"]))}

    return flipping


def _content_start(body: bytes) -> int:
    """Where the content of a multipart upload begins, after the heads of its two parts; 0 in other uploads."""
    second = body.find(HEAD_END, body.find(HEAD_END) + 1) if body.startswith(b"--") else -1
    return second + len(HEAD_END) if second >= 0 else 0


def _flip(body: bytes, offset: int) -> bytes:
    wrong = bytearray(body)
    # One bit, and the length stays: only a checksum tells.
    wrong[min(offset, len(wrong) - 1)] ^= 0x20
    return bytes(wrong)


def _grid(body: bytes) -> list[Any] | None:
    """crs, affine and size of the grid that a body asks for."""
    try:
        grid = json.loads(body).get("grid") or {}
        affine, size = grid.get("affineTransform", {}), grid["dimensions"]
        keys = ("scaleX", "shearX", "translateX", "shearY", "scaleY", "translateY")
        return [grid.get("crsCode"), *(affine.get(key, 0) for key in keys), int(size["width"]), int(size["height"])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _pixels(grid: list[Any] | None) -> int | None:
    return grid[-2] * grid[-1] if grid else None
