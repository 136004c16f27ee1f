"""The polynomial that most tie points agree on: outliers rejected, the order chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from isamap.gee_export.coregistration.polynomial import (
    TERMS,
    Polynomial,
    PolynomialFrame,
    design,
    left_out,
    rms,
    solved,
)
from isamap.gee_export.coregistration.tiepoints import TiePoints

LEAST_POINTS = 8
LEAST_SHARE = 0.35  # of the distinct matches; matches of unrelated images agree by chance in a few per cent
POINTS_A_TERM = 16  # four for each window of its own: windows overlap by half along both axes
GROWING = 4  # points a term while outliers are identified, which costs nothing where it overfits
CELLS = 4  # a side of the frame: an order needs points in as many cells as it has terms, each cell is a fold
NEIGHBOURS, LEAST_AGREEING = 8, 3
# Ours: in doubt the stiffer surface, which is wrong by less where no point lies.
SAME_ORDER = 1.03  # a lower order is kept where no higher one predicts better by more than this
# With 35 % right matches a triple is right in 4 %: 500 miss all of them less than once in 10^9.
_TRIPLES = 500
_NOISE_PX = 0.75  # no point is an outlier for less


class WeakEvidence(Exception):
    """Tie points that do not bear a correction; the sentence says why."""


@dataclass(frozen=True)
class Fit:
    """A polynomial and the points it rests on (`used`). Errors are root mean squares over those points, in pixels.

    rmse_px: of the fit; loo_px: each point predicted from the others; before_px: without a correction; cv_px: by
    order, every sixteenth of the frame predicted from the rest, which the choice of the order rests on.
    """

    polynomial: Polynomial
    used: np.ndarray
    rmse_px: float
    loo_px: float
    before_px: float
    cv_px: Mapping[int, float]


def fitted(points: TiePoints, frame: PolynomialFrame, *, step: tuple[float, float], tolerance_px: float) -> Fit:
    """The displacement that the points agree on within about tolerance_px; WeakEvidence where they do not.

    step: width and height of a pixel in units of the CRS.
    """
    if len(points) < LEAST_POINTS:
        raise WeakEvidence(
            f"{len(points)} of {points.tried} windows matched clearly, {LEAST_POINTS} are needed: "
            "too little structure that both images show"
        )
    u, v = frame.local(points.x, points.y)
    d_px = np.stack([points.dx / step[0], points.dy / step[1]], axis=1)
    used = _agreeing(u, v, d_px, tolerance_px)
    # A share too: hundreds of matches of unrelated images hold eight that agree by chance.
    if used.sum() < max(LEAST_POINTS, LEAST_SHARE * len(points)):
        raise WeakEvidence(
            f"{used.sum()} of {len(points)} matches agree with their neighbours, "
            f"{max(LEAST_POINTS, round(LEAST_SHARE * len(points)))} are needed: the matches contradict each other"
        )
    cv_px = _cross_validated(u[used], v[used], d_px[used])
    # The lowest order that predicts as well: higher ones swing where no point holds them.
    order = min(o for o in cv_px if cv_px[o] <= SAME_ORDER * min(cv_px.values()))
    rows = design(u, v, order)
    coefficients = solved(rows[used], d_px[used])
    polynomial = Polynomial.of(frame, coefficients[:, 0] * step[0], coefficients[:, 1] * step[1])
    design_and_shift = rows[used], d_px[used]
    return Fit(
        polynomial,
        used,
        rmse_px=rms(design_and_shift[1] - design_and_shift[0] @ coefficients),
        loo_px=rms(left_out(*design_and_shift, np.arange(used.sum()))),
        before_px=rms(design_and_shift[1]),
        cv_px=cv_px,
    )


def orders(u: np.ndarray, v: np.ndarray, each: int = POINTS_A_TERM) -> list[int]:
    """The orders that points at (u, v) can bear: so many points a term, in as many cells as there are terms."""
    cells = len(np.unique(cells_of(u, v)))
    return [o for o, terms in TERMS.items() if o == 0 or (len(u) >= each * terms and cells >= terms)]


def cells_of(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The number of each point's cell, of CELLS x CELLS in the frame."""
    col, row = (np.clip((axis + 1) / 2 * CELLS, 0, CELLS - 1).astype(int) for axis in (u, v))
    return row * CELLS + col


