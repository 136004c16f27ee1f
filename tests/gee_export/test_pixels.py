"""Requests within the server's limits, repeated, slowed and cut; a scripted server stands for Earth Engine's moods."""

from __future__ import annotations

import threading

import ee
import httplib2
import numpy as np
import pytest
from affine import Affine
from googleapiclient.errors import HttpError
from hypothesis import given
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

from gee_export import pixels, throttle
from gee_export.console import Fault
from gee_export.pixels import Channel, Fetcher, largest_side, plan, request_bytes
from gee_export.retry import Answer, Patience, classify
from gee_export.throttle import Throttle

GRID = GeoBox((300, 500), Affine(10, 0, 212750, 0, -10, 3416360), "EPSG:32650")
BAND = (Channel("B2"),)


def floats(count):
    return [Channel(f"b{number}") for number in range(count)]


def test_the_mask_byte_is_counted_as_the_server_does():
    """google/Xee issue 50: 48 x 512 x 256 doubles were refused as 56,623,104 bytes."""
    assert request_bytes(512, 256, [Channel("b", "float64")] * 48) == 56_623_104


@pytest.mark.parametrize(
    ("bands", "side"),
    [(floats(12), 915), (floats(14), 847), ([Channel("b", "uint16")] * 10, 1295), ([Channel("b", "uint8")], 5016)],
)
def test_the_largest_square_requests(bands, side):
    """The planner's table in earth-engine.md section 3.1."""
    assert largest_side(bands) == side


@given(height=st.integers(1, 40_000), width=st.integers(1, 9_000), bands=st.integers(1, 30))
def test_a_plan_covers_every_pixel_once_within_the_limits(height, width, bands):
    windows = plan((height, width), floats(bands))
    assert sum(w.height * w.width for w in windows) == height * width
    assert {(w.row, w.col) for w in windows if w.row_end > height or w.col_end > width} == set()
    assert all(request_bytes(w.height, w.width, floats(bands)) <= pixels.REQUEST_LIMIT_BYTES for w in windows)
    starts = sorted({w.row for w in windows}), sorted({w.col for w in windows})
    assert len(windows) == len(starts[0]) * len(starts[1])


def test_oversized_requests_never_leave_the_machine():
    with pytest.raises(ValueError, match="50,331,648"):
        pixels.check_request(GeoBox((1024, 1024), GRID.affine, GRID.crs), floats(12))
    with pytest.raises(ValueError, match="32768 a side"):
        pixels.check_request(GeoBox((1, 40_818), GRID.affine, GRID.crs), BAND)  # google/Xee issue 85


def refusal(status, message="no", reason=""):
    """What the client raises: EEException over googleapiclient's HttpError (earth-engine.md section 3.4)."""
    body = f'{{"error": {{"message": "{message}", "errors": [{{"reason": "{reason}"}}]}}}}'.encode()
    try:
        try:
            raise HttpError(httplib2.Response({"status": status}), body)
        except HttpError:
            raise ee.EEException(message)  # noqa: B904  (as the client does: implicit context)
    except ee.EEException as error:
        return error


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (refusal(429, "Too many requests"), Answer.SLOWER),
        (refusal(403, "slow down", "rateLimitExceeded"), Answer.SLOWER),
        (refusal(403, "Permission denied"), Answer.NEVER),
        (refusal(503, "Unavailable"), Answer.AGAIN),
        (TimeoutError("read"), Answer.AGAIN),
        (ConnectionResetError("peer"), Answer.AGAIN),
        (refusal(400, "User memory limit exceeded."), Answer.SMALLER),
        (refusal(400, "Computation timed out."), Answer.SMALLER),
        (refusal(400, "Image.select: Pattern 'B99' did not match any bands."), Answer.NEVER),
        (refusal(404, "Asset not found"), Answer.NEVER),
        (ee.EEException("Quota exceeded: Too many concurrent aggregations."), Answer.SLOWER),
    ],
)
def test_errors_are_met_as_the_table_says(error, answer):
    """earth-engine.md section 3.4."""
    assert classify(error) is answer


class Server:
    """Gives each pixel its easting and northing; refuses as scripted, or requests wider than `most_px`."""

    def __init__(self, script=(), most_px=10**9):
        self.script, self.most_px = list(script), most_px
        self.sizes, self.active, self.peak = [], 0, 0
        self.lock = threading.Lock()

    def __call__(self, image, geobox):
        with self.lock:
            self.active += 1
            self.peak = max(self.peak, self.active)
            error = self.script.pop(0) if self.script else None
        try:
            if error is not None:
                raise error
            if max(geobox.shape) > self.most_px:
                raise refusal(400, "User memory limit exceeded.")
            with self.lock:
                self.sizes.append(tuple(geobox.shape))
            return self.pixels(geobox)
        finally:
            with self.lock:
                self.active -= 1

    @staticmethod
    def pixels(geobox):
        rows, cols = np.mgrid[: geobox.shape[0], : geobox.shape[1]]
        x, y = geobox.affine * (cols + 0.5, rows + 0.5)
        found = np.zeros(geobox.shape, [("B2", "f4")])
        found["B2"] = x - y / 1000
        return found


