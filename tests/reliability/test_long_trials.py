"""One trial of each kind on the real engine: the programs of benchmarks/ run, and the promise holds."""

from __future__ import annotations

import pytest

from benchmarks.reliability import engine_kills, faults, soak
from benchmarks.reliability.schedules import OUTCOMES, Schedules
from benchmarks.reliability.trials import Notebook

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("reconnected")]


@pytest.fixture
def notebook(tmp_path) -> Notebook:
    return Notebook(tmp_path / "notes.jsonl")


def test_an_engine_that_is_killed_keeps_what_it_acknowledged(notebook, tmp_path):
    engine_kills.Trials(tmp_path / "engine", notebook).run(1, "kill", 1)
    assert (notebook.rows[0]["hits"], notebook.rows[0]["wrong"], notebook.rows[0]["stuck"]) == (1, [], "")


def test_an_export_through_a_bad_line_ends_with_the_same_bytes(notebook, tmp_path):
    trials = Schedules(tmp_path / "schedules", notebook, seed=1)
    trials.prepare()
    trials.run(1)
    assert notebook.rows[-1]["struck"] and notebook.rows[-1]["outcome"] in OUTCOMES[:2]


def test_clients_at_once_get_what_they_asked_for(notebook, tmp_path, monkeypatch):
    monkeypatch.setattr(soak, "MINUTE_S", 5.0)
    soak.soak(tmp_path / "soak", notebook, 1, seed=1)
    assert notebook.rows[0]["right"] > soak.CLIENTS and not notebook.rows[0]["wrong"]


def test_a_fuzz_that_was_cut_off_asks_only_what_is_left(tmp_path, capsys):
    faults.run_fuzz(tmp_path, 1000, 1, 1)
    faults.run_fuzz(tmp_path, 1100, 1, 1)
    rows = Notebook(tmp_path / "fuzz.jsonl").rows
    assert [(row["chunk"], row["count"]) for row in rows] == [(0, 1000), (1, 100)]
    assert "| 1,100 |" in capsys.readouterr().out
