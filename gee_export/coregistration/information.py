"""The shift of greatest mutual information between two images: a second opinion that knows no windows and no edges.

Mutual information of grey values (Mattes et al. 2003, doi 10.1109/TMI.2003.809072) compares all pixels at once, so it
also answers on areas that hold few windows. Ranks instead of grey values, summed over all pairs of bands; shifts of
whole pixels, so that interpolation makes no peaks, and a quadratic through the values around the greatest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import ndimage

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration.tiepoints import peak_of

MOST_RANKS, LEAST_RANKS = 24, 6  # grey levels of each band
PIXELS_A_BIN = 20  # of the joint levels in a quarter: with fewer, chance alone looks like information
SIGMA_PX = 1.0  # of the smoothing: speckle, and the lattice that a former resampling left, say nothing of the ground
COARSE_PX, FINE_PX = 2, 3  # the step of the first look, and how far around its peak every pixel is tried
CELLS, QUARTERS = 4, 4  # cells a side; every quarter takes every other cell along both axes
PIXELS = 400_000  # of all tiles that are compared, spread evenly; more give no other shift
# Some 14 pixels a joint level of LEAST_RANKS in each quarter: with fewer, quarters agree or differ by chance.
LEAST_PIXELS = 2_000
MOST_ERROR_PX = 0.5  # standard error of a shift that can be trusted


@dataclass(frozen=True)
class InformationShift:
    """The moving image lies right_px and up_px from the fixed one, where their mutual information is greatest.

    error_px: standard error of the vector, from how far the shifts of four quarters of the area lie apart. Each
    quarter is searched alone, so quarters of unrelated images lie far apart.
    """

    right_px: float
    up_px: float
    error_px: float

    @property
    def is_sure(self) -> bool:
        """Whether the quarters of the area agree on it to half a pixel."""
        return self.error_px <= MOST_ERROR_PX

    @property
    def length_px(self) -> float:
        return float(np.hypot(self.right_px, self.up_px))


def information_shift(pairs: Sequence[tuple[Raster, Raster]], *, search_px: int) -> InformationShift | None:
    """The shift of the second rasters against the first; None without a peak inside the search, or without texture."""
    # A sixth of the smallest tile at most: every shift is then judged on most of the pixels.
    reach = max(2 * COARSE_PX, min(search_px, min(min(fixed.geobox.shape) for fixed, _ in pairs) // 6))
    tiles = _tiles(pairs, reach + FINE_PX)
    if not tiles:
        return None
    steps = range(-(reach // COARSE_PX) * COARSE_PX, reach + 1, COARSE_PX)
    # A quarter of the pixels place the peak to a step; all of them are read only around it.
    coarse = _counts(tiles, steps, steps, every=2)
    row, col = _top(coarse.sum(axis=1), steps)
    down, right = (range(steps[at] - FINE_PX, steps[at] + FINE_PX + 1) for at in (row, col))
    fine = _counts(tiles, down, right)
    # A peak at the rim of the search is none: the true one lies outside.
    peak = _peak(fine.sum(axis=1), down, right)
    if peak is None:
        return None
    # The spread of quarters and not the peak's curvature: a wrong peak can be as sharp as a right one.
    quarters = [_of_quarter(coarse[:, quarter], fine[:, quarter], steps, (down, right)) for quarter in range(QUARTERS)]
    apart = np.array(quarters) - np.mean(quarters, axis=0)
    # The standard error of a mean of four, both axes together.
    error_px = float(np.sqrt((apart**2).sum() / (QUARTERS * (QUARTERS - 1))))
    return InformationShift(peak[0], -peak[1], error_px)


def _of_quarter(coarse: np.ndarray, fine: np.ndarray, steps: range, near: tuple[range, range]) -> tuple[float, float]:
    """Pixels right and down where a quarter alone has its peak, to a step where that is far from the whole's."""
    row, col = _top(coarse, steps)
    down, right = steps[row], steps[col]
    if down in near[0] and right in near[1] and (peak := _peak(fine, *near)) is not None:
        return peak
    return float(right), float(down)


def _top(counts: np.ndarray, steps: range) -> tuple[int, int]:
    row, col = np.unravel_index(_information(counts).argmax(), (len(steps), len(steps)))
    return int(row), int(col)


