"""The error by cell of the area, and what tie points and mutual information together say."""

from __future__ import annotations

import json

import numpy as np
import pytest

from isamap.gee_export.coregistration import coregister as module
from isamap.gee_export.coregistration.cells import CellError, area_error_px, cell_errors
from isamap.gee_export.coregistration.consensus import WeakEvidence
from isamap.gee_export.coregistration.coregister import coregister
from isamap.gee_export.coregistration.information import InformationShift
from isamap.gee_export.coregistration.polynomial import Polynomial
from isamap.gee_export.coregistration.tiepoints import TiePoints
from isamap.gee_export.coregistration.verdict import SecondOpinion, require_trust, verdict
from tests.gee_export.coregistration.test_coregister import error_px
from tests.support.ground_pairs import CUBIC_PX, SHIFT_PX, STEP, frame, noise, pair, polynomial, raster, vectors_px

SIDE = 160


def grid_points(right_px: np.ndarray) -> TiePoints:
    """Matches every 10 pixels; right_px [16, 16]: their vectors, rows from below."""
    left, bottom, _, _ = frame(SIDE).bounds
    cols, rows = np.meshgrid(np.arange(16) * 10 + 5.0, np.arange(16) * 10 + 5.0)
    x, y, dx = left + STEP * cols.ravel(), bottom + STEP * rows.ravel(), STEP * right_px.ravel()
    return TiePoints(x, y, dx, np.zeros(256), np.ones(256), np.ones(256), 256)


def opinion(difference_px: float, error_px: float = 0.1) -> SecondOpinion:
    return SecondOpinion(1.0, 1.0, error_px, difference_px, error_px <= 0.5)


def cells(used_in: int) -> list[CellError]:
    return [CellError(*divmod(at, 4), 5 if at < used_in else 0, 5 if at < used_in else 0, 0.3) for at in range(16)]


def test_a_cell_whose_matches_were_all_rejected_shows_their_distance():
    """Its own matches are judged by the other cells' points: the rejected ones lie 2 px away."""
    right = np.full((16, 16), 3.0)
    right[12:, :4] += 2.0  # the upper left cell
    used = (right == 3.0).ravel()
    constant = Polynomial.of(frame(SIDE), (3 * STEP,), (0.0,))
    errors = cell_errors(grid_points(right), used, constant, step=(STEP, STEP))
    assert [round(cell.error_px, 6) for cell in errors] == [
        2.0 if (cell.row, cell.col) == (3, 0) else 0.0 for cell in errors
    ]


def test_the_error_of_the_area_is_that_of_its_cells():
    assert area_error_px([CellError(0, 0, 9, 9, 3.0), CellError(0, 1, 9, 9, 4.0)]) == pytest.approx(12.5**0.5)


def test_a_cell_without_matches_is_unknown():
    points = grid_points(np.zeros((16, 16)))
    outside = ~((points.x < points.x.min() + 35 * STEP) & (points.y < points.y.min() + 35 * STEP))
    errors = cell_errors(points.where(outside), np.ones(outside.sum(), bool), Polynomial.identity(frame(SIDE)),
                         step=(STEP, STEP))  # fmt: skip
    assert [(cell.row, cell.col) for cell in errors if cell.error_px is None] == [(0, 0)]


def test_what_a_polynomial_of_low_order_leaves_at_the_corners_is_seen():
    """Points of a cubic, answered by a shift: the cells' errors are those of the truth at their middles."""
    u = np.linspace(-1, 1, 16)
    right = np.broadcast_to(4 * u**3, (16, 16))
    errors = cell_errors(grid_points(right), np.ones(256, bool), Polynomial.identity(frame(SIDE)), step=(STEP, STEP))
    outer, inner = (np.mean([c.error_px for c in errors if c.col in cols]) for cols in ((0, 3), (1, 2)))
    assert outer > 1.5 and inner < 0.3


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (None, "no second opinion: mutual information has no peak"),
        (opinion(0.2, 3.0), "uncertain by 3.0 px"),
        (opinion(0.3), "agrees within 0.30 px"),
        (opinion(1.2), "disagrees by 1.20 px"),
    ],
)
def test_the_verdict_is_a_sentence(second, words):
    assert words in verdict(second)


def test_the_verdict_says_of_how_much_it_knows_nothing():
    unknown = [CellError(0, col, 0, 0, None) for col in range(3)] + cells(13)[:13]
    assert verdict(opinion(0.1), unknown).endswith("unknown in 3 of 16 cells of the area")


