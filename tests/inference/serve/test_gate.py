"""What stands before every route: limits of size and rate, headers, and faults that tell strangers nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from isamap.inference.serve import gate
from isamap.inference.serve.app import Service
from isamap.inference.serve.door import Door
from isamap.inference.serve.gate import Gate
from isamap.inference.serve.job_store import JobStore
from isamap.inference.serve.limits import Limits
from isamap.inference.serve.metrics import Metrics
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.rate import Rates
from isamap.inference.serve.tokens import Tokens
from tests.inference.serve.conftest import BASE, DOOR


def limited(settings, **limits) -> TestClient:
    made = replace(settings, limits=Limits(**limits))
    return TestClient(Service(made, DOOR).application(), base_url=BASE, raise_server_exceptions=False)


def test_a_refusal_is_a_problem_with_one_sentence(client):
    reply = client.get("/jobs/xyz")
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json() == {
        "type": "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job",
        "title": "Not Found",
        "status": 404,
        "detail": "Job 'xyz' is not there: GET /jobs lists them.",
    }


@pytest.mark.parametrize("path", ["/", "/jobs", "/nothing", "/static/none.js"])
def test_every_reply_carries_the_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'self'; img-src 'self' data: blob:;")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_a_body_that_says_it_is_too_large_is_refused(settings, asked):
    reply = limited(settings, body_bytes=50).post("/processes/map/execution", json=asked())
    assert reply.status_code == 413 and "50 bytes" in reply.json()["detail"]


def test_a_body_that_turns_out_too_large_is_refused(settings):
    """A body in pieces says no length before."""

    def pieces():
        for _ in range(10):
            yield b" " * 20

    reply = limited(settings, body_bytes=50).post(
        "/processes/map/execution", content=pieces(), headers={"content-type": "application/json"}
    )
    assert reply.status_code == 413


def test_a_body_that_does_not_come_is_refused(monkeypatch):
    monkeypatch.setattr(gate, "BODY_S", 0.05)
    sent = []

    async def app(scope, receive, send):
        await receive()

    async def never():
        await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    gated = Gate(app, DOOR, rates=Rates(10, 10), metrics=Metrics(), body_bytes=100)
    headers = [(b"host", b"127.0.0.1:8765"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/x", "headers": headers, "client": ("127.0.0.1", 1)}
    asyncio.run(gated(scope, never, send))
    assert sent[0]["status"] == 408


def test_too_many_requests_are_told_when_to_come_back(settings):
    client = limited(settings, requests_per_s=0.01, burst=2)
    statuses = [client.get("/maps").status_code for _ in range(3)]
    reply = client.get("/maps")
    assert statuses == [200, 200, 429] and 1 <= int(reply.headers["retry-after"]) <= 100


def test_a_bucket_fills_again():
    now = [0.0]
    rates = Rates(2.0, 2, lambda: now[0])
    rates.spend("a")
    rates.spend("a")
    with pytest.raises(Problem):
        rates.spend("a")
    now[0] += 0.5
    rates.spend("a")


def test_wrong_tokens_are_slowed_down(settings):
    door = Door(DOOR.names, Tokens(("a-token-that-is-long-enough-0123",)))
    made = replace(settings, limits=Limits(requests_per_s=0.01, burst=3))
    client = TestClient(Service(made, door).application(), base_url=BASE)
    statuses = [client.get("/jobs", headers={"authorization": f"Bearer {n}"}).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert client.get("/").status_code == 200  # others behind the same proxy are not shut out


def test_monitors_are_not_counted(settings):
    client = limited(settings, requests_per_s=0.1, burst=1)
    assert [client.get("/health").status_code for _ in range(3)] == [200, 200, 200]


def test_a_length_said_in_two_ways_is_refused_and_its_connection_closed(client):
    """RFC 9112, section 6.1: a proxy may read the request otherwise."""
    headers = {"content-type": "application/json", "content-length": "2", "transfer-encoding": "chunked"}
    reply = client.post("/processes/map/execution", content=b"{}", headers=headers)
    assert (reply.status_code, reply.headers["connection"]) == (400, "close")


def test_a_fault_of_the_service_tells_strangers_nothing(client, monkeypatch, caplog):
    def broken(self):
        raise RuntimeError("the secret of the machine")

    monkeypatch.setattr(JobStore, "counts", broken)
    reply = client.get("/health")
    assert reply.status_code == 500 and "secret" not in reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert "the secret of the machine" in caplog.text


def test_another_method_is_refused(client):
    assert client.delete("/maps").status_code == 405


def test_an_unknown_address_is_refused(client):
    reply = client.get("/nothing/here")
    assert reply.status_code == 404 and reply.json()["detail"].startswith("There is no such address")


def test_a_method_that_a_client_makes_up_is_no_series_of_its_own(client):
    client.request("INVENTED", "/health")
    text = client.get("/metrics").text
    assert "INVENTED" not in text and 'method="OTHER"' in text


def test_limits_are_above_nothing():
    with pytest.raises(ValueError, match="burst"):
        Limits(burst=0)


def test_no_line_of_the_log_is_a_requests_own(client, monkeypatch, caplog):
    """A path may hold line ends, %0a, after which a stranger would write what he likes."""
    monkeypatch.setattr(Door, "check", lambda *words: 1 / 0)
    client.get("/a%0Aerror: the disk is gone")
    assert caplog.records[-1].getMessage().count("\n") == 0


def test_each_client_has_a_bucket_of_its_own():
    rates = Rates(0.1, 1, lambda: 0.0)
    rates.spend("a")
    rates.spend("b")
    with pytest.raises(Problem):
        rates.spend("a")
