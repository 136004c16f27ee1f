"""Which address answers what, and how a command chooses."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

import isamap
from isamap.gee_export.base import endpoint
from isamap.gee_export.command_line.global_options import GlobalOptions
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.requests import transport

QUESTIONS, PIXELS = endpoint.STANDARD_URL, endpoint.HIGH_VOLUME_URL


@pytest.mark.parametrize(
    ("name", "questions", "pixels"),
    [("auto", QUESTIONS, PIXELS), ("standard", QUESTIONS, QUESTIONS), ("high-volume", PIXELS, PIXELS)],
)
def test_questions_and_pixels_have_their_addresses(name, questions, pixels):
    assert endpoint.addresses(name) == (questions, pixels)


def test_pixels_are_asked_for_at_the_sessions_address_and_nothing_else(monkeypatch):
    session = sessions.Session("p", "earth-engine", "earth-engine", QUESTIONS, pixel_url=PIXELS)
    monkeypatch.setattr(transport, "current", lambda: session)
    path = "/v1/projects/p/image:computePixels"
    assert transport._for_pixels(QUESTIONS + path) == PIXELS + path
    assert transport._for_pixels("http://127.0.0.1:1" + path) == "http://127.0.0.1:1" + path  # as when it is recorded
    monkeypatch.setattr(transport, "current", lambda: replace(session, pixel_url=""))
    assert transport._for_pixels(QUESTIONS + path) == QUESTIONS + path


def test_the_option_holds_for_the_command_and_what_it_starts(monkeypatch):
    monkeypatch.delenv(endpoint.VARIABLE, raising=False)
    options, others = GlobalOptions.split(["--region", "wuhan", "--endpoint", "standard"])
    assert others == ["--region", "wuhan"]
    with options.applied():
        assert endpoint.chosen() == os.environ[endpoint.VARIABLE] == "standard"
    assert endpoint.chosen() == "auto" and endpoint.VARIABLE not in os.environ


def test_another_word_is_a_sentence(capsys, monkeypatch):
    assert isamap.main(["regions", "--endpoint", "fast"]) == 2
    assert "expected one of auto, standard, high-volume" in capsys.readouterr().err
    monkeypatch.setenv(endpoint.VARIABLE, "fast")
    with pytest.raises(ValueError, match="expected one of auto"):
        endpoint.chosen()
