"""Two images of one place brought together: tie points, a polynomial, and a refusal where the evidence is weak.

The radar image moves onto the optical one (CroFuseNet section II-B: control points and a third-order polynomial, RMSE
below one pixel); here the points are found automatically (`structure`, `tiepoints`, `consensus`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration import verdict as judging
from isamap.gee_export.coregistration.cells import cell_errors
from isamap.gee_export.coregistration.consensus import Fit, WeakEvidence, fitted
from isamap.gee_export.coregistration.information import information_shift
from isamap.gee_export.coregistration.polynomial import Polynomial, PolynomialFrame
from isamap.gee_export.coregistration.registration import Coregistration
from isamap.gee_export.coregistration.structure import Structure, structure
from isamap.gee_export.coregistration.tiepoints import SearchWindows, TiePoints, joined, matched
from isamap.gee_export.coregistration.verdict import SecondOpinion

# Five times what Sentinel-1 is beside Sentinel-2 on Earth Engine (docs/coregistration.md: up to three pixels).
SEARCH_PX = 16  # the largest shift looked for along each axis
# The sizes were chosen on June's pairs of Wuhan, Hanchuan and Dabie; October and Huanggang test them
# (docs/coregistration.md).
COARSE_HALF_PX = 48  # windows of the first pass, large enough to be unmistakable
FINE_HALF_PX, FINE_SEARCH_PX = 24, 4  # of the passes that look for what the ones before left: nearer to each place
# Each pass begins where the one before ended, so that its short search is enough.
REFINEMENTS = 2
# Ours: a smaller gain is no more than the noise of the points that predict each other.
LEAST_GAIN = 0.9  # points predicted from the others must be nearer than this share of their distance uncorrected
MOST_ERROR_PX = 1.5  # of points predicted from the others; CroFuseNet asks for less than one pixel of the fit
LEAST_SIDE_PX = 32
_PLACES = 17  # a side of a tile at which a polynomial's mean is taken
LEAST_SHIFT_PX = 0.5  # by mutual information alone, where tie points say nothing

Pair = tuple[Raster, Raster]  # fixed, moving


def coregister(pairs: Sequence[Pair], *, search_px: int = SEARCH_PX) -> Coregistration:
    """The displacement of the second rasters of the pairs against the first, over the box around all of them.

    Each pair lies on one grid; the pairs (tiles of one region) share a coordinate system and pixel size. Bands and
    units are free: only structure is compared. ValueError for rasters that cannot be compared.
    """
    check(pairs)
    affine = pairs[0][0].geobox.affine
    step = abs(affine.a), abs(affine.e)
    search = _Search(pairs, [_structure(fixed) for fixed, _ in pairs], frame_of(pairs), step)
    # Tie points first: they alone can tell a slope or a bend, mutual information tells one shift for all.
    first = _by_points(search, search_px)
    if first.applied:
        return _weighed(search, first, search_px)
    second = search.second(first.polynomial, search_px)
    by_information = _by_information(search, first, second)
    return by_information or replace(first, second=second, verdict=judging.verdict(second))


def _by_points(search: _Search, search_px: int) -> Coregistration:
    nothing = Polynomial.identity(search.frame)
    points, fit = search.points(nothing, COARSE_HALF_PX, search_px), None
    try:
        # Looser than below: wide windows average over vectors that differ inside them.
        fit = search.fit(points, tolerance_px=2.5)
        for _ in range(REFINEMENTS):
            first_fit, fit = fit.polynomial, None
            points = search.points(first_fit, FINE_HALF_PX, FINE_SEARCH_PX)
            fit = search.fit(points, tolerance_px=1.5)
        likeness = search.likeness(nothing), search.likeness(fit.polynomial)
        _require_gain(fit, likeness)
    except WeakEvidence as weak:
        used = np.zeros(len(points), bool) if fit is None else fit.used
        return Coregistration(False, str(weak), nothing, search.step, points, used, fit)
    reason = f"{fit.used.sum()} tie points agree on a polynomial of order {fit.polynomial.order}"
    cells = cell_errors(points, fit.used, fit.polynomial, step=search.step)
    return Coregistration(True, reason, fit.polynomial, search.step, points, fit.used, fit, likeness, cells)


def _weighed(search: _Search, first: Coregistration, search_px: int) -> Coregistration:
    """The tie points' answer with the second opinion; not applied where neither can be trusted."""
    second = search.second(first.polynomial, search_px)
    # Root mean square over all tiles and not over points, which lie where edges are.
    moved_px = float(np.sqrt(((search.vectors_px(first.polynomial)) ** 2).sum(axis=1).mean()))
    answer = replace(first, second=second, verdict=judging.verdict(second, first.cells))
    try:
        judging.require_trust(first.cells, second, moved_px)
    except WeakEvidence as weak:
        return replace(answer, applied=False, reason=str(weak), polynomial=Polynomial.identity(search.frame))
    return answer


