"""Earth Engine's limits, with the numbers that users have met."""

from __future__ import annotations

import math

import pytest

from local_ee.errors import EngineError
from local_ee.limits import Limits, request_bytes


def refused(check) -> str:
    with pytest.raises(EngineError) as error:
        check()
    assert error.value.status in (400, 429)
    return str(error.value)


def test_the_request_of_xee_50_is_refused_with_its_number():
    """google/Xee#50: 48 times 512 x 256 pixels of float64, one mask byte each: 56,623,104 bytes."""
    assert request_bytes(512, 256, ["float64"] * 48) == 56_623_104
    message = refused(lambda: Limits().check_request(512, 256, ["float64"] * 48))
    assert message == "Total request size (56623104 bytes) must be less than or equal to 50331648 bytes."


def test_the_grid_of_xee_85_is_refused_with_its_number():
    """google/Xee#85."""
    message = refused(lambda: Limits().check_grid(40818, 1))
    assert message == "Pixel grid dimensions (40818x1) must be less than or equal to 32768."


def test_the_mask_byte_makes_48_mib_of_float32_too_much():
    """google/Xee#209: one byte per band and pixel on top of the values."""
    assert request_bytes(1024, 1024, ["float32"] * 12) > 48 * 2**20
    assert refused(lambda: Limits().check_request(1024, 1024, ["float32"] * 12)).startswith("Total request size")
    Limits().check_request(915, 915, ["float32"] * 12)


def test_a_request_of_exactly_the_limit_passes():
    Limits().check_request(4096, 6144, ["uint8"])
    refused(lambda: Limits().check_request(4096, 6145, ["uint8"]))


def test_the_side_of_exactly_the_limit_passes():
    Limits().check_grid(32768, 32768)
    refused(lambda: Limits().check_grid(32769, 1))
    refused(lambda: Limits().check_grid(0, 5))


def test_1024_bands_pass_and_one_more_does_not():
    Limits().check_request(1, 1, ["uint8"] * 1024)
    assert "1025" in refused(lambda: Limits().check_request(1, 1, ["uint8"] * 1025))


def test_a_payload_above_10_mib_is_refused():
    """gee-community/geemap#1013."""
    Limits().check_payload(10 * 2**20)
    message = refused(lambda: Limits().check_payload(10 * 2**20 + 1))
    assert message == "Request payload size exceeds the limit: 10485760 bytes."


def test_the_3001st_task_is_refused():
    Limits().check_queue(2999)
    assert "(3000)" in refused(lambda: Limits().check_queue(3000))


def test_the_41st_concurrent_request_is_refused():
    Limits().check_concurrency(39)
    assert refused(lambda: Limits().check_concurrency(40)).startswith("Too Many Requests")


@pytest.mark.parametrize(("text", "seconds"), [("", 300), ("1200", 1200), ("none", math.inf)])
def test_the_time_of_a_computation_can_be_set(monkeypatch, text, seconds):
    monkeypatch.setenv("ISAMAP_ENGINE_SECONDS", text)
    assert Limits.of_environment().computation_seconds == seconds


@pytest.mark.parametrize("text", ["0", "-5", "soon", "nan"])
def test_a_time_that_is_none_is_refused(monkeypatch, text):
    monkeypatch.setenv("ISAMAP_ENGINE_SECONDS", text)
    with pytest.raises(
        ValueError, match=f"ISAMAP_ENGINE_SECONDS={text}: expected a number of seconds above 0, or none"
    ):
        Limits.of_environment()
