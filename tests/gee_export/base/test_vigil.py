"""A silence is said, once for each span of it, and not while something comes or nothing is awaited."""

from __future__ import annotations

import threading

import pytest

from isamap.gee_export.base import vigil
from isamap.gee_export.base.vigil import Vigil


def test_silence_is_said_again_and_again():
    texts, twice = [], threading.Event()

    def say(text: str) -> None:
        texts.append(text)
        if len(texts) == 2:
            twice.set()

    with Vigil(lambda silent_s: f"{silent_s:.0f} s, 3 of 9", 0.02, say):
        assert twice.wait(60)
    assert texts[0] == "0 s, 3 of 9"


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The test's own clock, by one number."""
    now_s = [0.0]
    monkeypatch.setattr(vigil.time, "monotonic", lambda: now_s[0])
    return now_s


def texts_of(watch: Vigil, clock: list[float], times_s: list[float], monkeypatch) -> list[float]:
    """When the watch spoke, of the moments at which its thread wakes; the last one ends it."""
    moments = iter(times_s)

    def wait(seconds: float) -> bool:
        clock[0] = next(moments)
        return clock[0] == times_s[-1]

    monkeypatch.setattr(watch._over, "wait", wait)
    watch._say = lambda text: spoken.append(float(text))
    spoken: list[float] = []
    watch._watch()
    return spoken


def test_what_is_heard_begins_the_span_again(clock, monkeypatch):
    """At 9 s of 10 something comes, so 11 s are no silence and 20 s are one of 11 s."""
    watch = Vigil(str, 10.0)
    watch._heard_s = 9.0
    assert texts_of(watch, clock, [11.0, 20.0, 21.0], monkeypatch) == [11.0]


def test_without_requests_nothing_is_silent(clock, monkeypatch):
    watch = Vigil(str, 10.0, always=False)
    assert texts_of(watch, clock, [11.0, 22.0, 33.0], monkeypatch) == []
    with watch.request():
        assert texts_of(watch, clock, [44.0, 50.0], monkeypatch) == [11.0]