def _by_information(search: _Search, first: Coregistration, second: SecondOpinion | None) -> Coregistration | None:
    """The shift of mutual information where tie points could not answer, as on small areas; None where it cannot."""
    says_together = first.fit is not None and first.fit.loo_px <= MOST_ERROR_PX
    # Where points predict each other well and refuse, the images do lie together, and a shift would be noise.
    if says_together or second is None or not second.is_sure or second.difference_px < LEAST_SHIFT_PX:
        return None
    width, height = search.step
    shift = Polynomial.of(search.frame, (second.right_px * width,), (second.up_px * height,))
    # The third witness: structure that is no more alike afterwards refutes both.
    likeness = search.likeness(first.polynomial), search.likeness(shift)
    if likeness[1] <= likeness[0]:
        return None
    return replace(
        first,
        applied=True,
        reason=f"mutual information is sure of a shift, where tie points are not ({first.reason})",
        polynomial=shift,
        used=np.zeros(len(first.points), bool),
        fit=None,
        likeness=likeness,
        second=replace(second, difference_px=0.0),
        verdict=f"one opinion only: a shift by mutual information, uncertain by {second.error_px:.2f} px",
    )


@dataclass(frozen=True)
class _Search:
    """The pairs while they are matched: the fixed images' structure, the box around all, the size of a pixel."""

    pairs: Sequence[Pair]
    fixed: Sequence[Structure]
    frame: PolynomialFrame
    step: tuple[float, float]

    def points(self, polynomial: Polynomial, half_px: int, search_px: int) -> TiePoints:
        """Distinct matches of all tiles beyond the displacement that is already known, as whole vectors."""
        parts = []
        for (_, raster), fixed in zip(self.pairs, self.fixed, strict=True):
            windows = SearchWindows.of(raster.geobox.shape.yx, half_px=half_px, search_px=search_px)
            parts.append(matched(fixed, _structure(raster, polynomial), raster.geobox, windows=windows))
        points = joined(parts)
        points = points.where(points.distinct)
        return points.moved(*polynomial.at(points.x, points.y))

    def fit(self, points: TiePoints, tolerance_px: float) -> Fit:
        return fitted(points, self.frame, step=self.step, tolerance_px=tolerance_px)

    def second(self, polynomial: Polynomial, search_px: int) -> SecondOpinion | None:
        """What mutual information says, measured on the moving rasters corrected by the polynomial."""
        moved = [
            (fixed, moving if polynomial.is_identity else warped(moving, polynomial)) for fixed, moving in self.pairs
        ]
        # Mutual information measures what is left after the correction, so the correction's mean is added.
        right, up = self.vectors_px(polynomial).mean(axis=0)
        return judging.opinion(information_shift(moved, search_px=search_px), (float(right), float(up)))

    def vectors_px(self, polynomial: Polynomial) -> np.ndarray:
        """The polynomial's vectors, right and up, at places spread evenly over all tiles [place, axis]."""
        parts = []
        for raster, _ in self.pairs:
            left, bottom, right, top = raster.geobox.boundingbox
            x, y = np.meshgrid(np.linspace(left, right, _PLACES), np.linspace(bottom, top, _PLACES))
            parts.append(np.stack(polynomial.at(x.ravel(), y.ravel()), axis=1) / self.step)
        return np.concatenate(parts)

    def likeness(self, polynomial: Polynomial) -> float:
        """Correlation of both images' structure over all tiles, the moving ones corrected."""
        sums = np.zeros(3)
        for (_, raster), fixed in zip(self.pairs, self.fixed, strict=True):
            moving = _structure(raster, polynomial)
            both = fixed.usable & moving.usable
            if both.any():
                a, b = (stack[:, both] for stack in (fixed.channels, moving.channels))
                # Means go by channel: what streets of one direction have in common is no likeness.
                a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
                sums += (a * b).sum(), (a * a).sum(), (b * b).sum()
        return float(sums[0] / math.sqrt(sums[1] * sums[2])) if sums[1] * sums[2] > 0 else 0.0


def _structure(raster: Raster, polynomial: Polynomial | None = None) -> Structure:
    lying = raster if polynomial is None or polynomial.is_identity else warped(raster, polynomial)
    return structure(lying.values_BHW, lying.valid_BHW)


