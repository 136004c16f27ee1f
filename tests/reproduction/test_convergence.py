"""When a training counts as finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isamap.gee_export.base.errors import Fault
from isamap.reproduction.convergence import HISTORY, Rise, late_rise


def history(folder: Path, *values: float) -> Path:
    (folder / HISTORY).write_text(json.dumps([{"epoch": at, "val_miou": value} for at, value in enumerate(values, 1)]))
    return folder


def test_the_rise_is_between_the_means_of_the_last_two_fifths(tmp_path):
    """Ten epochs: .5 and .56 before, .60 and .62 at the end; a lucky epoch before them hides nothing."""
    assert late_rise(history(tmp_path, 0.1, 0.3, 0.7, 0.4, 0.4, 0.5, 0.5, 0.56, 0.6, 0.62)) == pytest.approx(0.08)


def test_a_flat_end_does_not_rise(tmp_path):
    assert late_rise(history(tmp_path, 0.1, 0.6, 0.5, 0.5, 0.5)) == 0


@pytest.mark.parametrize(
    ("rises", "ended"),
    [
        ((0.002, -0.001, 0.001), True),
        ((0.004, 0.0041, 0.0039), False),  # small, and surely a rise
        ((0.012, -0.01, 0.016), False),  # noise, and .006 in the mean
        ((-0.02, -0.01, -0.03), True),
        ((0.0049,), True),
        ((0.005,), False),
    ],
)
def test_a_rising_curve_has_not_ended(rises, ended):
    assert Rise(rises).has_ended == ended


def test_seeds_give_the_rise_its_standard_error():
    """Of 0, .01 and .02 the deviation is .01, so the error is .01 / sqrt(3)."""
    assert str(Rise((0.0, 0.01, 0.02))) == "+0.010 ± 0.006"


def test_one_epoch_rose_by_all_it_reached(tmp_path):
    assert late_rise(history(tmp_path, 0.4)) == 0.4


def test_classifiers_of_pixels_have_no_epochs(tmp_path):
    assert late_rise(tmp_path) is None


def test_a_damaged_history_is_a_fault(tmp_path):
    (tmp_path / HISTORY).write_text("[{")
    with pytest.raises(Fault, match="is damaged"):
        late_rise(tmp_path)
