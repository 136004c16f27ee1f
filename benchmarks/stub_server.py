"""A server that answers as Earth Engine would as far as clients need it, at a speed and with faults that are known.

python benchmarks/stub_server.py '{"latency_s": 0.5, "at_once": 40, "per_second": 100}'

Prints its port, then serves until it is killed. Pixels are of constant value; what is measured is how clients ask.
GET /figures tells what it saw. benchmarks/export.py starts one for each run.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import random
import re
import socket
import struct
import sys
import time
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np

# Ours: Google says nothing of bursts.
BURST_S = 0.2  # of its rate the server lets through at once
SETTLING, SETTLING_S = 2.0, 1.0  # latencies and seconds after a change of the limit in which refusals teach
URL_SHARE = 0.1  # a getDownloadURL costs this share of the latency, the download that follows all of it
BANDS = ("B2", "B3", "B4", "B8", "VV", "VH", "label")
# The words of Google's servers, which leave open what there was too much of.
TOO_MANY = "Too Many Requests: Request was rejected because the request rate or concurrency limit was exceeded."


@dataclass(frozen=True)
class Setting:
    """latency_s: median; spread: of its natural logarithm. at_once_later: the limit after half of `answers`."""

    latency_s: float
    at_once: int = 40
    per_second: float = 100.0
    spread: float = 0.0
    at_once_later: int | None = None
    answers: int = 0
    errors: float = 0.0  # share answered with 500
    resets: float = 0.0  # share of connections cut without an answer
    # One for all programs of a case, so that each meets the same latencies and faults in turn.
    seed: int = 7


@dataclass
class Figures:
    """What the clients did."""

    requests: int = 0
    answered: int = 0
    refused: int = 0
    refused_when_known: int = 0
    asked_when_known: int = 0
    failed: int = 0
    most_at_once: int = 0
    service_s: float = 0.0  # of what was answered, before and after the limit changed
    service_later_s: float = 0.0
    places: set[bytes] = field(default_factory=set)

    def to_json(self) -> dict[str, Any]:
        return {**self.__dict__, "places": len(self.places)}


class Server:
    """The limits, the clock, and the answers."""

    def __init__(self, setting: Setting) -> None:
        self.setting, self.figures = setting, Figures()
        self._random = random.Random(setting.seed)
        self._tokens, self._filled_s = setting.per_second * BURST_S, time.monotonic()
        self._under_way = 0
        self._learning_until = 0.0
        self._limit = setting.at_once
        self._known = True

    def admit(self) -> bool:
        """Whether one more request may begin now."""
        now, setting = time.monotonic(), self.setting
        limit = self.limit()
        if limit != self._limit:
            self._limit, self._known = limit, False
        self._tokens = min(setting.per_second * BURST_S, self._tokens + (now - self._filled_s) * setting.per_second)
        self._filled_s = now
        self.figures.requests += 1
        borne = self._under_way < limit and self._tokens >= 1
        self._count(borne, now)
        if borne:
            self._tokens -= 1
            self._under_way += 1
            self.figures.most_at_once = max(self.figures.most_at_once, self._under_way)
        return borne

    def limit(self) -> int:
        later = self.setting.at_once_later
        return later if later and self.figures.answered >= self.setting.answers / 2 else self.setting.at_once

    def latency_s(self) -> float:
        return self.setting.latency_s * math.exp(self._random.gauss(0, 1) * self.setting.spread)

    def fate(self) -> str:
        """What becomes of an admitted request: answered, error or reset."""
        drawn = self._random.random()
        if drawn < self.setting.errors:
            return "error"
        return "reset" if drawn < self.setting.errors + self.setting.resets else "answered"

    def end(self, fate: str, key: bytes, seconds: float) -> None:
        self._under_way -= 1
        if fate != "answered":
            self.figures.failed += 1
            return
        if self.limit() == self.setting.at_once:
            self.figures.service_s += seconds
        else:
            self.figures.service_later_s += seconds
        self.figures.answered += 1
        self.figures.places.add(key)

    def _count(self, borne: bool, now: float) -> None:
        """Refusals are lessons for a while after the first one and after a change; then the limit is known."""
        if not borne:
            self.figures.refused += 1
            if self._learning_until == 0 or not self._known:
                self._known = True
                self._learning_until = now + SETTLING * self.setting.latency_s + SETTLING_S
        if now > self._learning_until:
            self.figures.asked_when_known += 1
            self.figures.refused_when_known += not borne


class Connection(asyncio.Protocol):
    """HTTP/1.1 with kept-alive connections, as little of it as the clients use."""

    def __init__(self, server: Server, answers: Answers) -> None:
        self._server, self._answers = server, answers
        self._data = bytearray()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # Without it small answers wait for up to 40 ms in Nagle's algorithm, which would be counted as latency.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._data += data
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._data[:end])
            match = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            length = int(match[1]) if match else 0
            if len(self._data) < end + 4 + length:
                return
            body = bytes(self._data[end + 4 : end + 4 + length])
            del self._data[: end + 4 + length]
            verb, path, _ = head.split(b"\r\n", 1)[0].split(b" ", 2)
            self._handle(verb.decode(), path.decode(), body)

    def _handle(self, verb: str, path: str, body: bytes) -> None:
        share, make = self._answers.of(verb, path, body)
        if share == 0:
            self._send(200, make())
        elif not self._server.admit():
            self._send(429, _error(429, TOO_MANY, "RESOURCE_EXHAUSTED"))
        else:
            fate, seconds = self._server.fate(), self._server.latency_s() * share
            key = body[-400:] if verb == "POST" else path.encode()
            counted = "answered" if share == 1 or fate != "answered" else "preliminary"
            asyncio.get_running_loop().call_later(seconds, self._finish, fate, counted, make, key, seconds)

    def _finish(self, fate: str, counted: str, make, key: bytes, seconds: float) -> None:
        if counted == "preliminary":
            self._server._under_way -= 1
        else:
            self._server.end(fate, key, seconds)
        if fate == "reset":
            # SO_LINGER of 0 s: the connection is reset, as by a line that breaks, instead of closed.
            cut = struct.pack("ii", 1, 0)
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, cut)
            self._transport.abort()
        elif fate == "error":
            self._send(500, _error(500, "An internal error has occurred.", "INTERNAL"))
        else:
            self._send(200, make())

    def _send(self, status: int, content: tuple[str, bytes]) -> None:
        content_type, body = content
        head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)


class Answers:
    """What is sent for which request: (share of the latency, 0 for none, and a function that makes kind and body)."""

    def __init__(self, server: Server, root: str) -> None:
        self._server = server
        self._discovery = _discovery(root)
        self._algorithms = files("ee").joinpath("tests", "algorithms.json").read_bytes()
        self._pixels: dict[tuple[int, int], bytes] = {}
        self._tiffs: dict[tuple[int, int], bytes] = {}
        self._thumbnails: dict[str, tuple[int, int]] = {}

    def of(self, verb: str, path: str, body: bytes):
        if path.startswith("/figures"):
            return 0, lambda: _json(self._server.figures.to_json())
        if "/$discovery/" in path or path.startswith("/%24discovery"):
            return 0, lambda: ("application/json", self._discovery)
        if path.split("?")[0].endswith("/algorithms"):
            return 0, lambda: ("application/json", self._algorithms)
        if "image:computePixels" in path:
            return 1, lambda: ("application/octet-stream", self._npy(*_size(body)))
        if path.split("?")[0].endswith("/thumbnails"):
            return URL_SHARE, lambda: self._thumbnail(body)
        if "/thumbnails/" in path:
            name = path.split("?")[0].rpartition("/")[2].partition(":")[0]
            return 1, lambda: ("image/tiff", self._tiff(*self._thumbnails[name]))
        if "value:compute" in path:
            return 0, lambda: _json({"result": _value(body)})
        return 0, lambda: _json({})

    def _thumbnail(self, body: bytes) -> tuple[str, bytes]:
        name = f"{len(self._thumbnails):08d}"
        self._thumbnails[name] = _cut(body)
        return _json({"name": f"projects/local/thumbnails/{name}"})

    def _npy(self, height: int, width: int) -> bytes:
        if (height, width) not in self._pixels:
            stream = io.BytesIO()
            np.save(stream, np.zeros((height, width), [(band, "<f4") for band in BANDS]))
            self._pixels[height, width] = stream.getvalue()
        return self._pixels[height, width]

    def _tiff(self, height: int, width: int) -> bytes:
        if (height, width) not in self._tiffs:
            from rasterio import Affine
            from rasterio.io import MemoryFile

            profile = {"driver": "GTiff", "height": height, "width": width, "count": 1, "dtype": "float32"}
            georeference = {"crs": "EPSG:32650", "transform": Affine(10, 0, 200_000, 0, -10, 3_400_000)}
            with MemoryFile() as memory:
                with memory.open(**profile, **georeference) as target:
                    target.write(np.zeros((1, height, width), np.float32))
                self._tiffs[height, width] = memory.read()
        return self._tiffs[height, width]


def _size(body: bytes) -> tuple[int, int]:
    """Height and width of a request's grid."""
    matches = [re.search(rb'"%b": ?(\d+)' % name, body) for name in (b"height", b"width")]
    return int(matches[0][1]), int(matches[1][1])


