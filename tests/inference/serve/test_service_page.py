"""docs/service.md: its requests are sent as they stand there, and its numbers are those of the code."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import isamap
from isamap.inference.serve import bucket_maps, cache, connections, imagery, painter
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.job_store import MOST_ATTEMPTS
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.tokens import own_token, private_folder
from tests.inference.serve.conftest import BASE, DOOR, TOWN

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # wherever its lines break
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
DISKS = {"/data", "/runs"}  # of the container
REQUESTS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("curl")]


@pytest.fixture
def wuhan(tmp_path, network) -> TestClient:
    """A service whose checkpoint is called wuhan, over the simulated world, with a token, as the page starts it."""
    folder = tmp_path / "runs" / "wuhan"
    folder.parent.mkdir()
    folder.symlink_to(network)
    settings = ServiceSettings(tmp_path / "service", checkpoints=(str(folder),))
    private_folder(settings.folder)
    door = Door(DOOR.names, own_token(settings.folder))
    return TestClient(Service(settings, door).application(), base_url=BASE)


def sent(client: TestClient, line: str, token: str):
    """The reply to a line of curl: its address, its body if it has one, its headers."""
    words = shlex.split(line.replace("$TOKEN", token))
    address = next(word for word in words if word.startswith("http"))
    pairs = [words[at + 1].partition(": ") for at, word in enumerate(words) if word == "-H"]
    headers = {name: value for name, _, value in pairs}
    if "-d" not in words:
        return client.get(address, headers=headers)
    return client.post(address, content=words[words.index("-d") + 1], headers=headers)


def test_the_requests_are_answered_as_they_stand_there(wuhan, tmp_path):
    (line,) = re.findall(r'^TOKEN="(.*)"$', PAGE, re.MULTILINE)
    shown = subprocess.run(["bash", "-c", f'echo "{line}"'], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert client_is_refused(wuhan)
    replies = [sent(wuhan, line, shown.stdout.strip()) for line in REQUESTS]
    assert [reply.status_code for reply in replies] == [200, 201, 200, 200, 200]
    assert replies[0].json()["tiles"] == 1
    assert [job["jobID"] for job in replies[2].json()["jobs"]] == [replies[1].json()["jobID"]]


def client_is_refused(client: TestClient) -> bool:
    """Whether a request without a token is."""
    return client.get("/jobs").status_code == 401


@pytest.mark.parametrize("path", sorted({*re.findall(r"`(?:GET )?(/[a-z.]+)`", PAGE)} - DISKS))
def test_the_addresses_of_the_page_are_there(client, path):
    assert client.get(path).status_code == 200


def test_the_addresses_of_a_map_are_there(client, town):
    west, south, east, north = client.get(f"/maps/{TOWN}").json()["bbox"]
    paths = re.findall(r"`GET /maps/MAP(/(?:tilejson|point|area|download)[^`]*)`", PAGE)
    assert len(paths) == 4
    box = f"{west},{south},{east},{north}"
    values = {"W,S,E,N": box, "lon=114.3&lat=30.58": f"lon={(west + east) / 2}&lat={(south + north) / 2}"}
    for path in paths:
        for words, value in values.items():
            path = path.replace(words, value)
        assert client.get(f"/maps/{TOWN}{path}").status_code == 200, path


def test_the_numbers_of_the_page_are_those_of_the_code():
    limits = Limits()
    assert limits.body_bytes == 1 << 20 and "bodies of 1 MiB" in TEXT
    assert f"places of {limits.area_km2:,.0f} km2" in TEXT and f"{limits.jobs} open jobs of a token" in TEXT
    assert f"polygons of {limits.vertices:,}" in TEXT
    assert f"{limits.kept_jobs:,} of its jobs" in TEXT and f"{limits.patches:,} patches and 100 GB" in TEXT
    assert (limits.export_bytes, limits.train_minutes) == (100e9, 7 * 24 * 60) and "trainings of a week" in TEXT
    assert painter.IDLE_S == 300 and "after five minutes without a request" in TEXT
    assert painter.MOST_BYTES == 2 << 30 and imagery.MOST_BYTES == 2e9 and "2 GB of them for a week" in TEXT
    assert connections.HEAD_S == 20 and "within 20 s is closed" in TEXT
    assert connections.CONNECTIONS == 500 and "more than 500 connections" in TEXT
    assert f"{limits.burst} requests at once and {limits.requests_per_s:g} a second" in TEXT
    assert ServiceSettings.lease_s == 30 and "for 30 seconds at a time" in TEXT
    assert MOST_ATTEMPTS == 5 and "crashed five workers" in TEXT


def test_the_bounds_of_copies_on_the_page_are_those_of_the_code():
    assert (Limits().cache_bytes, cache.MOST_AGE_S, cache.KEPT_S) == (20e9, 7 * 86_400, 600)
    assert "after a week without use" in TEXT and "more than 20 GB" in TEXT and "in the last ten minutes" in TEXT
    assert bucket_maps.LEAST_HEAD == 256 << 10 and "256 KiB" in TEXT
    assert bucket_maps.LIST_S == 5 and "again after 5 seconds" in TEXT
    assert bucket_maps.READING_S == 20 and "502 after 20 seconds" in TEXT


def test_the_container_starts_the_command_with_options_that_it_has(capsys):
    (file,) = re.findall(r"^```dockerfile\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    words = [word for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)$", file, re.MULTILINE) for word in json.loads(line)]
    assert words[:2] == ["isamap", "serve"]
    assert isamap.main(["serve", "--help"]) == 0
    page = capsys.readouterr().out
    assert all(word in page for word in words if word.startswith("--"))


def test_the_lines_that_start_it_have_options_that_it_has(capsys):
    lines = [line for line in PAGE.splitlines() if line.startswith("isamap serve ")]
    assert len(lines) == 4
    assert isamap.main(["serve", "--help"]) == 0
    page = capsys.readouterr().out
    assert all(word in page for line in lines for word in line.split() if word.startswith("--"))
