"""What a client sends costs the engine a bounded time and a bounded memory."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from local_ee import LocalEngine
from local_ee.rest import bodies, connections
from local_ee.storage import multipart
from local_ee.storage.objects import StorageError
from local_ee.testing.small import catalog, storage_client
from tests.support.raw_http import exchange, read_answer, request

BUCKET = "bounded"
UPLOAD = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=n"
CONFIG = "/v1/projects/local/config"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(catalog(8, 8), tmp_path) as running:
        storage_client(running.url).create_bucket(BUCKET)
        yield running


def connection(engine: LocalEngine) -> socket.socket:
    return socket.create_connection(("127.0.0.1", engine.port), timeout=300)


def prompt_connection(engine: LocalEngine, sent: bytes) -> socket.socket:
    """A connection whose head left within a tenth of its time: a busy machine may hold up the first ones for longer."""
    while True:
        began = time.monotonic()
        line = connection(engine)
        with suppress(ConnectionError):
            line.sendall(sent)
            if time.monotonic() - began < connections.HEAD_S / 10:
                return line
        line.close()


def is_closed(line: socket.socket) -> bool:
    """Whether the engine ends a connection, without a word."""
    try:
        return line.recv(100) == b""
    except ConnectionResetError:
        return True


def head(engine: LocalEngine, path: str, **headers: str) -> bytes:
    fields = {"Authorization": f"Bearer {engine.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
    return request("POST", path, fields, port=engine.port)


# Connections


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "])
def test_a_connection_whose_head_does_not_come_is_closed(engine, monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_S", 0.1)
    with connection(engine) as line:
        with suppress(ConnectionError):  # it may be closed by now
            line.sendall(sent)
        assert is_closed(line)


def test_a_head_that_drips_is_closed_as_well(engine, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 0.5)
    with connection(engine) as line, pytest.raises((ConnectionError, BrokenPipeError)):
        for _ in range(600):
            line.sendall(b"X")
            line.settimeout(0.1)
            try:
                if line.recv(1) == b"":
                    raise ConnectionError
            except TimeoutError:
                continue


def test_the_second_head_of_a_connection_has_its_time_too(engine, monkeypatch):
    monkeypatch.setattr(connections, "HEAD_S", 1.0)
    sent = request("GET", CONFIG, {"Authorization": f"Bearer {engine.token}"}, port=engine.port)
    with prompt_connection(engine, sent) as line:
        assert read_answer(line).status == 200
        line.sendall(b"GET / HT")
        assert is_closed(line)


def test_an_idle_connection_that_was_used_stays_open(engine, monkeypatch):
    """Clients keep connections for their next request: only a head that has begun is awaited."""
    monkeypatch.setattr(connections, "HEAD_S", 0.2)
    sent = request("GET", CONFIG, {"Authorization": f"Bearer {engine.token}"}, port=engine.port)
    with prompt_connection(engine, sent) as line:
        assert read_answer(line).status == 200
        line.settimeout(0.6)
        with pytest.raises(TimeoutError):
            line.recv(1)
        line.settimeout(60)
        line.sendall(sent)
        assert read_answer(line).status == 200


def test_one_connection_too_many_is_told_so_and_others_go_on(engine, monkeypatch):
    sent = request("GET", CONFIG, {"Authorization": f"Bearer {engine.token}"}, port=engine.port)
    with connection(engine) as first, connection(engine) as second:
        for line in (first, second):
            line.sendall(sent)
            assert read_answer(line).status == 200
        monkeypatch.setattr(connections, "most_connections", lambda: 2)
        with connection(engine) as third:
            answer = read_answer(third)
        assert answer.status == 503 and "too many open connections" in json.loads(answer.body)["error"]["message"]
        first.sendall(sent)
        assert read_answer(first).status == 200


def test_the_number_of_connections_leaves_files_for_the_work(monkeypatch):
    for most, expected in ((1024, 512), (8, 16), (10**6, 1000), (None, 1000)):
        monkeypatch.setattr(connections, "most_open_files", lambda most=most: most)
        assert connections.most_connections() == expected


# Time and size of bodies


@pytest.mark.parametrize("path", [UPLOAD, "/v1/projects/local/value:compute", "/storage/v1/b?project=local"])
def test_a_body_that_does_not_come_ends_in_408(engine, monkeypatch, path):
    monkeypatch.setattr(bodies, "PATIENCE_S", 0.2)
    with connection(engine) as line:
        line.sendall(head(engine, path, Content_Length="1000", Content_Type="application/json") + b"{")
        answer = read_answer(line)
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert "came too slowly: 1 bytes" in json.loads(answer.body)["error"]["message"]
        assert line.recv(1) == b""
    assert list(storage_client(engine.url).list_blobs(BUCKET)) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait for a piece takes 10 s, without taking them."""
    ticks = itertools.count(0, 10)
    monkeypatch.setattr(bodies, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def test_what_comes_steadily_may_take_long(monkeypatch, clock):
    """The time grows with what has arrived: 3 pieces of 100 bytes take 30 s, 15 s being the first patience."""
    monkeypatch.setattr(bodies, "PATIENCE_S", 15)
    monkeypatch.setattr(bodies, "SLOWEST_BYTES_PER_S", 1)
    pieces = [b"x" * 100] * 3

    async def receive() -> dict:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": pieces.pop(), "more_body": bool(pieces)}

    assert asyncio.run(_received(receive, {"transfer-encoding": "chunked"})) == (300, None)


def test_drops_are_not_steady(monkeypatch, clock):
    monkeypatch.setattr(bodies, "PATIENCE_S", 35)

    async def receive() -> dict:
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b"x", "more_body": True}

    assert asyncio.run(_received(receive, {"transfer-encoding": "chunked"})) == (4, 408)