def fetcher(server, **patience):
    waits = []
    calm = Patience(sleep=waits.append, uniform=lambda low, high: high, **patience)
    made = Fetcher(Throttle(4), calm, server)
    made.waits = waits
    return made


@pytest.fixture
def image(session):
    return ee.Image(0).rename("B2")


def test_a_failing_line_is_tried_again_with_growing_patience(image):
    made = fetcher(Server([refusal(503), ConnectionResetError(), TimeoutError()]))
    found = made.read(image, GRID, BAND)
    np.testing.assert_array_equal(found, Server.pixels(GRID))
    assert made.waits == [1, 2, 4] and made.requests == 4


def test_patience_ends_with_the_servers_words(image):
    made = fetcher(Server([refusal(503, "Backend is down")] * 9), attempts=3)
    with pytest.raises(Fault, match="after 3 attempts: Backend is down"):
        made.read(image, GRID, BAND)


def test_a_permanent_refusal_is_not_repeated(image):
    made = fetcher(Server([refusal(400, "Image.load: asset not found")]))
    with pytest.raises(Fault, match="asset not found"):
        made.read(image, GRID, BAND)
    assert made.requests == 1


def test_what_is_too_much_is_cut_in_four_and_the_size_remembered(image):
    """user-wishes.md row 6."""
    server = Server(most_px=130)
    made = fetcher(server)
    np.testing.assert_array_equal(made.read(image, GRID, BAND), Server.pixels(GRID))
    assert max(max(size) for size in server.sizes) <= 130
    refused = made.requests - len(server.sizes)
    made.read(image, GRID, BAND)
    assert made.requests - len(server.sizes) == refused  # the second time nothing was refused


def test_below_the_floor_too_much_is_too_much(image):
    with pytest.raises(Fault, match="User memory limit exceeded"):
        fetcher(Server(most_px=10)).read(image, GRID, BAND)


def test_too_many_requests_halve_the_number_under_way(image):
    made = fetcher(Server([refusal(429, "Too many requests")]))
    made.read(image, GRID, BAND)
    assert made.throttle.limit == 2


def test_one_burst_of_refusals_halves_once():
    gate = Throttle(8)
    with gate.slot() as first, gate.slot() as second:
        gate.slower(first)
        gate.slower(second)
    assert gate.limit == 4


def test_successes_widen_the_gate_again_up_to_its_bound():
    gate = Throttle(4)
    with gate.slot() as cuts:
        gate.slower(cuts)
    for _ in range(100):
        gate.faster()
    assert gate.limit == 4


def test_a_stream_holds_only_a_few_results_and_yields_all():
    begun = []

    def work(job):
        begun.append(job)
        return job * job

    found = {}
    for job, result in throttle.stream(range(50), work, 3):
        found[job] = result
        assert len(begun) - len(found) <= 5
    assert found == {job: job * job for job in range(50)}


def test_a_failing_job_stops_the_stream():
    def work(job):
        if job == 3:
            raise Fault("no")
        return job

    with pytest.raises(Fault):
        list(throttle.stream(range(1000), work, 2))


def test_many_grids_never_exceed_the_gate(image):
    server = Server()
    jobs = list(pixels.stream(image, [GRID] * 20, ["B2"], workers=3, fetcher=Fetcher(Throttle(3), transport=server)))
    assert sorted(number for number, _ in jobs) == list(range(20)) and server.peak <= 3


@pytest.mark.parametrize("missing", [pixels.FILL, np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_missing(missing):
    """Missing is a mask, never NaN between functions."""
    read = np.zeros((2, 3), [("B2", "f4"), ("VV", "f4")])
    read["VV"][1, 2] = missing
    found = pixels.raster(read, GRID[:2, :3], [Channel("B2"), Channel("VV")])
    assert not found.valid_BHW[1, 1, 2] and found.valid_BHW.sum() == 11
    assert found.values_BHW[1, 1, 2] == 0


def test_a_wrong_answer_is_not_taken_for_pixels(image):
    def crooked(image, geobox):
        return np.zeros((2, 2), [("B2", "f4")])

    with pytest.raises(Fault, match="where \\(300, 500\\) were asked"):
        fetcher(crooked).read(image, GRID, BAND)