def _cross_validated(u: np.ndarray, v: np.ndarray, d_px: np.ndarray) -> dict[int, float]:
    """Error by order, each cell predicted from the others; points of one cell share their errors, so they go together.

    All points in one cell cannot predict each other so: they bear no more than a shift, left out one by one.
    """
    cells = cells_of(u, v)
    fold = cells if len(np.unique(cells)) > 1 else np.arange(len(u))
    errors = {order: left_out(design(u, v, order), d_px, fold) for order in orders(u, v)}
    return {order: rms(error) for order, error in errors.items() if np.isfinite(error).all()}


def _agreeing(u: np.ndarray, v: np.ndarray, d_px: np.ndarray, tolerance_px: float) -> np.ndarray:
    """Points that agree with their neighbours and with one smooth surface, grown from an affine consensus."""
    # Cheap and blind to the surface's form, so it goes first: RANSAC then draws from few outliers.
    local = _neighbourly(u, v, d_px, tolerance_px)
    if local.sum() < LEAST_POINTS:
        return local
    used = local & _affine_consensus(u, v, d_px, local, tolerance_px)
    # Grown order by order: a cubic through outliers would bend to them.
    for order in (1, 2, 3):
        for _ in range(3):
            if used.sum() < LEAST_POINTS or order not in orders(u[used], v[used], GROWING):
                break
            away = _away(u, v, d_px, used, order)
            # the median length of normal errors in two dimensions is 1.18 of their standard deviation
            spread = 3 * np.median(away[used]) / 1.18
            used = away < (tolerance_px if order < 3 else np.clip(spread, _NOISE_PX, tolerance_px))
    return used


def _away(u: np.ndarray, v: np.ndarray, d_px: np.ndarray, used: np.ndarray, order: int) -> np.ndarray:
    rows = design(u, v, order)
    return np.hypot(*(d_px - rows @ solved(rows[used], d_px[used])).T)


def _neighbourly(u: np.ndarray, v: np.ndarray, d_px: np.ndarray, tolerance_px: float) -> np.ndarray:
    """Points of whose eight nearest neighbours at least three have nearly the same vector."""
    _, near = cKDTree(np.stack([u, v], axis=1)).query(np.stack([u, v], axis=1), k=min(NEIGHBOURS + 1, len(u)))
    apart = np.linalg.norm(d_px[near[:, 1:]] - d_px[:, None], axis=2)
    return (apart < tolerance_px).sum(axis=1) >= LEAST_AGREEING


def _affine_consensus(
    u: np.ndarray, v: np.ndarray, d_px: np.ndarray, among: np.ndarray, tolerance_px: float
) -> np.ndarray:
    """Points within tolerance of the affine displacement through three of them that most agree with (RANSAC)."""
    rows = design(u, v, 1)
    # A fixed seed: the same images give the same answer, byte for byte.
    triples = np.random.default_rng(0).choice(np.flatnonzero(among), (_TRIPLES, 3))
    corners = rows[triples]
    firm = np.abs(np.linalg.det(corners)) > 0.05  # a thin triangle says nothing of the plane far from it
    level = np.zeros((len(among), 3, 2))
    level[:, 0] = d_px
    # Pure shifts are candidates too: where points lie on a line no triple is firm.
    planes = np.concatenate([np.linalg.solve(corners[firm], d_px[triples[firm]]), level[among]])
    away = np.linalg.norm(d_px[None] - np.einsum("nt,kta->kna", rows, planes), axis=2)
    # A capped sum (MSAC) ranks planes by fit as well, where a count of points would leave ties.
    score = np.minimum(away[:, among], tolerance_px).sum(axis=1)
    return away[score.argmin()] < tolerance_px
