"""Sums over neighbourhoods, compiled. Each pixel's sum is added in one fixed order, so that a pixel does not depend on
where a window begins."""

from __future__ import annotations

import numba
import numpy as np

from gee_export.engine.raster.kernel import Weights


def window_sums(
    values: np.ndarray, mask: np.ndarray, weights: Weights, *, squares: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sums of w, w*x and w*x*x (zeros unless squares) over the kernel around each inner pixel; masked ones left out.

    values and mask cover the window and the kernel's margins; the sums cover the window.
    """
    height, width = weights.values.shape
    shape = (values.shape[0] - height + 1, values.shape[1] - width + 1)
    sums = tuple(np.zeros(shape) for _ in range(3))
    values, mask = np.ascontiguousarray(values), np.ascontiguousarray(mask)
    if weights.is_box:
        _box_sums(values, mask, height, width, float(weights.values.flat[0]), squares, *sums)
    else:
        offsets = np.argwhere(weights.values != 0)
        _kernel_sums(values, mask, offsets, weights.values[weights.values != 0], squares, *sums)
    return sums


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
