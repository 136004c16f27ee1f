"""The line itself: tokens, compression, what the server says beside the pixels."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from dataclasses import replace

import google.auth.exceptions
import numpy as np
import pytest
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import vigil
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Refused
from isamap.gee_export.requests import transport
from isamap.gee_export.requests.channel import Channel, record
from isamap.gee_export.requests.reply import decode
from isamap.gee_export.requests.transport import PixelAddress, connect, payload
from tests.support import scripted
from tests.support.scripted import Server, refuse

GRID = GeoBox((30, 50), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
BODY = payload(b"{}", GRID)
PIXEL = record((Channel("x"), Channel("y")))


class Credentials:
    """Tokens by number; the first one is stale."""

    def __init__(self, error=None):
        self.token, self.valid, self.refreshed, self.error = "0", False, 0, error

    def refresh(self, request):
        if self.error:
            raise self.error
        time.sleep(0.02)
        self.refreshed += 1
        self.token, self.valid = str(self.refreshed), True

    def apply(self, headers):
        headers["Authorization"] = f"Bearer {self.token}"


def exchanged(server, credentials=None, *, count=1, log=lambda text: None, limit_s=60.0, **changes):
    """The answers to so many requests at once."""
    address = PixelAddress(server.url, {"X-Goog-User-Project": "p"}, credentials, limit_s)

    async def run():
        async with connect(log, address=address) as line:
            line._address = replace(address, **changes)
            return await asyncio.gather(*(line.send(BODY) for _ in range(count)))

    return asyncio.run(run())


def test_a_stale_token_is_refreshed_once_for_all_requests():
    credentials = Credentials()
    with Server() as server:
        exchanged(server, credentials, count=8)
    assert credentials.refreshed == 1
    assert {exchange.headers["authorization"] for exchange in server.seen} == {"Bearer 1"}


def test_a_token_withdrawn_before_its_time_is_renewed():
    credentials = Credentials()
    with Server([refuse(401, "Request had invalid authentication credentials.")]) as server:
        exchanged(server, credentials)
    assert [exchange.headers["authorization"] for exchange in server.seen] == ["Bearer 1", "Bearer 2"]


def test_credentials_that_are_refused_again_are_told():
    with Server(always=refuse(401, "Invalid credentials")) as server, pytest.raises(Refused, match="Invalid"):
        exchanged(server, Credentials())
    assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (google.auth.exceptions.TransportError("no line"), ConnectionError),
        (google.auth.exceptions.RefreshError("revoked"), Fault),
    ],
)
def test_a_token_that_cannot_be_had(error, expected):
    """A dead line is tried again, a revoked grant is not."""
    with Server() as server, pytest.raises(expected, match=str(error)):
        exchanged(server, Credentials(error))


def test_headers_go_with_every_request():
    with Server() as server:
        exchanged(server, count=2)
    assert all(exchange.headers["x-goog-user-project"] == "p" for exchange in server.seen)
    assert all(exchange.headers["content-type"] == "application/json" for exchange in server.seen)


def compressed(exchange):
    exchange.send(200, gzip.compress(scripted.npy(exchange)), "Content-Encoding: gzip")


def test_compressed_pixels_are_the_same_pixels():
    with Server(always=compressed) as server:
        (body,) = exchanged(server)
    expected = scripted.surface(transport.grid_json(GRID))
    np.testing.assert_array_equal(decode(body.body, tuple(GRID.shape), PIXEL), expected)


def test_a_compressed_body_cut_short_is_a_failing_line():
    def half(exchange):
        full = gzip.compress(scripted.npy(exchange))
        exchange.send(200, full[: len(full) // 2], "Content-Encoding: gzip")

    with Server(always=half) as server, pytest.raises(ConnectionError, match="cut short"):
        exchanged(server)


def test_compression_is_asked_of_servers_that_are_far():
    near = PixelAddress("http://127.0.0.1:5/v1", {}, None, 1.0)
    far = replace(near, url="https://earthengine-highvolume.googleapis.com/v1")
    assert near.is_here and not far.is_here
    lines = [transport.HttpLine(address, None, print)._headers["Accept-Encoding"] for address in (near, far)]
    assert lines == ["identity", "gzip"]


def test_restricted_mode_is_told_once():
    """The client's own warning (ee/data.py): over the noncommercial quota everything is slower."""

    def restricted(exchange):
        exchange.send(200, scripted.npy(exchange), "x-earth-engine-quota-status: parallelism_restricted=true")

    notices = []
    with Server(always=restricted) as server:
        exchanged(server, count=3, log=notices.append)
    assert len(notices) == 1 and "noncommercial" in notices[0]


def test_the_grid_of_a_request_is_the_geobox():
    """https://developers.google.com/earth-engine/reference/rest/v1/PixelGrid: the outer corner of the first pixel."""
    with Server() as server:
        exchanged(server)
    grid = server.seen[0].document["grid"]
    assert grid["dimensions"] == {"width": 50, "height": 30} and grid["crsCode"] == "EPSG:32650"
    assert (grid["affineTransform"]["translateX"], grid["affineTransform"]["scaleY"]) == (212750, -10)


def test_pixels_lie_in_the_bytes_that_came():
    """No copy is made of up to 48 MiB, and they can be written to."""
    with Server() as server:
        (body,) = exchanged(server)
    actual = decode(body.body, tuple(GRID.shape), PIXEL)
    actual["x"][0, 0] = -1
    assert np.frombuffer(body.body, "<f4", count=1, offset=len(body.body) - actual.nbytes)[0] == -1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("1.25", 1.25), ("0", 0.0), ("nan", None), ("inf", None), ("-1", None), ("fast", None)],
)
def test_the_processor_seconds_that_an_answer_names_are_read(header, seconds):
    act = lambda exchange: exchange.send(200, scripted.npy(exchange), f"x-local-engine-cpu-seconds: {header}")  # noqa: E731
    with Server(always=act) as server:
        (content,) = exchanged(server)
    assert content.cpu_seconds == seconds


def test_an_answer_without_them_names_none():
    with Server() as server:
        (content,) = exchanged(server)
    assert content.cpu_seconds is None


def half(exchange):
    """Half of the body; then the server is gone, and the connection stays open."""
    body = scripted.npy(exchange)
    exchange.send(200, body[: len(body) // 2], promised=len(body))


def test_a_body_that_stops_is_not_waited_for_until_the_deadline(monkeypatch):
    monkeypatch.setattr(transport, "IDLE_S", 0.2)
    with Server(always=half) as server, pytest.raises(ConnectionError, match=r"the reply stopped after [\d,]+ bytes"):
        exchanged(server, limit_s=300.0)


def silent(exchange):
    """The connection stays open and nothing is said."""


@pytest.mark.long
def test_a_silent_line_is_told_with_its_name_and_seconds(monkeypatch, capsys):
    monkeypatch.setattr(vigil, "EVERY_S", 0.02)
    with Server(always=silent) as server, pytest.raises(TimeoutError):
        exchanged(server, limit_s=2.0)
    name = server.url.split("/")[2]
    words = rf"waiting for {name}: no answer for \d s \(a request is given up after 2 s\)"
    assert re.search(words, capsys.readouterr().err)


def test_a_line_that_answers_is_not_called_silent(monkeypatch, capsys):
    monkeypatch.setattr(vigil, "EVERY_S", 30.0)
    with Server(delay_s=0.01) as server:
        exchanged(server, count=20)
    assert "waiting for" not in capsys.readouterr().err
