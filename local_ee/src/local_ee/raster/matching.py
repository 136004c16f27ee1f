"""Where a patch of one image lies in another: normalised cross-correlation and its peak between pixels.

J. P. Lewis, "Fast normalized cross-correlation", Vision Interface, 1995.
"""

from __future__ import annotations

import numpy as np

_LEAST_VALID = 0.5  # share of a patch whose pixels are valid in both images
_LEAST_SPREAD = 1e-9  # of a patch's values beside their size: less is flat


def correlation(patch: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Correlations [-1, 1] of patches [band, row, column] at every offset in a larger place; all bands count together.

    Pixels that are NaN take no part: they are given the mean. Offsets where too few pixels are valid are -1.
    """
    # The numerator is a convolution with the patch turned around; the denominator needs sums over windows only.
    # Both are sums of all bands, each freed of its mean, so that bands of a larger spread weigh more.
    # A flat patch has no correlation: 0 / 0 is taken for -1.
    from scipy.signal import fftconvolve  # it takes longer to load than the other algorithms together

    finite = np.isfinite(ground).all(axis=0)
    share = _sums(finite.astype(float), patch.shape[1:]) / patch[0].size
    top, below = np.zeros(share.shape), np.zeros(share.shape)
    own = 0.0
    for template, band in zip(patch, ground, strict=True):
        inside = np.isfinite(template)
        if inside.mean() < _LEAST_VALID:
            return np.full(share.shape, -1.0)
        template = np.where(inside, template - template[inside].mean(), 0)
        values = np.where(finite, band - (band[finite].mean() if finite.any() else 0), 0)
        top += fftconvolve(values, template[::-1, ::-1], mode="valid")
        total, squares = _sums(values, template.shape), _sums(values * values, template.shape)
        below += np.maximum(squares - total * total / template.size, 0)
        own += float((template * template).sum())
    scale = max(float(np.nanmax(np.abs(ground), initial=0)), 1.0) ** 2 * patch[0].size
    usable = (share >= _LEAST_VALID) & (below > _LEAST_SPREAD * scale) & (own > _LEAST_SPREAD * scale)
    return np.where(usable, np.divide(top, np.sqrt(below * own), out=np.zeros_like(top), where=usable), -1.0)


def _sums(values: np.ndarray, sides: tuple[int, ...]) -> np.ndarray:
    """Sums over windows of these sides, at every offset."""
    total = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    total[1:, 1:] = values.cumsum(axis=0).cumsum(axis=1)
    height, width = sides
    return total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]


def peak(scores: np.ndarray) -> tuple[float, float, float]:
    """Row and column of the highest score, between pixels by parabolas through its neighbours, and the score."""
    row, col = np.unravel_index(int(scores.argmax()), scores.shape)
    best = float(scores[row, col])
    down = _summit(scores[:, col], int(row))
    right = _summit(scores[row], int(col))
    return float(row) + down, float(col) + right, best


def _summit(line: np.ndarray, at: int) -> float:
    """How far from a sample the parabola through it and its neighbours is highest, at most half a sample."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = line[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float(np.clip((before - after) / (2 * bend), -0.5, 0.5)) if bend < 0 and min(before, after) > -1 else 0.0
