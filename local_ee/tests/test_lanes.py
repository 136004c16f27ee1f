"""Values, metadata and pixels do not wait for each other, and what nobody waits for ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import ee
import numpy as np
import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from local_ee import LocalEngine
from local_ee.limits import Limits
from local_ee.testing.small import SmallCatalog
from tests.support.served import ROOT, Served, message, served

ENDLESS_S = 600.0  # longer than any test


class Gated(SmallCatalog):
    """A catalog whose pixels come only once the gate opens."""

    gate = threading.Event()
    readers = threading.Semaphore(0)  # released at every read that begins

    def _read(self, names, geobox):
        self.readers.release()
        assert self.gate.wait(ENDLESS_S)
        return super()._read(names, geobox)


@pytest.fixture
def gated(tmp_path: Path, reconnected) -> Iterator[tuple[LocalEngine, type[Gated]]]:
    """An engine of two pixel threads over a catalog with a closed gate."""
    Gated.gate, Gated.readers = threading.Event(), threading.Semaphore(0)
    small = Gated({"B2": np.ones((64, 64), np.uint16)}, np.ones((64, 64), bool))
    with LocalEngine(small, tmp_path, workers=2) as running:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=running.url)
        yield running, Gated
        Gated.gate.set()


def pixels_url(engine: LocalEngine) -> str:
    return f"{engine.url}/v1/projects/local/image:computePixels"


def pixels_body(image: ee.Image) -> dict:
    size = {"width": 8, "height": 8}
    transform = {"scaleX": 10, "translateX": 300_000, "scaleY": -10, "translateY": 3_400_000}
    placed = {"dimensions": size, "affineTransform": transform, "crsCode": "EPSG:32650"}
    return {"expression": ee.serializer.encode(image, for_cloud_api=True), "fileFormat": "NPY", "grid": placed}


def reduced() -> ee.ComputedObject:
    return ee.Image("SMALL/ONE").reduceRegion("mean", ee.Image("SMALL/ONE").geometry(), 10)


def test_a_sum_passes_pixels_and_reductions_that_wait(gated):
    """Both pixel threads and both turns of reductions are taken, and more of each wait behind them."""
    engine, gate = gated
    url, body = pixels_url(engine), pixels_body(ee.Image("SMALL/ONE"))
    with ThreadPoolExecutor(12) as clients:
        images = [clients.submit(requests.post, url, json=body, timeout=ENDLESS_S) for _ in range(4)]
        numbers = [clients.submit(reduced().getInfo) for _ in range(6)]
        for _ in range(4):
            assert gate.readers.acquire(timeout=300)
        assert ee.Number(1).add(2).getInfo() == 3
        assert not any(future.done() for future in (*images, *numbers))
        gate.gate.set()
        assert [future.result(60).status_code for future in images] == [200] * 4
        assert [future.result(60) for future in numbers] == [{"B2": 1}] * 6


def test_metadata_pass_pixels_that_wait(gated):
    engine, gate = gated
    url, body = pixels_url(engine), pixels_body(ee.Image("SMALL/ONE"))
    with ThreadPoolExecutor(2) as clients:
        images = [clients.submit(requests.post, url, json=body, timeout=ENDLESS_S) for _ in range(2)]
        assert gate.readers.acquire(timeout=300) and gate.readers.acquire(timeout=300)
        assert ee.data.getAsset("SMALL/ONE")["type"] == "IMAGE"
        assert not any(future.done() for future in images)
        gate.gate.set()


@pytest.mark.long
def test_a_client_that_leaves_frees_its_thread(session, tmp_path):
    """Both threads are taken by requests without end; the third is computed once their clients have left."""
    with served(tmp_path, seconds=ENDLESS_S) as engine:
        slow = pixels_body(ee.Image("USGS/SRTMGL1_003").focalMedian(100, "square", "pixels"))
        slow["grid"] = around_wuhan(500, 1e-4)
        with pytest.raises(requests.Timeout):
            requests.post(pixels_url(engine), json=slow, timeout=5)
        with pytest.raises(requests.Timeout):
            requests.post(pixels_url(engine), json=slow, timeout=5)
        reply = engine.pixels(ee.Image(1), around_wuhan(4, 1e-4))
        assert reply.status_code == 200, message(reply)


def around_wuhan(side: int, step_deg: float) -> dict:
    transform = {"scaleX": step_deg, "translateX": 114.3, "scaleY": -step_deg, "translateY": 30.6}
    return {"dimensions": {"width": side, "height": side}, "affineTransform": transform, "crsCode": "EPSG:4326"}


@pytest.mark.long
def test_pixels_end_at_the_deadline(session, tmp_path):
    with served(tmp_path, seconds=2) as engine:
        image = ee.Image("USGS/SRTMGL1_003").focalMedian(100, "square", "pixels")
        assert message(engine.pixels(image, around_wuhan(500, 1e-4))) == "Computation timed out."


@pytest.mark.long
def test_lists_that_grow_together_end_at_the_memory_limit(session, tmp_path):
    """Each list is small enough; all together are not."""
    lists = ee.List.sequence(1, 2000).map(lambda number: ee.List.sequence(number, ee.Number(number).add(100_000)))
    with served(tmp_path, seconds=ENDLESS_S, memory_bytes=300 << 20) as engine:
        assert message(engine.compute(lists)) == "User memory limit exceeded."
        assert engine.compute(ee.Number(1)).json() == {"result": 1}


def tile(engine: Served, image: ee.Image, place: str) -> requests.Response:
    body = {"expression": ee.serializer.encode(image, for_cloud_api=True), "fileFormat": "PNG"}
    name = requests.post(f"{engine.url}/v1/projects/local/maps", json=body, timeout=300).json()["name"]
    return requests.get(f"{engine.url}/v1/{name}/tiles/{place}", timeout=300)


def test_a_tile_of_a_continent_is_answered_where_the_source_is_a_formula(session, tmp_path):
    with served(tmp_path, seconds=ENDLESS_S) as engine:
        reply = tile(engine, ee.Image("USGS/SRTMGL1_003").visualize(min=0, max=3000), "3/6/3")
        assert reply.status_code == 200 and reply.content.startswith(b"\x89PNG"), message(reply)


def test_a_tile_of_a_continent_is_refused_at_once_where_every_pixel_would_be_drawn(session, tmp_path):
    with served(tmp_path, seconds=ENDLESS_S) as engine:
        reply = tile(engine, ee.Image("Tsinghua/FROM-GLC/GAIA/v10").add(2), "3/6/3")
        assert "pixels of the input at its own scale" in message(reply)


def test_a_glob_that_backtracks_is_answered(session, tmp_path):
    with served(tmp_path, seconds=ENDLESS_S) as engine:
        bucket = f"{engine.url}/storage/v1/b"
        requests.post(bucket, json={"name": "named"}, timeout=300)
        upload = f"{engine.url}/upload/storage/v1/b/named/o"
        requests.post(upload, params={"uploadType": "media", "name": "a" * 200}, data=b"x", timeout=300)
        found = requests.get(f"{bucket}/named/o", params={"matchGlob": "*a" * 25}, timeout=300).json()["items"]
        missing = requests.get(f"{bucket}/named/o", params={"matchGlob": "*a" * 25 + "b"}, timeout=300).json()
        assert len(found) == 1 and not missing.get("items")


def busy(engine: Served | LocalEngine) -> None:
    """Sends one computation without end and leaves the connection open."""
    body = {"expression": ee.serializer.encode(endless(), for_cloud_api=True)}
    request = requests.Request("POST", f"{engine.url}/v1/projects/local/value:compute", json=body).prepare()
    head = f"POST {request.path_url} HTTP/1.1\r\nHost: {urlsplit(engine.url).netloc}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n\r\n"
    connection = socket.create_connection(("127.0.0.1", urlsplit(engine.url).port))
    connection.sendall(head.encode() + request.body)
    _open.append(connection)


_open: list[socket.socket] = []


def endless() -> ee.ComputedObject:
    count = ee.List.sequence(0, 2e6)
    return count.iterate(lambda _, total: count.iterate(lambda x, last: ee.Number(x).add(last), total), 0)


@pytest.mark.parametrize("sign", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_signal_ends_the_command_while_it_computes(sign, session, tmp_path):
    command = [sys.executable, "-m", "local_ee", "serve", "--port", "0"]
    environment = {**os.environ, "ISAMAP_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        line = next(line for line in process.stdout if "http://" in line)
        engine = Served(process, line.split(" at ")[1].split(" ")[0])
        for _ in range(3):
            busy(engine)
        assert engine.compute(ee.Number(1).add(2)).json() == {"result": 3}
        process.send_signal(sign)
        assert process.wait(120) == 0
    finally:
        process.kill()


def test_an_engine_in_the_process_stops_while_it_computes(session, tmp_path):
    """No thread of the engine is left."""
    endless()  # the shared engine is asked for its algorithms, by threads that stay
    before = set(threading.enumerate())
    small = SmallCatalog({"B2": np.ones((8, 8), np.uint16)}, np.ones((8, 8), bool))
    with LocalEngine(small, tmp_path, limits=Limits(computation_seconds=ENDLESS_S)) as engine:
        busy(engine)
        time.sleep(1)
        own = set(threading.enumerate()) - before
    for thread in own:
        thread.join(60)
    assert own and not any(thread.is_alive() for thread in own)
