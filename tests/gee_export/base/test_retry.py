"""Errors met as docs/reference/earth-engine.md, "Errors" tells, whether they come as HTTP replies or through the `ee`
client.
"""

from __future__ import annotations

import json

import ee
import httplib2
import pytest
from googleapiclient.errors import HttpError

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience, Reaction, Refused, classify, persist, remedy


def body(message, reason=""):
    """Google's JSON form of an error."""
    return json.dumps({"error": {"message": message, "errors": [{"reason": reason}]}}).encode()


def reply(status, message, reason=""):
    return Refused.of(status, body(message, reason))


def through_ee(status, message, reason=""):
    """What the client raises: EEException over googleapiclient's HttpError (docs/reference/earth-engine.md,
    "Errors").
    """
    try:
        try:
            raise HttpError(httplib2.Response({"status": status}), body(message, reason))
        except HttpError:
            raise ee.EEException(message)  # noqa: B904  (as the client does: implicit context)
    except ee.EEException as error:
        return error


TABLE = [
    (429, "Too Many Requests", "", Reaction.SLOWER),
    (429, "Quota exceeded: Too many concurrent aggregations.", "", Reaction.SLOWER),  # gee_s1_ard issue 8
    (
        429,
        "Quota exceeded for quota metric 'Number of read requests' and limit 'Number of read requests per minute per "
        "user'",  # qgis-earthengine-plugin issue 202
        "",
        Reaction.SLOWER,
    ),
    (403, "slow down", "rateLimitExceeded", Reaction.SLOWER),
    (403, "slow down", "userRateLimitExceeded", Reaction.SLOWER),
    (403, "Permission denied", "forbidden", Reaction.NEVER),
    (401, "Request had invalid authentication credentials.", "", Reaction.NEVER),
    (500, "An internal error has occurred.", "", Reaction.AGAIN),
    (502, "Bad Gateway", "", Reaction.AGAIN),
    (503, "The service is currently unavailable.", "", Reaction.AGAIN),
    (504, "Deadline exceeded", "", Reaction.AGAIN),
    (400, "User memory limit exceeded.", "", Reaction.SMALLER),
    (400, "Computation timed out.", "", Reaction.SMALLER),
    (400, "Total request size (56623104 bytes) must be less than or equal to 50331648 bytes.", "", Reaction.NEVER),
    (400, "Pixel grid dimensions (40818x1) must be less than or equal to 32768.", "", Reaction.NEVER),
    (400, "Request payload size exceeds the limit: 10485760 bytes.", "", Reaction.NEVER),
    (400, "Image.select: Pattern 'B99' did not match any bands.", "", Reaction.NEVER),
    (400, "Parameter 'image' is required.", "", Reaction.NEVER),
    (404, "Image.load: Image asset 'a/b' not found.", "", Reaction.NEVER),
]


@pytest.mark.parametrize("made", [reply, through_ee])
@pytest.mark.parametrize(("status", "message", "reason", "answer"), TABLE)
def test_errors_are_met_as_the_table_says(made, status, message, reason, answer):
    """docs/reference/earth-engine.md, "Errors"; docs/reference/wishes.md, "Wish 2" and "Wish 7"."""
    assert classify(made(status, message, reason)) is answer


@pytest.mark.parametrize("error", [TimeoutError("read"), ConnectionResetError("peer")])
def test_a_failing_line_is_tried_again(error):
    assert classify(error) is Reaction.AGAIN


def test_an_exception_with_nothing_but_its_text_is_met_by_its_text():
    assert classify(ee.EEException("Quota exceeded: Too many concurrent aggregations.")) is Reaction.SLOWER
    assert classify(ee.EEException("Image.load: asset not found")) is Reaction.NEVER


def test_a_refusal_keeps_the_servers_words_and_status():
    """docs/reference/wishes.md, "Wish 2"."""
    assert str(Refused.of(503, body("Backend is down"))) == "Backend is down (HTTP 503)"
    assert str(Refused.of(502, b"<html>Bad Gateway</html>")) == "<html>Bad Gateway</html> (HTTP 502)"
    assert str(Refused.of(500, b"")) == "no reason given (HTTP 500)"
    assert Refused.of(429, b'{"error": "odd"}', "30").retry_after_s == 30


@pytest.mark.parametrize(
    ("message", "advice"),
    [
        ("User memory limit exceeded.", "--mode batch"),
        ("Computation timed out.", "--mode batch"),
        ("Image.select: Pattern 'B99' did not match any bands.", "another --period"),
        ("Image.load: Image asset 'a/b' not found.", "shared with you"),
        ("Permission denied", "isamap check"),
    ],
)
def test_refusals_for_good_come_with_what_to_do(message, advice):
    """docs/reference/wishes.md, "Wish 2"."""
    assert advice in remedy(reply(400, message))


def test_waits_grow_at_random_up_to_a_cap():
    """Full jitter."""
    waits = []
    patience = Patience(uniform=lambda low, high: waits.append((low, high)) or high)
    assert [patience.seconds(attempt) for attempt in (0, 1, 5, 6, 1000)] == [1, 2, 32, 60, 60]
    assert {low for low, _ in waits} == {0}


def test_patience_of_a_single_question():
    errors = [ConnectionResetError("peer"), reply(503, "down"), reply(429, "Too Many Requests")]
    waits = []
    patient = Patience(sleep=waits.append, uniform=lambda low, high: high)

    def action():
        if errors:
            raise errors.pop(0)
        return 5

    assert persist(action, patient) == 5 and waits == [1, 2, 4]


def test_quota_that_is_spent_in_the_middle_is_told_with_the_daily_limit():
    def action():
        raise reply(429, "Quota exceeded for quota metric 'EECU-seconds'.")

    with pytest.raises(Fault, match=r"daily limit of EECU.*free again the next day; what was fetched is kept"):
        persist(action, Patience(attempts=2, sleep=lambda seconds: None))


def test_the_end_of_patience_is_told():
    def action():
        raise reply(503, "Backend is down")

    with pytest.raises(Fault, match=r"after 3 attempts: Backend is down \(HTTP 503\)"):
        persist(action, Patience(attempts=3, sleep=lambda seconds: None))
