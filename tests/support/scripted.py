"""A small HTTP server that answers computePixels as a script says: pixels, refusals, resets, bodies cut short."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from affine import Affine

# The words that Google's servers were seen to use (docs/reference/earth-engine.md, "Errors").
TOO_MANY = "Quota exceeded: Too many concurrent aggregations."
MEMORY = "User memory limit exceeded."

Act = Callable[["Exchange"], None]


@dataclass
class Exchange:
    """One request and the way to answer it."""

    headers: dict[str, str]
    document: dict
    transport: asyncio.Transport = field(repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        size = self.document["grid"]["dimensions"]
        return size["height"], size["width"]

    def send(self, status: int, body: bytes, *extra: str, promised: int | None = None) -> None:
        length = len(body) if promised is None else promised
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {length}", *extra, "", ""]
        self.transport.write("\r\n".join(lines).encode() + body)


def pixels(exchange: Exchange) -> None:
    """Every pixel's northing and easting."""
    exchange.send(200, npy(exchange))


def refuse(status: int, message: str, *, reason: str = "", headers: tuple[str, ...] = ()) -> Act:
    error = {"code": status, "message": message, "errors": [{"reason": reason}] if reason else []}
    return lambda exchange: exchange.send(status, json.dumps({"error": error}).encode(), *headers)


def reset(exchange: Exchange) -> None:
    """The line is cut without an answer."""
    exchange.transport.abort()


def cut_short(exchange: Exchange) -> None:
    """Half of the body, then the end of the connection."""
    body = npy(exchange)
    exchange.send(200, body[: len(body) // 2], promised=len(body))
    exchange.transport.close()


def shorter(exchange: Exchange) -> None:
    """A body that lacks its last bytes, with a length that says nothing of it."""
    exchange.send(200, npy(exchange)[:-9])


def garbage(exchange: Exchange) -> None:
    exchange.send(200, b"<html>please log in</html>")


def npy(exchange: Exchange) -> bytes:
    stream = io.BytesIO()
    np.save(stream, surface(exchange.document["grid"]))
    return stream.getvalue()


def surface(grid: dict) -> np.ndarray:
    """What is at each pixel of a REST grid."""
    height, width = grid["dimensions"]["height"], grid["dimensions"]["width"]
    a = grid["affineTransform"]
    location = Affine(a["scaleX"], a["shearX"], a["translateX"], a["shearY"], a["scaleY"], a["translateY"])
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    actual = np.zeros((height, width), [("x", "<f4"), ("y", "<f4")])
    actual["x"], actual["y"] = location * (cols, rows)
    return actual


class Server:
    """Answers the n-th request with the n-th act of the script, then with `always`; at most `at_once` at a time."""

    def __init__(self, script=(), *, always: Act = pixels, at_once: int = 10**6, delay_s: float = 0.0) -> None:
        self.script, self.always, self.at_once, self.delay_s = list(script), always, at_once, delay_s
        self.seen: list[Exchange] = []
        self.active = self.peak = self.refused = 0
        self._ready = threading.Event()

    def __enter__(self) -> Server:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1/projects/p/image:computePixels"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    def handle(self, exchange: Exchange) -> None:
        self.seen.append(exchange)
        if self.active >= self.at_once:
            self.refused += 1
            refuse(429, TOO_MANY)(exchange)
            return
        act = self.script.pop(0) if self.script else self.always
        self.active += 1
        self.peak = max(self.peak, self.active)
        self._loop.call_later(self.delay_s, self._finish, act, exchange)

    def _finish(self, act: Act, exchange: Exchange) -> None:
        self.active -= 1
        act(exchange)


class _Connection(asyncio.Protocol):
    def __init__(self, server: Server) -> None:
        self._server, self._data = server, b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, actual, remainder = self._data.partition(b"\r\n\r\n")
        if not actual:
            return
        lines = head.decode().split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"])
        if len(remainder) >= length:
            self._data = remainder[length:]
            self._server.handle(Exchange(headers, json.loads(remainder[:length]), self._transport))
