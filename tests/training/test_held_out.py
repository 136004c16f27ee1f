"""Whether a curve helps blocks that it was not fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit

from isamap.training.accuracy.curve_fits import fitted
from isamap.training.accuracy.held_out import HeldOut, held_out
from isamap.training.accuracy.probability_calibration import CurveReport, SplitMeasurement
from isamap.training.accuracy.reliability import Reliability, sums


def blocks(shifts: list[float], seed: int = 0) -> Reliability:
    """A block for each shift: labels follow the network's log odds plus that shift."""
    rng = np.random.default_rng(seed)
    made = []
    for shift in shifts:
        p = rng.random(4_000)
        made.append(sums(p, (rng.random(p.size) < expit(logit(p) + shift)).astype(np.uint8)))
    return Reliability(np.stack(made))


def test_a_curve_helps_where_all_blocks_err_alike():
    judged = held_out("platt", blocks([1.5] * 6))
    assert judged.after < judged.before - 0.05 and not judged.is_worse


def test_a_curve_of_few_unlike_blocks_makes_others_worse():
    judged = held_out("platt", blocks([2.0, -2.0, 2.0, -2.0]))
    assert judged.is_worse


def test_a_block_is_judged_by_the_curve_of_the_others():
    """Two folds by hand."""
    measured = blocks([0.5, 1.0])
    halves = [Reliability(measured.by_block[[at]]).counts for at in (0, 1)]
    losses = []
    for own, other in ((halves[0], halves[1]), (halves[1], halves[0])):
        p = np.clip(fitted("platt", other)(own.mean_N), 1e-6, 1 - 1e-6).astype(float)
        hits, misses = own.impervious_N, own.pixels_N - own.impervious_N
        losses.append(-(hits * np.log(p) + misses * np.log(1 - p)).sum() / own.pixels_N.sum())
    assert held_out("platt", measured).after == pytest.approx(np.mean(losses), rel=1e-4)


def test_one_block_can_show_nothing():
    assert held_out("platt", blocks([0.0])) is None


def report(elsewhere: HeldOut | None) -> CurveReport:
    measured = SplitMeasurement(blocks([0.5, 0.5]))
    return CurveReport(Path("c"), "platt", 0.5, {"val": (measured, measured)}, False, elsewhere)


@pytest.mark.parametrize(
    ("elsewhere", "sentence"),
    [
        (HeldOut(0.3, 0.5, 4), "warning: it makes blocks worse that it was not fitted to"),
        (None, "warning: too few blocks of ground to say"),
    ],
)
def test_the_report_warns_where_the_curve_does_harm_or_nothing_is_known(elsewhere, sentence):
    assert sentence in str(report(elsewhere))


def test_the_report_of_a_curve_that_helps_has_no_warning():
    text = str(report(HeldOut(0.5, 0.3, 4)))
    assert "warning" not in text and "log loss 0.5000 before, 0.3000 after" in text


def test_the_report_warns_where_the_test_split_gets_worse():
    """Labels that follow the probabilities, then ones that lie beside them."""
    good, bad = SplitMeasurement(blocks([0.0, 0.0])), SplitMeasurement(blocks([2.0, 2.0]))
    pairs = {"val": (bad, good), "test": (good, bad)}
    assert "makes the test split worse" in str(CurveReport(Path("c"), "platt", 0.5, pairs, False, HeldOut(0.5, 0.3, 4)))
