"""Requests to archives: to known hosts only, never redirected, bounded, tried again, waits obeyed by all threads."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from local_ee import budget as budgets
from local_ee.budget import Budget
from local_ee.open import hosts, transport
from local_ee.open.errors import ArchiveFault, Missing
from local_ee.open.hosts import Address, Hosts
from local_ee.open.providers import C1_BUCKET, EARTH_SEARCH, HOSTS, OLD_BUCKET
from local_ee.testing.archive import Archive, Asked, Fault, always, once

FILE = Address(C1_BUCKET, "/sentinel-2-c1-l2a/file.tif")
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def server() -> Iterator[Archive]:
    with Archive({str(FILE): CONTENT}) as archive:
        yield archive


def asking(archive: Archive, **options) -> Hosts:
    return Hosts(HOSTS, archive.loopback, sleep=lambda seconds: time.sleep(min(seconds, 0.002)), **options)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "FIRST_PAUSE_S", 0.01)


def test_a_piece_is_the_bytes_asked_for(server: Archive):
    piece = asking(server).piece(FILE, 100, 50)
    assert (piece.body, piece.total) == (CONTENT[100:150], len(CONTENT))


def test_a_piece_at_the_end_is_as_long_as_the_file(server: Archive):
    assert asking(server).piece(FILE, len(CONTENT) - 10, 50).body == CONTENT[-10:]


@pytest.mark.parametrize(
    "text",
    [
        f"http://{C1_BUCKET}/a.tif",
        "https://evil.example/a.tif",
        f"https://{C1_BUCKET}:8443/a.tif",
        f"https://user@{C1_BUCKET}/a.tif",
        f"https://{C1_BUCKET}@evil.example/a.tif",
        f"https://{C1_BUCKET}.evil.example/a.tif",
        f"https://{C1_BUCKET}/../a.tif",
        f"https://{C1_BUCKET}/a.tif?next=https://evil.example",
        f"https://{C1_BUCKET}/a.tif#part",
        f"https://{C1_BUCKET}/<script>alert(1)</script>",
        f"https://{C1_BUCKET}/a.tif\r\nHost: evil.example",
        f"file://{C1_BUCKET}/etc/passwd",
        "javascript:alert(1)",
        f"https://{C1_BUCKET.upper()}/a.tif",
        None,
        ["https"],
    ],
)
def test_no_other_address_becomes_one(text: object):
    with pytest.raises(ValueError, match="address"):
        Address.of(text, HOSTS)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_even_to_the_file_itself(server: Archive, status: int):
    """A reader that follows one redirect reads the file, which is there at the second request."""
    server.faults = once(Fault("status", status, {"Location": str(FILE)}))
    with pytest.raises(ArchiveFault, match="never followed"):
        asking(server).piece(FILE, 0, 100)
    assert len(server.asked) == 1


def test_no_redirect_of_a_search_is_followed(server: Archive):
    server.faults = once(Fault("status", 307, {"Location": f"http://127.0.0.1:{server.port}/v1/search"}))
    with pytest.raises(ArchiveFault, match="never followed"):
        asking(server).document(Address(EARTH_SEARCH, "/v1/search"), 1000, b"{}")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault("status", 200, body=CONTENT[:100]),
        Fault("file", headers={"Content-Range": f"bytes 1-100/{len(CONTENT)}"}),
        Fault("file", body=CONTENT[:99]),
        Fault("file", headers={"Content-Range": "bytes 0-99/*"}),
        Fault("status", 206, body=CONTENT[:100]),
    ],
    ids=["200 for 206", "other range", "fewer bytes", "no size", "no range"],
)
def test_an_answer_of_another_range_is_refused(server: Archive, fault: Fault):
    server.faults = always(fault)
    with pytest.raises(ArchiveFault, match="asked for"):
        asking(server).piece(FILE, 0, 100)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_not_there_is_missing_at_once(server: Archive, status: int):
    server.faults = always(Fault("status", status))
    with pytest.raises(Missing):
        asking(server).piece(FILE, 0, 100)
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", [Fault("status", 503), Fault("short"), Fault("close"), Fault("status", 429)])
def test_what_failed_once_is_asked_again(server: Archive, fault: Fault):
    server.faults = once(fault)
    assert asking(server).piece(FILE, 0, 100).body == CONTENT[:100]
    assert len(server.asked) == 2


def test_the_last_try_ends_with_one_sentence_and_its_remedy(server: Archive):
    server.faults = always(Fault("status", 502, body=b"<html>Bad Gateway</html>"))
    with pytest.raises(ArchiveFault, match=r"answer 502.*run the same command again later") as caught:
        asking(server).piece(FILE, 0, 100)
    assert "html" not in str(caught.value)
    assert len(server.asked) == hosts.TRIES


def test_an_archive_too_slow_to_wait_for_is_one_sentence(server: Archive, monkeypatch):
    monkeypatch.setattr(transport, "READ_SECONDS", 0.05)
    server.wait_s = 0.5
    with pytest.raises(ArchiveFault, match=r"could not be read in 5 tries \(no answer in time\)"):
        asking(server).piece(FILE, 0, 10)


def test_a_query_is_in_no_message(server: Archive):
    server.faults = always(Fault("close"))
    with pytest.raises(ArchiveFault) as caught:
        asking(server).piece(FILE, 0, 100, "sig=secret")
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__ or error.__context__


def test_retry_after_holds_every_thread_back(server: Archive):
    """A thread that comes later waits for what another one was told, before it asks for the first time."""
    server.faults = once(Fault("status", 429, {"Retry-After": "60"}))
    is_waiting, may_go_on = threading.Event(), threading.Event()
    waits: dict[str, float] = {}

    def sleep(seconds: float) -> None:
        waits.setdefault(threading.current_thread().name, seconds)
        is_waiting.set()
        if threading.current_thread().name == "later":
            asking_host._pauses[FILE.host].until = 0.0  # the minute is over
            may_go_on.set()
        assert may_go_on.wait(60)

    asking_host = Hosts(HOSTS, server.loopback, sleep=sleep)
    first, later = (threading.Thread(target=asking_host.piece, args=(FILE, 0, 100), name=n) for n in ("first", "later"))
    first.start()
    assert is_waiting.wait(60)
    later.start()
    later.join()
    first.join()
    assert waits.keys() == {"first", "later"} and min(waits.values()) > 0
    assert len(server.asked) == 3


def test_other_hosts_are_not_held_back(server: Archive):
    server.files[f"https://{OLD_BUCKET}/a.tif"] = CONTENT
    asking_host = asking(server)
    asking_host._pause(C1_BUCKET, 1000.0)
    assert asking_host.piece(Address(OLD_BUCKET, "/a.tif"), 0, 10).body == CONTENT[:10]


def test_a_pause_that_is_too_long_is_told(server: Archive):
    server.faults = always(Fault("status", 429, {"Retry-After": "3600"}))
    with pytest.raises(ArchiveFault, match="asks for a pause of 3600 s"):
        asking(server).piece(FILE, 0, 100)


def test_a_date_of_retry_after_is_counted_by_the_servers_clock():
    headers = {"retry-after": "Fri, 02 Jan 1970 00:00:09 GMT", "date": "Fri, 02 Jan 1970 00:00:02 GMT"}
    assert hosts._retry_after_s(transport.Answer(429, headers, b"")) == 7


def test_a_packed_answer_is_bounded_when_unpacked(server: Archive):
    bomb = gzip.compress(b"0" * 10_000_000)
    server.faults = always(Fault("json", body=bomb, headers={"Content-Encoding": "gzip"}))
    with pytest.raises(ArchiveFault, match="more than 100,000 bytes"):
        asking(server).document(Address(EARTH_SEARCH, "/v1/search"), 100_000, b"{}")


def test_an_answer_longer_than_asked_for_is_not_read_to_its_end(server: Archive):
    server.faults = always(Fault("json", body=b"0" * 1_000_000))
    with pytest.raises(ArchiveFault, match="more than 1,000 bytes"):
        asking(server).document(Address(EARTH_SEARCH, "/v1/search"), 1_000, b"{}")


def test_offline_asks_for_nothing(server: Archive):
    with pytest.raises(ArchiveFault, match="--offline"):
        asking(server, offline=True).piece(FILE, 0, 100)
    assert not server.asked


def test_waiting_for_an_archive_does_not_count_against_the_deadline(server: Archive, monkeypatch: pytest.MonkeyPatch):
    """By the clock of budgets, which an answer alone moves, by ten minutes."""
    now = [1000.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], thread_time=time.thread_time)
    monkeypatch.setattr(budgets, "time", clock)

    def answer_late(asked: Asked) -> None:
        now[0] += 600

    server.faults = answer_late
    budget = Budget(seconds=300)
    with budget.running():
        asking(server).piece(FILE, 0, 100)
        budget.check()
        assert (now[0], budget.remaining) == (1600, 300)


def test_a_cancelled_computation_waits_no_longer(server: Archive):
    asking_host = asking(server)
    asking_host._pause(C1_BUCKET, 1000.0)
    budget = Budget()
    with budget.running(), pytest.raises(Exception, match="cancelled"):
        budget.cancel()
        asking_host.piece(FILE, 0, 100)


def test_real_hosts_are_asked_over_tls_with_checked_certificates():
    pool = transport._pool(C1_BUCKET, 3, None)
    context = pool.conn_kw.get("ssl_context") or pool.ssl_context
    assert pool.scheme == "https" and pool.port == 443
    assert context.check_hostname and context.verify_mode.name == "CERT_REQUIRED"