def test_a_body_without_end_is_413(monkeypatch):
    monkeypatch.setattr(bodies, "MAX_BODY_BYTES", 1000)

    async def receive() -> dict:
        return {"type": "http.request", "body": bytes(300), "more_body": True}

    assert asyncio.run(_received(receive, {"transfer-encoding": "chunked"})) == (1200, 413)


def test_a_body_that_says_it_is_too_large_is_not_read(monkeypatch):
    async def receive() -> dict:
        raise AssertionError("it was read")

    assert asyncio.run(_received(receive, {"content-length": str(bodies.MAX_BODY_BYTES + 1)})) == (0, 413)


async def _received(receive, headers: dict[str, str]) -> tuple[int, int | None]:
    """Bytes that an application behind the limits receives, and the status of the refusal, if any."""
    size, sent = 0, []

    async def app(scope, inner, send) -> None:
        nonlocal size
        while (message := await inner())["type"] == "http.request":
            size += len(message["body"])
            if not message["more_body"]:
                return

    async def send(message) -> None:
        sent.append(message)

    encoded = [(key.encode(), value.encode()) for key, value in headers.items()]
    await bodies.BoundedBodies(app)({"type": "http", "path": "/v1", "headers": encoded}, receive, send)
    return size, sent[0]["status"] if sent else None


def test_the_refusal_of_a_large_body_reaches_its_sender(engine):
    """8 MB fill the buffers of both sides: without being read, the sender would see a reset connection."""
    answer = exchange(engine, request("POST", UPLOAD, {}, bytes(8 << 20), port=engine.port))
    assert answer.status == 403 and b"wants its token" in answer.body


def test_a_body_that_is_announced_is_not_called_for_when_it_is_refused(engine):
    answer = exchange(
        engine, request("POST", UPLOAD, {"Expect": "100-continue", "Content-Length": "100"}, port=engine.port)
    )
    assert (answer.status, answer.headers["connection"]) == (403, "close")


def test_json_that_is_too_large_is_a_sentence(engine):
    reply = requests.post(f"{engine.url}/storage/v1/b", json={"name": "x" * (2 << 20)}, timeout=300)
    assert reply.status_code == 400 and "too large for JSON" in reply.text


def test_nothing_is_left_of_large_uploads(engine):
    for name in ("one", "two"):
        reply = requests.post(f"{engine.url}{UPLOAD}{name}", data=bytes(3 << 20), timeout=300)
        assert reply.json()["size"] == str(3 << 20)
    assert list(engine.home.uploads.iterdir()) == []


