"""Hostile HTTP requests, the same for a seed: paths, queries, headers, ranges and bodies that no client sends."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

SECRET = "/etc/passwd"  # every machine has it; no reply may hold its first line
SEGMENTS = (
    *["..", ".", "%2e%2e", "..%2f..%2f..%2fetc%2fpasswd", "%00", "%0d%0aX-Split:%201", "~", "*", "%", "%zz"],
    *("a" * 3000, "9" * 400),
    *["-1", "0", "1e309", "NaN", "None", "%ff%fe", "%f0%9f%92%a3", "'", '"', "<script>", "{}", "..%5c..%5c"],
    *["%2e%2e%2f%2e%2e%2fetc%2fpasswd", "vsicurl", "%252e%252e%252f", "con", "file:", "http:%2f%2f127.0.0.1:1", ";"],
)
HEADERS = (
    *(("Range", value) for value in ("bytes=0-", "bytes=5-2", "bytes=-1", "bytes=0-0,1-1,2-2", "bytes=99999999999-")),
    *(("Range", value) for value in ("bytes=a-b", "lines=1-2", "bytes=" + "0-0," * 500, "bytes=-" + "9" * 400)),
    *(("Host", value) for value in ("evil.example", "127.0.0.1", "", "a" * 500, "127.0.0.1:1@evil")),
    *(("Origin", value) for value in ("null", "http://evil.example", "file://", "http://[")),
    *(("Authorization", value) for value in ("Bearer", "Basic Og==", "Bearer " + "x" * 5000, "Bearer \xff")),
    *(("Content-Type", value) for value in ("text/plain", "multipart/form-data", "application/json; charset=utf-99")),
    *(("If-None-Match", value) for value in ("*", '"' * 300, "W/")),
    *(("If-Modified-Since", value) for value in ("yesterday", "Thu, 99 Jan 9999 99:99:99 GMT")),
    *(("Accept", "*/*;q=" + "9" * 300), ("Accept-Encoding", "gzip;q=x"), ("Cookie", "a=" + "b" * 3000)),
    *(("X-Forwarded-For", "1.2.3.4, " * 200), ("Expect", "100-continue"), ("Upgrade", "h2c"), ("Connection", "close")),
    *(("Content-Encoding", "gzip"), ("X-HTTP-Method-Override", "DELETE"), ("X-Goog-Upload-Command", "finalize")),
    *(("Content-Range", "bytes 9-1/x"), ("Content-Length", "-5"), ("Content-Length", "5, 6"), ("TE", "\x80")),
)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get", "A" * 200)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**400, 1e308, 0.5, "", "a", "../../etc/passwd", SECRET),
    *("/vsicurl/http://127.0.0.1:1/", "gs://b/../c", "\ud800", "\0", "a" * 4000, [], {}, [[]], [None] * 50),
    *({"a": {"b": {}}}, [1e400, -1e400], "2019-06", "2019-99", "wuhan", [114, 30, 114.01, 30.01]),
    *([999, 0, -999, 0], {"type": "Polygon", "coordinates": 5}),
)
BODIES = (b"", b"{", b"null", b"\xff\xfe", b"[" * 20_000, b'{"a":' * 5_000, b'{"a": NaN}', b"1" * 9_000, b"\0" * 100)
BARE = 0.25  # share of requests that are as a client sends them


@dataclass(frozen=True)
class Address:
    """A route of a server. path: with {} for the parts that vary; parts: good values of these; body: a good one."""

    method: str
    path: str
    parts: tuple[str, ...] = ()
    queries: tuple[str, ...] = ("",)
    body: Any = None


@dataclass(frozen=True)
class Target:
    """What is attacked. host: NAME:PORT; credentials: headers of a caller by number; base: before every path."""

    host: str
    addresses: tuple[Address, ...]
    credentials: Callable[[int], list[tuple[str, str]]]
    base: str = ""


def request(target: Target, index: int, seed: int) -> bytes:
    """The bytes of the request of an index."""
    chance = random.Random(f"{seed}/http/{index}")
    address = chance.choice(target.addresses)
    is_bare = chance.random() < BARE
    method = address.method if is_bare or chance.random() < 0.85 else chance.choice(METHODS)
    path = _path(address, chance, is_bare) + _query(address, chance, is_bare)
    body = _body(address, chance, is_bare)
    headers = [("Host", target.host), *target.credentials(index)]
    if body:
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    for name, value in chance.sample(HEADERS, 0 if is_bare else chance.choice((0, 0, 1, 2))):
        headers = [each for each in headers if each[0] != name or chance.random() < 0.1] + [(name, value)]
    lines = [f"{method} {target.base}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + body


def _path(address: Address, chance: random.Random, is_bare: bool) -> str:
    def part(good: str) -> str:
        return good if is_bare or chance.random() < 0.6 else chance.choice(SEGMENTS)

    path = address.path.format(*map(part, address.parts))
    if not is_bare and chance.random() < 0.1:
        path = chance.choice(
            (f"{path}/", f"/{path}", path + "/" + chance.choice(SEGMENTS), "/" + chance.choice(SEGMENTS))
        )
    return path.replace(" ", "%20")


def _query(address: Address, chance: random.Random, is_bare: bool) -> str:
    query = chance.choice(address.queries)
    if is_bare or chance.random() < 0.5:
        return f"?{query}" if query else ""
    names = [pair.partition("=")[0] for pair in query.split("&") if pair] or ["limit", "a"]
    pairs = [f"{chance.choice(names)}={_text(chance.choice(VALUES))}" for _ in range(chance.randint(1, 3))]
    return "?" + "&".join(pairs)


def _text(value: Any) -> str:
    return quote(str(value)[:4000], errors="replace")


def _body(address: Address, chance: random.Random, is_bare: bool) -> bytes:
    if address.body is None:
        return b"" if is_bare or chance.random() < 0.95 else chance.choice(BODIES)
    if not is_bare and chance.random() < 0.1:
        return chance.choice(BODIES)
    document = address.body if is_bare else _changed(address.body, chance)
    body = json.dumps(document).encode()
    return body[: chance.randrange(len(body) + 1)] if not is_bare and chance.random() < 0.05 else body


def _changed(document: Any, chance: random.Random) -> Any:
    """The document with about one of its values in place of another, at any depth."""
    if chance.random() < 0.2:
        return chance.choice(VALUES)
    if isinstance(document, dict) and document:
        key = chance.choice(list(document))
        return {**document, key: _changed(document[key], chance)} if chance.random() < 0.9 else {**document, "odd": key}
    if isinstance(document, list) and document:
        position = chance.randrange(len(document))
        return [*document[:position], _changed(document[position], chance), *document[position + 1 :]]
    return chance.choice(VALUES)
