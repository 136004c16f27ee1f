"""`isamap serve` as a process: its address, its token, and jobs that outlive killed workers and servers."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import uvicorn

import isamap
from isamap.inference.serve.job import OPEN
from isamap.inference.serve.job_store import JobStore
from isamap.inference.serve.server import _signals_end
from tests.inference.serve.conftest import BBOX, TOWN

ROOT = Path(__file__).resolve().parents[3]
TOKEN = "a-token-of-this-test-that-is-long-enough"
PATIENCE_S = 600.0
MAPPING = {"inputs": {"checkpoint": "run", "bbox": BBOX, "period": "2019-06", "name": "field"}}
START = """\
import sys
from isamap.inference.serve.server import Address, serve
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.tiles.jobs import Server
folder, checkpoint, catalog, workers = sys.argv[1:5]
file = sys.argv[5] if len(sys.argv) > 5 else None
settings = ServiceSettings(folder, checkpoints=(checkpoint,), server=Server(catalog=catalog), lease_s=4.0)
serve(settings, Address(port=0, token_file=file, no_token=file is None), workers=int(workers))
"""


@dataclass
class Running:
    """A server's process and its address."""

    process: subprocess.Popen
    address: str
    token: str = ""

    def ask(self, path: str, body: object = None, method: str | None = None) -> dict:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self.token}"} if self.token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        with urlopen(Request(self.address + path, data, headers, method=method), timeout=120) as reply:
            return json.loads(reply.read())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)


@pytest.fixture
def start(settings, network, plot_folder, engine_home) -> Iterator[Callable[..., Running]]:
    """Starts servers over one folder; those that still run are ended after the test."""
    servers: list[Running] = []

    def make(*further: str, workers: int = 1) -> Running:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ISAMAP_HOME": str(engine_home)}
        told = map(str, (settings.folder, network, plot_folder, workers))
        words = [sys.executable, "-c", START, *told, *further]
        log = (settings.folder.parent / f"server{len(servers)}.log").open("w+")
        process = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        path = Path(log.name)
        until(lambda: "isamap serves" in path.read_text() or process.poll() is not None)
        address = re.search(r"http://127\.0\.0\.1:\d+", path.read_text())
        assert address, path.read_text()
        servers.append(Running(process, address.group()))
        until(lambda: _answers(servers[-1]))
        return servers[-1]

    yield make
    for server in servers:
        server.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.process.wait(60)
        server.process.kill()


def _answers(server: Running) -> bool:
    with contextlib.suppress(OSError):
        return server.ask("/health")["status"] == "ok"
    return False


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


def sample(seed: int) -> dict:
    return {"inputs": {"map": TOWN, "points": 20, "design": "simple", "seed": seed}}


def worker_of(store: JobStore) -> int:
    """The process of the worker that has a job."""
    (job,) = store.jobs(status="running")
    return int(str(job.worker).partition("@")[0])


def ended(store: JobStore) -> bool:
    return not any(job.status in OPEN for job in store.jobs())


@pytest.fixture
def store(settings) -> JobStore:
    """The jobs of the servers that start afterwards."""
    return settings.jobs


@pytest.mark.long
def test_killed_workers_and_a_killed_server_lose_no_job(store, start, town):
    server = start()
    ids = [server.ask("/processes/map/execution", MAPPING)["jobID"]]
    ids += [server.ask("/processes/assess/execution", sample(seed))["jobID"] for seed in range(2)]
    until(lambda: store.job(ids[0]).status == "running")  # the map takes seconds: it cannot end before the next line
    os.kill(worker_of(store), signal.SIGKILL)
    until(lambda: store.job(ids[0]).attempt > 1)
    server.kill()
    second = start()
    assert second.ask("/processes/map/execution", MAPPING)["jobID"] == ids[0]
    until(lambda: ended(store))
    jobs = [store.job(id) for id in ids]
    assert [job.status for job in jobs] == ["successful"] * 3, [job.message for job in jobs]
    assert sum(job.attempt for job in jobs) >= 4
    assert len(store.jobs()) == 3
    assert sorted(row["id"] for row in second.ask("/maps")["maps"]) == [f"field-2019-06-{ids[0][:8]}", TOWN]
    assert second.ask(f"/jobs/{ids[0]}/results")["map"]["href"] == f"/maps/field-2019-06-{ids[0][:8]}"


@pytest.mark.long
def test_workers_end_with_a_killed_server(start, settings, town):
    server = start(workers=1)
    server.ask("/processes/map/execution", MAPPING)
    until(lambda: settings.jobs.jobs(status="running"))
    worker = worker_of(settings.jobs)
    server.kill()
    until(lambda: not Path(f"/proc/{worker}/cmdline").exists() or not Path(f"/proc/{worker}/cmdline").read_bytes())


@pytest.mark.long
def test_a_token_is_asked_for_and_never_written(start, settings, town, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text(TOKEN + "\n")
    tokens.chmod(0o600)
    server = start(str(tokens), workers=0)
    with pytest.raises(HTTPError, match="401"):
        server.ask("/maps")
    server.token = TOKEN
    assert server.ask("/maps")["maps"][0]["id"] == TOWN
    job = server.ask("/processes/assess/execution", sample(1))
    assert job["status"] == "accepted"
    with pytest.raises(HTTPError, match="404"):
        server.ask("/maps/none")
    written = [
        path for path in tmp_path.rglob("*") if path.is_file() and path != tokens and path.stat().st_size < 1 << 20
    ]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]


@pytest.mark.long
def test_sigterm_ends_server_and_workers_in_order(start, settings):
    server = start()
    server.process.terminate()
    assert server.process.wait(120) in (0, 143, -signal.SIGTERM)
    assert "stopped" in (settings.folder.parent / "server0.log").read_text()


def test_a_signal_before_the_server_runs_interrupts_no_import_and_is_raised_at_the_end():
    """An exception in the middle of an import left its lock behind, and the crew's thread waited for it for ever."""
    server = uvicorn.Server(uvicorn.Config(None))
    imported, pictures = False, []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    try:
        with pytest.raises(KeyboardInterrupt), _signals_end(server, lambda: pictures.append("ended")):
            signal.raise_signal(signal.SIGINT)
            imported = True
    finally:
        signal.signal(signal.SIGINT, before)
    assert imported and server.should_exit and pictures == ["ended"]  # nothing waits for one then


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "--host 0.0.0.0 can be reached by others: give --token-file"),
        (["--port", "70000"], "--port 70000: expected 0 to 65535"),
        (["--workers", "99"], "--workers 99: expected 0 to 64"),
        (["--token-file", "nothing"], "--token-file nothing cannot be read"),
        (["--max-area", "0"], "limit area_km2 0.0: expected a number above 0"),
        (["--checkpoint", "runs/a b"], "its name may hold letters"),
        (["--url", "example.org"], "--url example.org: expected http://"),
    ],
)
def test_a_wrong_start_is_refused_in_one_sentence(tmp_path, capsys, words, sentence):
    assert isamap.main(["serve", "--folder", str(tmp_path / "service"), *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "service").exists()


def test_who_reads_the_address_is_not_refused():
    """The address is printed as soon as there is one: clients wait for an answer from then on."""
    from isamap.inference.serve.server import Address, _listening

    with _listening(Address(port=0)) as listening, socket.create_connection(listening.getsockname(), timeout=10):
        pass