def test_two_methods_that_contradict_each_other_are_refused():
    with pytest.raises(WeakEvidence, match=r"disagree by 2\.0 px: neither"):
        require_trust(cells(16), opinion(2.0), moved_px=2.5)


@pytest.mark.parametrize(("difference_px", "moved_px"), [(1.2, 0.9), (2.0, 9.0)])
def test_a_difference_that_a_correction_outweighs_is_only_said(difference_px, moved_px):
    require_trust(cells(16), opinion(difference_px), moved_px)


def test_few_matches_that_agree_need_a_second_opinion():
    """Half of the matches everywhere: enough for an answer that mutual information bears out, not for one alone."""
    halves = [CellError(*divmod(at, 4), 4, 2, 0.3) for at in range(16)]
    require_trust(halves, opinion(0.2), moved_px=3.0)
    with pytest.raises(WeakEvidence, match="32 of 64 matches agree"):
        require_trust(halves, None, moved_px=3.0)


@pytest.mark.parametrize("second", [None, opinion(0.1, 4.0)])
def test_few_tie_points_without_a_second_opinion_are_refused(second):
    require_trust(cells(8), second, moved_px=3.0)
    with pytest.raises(WeakEvidence, match="in 7 of 16 cells"):
        require_trust(cells(7), second, moved_px=3.0)


# --- in a co-registration ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def small_cubic():
    """240 x 240 pixels bent by several: too few points for the order that it needs."""
    return coregister([pair(240, CUBIC_PX, 1)])


@pytest.mark.long
def test_cells_that_say_unknown_are_those_where_more_is_left(small_cubic):
    """The windows leave out the rim, and there the truth lies farthest from a polynomial of low order."""
    left = vectors_px(small_cubic.polynomial, 240) - vectors_px(polynomial(240, CUBIC_PX), 240)
    by_cell = (left**2).sum(axis=0)[::-1].reshape(4, 60, 4, 60).mean(axis=(1, 3))  # rows from below
    unknown = np.array([cell.error_px is None for cell in small_cubic.cells]).reshape(4, 4)
    assert unknown.any() and by_cell[unknown].mean() > 1.5 * by_cell[~unknown].mean()
    assert f"unknown in {unknown.sum()} of 16 cells" in small_cubic.verdict


def test_the_report_holds_cells_and_second_opinion(small_cubic):
    document = json.loads(json.dumps(small_cubic.to_json(), allow_nan=False))
    assert len(document["cells"]) == 16 and document["verdict"] == small_cubic.verdict
    assert document["second_opinion"].keys() == {"right_px", "up_px", "error_px", "difference_px", "is_sure"}
    assert "error by cell of the area" in str(small_cubic) and small_cubic.verdict in str(small_cubic)


def test_the_second_opinion_is_that_of_the_shift():
    second = coregister([pair(160, SHIFT_PX, 2)]).second
    assert (second.right_px, second.up_px) == pytest.approx((2.3, -1.6), abs=0.2) and second.difference_px < 0.3


def test_mutual_information_answers_where_tie_points_cannot(monkeypatch):
    """Windows of 8 pixels under strong speckle contradict each other; all pixels together do not."""
    monkeypatch.setattr(module, "fitted", refused)
    answer = coregister([pair(128, SHIFT_PX, 3)])
    assert answer.applied and answer.polynomial.order == 0 and error_px(answer, SHIFT_PX, 128) < 0.25
    assert "mutual information" in answer.reason and answer.verdict.startswith("one opinion only")


def refused(*_, **__):
    raise WeakEvidence("2 of 9 matches agree")


def test_mutual_information_corrects_nothing_that_lies_together(monkeypatch):
    monkeypatch.setattr(module, "fitted", refused)
    assert not coregister([pair(128, ((0.0,), (0.0,)), 4)]).applied


def test_a_contradiction_leaves_the_images_as_they_are(monkeypatch):
    monkeypatch.setattr(module, "information_shift", lambda *_, **__: InformationShift(4.0, 3.0, 0.1))
    answer = coregister([pair(160, SHIFT_PX, 2)])
    assert not answer.applied and "disagree by 5.0 px" in answer.reason and answer.polynomial.is_identity


def test_calm_water_has_no_second_opinion():
    answer = coregister([(noise(0, 96), raster(np.full((1, 96, 96), -20.0), "VV"))])
    assert answer.second is None and answer.verdict.startswith("no second opinion")
