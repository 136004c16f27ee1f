"""The polynomial that most tie points agree on."""

from __future__ import annotations

import numpy as np
import pytest

from isamap.gee_export.coregistration.consensus import WeakEvidence, fitted, orders
from isamap.gee_export.coregistration.tiepoints import TiePoints
from tests.support.ground_pairs import CUBIC_PX, SHIFT_PX, STEP, frame, polynomial

SIDE = 512


def points(px, *, count: int = 120, wrong: float = 0.0, noise_px: float = 0.2, part: float = 1.0, seed: int = 0):
    """Tie points of a polynomial, some of them anywhere within 16 px; in the left lower part of the frame."""
    rng = np.random.default_rng(seed)
    left, bottom, right, top = frame(SIDE).bounds
    x, y = (
        rng.uniform(left, left + part * (right - left), count),
        rng.uniform(bottom, bottom + part * (top - bottom), count),
    )
    d = np.stack(polynomial(SIDE, px).at(x, y)) / STEP + rng.normal(scale=noise_px, size=(2, count))
    stray = rng.permutation(count) < wrong * count
    d[:, stray] = rng.uniform(-16, 16, (2, stray.sum()))
    return TiePoints(x, y, *(d * STEP), np.ones(count), np.full(count, 2.0), count), stray


def fit(given):
    return fitted(given, frame(SIDE), step=(STEP, STEP), tolerance_px=2.5)


def error_px(found, px) -> float:
    x, y = (axis.ravel() for axis in np.meshgrid(*(np.linspace(*ends, 40) for ends in _ends())))
    apart = np.subtract(found.polynomial.at(x, y), polynomial(SIDE, px).at(x, y)) / STEP
    return float(np.sqrt((apart**2).sum(axis=0).mean()))


def _ends():
    left, bottom, right, top = frame(SIDE).bounds
    return (left, right), (bottom, top)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("px", [CUBIC_PX, SHIFT_PX], ids=["cubic", "shift"])
def test_two_in_five_outliers_are_rejected(px, seed):
    arguments, stray = points(px, count=300, wrong=0.4, seed=seed)
    fitted = fit(arguments)
    assert (fitted.used & stray).sum() <= 2 and (fitted.used & ~stray).sum() > 0.9 * (~stray).sum()
    assert error_px(fitted, px) < 0.2


@pytest.mark.parametrize("seed", range(5))
def test_random_vectors_are_refused(seed):
    with pytest.raises(WeakEvidence, match="contradict"):
        fit(points(SHIFT_PX, count=300, wrong=1.0, seed=seed)[0])


def test_too_few_points_are_refused():
    with pytest.raises(WeakEvidence, match="7 of 7 windows"):
        fit(points(SHIFT_PX, count=7)[0])


@pytest.mark.parametrize(("terms", "order"), [(1, 0), (3, 1), (6, 2), (10, 3)])
def test_the_order_is_that_of_the_displacement(terms, order):
    px = tuple(axis[:terms] for axis in CUBIC_PX)
    assert fit(points(px, count=300, noise_px=0.05)[0]).polynomial.order == order


def test_few_points_bear_low_orders_only():
    """Sixteen half-overlapping windows a term, in as many cells as there are terms."""
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 160))
    assert orders(u[:47], v[:47]) == [0]
    assert orders(u[:48], v[:48]) == [0, 1]
    assert orders(u[:96], v[:96]) == [0, 1, 2]
    assert orders(u, v) == [0, 1, 2, 3]


def test_badly_spread_points_bear_low_orders_only():
    u, v = np.random.default_rng(0).uniform(-1, 1, (2, 200))
    assert orders(u, np.full(200, 0.1)) == [0, 1]  # four cells in a row
    assert orders(0.1 + u / 10, 0.1 + v / 10) == [0]


def test_a_corner_full_of_points_does_not_steer_the_rest():
    arguments, _ = points(SHIFT_PX, count=200, part=0.24)
    fitted = fit(arguments)
    assert fitted.polynomial.order == 0 and error_px(fitted, SHIFT_PX) < 0.1


def test_errors_are_those_of_the_points():
    fitted = fit(points(SHIFT_PX, count=400, noise_px=0.3)[0])
    assert fitted.rmse_px == pytest.approx(0.3 * np.sqrt(2), rel=0.1)
    assert fitted.rmse_px < fitted.loo_px < 1.02 * fitted.rmse_px
    assert fitted.before_px == pytest.approx(np.hypot(np.hypot(2.3, 1.6), fitted.rmse_px), rel=0.02)
