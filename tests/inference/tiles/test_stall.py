"""A run in which no tile gets finished says so, once for each span of silence, and not while tiles come."""

from __future__ import annotations

import threading

from inference.tiles.stall import Stall


def test_silence_is_said_with_the_state_of_the_run():
    texts, said = [], threading.Event()

    def say(text: str) -> None:
        texts.append(text)
        said.set()

    with Stall(lambda: "3 of 9 are there; this process", 0.05, say):
        assert said.wait(60)
    assert texts[0] == "no tile was finished for 0 minutes: 3 of 9 are there; this process"


def test_silence_is_said_again_and_again():
    texts, twice = [], threading.Event()

    def say(text: str) -> None:
        texts.append(text)
        if len(texts) == 2:
            twice.set()

    with Stall(lambda: "", 0.02, say):
        assert twice.wait(60)


def test_a_finished_tile_begins_the_span_anew(monkeypatch):
    """The clock is the test's own: at 9 s of 10 a tile is finished, so 11 s are no silence and 20 s are."""
    from inference.tiles import stall

    clock = [0.0]
    monkeypatch.setattr(stall.time, "monotonic", lambda: clock[0])
    texts: list[str] = []
    watch = Stall(lambda: "", 10.0, texts.append)
    waits = iter([(11.0, False), (20.0, False), (21.0, True)])

    def wait(seconds: float) -> bool:
        clock[0], over = next(waits)
        return over

    monkeypatch.setattr(watch._over, "wait", wait)
    watch._heard_s = 9.0
    watch._watch()
    assert len(texts) == 1 and "0 minutes" in texts[0]
