"""Displacement polynomials: exact recovery, bounds, what they hold outside their frame, and their JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isamap.gee_export.coregistration.polynomial import (
    EXPONENTS,
    TERMS,
    Polynomial,
    PolynomialFrame,
    design,
    left_out,
    rms,
    solved,
)

FRAME = PolynomialFrame("EPSG:32650", (600_000.0, 3_380_000.0, 604_000.0, 3_390_000.0))
COEFFICIENTS = st.lists(st.floats(-50, 50), min_size=10, max_size=10)


def places(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    u, v = np.random.default_rng(seed).uniform(-1, 1, (2, count))
    (x0, y0), (half_x, half_y) = FRAME.centre, FRAME.half
    return x0 + half_x * u, y0 + half_y * v


@given(COEFFICIENTS, COEFFICIENTS)
def test_least_squares_give_back_the_polynomial_that_made_the_points(dx, dy):
    made = Polynomial.of(FRAME, dx, dy)
    x, y = places(60)
    actual = solved(design(*FRAME.local(x, y), 3), np.stack(made.at(x, y), axis=1))
    assert np.allclose(actual[:, 0], dx, atol=1e-6) and np.allclose(actual[:, 1], dy, atol=1e-6)


@given(COEFFICIENTS, COEFFICIENTS)
def test_no_displacement_exceeds_its_bound_even_far_outside(dx, dy):
    made = Polynomial.of(FRAME, dx, dy)
    x, y = places(50)
    (x0, y0) = FRAME.centre
    right, up = made.at(x0 + 40 * (x - x0), y0 + 40 * (y - y0))
    assert max(np.abs(right).max(), np.abs(up).max()) <= made.most + 1e-9


def test_terms_are_those_of_a_textbook_cubic():
    """Ten coefficients an axis: every product of powers of x and y whose sum is at most three."""
    assert set(EXPONENTS) == {(i, j) for i in range(4) for j in range(4) if i + j <= 3}
    assert all(sum(i + j <= order for i, j in EXPONENTS) == terms for order, terms in TERMS.items())
    assert all(i + j <= order for order, terms in TERMS.items() for i, j in EXPONENTS[:terms])


def test_outside_the_frame_the_edge_value_holds():
    made = Polynomial.of(FRAME, np.arange(10.0), -np.arange(10.0))
    left, bottom, right, top = FRAME.bounds
    assert np.allclose(made.at(left - 5000, bottom - 1), made.at(left, bottom))
    assert np.allclose(made.at(right + 9e5, top + 1), made.at(right, top))


def test_leaving_one_out_agrees_with_the_hat_matrix():
    """e_i / (1 - h_ii), the closed form of leave-one-out residuals (Allen's PRESS)."""
    u, v = np.random.default_rng(3).uniform(-1, 1, (2, 30))
    rows = design(u, v, 2)
    d = np.random.default_rng(4).normal(size=(30, 2))
    hat = rows @ np.linalg.pinv(rows)
    expected = (d - hat @ d) / (1 - np.diag(hat))[:, None]
    assert np.allclose(left_out(rows, d, np.arange(30)), expected)


def test_too_few_points_in_the_other_folds_give_nothing():
    rows = design(*np.random.default_rng(0).uniform(-1, 1, (2, 12)), 3)
    assert np.isnan(left_out(rows, np.zeros((12, 2)), np.arange(12) // 6)).all()


def test_rms_is_of_lengths():
    assert rms(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(np.sqrt(12.5))


@pytest.mark.parametrize("terms", TERMS.values())
def test_json_round_trip(terms):
    made = Polynomial.of(FRAME, np.linspace(-3, 3, terms), np.linspace(1, 2, terms))
    assert Polynomial.from_json(json.loads(json.dumps(made.to_json()))) == made


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"dx": [1.0, 2.0]}, "expected \\[1, 3, 6, 10\\]"),
        ({"dx": [float("nan")]}, "finite"),
        ({"bounds": [0, 0, 0, 1]}, "left < right"),
        ({"bounds": [0, 1]}, "left, bottom, right and top"),
        ({"bounds": None}, "isamap coregister"),
        ({"dy": 5}, "isamap coregister"),
    ],
)
def test_documents_that_are_no_polynomial_are_refused(change, words):
    document = Polynomial.of(FRAME, [1.0], [2.0]).to_json() | change
    with pytest.raises(ValueError, match=words):
        Polynomial.from_json(document)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="'dy'"):
        Polynomial.from_json({"crs": "EPSG:32650", "bounds": [0, 0, 1, 1], "dx": [0]})


def test_only_metres_are_metric():
    assert FRAME.is_metric and not PolynomialFrame("EPSG:4326", (0, 0, 1, 1)).is_metric
    assert not PolynomialFrame("EPSG:2263", (0, 0, 1, 1)).is_metric  # US survey feet