def _peak(counts: np.ndarray, down: range, right: range) -> tuple[float, float] | None:
    """Pixels right and down of the peak of joint counts [shift, ...]."""
    peak = peak_of(_information(counts).reshape(len(down), len(right)))
    return None if peak is None else (right[len(right) // 2] + peak[0], down[len(down) // 2] + peak[1])


def _information(counts: np.ndarray) -> np.ndarray:
    """Mutual information [shift] of joint counts [shift, pair of bands, level, level], the bands' summed (nats)."""
    # An empty quarter divides by 1 and has no information, instead of NaN.
    joint = counts / np.maximum(counts.sum(axis=(2, 3), keepdims=True), 1)
    apart = joint.sum(axis=2, keepdims=True) * joint.sum(axis=3, keepdims=True)
    # 0 log 0 is 0: the ones under both keep the logarithm finite where nothing was counted.
    logarithms = np.log(np.where(joint > 0, joint, 1) / np.where(joint > 0, apart, 1))
    return np.asarray((joint * logarithms).sum(axis=(1, 2, 3)))


@dataclass(frozen=True)
class _Tile:
    """Levels of both rasters [band, row, column], where all their bands are valid, and the pixels that are compared."""

    fixed: np.ndarray
    moving: np.ndarray
    fixed_valid: np.ndarray
    moving_valid: np.ndarray
    ranks: int
    rows: np.ndarray
    cols: np.ndarray

    def counts(self, down: int, right: int, every: int) -> np.ndarray:
        """Joint counts [quarter, pair of bands, level, level] of the moving raster read `down` and `right` away."""
        rows, cols = self.rows[::every], self.cols[::every]
        at, shifted = np.ix_(rows, cols), np.ix_(rows + down, cols + right)
        both = self.fixed_valid[at] & self.moving_valid[shifted]
        quarter = (2 * _parity(rows)[:, None] + _parity(cols)[None])[both]
        still = [band[at][both] for band in self.fixed]
        loose = [band[shifted][both] for band in self.moving]
        shape = QUARTERS, self.ranks, self.ranks
        # One number a triple, so that a single bincount fills quarter, fixed and moving level.
        codes = [
            ((quarter * self.ranks) + fixed_level) * self.ranks + moving_level
            for fixed_level, moving_level in product(still, loose)
        ]
        return np.stack([np.bincount(code, minlength=int(np.prod(shape))).reshape(shape) for code in codes], axis=1)


def _counts(tiles: Sequence[_Tile], down: range, right: range, every: int = 1) -> np.ndarray:
    """Joint counts of all tiles [shift, quarter, pair of bands, level, level], shifts row by row."""
    return np.stack(
        [np.sum([tile.counts(row, col, every) for tile in tiles], axis=0) for row, col in product(down, right)]
    )


def _tiles(pairs: Sequence[tuple[Raster, Raster]], margin: int) -> list[_Tile]:
    """The tiles in levels that all of them share; none where too few pixels are valid, or a band does not vary."""
    lengths = np.array([fixed.geobox.shape for fixed, _ in pairs])
    stride = max(1, int(np.ceil(np.sqrt(lengths.prod(axis=1).sum() / PIXELS))))
    lattices = [
        (np.arange(margin, height - margin, stride), np.arange(margin, width - margin, stride))
        for height, width in lengths
    ]
    valid = [(np.all(fixed.valid_BHW, axis=0), np.all(moving.valid_BHW, axis=0)) for fixed, moving in pairs]
    pixels = 0
    for (fixed_valid, moving_valid), lattice in zip(valid, lattices, strict=True):
        pixels += int(np.count_nonzero(np.logical_and(fixed_valid, moving_valid)[np.ix_(*lattice)]))
    if pixels < LEAST_PIXELS:
        return []
    # As many levels as the pixels can fill: too many would find information in noise.
    ranks = int(np.clip(np.sqrt(pixels / QUARTERS / PIXELS_A_BIN), LEAST_RANKS, MOST_RANKS))
    levels = [_ranked([pair[side] for pair in pairs], ranks) for side in (0, 1)]
    if any(of_side is None for of_side in levels):
        return []
    tiles = zip(*levels, valid, lattices, strict=True)  # type: ignore[arg-type]
    return [
        _Tile(fixed, moving, fixed_valid, moving_valid, ranks, rows, cols)
        for fixed, moving, (fixed_valid, moving_valid), (rows, cols) in tiles
    ]


def _ranked(rasters: Sequence[Raster], ranks: int) -> list[np.ndarray] | None:
    """Levels 0 to ranks - 1 of equal number [band, row, column] of each raster; None where a band does not vary."""
    smooth = [_smoothed(raster) for raster in rasters]
    limits = []
    for band in range(len(smooth[0])):
        values = np.concatenate(
            [values[band][raster.valid_BHW.all(axis=0)] for values, raster in zip(smooth, rasters, strict=True)]
        )
        if values.min() == values.max():
            return None
        # Quantiles over all tiles: a level means the same grey value in each of them.
        limits.append(np.quantile(values, np.linspace(0, 1, ranks + 1)[1:-1]))
    return [np.stack([np.searchsorted(*pair) for pair in zip(limits, values, strict=True)]) for values in smooth]


def _parity(line: np.ndarray) -> np.ndarray:
    """0 and 1 in turn along CELLS strips of rows or columns."""
    # Interleaved strips, so that every quarter sees all parts of the area.
    return np.arange(len(line)) * CELLS // max(1, len(line)) % 2


def _smoothed(raster: Raster) -> np.ndarray:
    """Values without speckle; missing pixels weigh nothing."""
    weight = [ndimage.gaussian_filter(valid.astype(float), SIGMA_PX) for valid in raster.valid_BHW]
    total = [
        ndimage.gaussian_filter(np.where(valid, values, 0).astype(float), SIGMA_PX)
        for values, valid in zip(raster.values_BHW, raster.valid_BHW, strict=True)
    ]
    return np.stack([band / np.maximum(share, 1e-6) for band, share in zip(total, weight, strict=True)])
