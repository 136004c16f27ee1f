"""Public archives on the loopback address: searches, tokens and files with ranges, and the ways in which they fail.

One server stands for every host of `providers.HOSTS`, told apart by the Host header. Files and items are those of the
recorded archive (../shared/data/open), or small ones made here.
"""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from shapely.geometry import box, shape

from local_ee.open import hosts, providers
from local_ee.open.catalog import OpenCatalog
from local_ee.open.hosts import Hosts

TOKEN = "sv=2026-01-01&sig=secret%2Btoken"
PLACEHOLDER = "https://archive.test"  # of the recorded items
# Recorded answers and pixels: beside the repository or further up, never in it (see its README.txt)
SHARED = next(
    (folder for parent in Path(__file__).resolve().parents if (folder := parent / "shared" / "data" / "open").is_dir()),
    Path("shared/data/open"),
)
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="no recorded archives in ../shared/data/open")
_PREFIXES = {
    "/sentinel-2-c1-l2a/": providers.C1_BUCKET,
    "/sentinel1-grd-rtc/": providers.S1_BLOBS,
}


@dataclass(frozen=True)
class Asked:
    """A request that came: its number from 1, host, path with query, and its range or None."""

    number: int
    host: str
    path: str
    range: str | None
    method: str
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def is_file(self) -> bool:
        return self.range is not None


@dataclass(frozen=True)
class Fault:
    """How a request is answered instead; kind: see `_struck`."""

    kind: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wait_s: float = 0.0


Plan = Callable[[Asked], Fault | None]


@dataclass
class Archive:
    """The server: `files` by https address, `items` of all collections. faults: asked about every request."""

    files: dict[str, bytes] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    faults: Plan = lambda asked: None
    page_items: int = 7
    wait_s: float = 0.0
    token: str = TOKEN
    etags: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    sent_bytes: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        return self._server.server_address[1]

    @property
    def loopback(self) -> dict[str, int]:
        return dict.fromkeys(providers.HOSTS, self.port)

    def catalog(self, folder: Path, **options: Any) -> OpenCatalog:
        """A catalog that asks this server, keeping what it fetches in the folder; pauses are not slept."""
        offline = options.pop("offline", False)
        asking = Hosts(providers.HOSTS, self.loopback, offline, sleep=lambda seconds: time.sleep(min(seconds, 0.002)))
        return OpenCatalog(folder, hosts=asking, **options)

    @contextmanager
    def standing_in(self) -> Iterator[None]:
        """Lets every catalog of this process ask this server."""
        before = dict(hosts.LOOPBACK)
        hosts.LOOPBACK.update(self.loopback)
        try:
            yield
        finally:
            hosts.LOOPBACK.clear()
            hosts.LOOPBACK.update(before)

    def paths(self) -> list[str]:
        """The files that were asked for, in order."""
        return [request.path.partition("?")[0] for request in self.asked if request.is_file]

    def __enter__(self) -> Archive:
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def note(self, host: str, path: str, range_: str | None, method: str, body: dict[str, Any]) -> Asked:
        with self._lock:
            request = Asked(len(self.asked) + 1, host, path, range_, method, body)
            self.asked.append(request)
            return request


def recorded(root: Path = SHARED) -> Archive:
    """The archive of 20 Sentinel-2 and 10 Sentinel-1 dates and the WorldCover tile in ../shared/data/open."""
    files = {}
    for path in (root / "archive").rglob("*.tif*"):
        name = f"/{path.relative_to(root / 'archive').as_posix()}"
        files[f"https://{_host_of(name)}{name}"] = path.read_bytes()
    items = json.loads((root / "archive" / "items.json").read_text())
    tile = "ESA_WorldCover_10m_2021_v200_N00E006_Map.tif"
    files[f"https://{providers.WORLDCOVER_BUCKET}/v200/2021/map/{tile}"] = (root / "other-items" / tile).read_bytes()
    return Archive(files, [_placed(item) for item in items])


def _placed(item: dict[str, Any]) -> dict[str, Any]:
    """The item with its archive's own addresses, and the collection that its template lost."""
    for asset in item["assets"].values():
        name = asset["href"].removeprefix(PLACEHOLDER)
        asset["href"] = f"https://{_host_of(name)}{name}"
    is_optical = item["id"].startswith("S2")
    return {**item, "collection": "sentinel-2-c1-l2a" if is_optical else "sentinel-1-rtc"}


def _host_of(path: str) -> str:
    return next(host for prefix, host in _PREFIXES.items() if path.startswith(prefix))


def schedule(seed: int, share: float = 0.25, *, wait: str = "0") -> Plan:
    """Faults drawn by a seed for a share of all requests, never so many in a row that every try is used up."""
    kinds = [
        Fault("status", 429, {"Retry-After": wait}),
        Fault("status", 503),
        Fault("status", 502, body=b"<html>Bad Gateway</html>"),
        Fault("short"),
        Fault("close"),
        Fault("status", 500, {"Retry-After": wait}),
    ]
    drawn = random.Random(seed)
    guard = threading.Lock()
    row: dict[tuple[str, str | None], int] = {}

    def plan(asked: Asked) -> Fault | None:
        with guard:
            address = asked.path, asked.range or json.dumps(asked.body, sort_keys=True)
            fault = drawn.choice(kinds) if drawn.random() < share and row.get(address, 0) < hosts.TRIES - 2 else None
            row[address] = 0 if fault is None else row.get(address, 0) + 1
            return fault

    return plan