def _cut(body: bytes) -> tuple[int, int]:
    """Height and width that getDownloadURL and prepareForExport fold into the graph, as a rectangle of pixels."""
    corners = re.findall(rb'"coordinates": ?\{"constantValue": ?\[0, ?0, ?(\d+), ?(\d+)\]', body)
    width, height = corners[-1]
    return int(height), int(width)


def _value(body: bytes) -> Any:
    """What Xee asks of a collection, and geedim of its image of one band, before they begin."""
    if b"reduceColumns" in body:
        times = [list(range(7)), [86_400_000 * day for day in range(7)]]
        return [7, {}, _image(BANDS, (128, 128)), times]
    return _image(BANDS[:1], _cut(body))


def _image(bands: tuple[str, ...], shape: tuple[int, int]) -> dict[str, Any]:
    band = {
        "data_type": {"type": "PixelType", "precision": "float"},
        "crs": "EPSG:32650",
        "crs_transform": [10, 0, 200_000, 0, -10, 3_400_000],
        "dimensions": [shape[1], shape[0]],
    }
    properties = {"system:index": "0", "system:time_start": 0}
    return {"type": "Image", "properties": properties, "bands": [{"id": name, **band} for name in bands]}


def _discovery(root: str) -> bytes:
    """The description of the API that the `ee` wheel has for its tests, with today's version and this address."""
    text = files("ee").joinpath("tests", "cloud_api_discovery_document.json").read_text(encoding="utf-8")
    document = json.loads(text.replace("v1alpha/", "v1/"))
    document.update(rootUrl=f"{root}/", baseUrl=f"{root}/", version="v1")
    return json.dumps(document).encode()


def _json(document: Any) -> tuple[str, bytes]:
    return "application/json", json.dumps(document).encode()


def _error(code: int, message: str, status: str) -> tuple[str, bytes]:
    return _json({"error": {"code": code, "message": message, "status": status}})


async def serve(setting: Setting) -> None:
    """Serves on a free port of this machine, which is printed."""
    loop, server = asyncio.get_running_loop(), Server(setting)
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    answers = Answers(server, f"http://127.0.0.1:{listening.getsockname()[1]}")
    running = await loop.create_server(lambda: Connection(server, answers), sock=listening)
    print(listening.getsockname()[1], flush=True)
    await running.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Setting(**json.loads(sys.argv[1]))))