def check(pairs: Sequence[Pair]) -> None:
    """ValueError where rasters do not share a grid, are too small, or hold nothing."""
    if not pairs:
        raise ValueError("co-registration needs a pair of rasters, got none")
    first = pairs[0][0].geobox
    for fixed, moving in pairs:
        if fixed.geobox != moving.geobox:
            raise ValueError(
                f"the rasters lie on different grids ({_place(fixed)}; {_place(moving)}): resample one onto the other"
            )
        if min(fixed.geobox.shape) < LEAST_SIDE_PX:
            raise ValueError(f"a raster of {_place(fixed)} is too small: {LEAST_SIDE_PX} pixels a side are needed")
        if fixed.geobox.crs != first.crs or not _same_step(fixed.geobox.affine, first.affine):
            raise ValueError(
                f"tiles of one region must share CRS and pixel size: {_place(pairs[0][0])}, {_place(fixed)}"
            )
    for name, side in (("fixed", 0), ("moving", 1)):
        if not any(pair[side].valid_BHW.all(axis=0).any() for pair in pairs):
            raise ValueError(f"the {name} raster has no pixel that is valid in all its bands")


def frame_of(pairs: Sequence[Pair]) -> PolynomialFrame:
    """The box around all tiles."""
    boxes = np.array([tuple(pair[0].geobox.boundingbox) for pair in pairs])
    left, bottom = boxes[:, :2].min(axis=0)
    right, top = boxes[:, 2:].max(axis=0)
    return PolynomialFrame(str(pairs[0][0].geobox.crs), (float(left), float(bottom), float(right), float(top)))


def warped(raster: Raster, polynomial: Polynomial) -> Raster:
    """The raster as it would lie without its displacement, bilinear: at (x, y) what was found at (x + dx, y + dy).

    Missing pixels weigh nothing; a pixel is valid where the pixel under its source is (as Image.displace here).
    """
    if str(raster.geobox.crs) != polynomial.frame.crs:
        raise ValueError(f"the displacement is known in {polynomial.frame.crs}, the raster lies in {raster.geobox.crs}")
    height, width = raster.geobox.shape
    affine = raster.geobox.affine
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    dx, dy = polynomial.at(affine.a * cols + affine.c, affine.e * rows + affine.f)
    # Each band has holes of its own, so that weights cannot be shared.
    sampled = [
        _bilinear(values, valid, cols + dx / affine.a, rows + dy / affine.e)
        for values, valid in zip(raster.values_BHW, raster.valid_BHW, strict=True)
    ]
    values, valid = (np.stack(arrays) for arrays in zip(*sampled, strict=True))
    dtype = raster.values_BHW.dtype
    # Integers are rounded before the cast, which would cut towards zero and darken every band by half a step.
    return Raster(raster.geobox, raster.bands, (np.rint(values) if dtype.kind in "iu" else values).astype(dtype), valid)


def _bilinear(values: np.ndarray, valid: np.ndarray, us: np.ndarray, vs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity at pixel coordinates (centres at half integers)."""
    height, width = values.shape
    left, top = np.floor(us - 0.5).astype(int), np.floor(vs - 0.5).astype(int)
    right_share, low_share = us - 0.5 - left, vs - 0.5 - top
    total, weight = np.zeros(us.shape), np.zeros(us.shape)
    for row, row_share in ((top, 1 - low_share), (top + 1, low_share)):
        for col, col_share in ((left, 1 - right_share), (left + 1, right_share)):
            inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
            at = np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)
            share = row_share * col_share * (inside & valid[at])
            total += share * values[at]
            weight += share
    # A source on the edge of two pixels belongs to the one that Image.displace takes, despite rounding.
    row, col = np.floor(vs + 1e-7).astype(int), np.floor(us + 1e-7).astype(int)
    inside = (row >= 0) & (row < height) & (col >= 0) & (col < width)
    valid_there = inside & valid[np.clip(row, 0, height - 1), np.clip(col, 0, width - 1)] & (weight > 0)
    return np.where(valid_there, total / np.where(weight > 0, weight, 1), 0), valid_there


def _require_gain(fit: Fit, likeness: tuple[float, float]) -> None:
    if fit.loo_px > MOST_ERROR_PX:
        raise WeakEvidence(
            f"tie points are predicted from the others to {fit.loo_px:.2f} px only, {MOST_ERROR_PX} are allowed"
        )
    if fit.loo_px > LEAST_GAIN * fit.before_px:
        raise WeakEvidence(
            f"the images lie together already as well as can be measured: tie points are {fit.before_px:.2f} px apart, "
            f"a correction predicts them to {fit.loo_px:.2f} px"
        )
    if likeness[1] <= likeness[0]:
        raise WeakEvidence(
            f"the images are no more alike after a correction (correlation of structure {likeness[1]:.3f}) than before "
            f"it ({likeness[0]:.3f})"
        )


def _same_step(left, right) -> bool:
    return math.isclose(left.a, right.a, rel_tol=1e-9) and math.isclose(left.e, right.e, rel_tol=1e-9)


def _place(raster: Raster) -> str:
    height, width = raster.geobox.shape
    return f"{width} x {height} pixels of {raster.geobox.crs}"
