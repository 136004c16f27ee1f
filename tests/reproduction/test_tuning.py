"""Rates chosen on the validation split by rehearsals."""

from __future__ import annotations

import json

import pytest

from isamap.reproduction.runs import Bench, Training, make_all
from isamap.reproduction.tuning import TUNING_SEED, Tuned
from tests.reproduction.conftest import TINY
from tests.support.one_thread import one_thread  # noqa: F401 (a fixture)

RATES = (1e-6, 1e-2)


@pytest.fixture(scope="module")
def bench(town, tmp_path_factory) -> Bench:
    """Two seeds of one network whose rate is chosen."""
    location = Bench(tmp_path_factory.mktemp("tuned"), {"town": (str(town),)})
    make_all(location, [(TUNED, seed) for seed in (0, 1)], say=lambda _: None)
    return location


TUNED = Tuned(Training("unet-tiny", TINY), Training("unet-tiny", TINY), RATES)


@pytest.mark.long
def test_the_rate_is_that_of_the_best_rehearsal(bench):
    note = bench.note(TUNED, 0)
    assert note["lr"] == float(max(note["rehearsals"], key=note["rehearsals"].get))


def test_the_run_is_trained_at_that_rate(bench):
    recipe = json.loads((bench.folder(TUNED, 1) / "run.json").read_text())["recipe"]
    assert recipe["lr"] == bench.note(TUNED, 1)["lr"] and recipe["seed"] == 1


def test_seeds_share_the_rehearsals(bench):
    """Two rates once, and two seeds: four runs."""
    assert len(list((bench.out / "runs").glob("*.json"))) == 4


def test_rehearsals_have_a_seed_of_no_row(bench):
    notes = [json.loads(path.read_text()) for path in (bench.out / "runs").glob("*.json")]
    assert sorted(note["facts"]["seed"] for note in notes) == [0, 1, TUNING_SEED, TUNING_SEED]


def test_other_rates_are_another_run(bench):
    second = Tuned(TUNED.training, TUNED.rehearsal, (1e-3,))
    assert bench.folder(second, 0) != bench.folder(TUNED, 0)