def once(fault: Fault, where: Callable[[Asked], bool] = lambda asked: True) -> Plan:
    """A fault for the first request that fits."""
    left = [fault]
    return lambda asked: left.pop() if left and where(asked) else None


def always(fault: Fault, where: Callable[[Asked], bool] = lambda asked: True) -> Plan:
    """A fault for every request that fits."""
    return lambda asked: fault if where(asked) else None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # or of many connections at once some would wait a second

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is what tests are about."""


def _handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each answer waits 40 ms for the client's word

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer({})

        def do_HEAD(self) -> None:  # as GDAL asks; the catalog never does
            archive.note(self.headers["Host"], self.path, None, self.command, {})
            time.sleep(archive.wait_s)
            content = archive.files.get(f"https:/{self.path}")
            self.send_response_only(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Accept-Ranges", "bytes")
            self.end_headers()

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: dict[str, Any]) -> None:
            host = self.headers["Host"]
            request = archive.note(host, self.path, self.headers.get("Range"), self.command, body)
            if archive.wait_s:
                time.sleep(archive.wait_s)
            fault = archive.faults(request)
            if fault is not None:
                self._strike(fault, request)
            elif request.range is not None:
                self._file(request)
            elif "/api/sas/v1/token/" in self.path:
                ends = datetime.now(UTC) + timedelta(hours=1)
                self._json({"msft:expiry": ends.isoformat(), "token": archive.token})
            elif self.path.endswith("/search"):
                self._json(_page(archive, host, body))
            else:
                self._send(404)

        def _strike(self, fault: Fault, asked: Asked) -> None:
            if fault.wait_s:
                time.sleep(fault.wait_s)
            if fault.kind == "status":
                self._send(fault.status, fault.body, fault.headers)
            elif fault.kind == "close":
                self.close_connection = True
            elif fault.kind == "short":
                self.send_response(206 if asked.is_file else 200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"half")
                self.close_connection = True
            elif fault.kind == "json":
                self._send(200, fault.body, {"Content-Type": "application/json", **fault.headers})
            elif fault.kind == "file":
                self._file(asked, fault)
            else:
                raise AssertionError(fault.kind)

        def _file(self, asked: Asked, fault: Fault | None = None) -> None:
            path, _, query = asked.path.partition("?")
            address = f"https:/{path}" if asked.host.startswith("127.0.0.1") else f"https://{asked.host}{path}"
            content = archive.files.get(address)  # other readers name the host in the path
            if asked.host.endswith("blob.core.windows.net") and query != archive.token:
                return self._send(403, b"<Error>AuthenticationFailed</Error>")
            if content is None:
                return self._send(403 if "amazonaws" in asked.host else 404)
            first, last = (int(edge) for edge in str(asked.range).removeprefix("bytes=").split("-"))
            last = min(last, len(content) - 1)
            headers = {
                "Content-Range": f"bytes {first}-{last}/{len(content)}",
                "ETag": archive.etags.get(path, f'"{len(content)}-{hash(path) & 0xFFFF}"'),
                **(fault.headers if fault else {}),
            }
            piece = content[first : last + 1]
            self._send(206, fault.body if fault and fault.body else piece, headers)

        def _json(self, document: Any) -> None:
            body = json.dumps(document).encode()
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                self._send(200, gzip.compress(body, 1), {"Content-Encoding": "gzip"})
            else:
                self._send(200, body)

        def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC), usegmt=True))
            self.send_header("Content-Length", str(len(body)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            archive.sent_bytes += len(body)  # before whoever asked can look
            self.wfile.write(body)

    return Handler


def _page(archive: Archive, host: str, body: dict[str, Any]) -> dict[str, Any]:
    """One page of a search, by its archive's rules: a `next` link that adds to or replaces the body, or ids."""
    if host == providers.EARTH_SEARCH and "next" in body:
        question, _, start = body["next"].rpartition("#")
        items, start = _chosen(archive, json.loads(question)), int(start)
    else:
        items, start, question = _chosen(archive, body), body.get("_o", 0), json.dumps(body)
    page = items[start : start + archive.page_items]
    links = []
    if host == providers.EARTH_SEARCH and len(items) > start + len(page):
        following = {"next": f"{question}#{start + len(page)}"}
        href = f"https://{host}{urlsplit('/v1/search').path}"
        links.append({"rel": "next", "method": "POST", "href": href, "merge": False, "body": following})
    if host == providers.DE_AFRICA and len(items) > start + len(page):
        links.append({"rel": "next", "method": "POST", "merge": True, "body": {"_o": start + len(page)}})
    return {"type": "FeatureCollection", "features": page, "links": links}


def _chosen(archive: Archive, body: dict[str, Any]) -> list[dict[str, Any]]:
    start, end = (datetime.fromisoformat(text) for text in body["datetime"].split("/"))
    area = box(*body["bbox"]) if "bbox" in body else None
    query = dict(body.get("query", {}))
    after = query.pop("id", {}).get("gt", "")
    items = [
        item
        for item in archive.items
        if item["collection"] in body["collections"]
        and start <= datetime.fromisoformat(item["properties"]["datetime"]) <= end
        and (area is None or shape(item["geometry"]).intersects(area))
        and all(item["properties"].get(name) == rule["eq"] for name, rule in query.items())
        and item["id"] > after
    ]
    return sorted(items, key=lambda item: item["id"])
