"""Bias and RMSE of predicted shares, against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.training.accuracy.share_errors import NAMES, ShareErrors, sums


@pytest.fixture
def pairs():
    rng = np.random.default_rng(6)
    percent = rng.integers(0, 101, (3, 20, 20)).astype(np.uint8)
    percent[0, :5] = 255
    percent[1, :5], percent[2, :5] = 0, 100
    return rng.random((3, 20, 20), np.float32), percent


def test_bias_and_rmse_are_those_of_all_known_pixels(pairs):
    share, percent = pairs
    is_known = percent != 255
    error = 100.0 * share[is_known] - percent[is_known]
    errors = ShareErrors(sums(share, percent))
    assert errors.pixels == is_known.sum()
    assert errors.bias == pytest.approx(error.mean(), rel=1e-5)
    assert errors.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)


@pytest.mark.parametrize(("name", "low", "high"), [("0", 0, 0), ("20 to 49", 20, 49), ("100", 100, 100)])
def test_each_class_of_share_has_its_own(pairs, name, low, high):
    share, percent = pairs
    own = (percent >= low) & (percent <= high)
    row = ShareErrors(sums(share, percent)).to_json()["by_class"][NAMES.index(name)]
    error = 100.0 * share[own] - percent[own]
    assert row["pixels"] == own.sum() and row["bias"] == pytest.approx(error.mean(), abs=1e-3)
    assert row["rmse"] == pytest.approx(np.sqrt((error**2).mean()), abs=1e-3)


def test_a_class_without_pixels_has_no_figures():
    text = str(ShareErrors(sums(np.full((1, 2, 2), 0.5), np.full((1, 2, 2), 60, np.uint8))))
    assert "bias -10.00, RMSE 10.00 points" in text and "100 %               0        -        -" in text
