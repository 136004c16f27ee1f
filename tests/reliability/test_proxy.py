"""The proxy of benchmarks/reliability does to a request what the name of the mishap says, and nothing else."""

from __future__ import annotations

import base64
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import google_crc32c
import pytest
import requests

from benchmarks.reliability.mishaps import MISHAPS
from benchmarks.reliability.proxy import Proxy, Strike

CONTENT = b'{"answer": 42, "filling": "' + b"x" * 500 + b'"}'
CHECKSUM = "crc32c=" + base64.b64encode(google_crc32c.Checksum(CONTENT).digest()).decode()
BROKEN = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


class Server:
    """A server that counts and answers."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
                self.send_response(200)
                for name, value in (("Content-Length", str(len(CONTENT))), ("X-Goog-Hash", CHECKSUM)):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(CONTENT)

            do_POST = do_GET

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/token"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


def get(server: Server, *strikes: Strike) -> requests.Response:
    with Proxy(server.url, strikes) as proxy:
        return requests.get(proxy.url, timeout=60, allow_redirects=False)


def test_there_are_24_mishaps():
    assert len(MISHAPS) == 24


def test_without_strikes_a_request_and_its_reply_arrive_as_they_are(server):
    with Proxy(server.url) as proxy:
        reply = requests.post(proxy.url, data=b"1" * 100_000, timeout=60)
    assert (reply.status_code, reply.content, server.bodies) == (200, CONTENT, [b"1" * 100_000])


def test_the_address_of_the_proxy_keeps_what_follows_the_port(server):
    with Proxy(server.url) as proxy:
        assert proxy.url.endswith("/token") and proxy.url != server.url


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "status"),
    [
        *((name, int(name[:3])) for name in MISHAPS if name[:3].isdigit()),
        *((f"{word} 200", 200) for word in ("garbage", "login page", "empty")),
        ("redirect to nowhere", 302),
    ],
)
def test_an_answer_on_the_way_has_its_status_and_the_server_hears_nothing(server, name, status):
    assert get(server, Strike(name)).status_code == status
    assert not server.bodies


def test_429_names_a_wait(server):
    assert get(server, Strike("429 Retry-After")).headers["Retry-After"] == "1"


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "heard"),
    [("reset", 0), ("lost reply", 1), ("cut body", 1), ("cut head", 1), ("length too long", 1), ("TLS bytes", 0)],
)
def test_a_broken_reply_is_no_reply(server, name, heard):
    with pytest.raises(BROKEN):
        get(server, Strike(name))
    assert len(server.bodies) == heard


def test_a_length_that_is_too_short_cuts_the_body(server):
    assert get(server, Strike("length too short")).content == CONTENT[:-7]


def test_a_request_sent_twice_arrives_twice(server):
    assert get(server, Strike("sent twice")).content == CONTENT
    assert len(server.bodies) == 2


@pytest.mark.long
def test_a_slow_reply_is_complete(server):
    assert get(server, Strike("slow")).content == CONTENT


def test_a_bad_checksum_comes_with_other_bytes(server):
    reply = get(server, Strike("bad crc32c"))
    assert reply.headers["X-Goog-Hash"] != CHECKSUM
    assert len(reply.content) == len(CONTENT) and reply.content != CONTENT


def test_a_strike_hits_the_requests_of_its_numbers(server):
    with Proxy(server.url, [Strike("503", first=2, count=2)]) as proxy:
        statuses = [requests.get(proxy.url, timeout=60).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert proxy.struck == {"503": 2}


def test_a_strike_hits_the_addresses_that_it_names(server):
    with Proxy(server.url, [Strike("404", count=9, matching="POST .*special")]) as proxy:
        statuses = [requests.post(f"{proxy.url}/{name}", timeout=60).status_code for name in ("plain", "special")]
    assert statuses == [200, 404]


def test_an_unknown_mishap_is_refused():
    with pytest.raises(ValueError, match="mishap 'flood'"):
        Strike("flood")
