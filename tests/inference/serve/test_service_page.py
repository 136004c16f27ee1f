"""docs/service.md: its requests are sent as they stand there, and its numbers are those of the code."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import isamap
from inference.serve import bucket_maps, cache
from inference.serve.app import Service
from inference.serve.database import PostgresqlServer, database_url
from inference.serve.job_store import MOST_ATTEMPTS
from inference.serve.limits import Limits
from inference.serve.settings import Settings
from tests.inference.serve.conftest import BASE, DOOR, TOWN

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "service.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```bash\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
DISKS = {"/data", "/runs"}  # of the container
REQUESTS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if line.startswith("curl")]


@pytest.fixture
def wuhan(tmp_path, network) -> TestClient:
    """A service whose checkpoint is called wuhan, over the simulated world, as the page starts it."""
    folder = tmp_path / "runs" / "wuhan"
    folder.parent.mkdir()
    folder.symlink_to(network)
    settings = Settings(tmp_path / "service", checkpoints=(str(folder),))
    return TestClient(Service(settings, DOOR).application(), base_url=BASE)


def sent(client: TestClient, line: str):
    """The reply to a line of curl: its address, its body if it has one, its header."""
    words = shlex.split(line)
    address = next(word for word in words if word.startswith("http"))
    if "-d" not in words:
        return client.get(address)
    name, _, value = words[words.index("-H") + 1].partition(": ")
    return client.post(address, content=words[words.index("-d") + 1], headers={name: value})


def test_the_page_has_requests():
    assert len(REQUESTS) == 5


def test_the_requests_are_answered_as_they_stand_there(wuhan):
    replies = [sent(wuhan, line) for line in REQUESTS]
    assert [reply.status_code for reply in replies] == [200, 201, 200, 200, 200]
    assert replies[0].json()["tiles"] == 1
    assert [job["jobID"] for job in replies[2].json()["jobs"]] == [replies[1].json()["jobID"]]


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
    assert limits.body_bytes == 1 << 20 and "bodies of 1 MiB" in PAGE
    assert f"places of {limits.area_km2:,.0f} km2" in PAGE and f"{limits.jobs} open jobs of a token" in PAGE
    assert f"polygons of {limits.vertices:,}" in PAGE
    assert f"{limits.burst} requests at once and {limits.requests_per_s:g} a second" in PAGE
    assert Settings.lease_s == 30 and "for 30\nseconds at a time" in PAGE
    assert MOST_ATTEMPTS == 5 and "A job that ends five workers" in PAGE


def test_the_bounds_of_copies_on_the_page_are_those_of_the_code():
    assert (Limits().cache_bytes, cache.MOST_AGE_S, cache.KEPT_S) == (20e9, 7 * 86_400, 600)
    assert "after a week without use" in PAGE and "more than 20 GB" in PAGE and "in the last ten minutes" in PAGE
    assert bucket_maps.LEAST_HEAD == 256 << 10 and "256 KiB" in PAGE
    assert bucket_maps.LIST_S == 5 and "again after 5 seconds" in PAGE
    assert bucket_maps.READING_S == 20 and "502 after 20 seconds" in PAGE


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


def test_the_database_of_the_page_is_one_that_the_command_takes():
    pytest.importorskip("psycopg")
    (option,) = re.findall(r"^isamap serve .*--database (\S+)$", PAGE, re.MULTILINE)
    assert str(PostgresqlServer(database_url(option, {}))) == "postgresql://db.example.org/isamap"


def test_the_extras_of_the_page_are_those_of_the_package():
    extras = set(re.findall(r'pip install "isamap\[([a-z-]+)\]"', PAGE))
    parser = configparser.ConfigParser()
    parser.read(Path(__file__).resolve().parents[3] / "setup.cfg")
    assert extras == {"serve", "serve-postgresql"} and extras <= set(parser["options.extras_require"])
