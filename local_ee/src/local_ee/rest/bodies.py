"""Request bodies: limited in time and size, and large ones kept in a file while they arrive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_ee.home import temporary_beside
from local_ee.rest.replying import send_reply
from local_ee.storage.xml_uploads import is_xml_upload
from local_ee.token import without_token
from local_ee.wire import Reply

UPLOADS = ("upload", "resumable")  # first parts of the paths that take the bytes of objects
MAX_OBJECT_BYTES = 5 << 40  # https://cloud.google.com/storage/quotas#objects: 5 TiB
MAX_BODY_BYTES = 64 << 20  # of every other request; the limits of Earth Engine (10 MB) are told in its own words
SPOOL_BYTES = 1 << 20  # what is larger lies in a file
# A client may be silent for so long in all, and a second longer for each so many bytes that have arrived.
PATIENCE_S = 60.0
SLOWEST_BYTES_PER_S = 16 << 10
# What is read of a body that nobody wants, so that its sender hears why before the connection is closed.
DRAIN_BYTES = 16 << 20
DRAIN_S = 5.0


def takes_bytes(path: str, query: str) -> bool:
    """Whether bytes of objects are sent to an address (the path without its token)."""
    return path.strip("/").partition("/")[0] in UPLOADS or is_xml_upload(path, query)


@asynccontextmanager
async def received(request: Request, folder: Path) -> AsyncIterator[tuple[bytes, Path | None]]:
    """The request's body: its bytes, or a file in `folder` that holds them, removed at the end of the block."""
    memory, path, file = bytearray(), None, None
    try:
        async for piece in request.stream():
            memory += piece
            if file is None and len(memory) > SPOOL_BYTES:
                path = temporary_beside(folder / "body")
                file = path.open("wb")
            if file is not None:
                file.write(memory)
                memory.clear()
        if file is not None:
            file.close()
        yield bytes(memory), path
    finally:
        if file is not None:
            file.close()
        if path is not None:
            path.unlink(missing_ok=True)


class BoundedBodies:
    """An ASGI application that ends requests whose bodies are too large (413) or come too slowly (408)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = _Body(scope, receive, send)
        await self._app(scope, body.receive, body.send)
        if body.fault is not None and not body.answered:
            await send_reply(body.fault, send, {"connection": "close"})


class _Body:
    """Receives one request within the limits, and sends its reply once the body was read, or is given up."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._receive, self._send = receive, send
        self._limit = MAX_OBJECT_BYTES if _is_upload(scope) else MAX_BODY_BYTES
        self._declared = _whole_number(headers.get("content-length"))
        self._expects = "expect" in headers
        self._ended = self._declared == 0 and "transfer-encoding" not in headers
        self._size, self._waited = 0, 0.0
        self.fault: Reply | None = None
        self.answered = False

    async def receive(self) -> Message:
        """The next piece; a disconnection where the body is refused from here on."""
        if self._ended:
            return await self._receive()
        if self.fault is not None or max(self._declared, self._size) > self._limit:
            return self._refuse(413, f"The request body is larger than {self._limit} bytes.")
        patience = PATIENCE_S + self._size / SLOWEST_BYTES_PER_S
        began = time.monotonic()
        try:
            async with asyncio.timeout(patience - self._waited):
                message = await self._receive()
        except TimeoutError:
            return self._refuse(408, f"The request body came too slowly: {self._size} bytes in {patience:.0f} s.")
        self._waited += time.monotonic() - began
        self._size += len(message.get("body", b""))
        self._ended = not message.get("more_body")
        return message

    def _refuse(self, status: int, words: str) -> Message:
        self.fault = self.fault or Reply.error(status, words, "INVALID_ARGUMENT")
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Sends on; the reply to a refused body is replaced by the refusal."""
        if message["type"] == "http.response.start" and not self._ended:
            await self._drain()
            message = message if self._ended else _closing(message)
        if self.fault is not None and not self.answered:
            return
        self.answered = True
        await self._send(message)

    async def _drain(self) -> None:
        if self._expects or self.fault is not None:
            return
        most = self._size + DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._ended and self._size <= most:
                    message = await self._receive()
                    self._size += len(message.get("body", b""))
                    self._ended = not message.get("more_body")
        except TimeoutError:
            return


def _is_upload(scope: Scope) -> bool:
    return takes_bytes(without_token(scope["path"])[1], scope.get("query_string", b"").decode("latin-1"))


def _closing(message: Message) -> Message:
    return {**message, "headers": [*message.get("headers", []), (b"connection", b"close")]}


def _whole_number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