# Memory

PROGRAM = """
import sys, pathlib
from local_ee import LocalEngine
from local_ee.testing.small import catalog
with LocalEngine(catalog(8, 8), pathlib.Path(sys.argv[1])) as engine:
    print(engine.url, flush=True)
    for _ in sys.stdin:
        status = pathlib.Path("/proc/self/status").read_text().split()
        print(status[status.index("VmHWM:") + 1], flush=True)
"""
LARGE = 64 << 20
PIECE = bytes(1 << 20)
ALLOWED_KB = 24 << 10


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen, str]]:
    """An engine in a process of its own, and its address."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("apart"))]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, env=environment, **pipes) as process:
        url = process.stdout.readline().strip()
        storage_client(url).create_bucket(BUCKET)
        yield process, url
        process.stdin.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("way", ["media", "multipart"])
def test_an_upload_of_64_mb_takes_no_memory(apart, way):
    """The most memory that the process ever had, before and after; by POST, which was held in memory whole."""
    process, url = apart
    _upload(url, way, 2)
    before = _peak_kb(process)
    size = _upload(url, way, LARGE >> 20)
    grown = _peak_kb(process) - before
    print(f"{way}: {grown} kB more")
    assert size == LARGE and grown < ALLOWED_KB


def _peak_kb(process: subprocess.Popen) -> int:
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def _upload(url: str, way: str, pieces: int) -> int:
    """The size of the object that was stored of so many pieces."""
    head, tail = b"", b""
    if way == "multipart":
        head = b'--b\r\ncontent-type: application/json\r\n\r\n{"name": "n"}\r\n--b\r\ncontent-type: a/b\r\n\r\n'
        tail = b"\r\n--b--\r\n"

    def stream() -> Iterator[bytes]:
        yield head
        yield from (PIECE for _ in range(pieces))
        yield tail

    headers = {"content-type": "multipart/related; boundary=b" if way == "multipart" else "a/b"}
    address = f"{url}/upload/storage/v1/b/{BUCKET}/o?uploadType={way}&name=n"
    reply = requests.post(address, data=filter(None, stream()), headers=headers, timeout=300)
    return int(reply.json()["size"])


# Multipart bodies, of which only the ends are read


@given(
    content=st.binary(max_size=200) | st.integers(0, 9000).map(bytes),
    boundary=st.text("ab=-'", min_size=1, max_size=20),
    newline=st.sampled_from([b"\r\n", b"\n"]),
    epilogue=st.sampled_from([b"", b"\r\n", b"\nmore"]),
)
def test_the_content_of_a_multipart_body_is_found(content, boundary, newline, epilogue):
    mark = b"--" + boundary.encode()
    if mark in content:
        return
    parts = [mark, b"Content-Type: application/json", b"", b'{"name": "n"}', mark, b"content-type: a/b", b"", content]
    body = newline.join(parts) + newline + mark + b"--" + epilogue
    if newline == b"\n" and content.endswith(b"\r"):
        return
    upload = multipart.content(io.BytesIO(body), f'multipart/related; boundary="{boundary}"')
    assert upload.attributes == {"name": "n", "contentType": "a/b"}
    assert body[upload.start : upload.stop] == content


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b",
        b"--b\r\n\r\n{}\r\n--b--",
        b"--b\r\n\r\n{}\r\n--b\r\na: b\r\n\r\nxyz",
        b"--b\r\n\r\n[]\r\n--b\r\n\r\n--b--",
    ],
)
def test_a_malformed_multipart_body_is_refused(body):
    with pytest.raises(StorageError) as error:
        multipart.content(io.BytesIO(body), "multipart/related; boundary=b")
    assert error.value.status == 400


def test_parts_without_headers_are_read(tmp_path):
    body = io.BytesIO(b"--b\r\n\r\n{}\r\n--b\r\n\r\nxyz\r\n--b--")
    multipart.content(body, "multipart/related; boundary=b").copy_to(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"xyz"
