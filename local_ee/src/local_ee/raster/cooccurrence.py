"""Gray level co-occurrence matrices of windows, compiled; without the matrices: their few entries are counted.

R. M. Haralick, K. Shanmugam, I. Dinstein, "Textural features for image classification", IEEE Transactions on Systems,
Man and Cybernetics 3, 1973 (f1 to f13); R. W. Conners, M. M. Trivedi, C. A. Harlow, "Segmentation of a high-resolution
urban scene using texture operators", Computer Vision, Graphics and Image Processing 25, 1984 (the last three).
"""

from __future__ import annotations

import numba
import numpy as np

from local_ee import budget

METRICS = (
    *("asm", "contrast", "corr", "var", "idm", "savg", "svar", "sent", "ent"),
    *("dvar", "dent", "imcorr1", "imcorr2", "maxcorr", "diss", "inertia", "shade", "prom"),
)
_STRIP = 64  # rows between two checks of the budget


def metrics(
    values: np.ndarray, valid: np.ndarray, reach: int, offset: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The metrics [metric, row, column] of the square of 2 reach + 1 pixels around each inner pixel, and validity.

    A pair is two valid pixels of the square, the second (row, column) away; each pair counts both ways.
    """
    height, width = (side - 2 * reach for side in values.shape)
    out = np.zeros((len(METRICS), height, width))
    has_pairs = np.zeros((height, width), bool)
    levels = np.ascontiguousarray(values, np.int64)
    for top in range(0, height, _STRIP):
        budget.check()
        rows = slice(top, min(top + _STRIP, height) + 2 * reach)
        _fill(
            levels[rows],
            np.ascontiguousarray(valid[rows]),
            reach,
            offset,
            out[:, top : top + _STRIP],
            has_pairs[top : top + _STRIP],
        )
    return out, has_pairs


@numba.njit(nogil=True, cache=True)
def _fill(values, valid, reach, offset, out, has_pairs):  # pragma: no cover (compiled)
    # A window has few pairs beside the possible pairs of levels: sorted lists of sums, differences and pairs give
    # the entries of the matrix that are not zero. Every list is sorted, so that sums are added in one order and a
    # pixel does not depend on the window.
    down, right = offset
    side = 2 * reach + 1
    first = np.empty(side * side, np.int64)
    second = np.empty(side * side, np.int64)
    for i in range(has_pairs.shape[0]):
        for j in range(has_pairs.shape[1]):
            count = 0
            for r in range(max(0, -down), side - max(0, down)):
                for c in range(max(0, -right), side - max(0, right)):
                    if valid[i + r, j + c] and valid[i + r + down, j + c + right]:
                        a, b = values[i + r, j + c], values[i + r + down, j + c + right]
                        first[count], second[count] = min(a, b), max(a, b)
                        count += 1
            if count and valid[i + reach, j + reach]:
                has_pairs[i, j] = True
                _measure(first[:count], second[:count], out[:, i, j])


@numba.njit(nogil=True, cache=True)
def _measure(first, second, out):  # pragma: no cover (compiled)
    # first <= second pair by pair. A pair of different levels stands for two equal entries of the symmetric matrix,
    # p(i, j) and p(j, i), each of half its share.
    count = first.size
    ends = np.sort(np.concatenate((first, second)))
    mean = ends.sum() / (2 * count)
    variance = ((ends - mean) ** 2).sum() / (2 * count)
    order = np.argsort(second, kind="mergesort")
    order = order[np.argsort(first[order], kind="mergesort")]
    low, high = first[order], second[order]
    asm, entropy, start = 0.0, 0.0, 0
    for k in range(1, count + 1):
        if k == count or low[k] != low[start] or high[k] != high[start]:
            ways = 1.0 if low[start] == high[start] else 2.0
            entry = (k - start) / count / ways
            asm += ways * entry * entry
            entropy -= ways * entry * np.log(entry)
            start = k
    sums, gaps = np.sort(low + high), np.sort(high - low)
    average = sums.sum() / count
    gap_mean = gaps.sum() / count
    contrast = (gaps.astype(np.float64) ** 2).sum() / count
    marginal = _entropy(ends)
    out[0], out[1] = asm, contrast
    out[2] = (((low - mean) * (high - mean)).sum() / count) / variance if variance > 0 else 0.0
    out[3] = variance
    out[4] = (1.0 / (1.0 + gaps.astype(np.float64) ** 2)).sum() / count
    out[5], out[6] = average, ((sums - average) ** 2).sum() / count
    out[7], out[8] = _entropy(sums), entropy
    out[9], out[10] = ((gaps - gap_mean) ** 2).sum() / count, _entropy(gaps)
    out[11] = (entropy - 2 * marginal) / marginal if marginal > 0 else 0.0
    out[12] = np.sqrt(max(0.0, 1.0 - np.exp(-2.0 * (2 * marginal - entropy))))
    out[13] = 0.0
    out[14], out[15] = gap_mean, contrast
    out[16] = ((sums - 2 * mean) ** 3).sum() / count
    out[17] = ((sums - 2 * mean) ** 4).sum() / count


@numba.njit(nogil=True, cache=True)
def _entropy(ordered):  # pragma: no cover (compiled)
    total, start = 0.0, 0
    for k in range(1, ordered.size + 1):
        if k == ordered.size or ordered[k] != ordered[start]:
            share = (k - start) / ordered.size
            total -= share * np.log(share)
            start = k
    return total
