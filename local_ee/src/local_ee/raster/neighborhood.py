"""Sums over neighbourhoods, compiled. Each pixel's sum is added in one fixed order, so that a pixel does not depend on
where a window begins: no running sums, but sums of 2, 4, 8 ... neighbours, of which boxes are put together."""

from __future__ import annotations

import numba
import numpy as np

from local_ee import budget, parallel
from local_ee.raster.kernel import Weights

_STEPS = 1 << 30  # additions between two checks of the budget
_ROWS = 128  # that one thread sums at a time
_CHUNK = 2048  # columns at a time: their sums stay in the processor's cache


def window_sums(
    values: np.ndarray, mask: np.ndarray, weights: Weights, *, squares: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of w, w*x and w*x*x (zeros unless squares) over the kernel around each inner pixel; masked ones left out.

    values and mask cover the window and the kernel's margins; the sums cover the window.
    """
    height, width = weights.values.shape
    shape = (values.shape[0] - height + 1, values.shape[1] - width + 1)
    sums = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    values, mask = np.ascontiguousarray(values), np.ascontiguousarray(mask)
    offsets, cells = np.argwhere(weights.values != 0), weights.values[weights.values != 0]
    count = height + width if weights.is_box else len(cells)
    strip = max(1, _STEPS // (max(count, 1) * values.shape[1]))
    for top in range(0, shape[0], strip):
        budget.check()
        below = slice(top, min(top + strip, shape[0]) + height - 1)
        into = [total[top : top + strip] for total in sums]
        if weights.is_box:
            _box_sums(values[below], mask[below], height, width, float(weights.values.flat[0]), squares, *into)
        else:
            _kernel_sums(values[below], mask[below], offsets, cells, squares, *into)
    return sums


def window_moments(
    values: np.ndarray, mask: np.ndarray, weights: Weights, *, squares: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, population variance (zeros unless squares) and validity over a box of equal weights, masked ones left out.

    Shapes as window_sums; float32 for float32, else float64 (sums are float64 always).
    """
    height, width = weights.values.shape
    shape = (values.shape[0] - height + 1, values.shape[1] - width + 1)
    all_valid = bool(mask.all())
    dtype = np.float32 if values.dtype == np.float32 else np.float64
    mean, variance = np.empty(shape, dtype), np.empty(shape, dtype) if squares else np.zeros((1, 1), dtype)
    valid = np.empty((1, 1) if all_valid else shape, bool)
    share = np.ones((1, 1), bool) if all_valid else np.ascontiguousarray(mask)
    values = np.ascontiguousarray(values)

    def strip(rows: slice) -> None:
        around = slice(rows.start, rows.stop + height - 1)
        _box_moments(
            values[around], share if all_valid else share[around], (height, width), (all_valid, squares),
            mean[rows], variance[rows] if squares else variance, valid if all_valid else valid[rows],
        )  # fmt: skip

    parallel.strips(strip, shape[0], _ROWS)
    if all_valid:
        valid = np.broadcast_to(np.True_, shape)
    return mean, variance if squares else np.broadcast_to(variance[0, 0], shape), valid


# Sums over a power of two of rows and columns are kept and joined: a box of any side costs the logarithm of it. No
# running sums: their rounding would depend on where the window begins.
@numba.njit(nogil=True, cache=True)
def _box_moments(values, share, sides, flags, mean, variance, valid):  # pragma: no cover (compiled)
    (height, width), (all_valid, squares) = sides, flags
    rows, cols = mean.shape
    down, top = _levels(height), _levels(width) - 1
    scratch = np.empty(_CHUNK, mean.dtype)
    for left in range(0, cols, _CHUNK):
        wide = min(_CHUNK, cols - left)
        across = wide + width - 1
        # By quantity (weight, x, xx), level (sums of 2 ** level rows) and row modulo the window's height.
        ring = np.empty((3, down, height, across))
        line = np.zeros((3, top + 1, across))
        for r in range(rows + height - 1):
            for q in range(1 if all_valid else 0, 3 if squares else 2):
                here = share[0] if all_valid else share[r, left : left + across]
                _load(ring[q, 0, r % height], values[r, left : left + across], here, q, all_valid)
                for b in range(1, down):
                    start = r - (1 << b) + 1
                    if start >= 0:
                        _pair(ring, q, b, start % height, (start + (1 << (b - 1))) % height, across)
                if r >= height - 1:
                    _gather_rows(line, ring, q, r - height + 1, height, across)
                    _gather_columns(line, q, width, wide)
            if r >= height - 1:
                i, columns = r - height + 1, slice(left, left + wide)
                spread = variance[i, columns] if squares else scratch[:wide]
                if all_valid:
                    _finish(line[1, top], line[2, top], mean[i, columns], spread, np.float64(height * width))
                else:
                    _finish_masked(line[:, top], mean[i, columns], spread, valid[i, columns])


@numba.njit(nogil=True, cache=True, inline="always")
def _levels(side):  # pragma: no cover (compiled)
    levels = 0
    while (1 << levels) <= side:
        levels += 1
    return levels


@numba.njit(nogil=True, cache=True)
def _load(out, values, share, quantity, all_valid):  # pragma: no cover (compiled)
    if all_valid and quantity == 1:
        for c in range(out.size):
            out[c] = np.float64(values[c])
    elif all_valid:
        for c in range(out.size):
            x = np.float64(values[c])
            out[c] = x * x
    elif quantity == 0:
        for c in range(out.size):
            out[c] = np.float64(share[c])
    elif quantity == 1:
        for c in range(out.size):
            weight = np.float64(share[c])
            out[c] = weight * np.float64(values[c]) if weight != 0.0 else 0.0
    else:
        for c in range(out.size):
            weight, x = np.float64(share[c]), np.float64(values[c])
            out[c] = weight * x * x if weight != 0.0 else 0.0


# Whole arrays and indices where they can be: making a view costs as much as adding a short row. Not where an index is
# a sum: for that numba looks at each whether it counts from the end. Nor is an input the output of `a = a + b`: there
# the compiler's check of overlaps would choose its slow loop.


@numba.njit(nogil=True, cache=True)
def _pair(ring, q, b, first, second, across):  # pragma: no cover (compiled)
    for c in range(across):
        ring[q, b, first, c] = ring[q, b - 1, first, c] + ring[q, b - 1, second, c]


@numba.njit(nogil=True, cache=True)
def _gather_rows(line, ring, q, start, height, across):  # pragma: no cover (compiled)
    top = ring.shape[1] - 1
    slot = start % height
    for c in range(across):
        line[q, 0, c] = ring[q, top, slot, c]
    start += 1 << top
    for b in range(top - 1, -1, -1):
        if height & (1 << b):
            slot = start % height
            for c in range(across):
                line[q, 0, c] += ring[q, b, slot, c]
            start += 1 << b


@numba.njit(nogil=True, cache=True)
def _gather_columns(line, q, width, wide):  # pragma: no cover (compiled)
    top = line.shape[1] - 1
    for b in range(1, top + 1):
        beside = line[q, b - 1, 1 << (b - 1) :]
        for c in range(wide + width - (1 << b)):
            line[q, b, c] = line[q, b - 1, c] + beside[c]
    start = 1 << top
    for b in range(top - 1, -1, -1):
        if width & (1 << b):
            beside = line[q, b, start:]
            for c in range(wide):
                line[q, top, c] += beside[c]
            start += 1 << b


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _finish(total, square, mean, variance, count):  # pragma: no cover (compiled)
    share = 1.0 / count
    for c in range(mean.size):
        middle = total[c] * share
        mean[c] = middle
        variance[c] = max(square[c] * share - middle * middle, 0.0)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _finish_masked(sums, mean, variance, valid):  # pragma: no cover (compiled)
    for c in range(mean.size):
        has_weight = sums[0, c] > 0.0
        share = 1.0 / (sums[0, c] if has_weight else 1.0)
        middle = sums[1, c] * share
        mean[c] = middle
        variance[c] = max(sums[2, c] * share - middle * middle, 0.0)
        valid[c] = has_weight


# Columns first, then along the row, for boxes with weights: sums of rows are shared by all boxes of a row.
@numba.njit(nogil=True, cache=True)
def _box_sums(values, mask, height, width, weight, squares, w, wx, wxx):  # pragma: no cover (compiled)
    across = values.shape[1]
    count, total, square = np.empty(across), np.empty(across), np.empty(across)
    for i in range(w.shape[0]):
        count[:] = 0.0
        total[:] = 0.0
        square[:] = 0.0
        for r in range(i, i + height):
            for c in range(across):
                share = np.float64(mask[r, c])
                x = np.float64(values[r, c]) if share != 0 else 0.0
                count[c] += share
                total[c] += share * x
                if squares:
                    square[c] += share * x * x
        for j in range(w.shape[1]):
            a, b, d = 0.0, 0.0, 0.0
            for c in range(j, j + width):
                a += count[c]
                b += total[c]
                if squares:
                    d += square[c]
            w[i, j] = a * weight
            wx[i, j] = b * weight
            wxx[i, j] = d * weight


# For kernels that are no box: taps outside, columns inside, so that the inner loop reads side by side.
@numba.njit(nogil=True, cache=True)
def _kernel_sums(values, mask, offsets, weights, squares, w, wx, wxx):  # pragma: no cover (compiled)
    for i in range(w.shape[0]):
        for k in range(weights.size):
            r, shift, weight = i + offsets[k, 0], offsets[k, 1], weights[k]
            for j in range(w.shape[1]):
                share = np.float64(mask[r, j + shift])
                if share != 0:
                    x = np.float64(values[r, j + shift])
                    w[i, j] += weight * share
                    wx[i, j] += weight * share * x
                    if squares:
                        wxx[i, j] += weight * share * x * x
