"""Planetary Computer's tokens: renewed in time, once for all threads, in no file, message or log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_ee.open import tokens
from local_ee.open.catalog import OpenCatalog
from local_ee.open.errors import ArchiveFault
from local_ee.open.hosts import Hosts
from local_ee.open.providers import HOSTS, S1_BLOBS
from local_ee.open.tokens import Tokens
from local_ee.testing.archive import TOKEN, Archive, Asked, Fault, always
from local_ee.testing.small_archive import BOX, DAY, GRID, small_archive

S1 = "COPERNICUS/S1_GRD_FLOAT"
JUNE = [int(datetime(2024, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (6, 7)]


@pytest.fixture
def server() -> Iterator[Archive]:
    with small_archive((DAY,)) as archive:
        yield archive


def asked_for_tokens(server: Archive) -> int:
    return sum("/api/sas/" in asked.path for asked in server.asked)


def read(catalog: OpenCatalog):
    (image,) = catalog.images(S1, *JUNE, BOX)
    return image.read(("VV",), GRID)[0]


def test_one_token_opens_all_files_of_a_collection(server: Archive, tmp_path: Path):
    read(server.catalog(tmp_path))
    assert asked_for_tokens(server) == 1


def test_a_refused_token_is_renewed_once_for_all_threads(server: Archive):
    held = Tokens(Hosts(HOSTS, server.loopback))
    old = held.query("sentinel-1-rtc")
    server.token = f"{TOKEN}2"
    threads = [threading.Thread(target=held.renewed, args=("sentinel-1-rtc", old)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked_for_tokens(server) == 2
    assert held.query("sentinel-1-rtc") == f"{TOKEN}2"


def test_a_token_that_ends_in_the_middle_costs_nothing(server: Archive, tmp_path: Path):
    catalog = server.catalog(tmp_path)
    (image,) = catalog.images(S1, *JUNE, BOX)
    server.token = f"{TOKEN}2"  # the old one opens nothing any more
    assert image.read(("VV",), GRID)[1].any()
    assert asked_for_tokens(server) == 2


@pytest.mark.parametrize(("minutes", "fetched"), [(60, 1), (4, 2)])
def test_a_token_is_renewed_five_minutes_before_its_end(server: Archive, minutes: int, fetched: int):
    server.faults = lambda asked: _token(minutes)
    held = Tokens(Hosts(HOSTS, server.loopback))
    assert held.query("sentinel-1-rtc") == held.query("sentinel-1-rtc") == TOKEN
    assert asked_for_tokens(server) == fetched


def test_a_clock_that_is_wrong_here_changes_nothing(server: Archive):
    """The server lives two days later than this machine."""
    server.faults = lambda asked: _token(60, later=timedelta(days=2))
    held = Tokens(Hosts(HOSTS, server.loopback))
    held.query("sentinel-1-rtc")
    assert 3_000 < held._held["sentinel-1-rtc"].until - time.monotonic() < 4_000


def _token(minutes: float, later: timedelta = timedelta(0)) -> Fault:
    now = datetime.now(UTC) + later
    body = f'{{"msft:expiry": "{(now + timedelta(minutes=minutes)).isoformat()}", "token": "{TOKEN}"}}'
    return Fault("json", body=body.encode(), headers={"Date": f"{now:%a, %d %b %Y %H:%M:%S} GMT"})


@pytest.mark.parametrize("status", [401, 403])
def test_a_closed_door_is_told_with_what_else_there_is(server: Archive, tmp_path: Path, status: int):
    server.faults = always(Fault("status", status), lambda asked: "/api/sas/" in asked.path)
    with pytest.raises(
        ArchiveFault, match=rf"asks for an account now \(answer {status}\): set PC_SDK_SUBSCRIPTION_KEY"
    ):
        read(server.catalog(tmp_path))


def test_files_that_no_token_opens_are_told_as_a_closed_door(server: Archive, tmp_path: Path):
    server.faults = always(Fault("status", 403), lambda asked: asked.host == S1_BLOBS)
    with pytest.raises(ArchiveFault, match="asks for an account now"):
        read(server.catalog(tmp_path))


@pytest.mark.parametrize("token", ["a b", "a\r\nX: y", "<script>", "", "x" * 5000])
def test_a_token_that_is_none_is_not_used(server: Archive, tmp_path: Path, token: str):
    server.token = token
    with pytest.raises(ArchiveFault, match="token that is none") as caught:
        read(server.catalog(tmp_path))
    assert not token or token not in str(caught.value)


def test_the_key_of_an_account_goes_to_the_service_alone(server: Archive, tmp_path: Path, monkeypatch):
    monkeypatch.setenv(tokens.KEY, "key-of-mine")
    sent: list[tuple[str, dict[str, str]]] = []
    catalog = server.catalog(tmp_path)
    real = catalog.hosts._connections.send
    monkeypatch.setattr(
        catalog.hosts._connections, "send", lambda ask: (sent.append((ask.host, dict(ask.headers))), real(ask))[1]
    )
    read(catalog)
    assert {host for host, headers in sent if "key-of-mine" in headers.values()} == {"planetarycomputer.microsoft.com"}


def test_no_token_is_in_a_file_or_log(server: Archive, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    failing = iter(range(10))
    server.faults = lambda asked: Fault("status", 503) if asked.is_file and next(failing, 99) < 2 else None
    read(server.catalog(tmp_path))
    secret = TOKEN.partition("sig=")[2]
    assert any(secret in asked.path for asked in server.asked)
    assert not any(secret.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    ours = [record for record in caplog.records if record.name.startswith("local_ee")]
    assert not any(secret in record.getMessage() for record in ours)


def test_what_libraries_log_of_a_request_holds_no_token(server: Archive, tmp_path: Path, caplog):
    """urllib3 writes the target of each request into its log at DEBUG."""
    caplog.set_level(logging.DEBUG)
    read(server.catalog(tmp_path))
    assert not any("sig=" in record.getMessage() for record in caplog.records)


def test_a_host_is_asked_for_its_own_files_only(server: Archive, tmp_path: Path):
    read(server.catalog(tmp_path))
    bearers: list[Asked] = [asked for asked in server.asked if "sig=" in asked.path]
    assert {asked.host for asked in bearers} == {S1_BLOBS}
