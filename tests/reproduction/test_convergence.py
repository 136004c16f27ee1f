"""When a training counts as finished."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gee_export.base.errors import Fault
from reproduction.convergence import HISTORY, late_rise


def history(folder: Path, *values: float) -> Path:
    (folder / HISTORY).write_text(json.dumps([{"epoch": at, "val_miou": value} for at, value in enumerate(values, 1)]))
    return folder


def test_the_rise_of_the_last_fifth_is_of_the_best_value(tmp_path):
    """Ten epochs: the best of the first eight is .6, of all .63; a dip between does not count."""
    assert late_rise(history(tmp_path, 0.1, 0.3, 0.5, 0.6, 0.4, 0.5, 0.5, 0.55, 0.63, 0.5)) == pytest.approx(0.03)


def test_a_flat_end_does_not_rise(tmp_path):
    assert late_rise(history(tmp_path, 0.1, 0.6, 0.5, 0.5, 0.5)) == 0


def test_one_epoch_rose_by_all_it_reached(tmp_path):
    assert late_rise(history(tmp_path, 0.4)) == 0.4


def test_classifiers_of_pixels_have_no_epochs(tmp_path):
    assert late_rise(tmp_path) is None


def test_a_damaged_history_is_a_fault(tmp_path):
    (tmp_path / HISTORY).write_text("[{")
    with pytest.raises(Fault, match="is damaged"):
        late_rise(tmp_path)
