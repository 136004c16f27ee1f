"""The client against a scripted server of its own: everything arrives, whatever the server does, and only once."""

from __future__ import annotations

import threading
from functools import partial

import ee
import numpy as np
import pytest
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import crop
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.requests import client as clients
from isamap.gee_export.requests import transport
from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.requests.client import Cell, Client
from isamap.gee_export.requests.pixels import plan
from isamap.gee_export.requests.result_queue import ResultQueue
from isamap.gee_export.requests.throttle import Throttle
from isamap.gee_export.requests.transport import PixelAddress
from tests.support import scripted
from tests.support.scripted import MEMORY, TOO_MANY, Server, refuse

GRID = GeoBox((300, 500), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
BANDS = (Channel("x"), Channel("y"))


@pytest.fixture(scope="module")
def image(session):
    return ee.Image.constant([0, 0]).rename(["x", "y"])


async def no_sleep(seconds):
    pass


def client(server, *, workers=4, log=lambda text: None, deadline_s=30.0, **patience):
    """A client that does not wait."""
    address = PixelAddress(server.url, {"X-Goog-User-Project": "p"}, None, deadline_s)
    hurried = Patience(**{"uniform": lambda low, high: 0.0, **patience})
    throttle = Throttle(workers, rate_per_s=10_000)
    connect = partial(transport.connect, address=address)
    return Client(throttle, patience=hurried, log=log, connect=connect, sleep=no_sleep)


def cells(image, side=128):
    windows = plan(GRID.shape, BANDS, side=side)
    return [Cell(n, f"block {n}", image, crop(GRID, window), BANDS) for n, window in enumerate(windows)]


def expected(geobox):
    return scripted.surface(transport.grid_json(geobox))


def assert_whole(found, asked):
    """Every cell once, every pixel as it is on the ground."""
    assert sorted(cell.index for cell, _ in found) == [cell.index for cell in asked]
    for cell, pixels in found:
        np.testing.assert_array_equal(pixels, expected(cell.geobox))


def too_much_above(side, then=scripted.pixels):
    """Refuses larger requests for their memory."""
    return lambda exchange: (refuse(400, MEMORY) if max(exchange.shape) > side else then)(exchange)


FAULTS = {
    "429": refuse(429, TOO_MANY),
    "403": refuse(403, "slow down", reason="userRateLimitExceeded"),
    "500": refuse(500, "An internal error has occurred."),
    "503": refuse(503, "The service is currently unavailable."),
    "reset": scripted.reset,
    "cut short": scripted.cut_short,
    "shorter": scripted.shorter,
    "garbage": scripted.garbage,
    "memory": too_much_above(127),
    "timeout": lambda x: (refuse(400, "Computation timed out.") if max(x.shape) > 127 else scripted.pixels)(x),
    "pixels": scripted.pixels,
}


@pytest.mark.long
@settings(max_examples=40)
@given(schedule=st.lists(st.sampled_from(sorted(FAULTS)), max_size=11), workers=st.integers(1, 8))
def test_nothing_is_lost_under_any_schedule_of_faults(image, schedule, workers):
    """docs/reference/performance.md, "P6"; docs/reference/wishes.md, "Wish 8". Fewer faults than the attempts that one
    request may need.
    """
    with Server([FAULTS[name] for name in schedule]) as server:
        request = cells(image)
        assert_whole(list(client(server, workers=workers)(request)), request)


@pytest.mark.long
def test_a_server_that_bears_less_than_allowed_gets_no_more_than_it_bears(image):
    """docs/reference/wishes.md, "Wish 7": after the first refusals the bound is remembered."""
    with Server(at_once=3, delay_s=0.002) as server:
        request = cells(image, side=20)  # 375 requests
        full = client(server, workers=12)
        items = list(full(request))
        assert_whole(items, request)
        assert server.peak == 3
        assert full.tally.rejected == server.refused < 0.1 * len(request)
        begun = server.refused
        assert_whole(list(full(request)), request)
        assert server.refused - begun < 0.02 * len(request)


def test_never_more_under_way_than_workers(image):
    with Server(delay_s=0.02) as server:
        assert_whole(list(client(server, workers=5)(cells(image, side=64))), cells(image, side=64))
        assert server.peak == 5


def test_what_is_too_much_is_cut_in_four_and_the_size_remembered(image):
    """docs/reference/wishes.md, "Wish 6"."""
    with Server(always=too_much_above(130)) as server:
        made, full = client(server), [Cell(0, "all", image, GRID, BANDS)]
        assert_whole(list(made(full)), full)
        cut = made.tally.cut
        assert cut and made.side_px[BANDS] == 125
        assert_whole(list(made(full)), full)
        assert made.tally.cut == cut  # the second time nothing was refused


def test_the_size_that_was_refused_holds_for_its_channels_only(image):
    """A finer layer or a label is computed in another way."""
    second = (Channel("y"), Channel("x"))
    with Server(always=too_much_above(130)) as server:
        made = client(server)
        list(made([Cell(0, "all", image, GRID, BANDS)]))
        assert second not in made.side_px


def test_below_the_floor_too_much_is_too_much(image):
    """docs/reference/wishes.md, "Wish 2" and "Wish 6": the server's words, and what to do."""
    with (
        Server(always=refuse(400, MEMORY)) as server,
        pytest.raises(Fault, match=r"of all: User memory.*HTTP 400.*batch"),
    ):
        list(client(server)([Cell(0, "all", image, GRID, BANDS)]))
    assert min(max(exchange.shape) for exchange in server.seen) >= clients.SPLIT_FLOOR_PX / 2


def test_two_silences_are_taken_for_too_much(image):
    """A request that the server never answers is cut like one that timed out there."""
    answer = scripted.pixels
    with Server(always=lambda x: None if max(x.shape) > 250 else answer(x)) as server:
        requests = [Cell(0, "all", image, GRID, BANDS)]
        assert_whole(list(client(server, deadline_s=0.2)(requests)), requests)
    assert [max(x.shape) for x in server.seen].count(500) == 2


def test_one_cell_refused_for_good_does_not_keep_the_others_from_coming(image):
    """docs/reference/wishes.md, "Wish 8"."""
    with Server([refuse(400, "Image.select: Pattern 'B99' did not match any bands.")]) as server:
        actual, request = [], cells(image)
        with pytest.raises(Fault, match=r"B99.*HTTP 400.*another --period"):
            _collect(client(server)(request), actual)
        assert len(actual) == len(request) - 1


def _collect(generator, into):
    for item in generator:
        into.append(item)


def test_when_all_is_refused_for_good_few_requests_are_spent(image):
    with Server(always=refuse(404, "Asset not found")) as server:
        with pytest.raises(Fault, match=r"of 608 requests failed.*shared with you"):
            list(client(server)(cells(image, side=16)))
        assert len(server.seen) <= clients.HOPELESS + 8


def test_without_permission_nothing_more_is_asked(image):
    with Server(always=refuse(403, "Permission denied")) as server:
        with pytest.raises(Fault, match="Permission denied"):
            list(client(server, workers=1)(cells(image, side=16)))
        assert len(server.seen) <= 2


@pytest.mark.parametrize("act", [refuse(503, "Backend is down"), refuse(429, TOO_MANY)])
def test_patience_ends_with_the_servers_words(image, act):
    with Server(always=act) as server, pytest.raises(Fault, match=r"after 3 attempts: .*(down|Too many).*again later"):
        list(client(server, attempts=3)(cells(image)))


def test_a_whole_answer_of_another_shape_is_no_pixels(image):
    def crooked(exchange):
        exchange.document["grid"]["dimensions"]["width"] += 1
        scripted.pixels(exchange)

    with Server(always=crooked) as server, pytest.raises(Fault, match=r"sent \(300, 501\) pixels where \(300, 500\)"):
        list(client(server)([Cell(0, "all", image, GRID, BANDS)]))
    assert len(server.seen) == 1


def test_other_bands_than_asked_are_no_pixels(image):
    channels = (Channel("x"), Channel("y", "float64"))
    with Server() as server, pytest.raises(Fault, match="sent bands"):
        list(client(server)([Cell(0, "all", image, GRID, channels)]))


def test_an_image_is_serialised_once(image, monkeypatch):
    """Only the grid changes from request to request."""
    texts = []
    serialised = clients._serialised
    monkeypatch.setattr(clients, "_serialised", lambda cell: texts.append(1) or serialised(cell))
    with Server() as server:
        list(client(server)(cells(image, side=32)))
    assert len(texts) == 1 and len(server.seen) > 100
    assert len({str(exchange.document["expression"]) for exchange in server.seen}) == 1


def test_a_graph_beyond_the_payload_limit_never_leaves_the_machine(image, monkeypatch):
    """docs/reference/wishes.md, "Wish 5"."""
    monkeypatch.setattr(clients, "PAYLOAD_LIMIT_BYTES", 100)
    with Server() as server, pytest.raises(ValueError, match=r"graph of block 0.*takes 100"):
        list(client(server)(cells(image, side=500)))
    assert not server.seen


def test_every_failure_is_in_the_log_with_its_status_and_words(image):
    """docs/reference/wishes.md, "Wish 2"."""
    lines = []
    with Server([refuse(503, "Backend is down"), scripted.reset]) as server:
        made = client(server, workers=1, log=lines.append)
        list(made([Cell(0, "wuhan r0 c0", image, GRID, BANDS)]))
    assert "wuhan r0 c0: Backend is down (HTTP 503); again in" in lines[0]
    assert made.counts == {"requests": 3, "repeated": 2, "rejected": 0, "cut": 0}


def test_a_wait_that_the_server_asks_for_is_kept(image):
    waits = []

    async def note(seconds):
        waits.append(seconds)

    with Server([refuse(503, "busy", headers=("Retry-After: 7",))]) as server:
        made = client(server)
        made._sleep = note
        list(made([Cell(0, "all", image, GRID, BANDS)]))
    assert waits == [7]


@pytest.mark.parametrize("end", [GeneratorExit, KeyboardInterrupt])
def test_an_end_before_time_ends_the_requests_and_their_thread(image, end):
    """Ctrl-C, a full disk, or a caller that has enough; all but the first request are under way then."""
    before = set(threading.enumerate())
    with Server([scripted.pixels], always=lambda exchange: None) as server:
        running = client(server, workers=2)(cells(image, side=16))
        next(running)
        with pytest.raises(end):
            running.throw(end)
        assert len(server.seen) < 20
    for thread in set(threading.enumerate()) - before:
        thread.join(60)  # servers of other tests have short ones, too
        assert not thread.is_alive(), thread


def test_results_that_nobody_takes_hold_back_new_requests(image, monkeypatch):
    """Bounded memory: two blocks of 16 x 16 fill the room."""
    monkeypatch.setattr(clients, "ResultQueue", partial(ResultQueue, most_bytes=2 * 16 * 16 * 8))
    with Server() as server:
        running = client(server, workers=2)(cells(image, side=16))
        next(running)
        threading.Event().wait(0.1)
        assert len(server.seen) < 20
        running.close()


def test_the_client_sends_what_ee_would_send(image, session):
    """Address and headers of the real client: project, version, and its own credentials."""
    address = PixelAddress.current()
    assert address.url.startswith(f"{session.url}/v1/projects/local/image:computePixels")
    headers = {name.lower(): value for name, value in address.headers.items()}
    assert headers["x-goog-user-project"] == "local"
    assert headers["x-goog-api-client"].startswith(f"ee-py/{ee.__version__} python/")
    assert address.credentials is not None and address.is_here


@pytest.mark.long
def test_a_line_that_is_dead_ends_the_run_and_is_not_asked_cell_by_cell(image, monkeypatch):
    """Silence on every connection: cutting the cells smaller, as for a heavy one, would wait for hours."""
    monkeypatch.setattr(clients, "DEAD_S", 0.5)
    with Server(always=lambda exchange: None) as server:
        full = client(server, deadline_s=0.3)
        with pytest.raises(Fault, match=r"said nothing for \d s on any connection: check the network"):
            list(full(cells(image)))
        assert full.tally.cut == 0
