"""One trial of each kind on the real engine: the programs of benchmarks/ run, and the promise holds."""

from __future__ import annotations

import os

import pytest

from benchmarks.reliability import engine_kills, fuzz, schedules, soak
from benchmarks.reliability.trials import ROOT, Notebook, Sitting, run

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("reconnected")]


@pytest.fixture
def notebook(tmp_path) -> Notebook:
    return Notebook(tmp_path / "notes.jsonl")


def test_an_engine_that_is_killed_keeps_what_it_acknowledged(notebook, tmp_path):
    engine_kills.Trials(tmp_path / "engine", notebook).run(1, "kill", 1)
    assert (notebook.rows[0]["hits"], notebook.rows[0]["wrong"], notebook.rows[0]["stuck"]) == (1, [], "")


def test_an_export_through_a_bad_line_ends_with_the_same_bytes(tmp_path):
    schedules.run(Sitting(tmp_path), 1)
    row = Sitting(tmp_path).notebook("schedules").rows[-1]
    assert row["struck"] and row["outcome"] in schedules.OUTCOMES[:2]


def test_clients_at_once_get_what_they_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "MINUTE_S", 5.0)
    soak.run(Sitting(tmp_path), 1)
    (row,) = Sitting(tmp_path).notebook("soak").rows
    assert row["right"] >= soak.CLIENTS and not row["wrong"]


def test_a_fuzz_that_was_cut_off_asks_only_what_is_left(tmp_path):
    fuzz.run(Sitting(tmp_path), 1000)
    fuzz.run(Sitting(tmp_path), 1100)
    rows = Sitting(tmp_path).notebook("fuzz").rows
    assert [(row["chunk"], row["count"]) for row in rows] == [(0, 1000), (1, 100)]
    assert fuzz.lines(Sitting(tmp_path))[0][0] == "1,100"


def test_the_campaign_runs_from_an_empty_folder(tmp_path):
    """Its inputs are made, a command is killed, and the parts that stand below do a little."""
    parts = ("kills=1", "requests=60", "visitors=1", "silence=1", "bombs=1")
    words = [str(ROOT / "benchmarks" / "campaign.py"), "--out", str(tmp_path / "out"), "--parts", *parts]
    environment = {**os.environ, "SOAK_MINUTE_S": "3"}
    ending = run([*words, "--commands", "assess sample"], tmp_path / "log", environment, limit_s=1800)
    assert ending.status == 0, ending.output[-2000:]
    firsts = ("assess sample | 1", "service | 60", "engine | 60", "1 | 100", "half a head | 1", "Parquet | 1 | 4")
    for first in firsts:
        assert f"| {first} |" in ending.output
