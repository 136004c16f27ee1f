"""Bilinear and bicubic interpolation between pixel centres, with masks."""

from __future__ import annotations

import numba
import numpy as np

from local_ee.raster.pixels import as_weight


def interpolated(
    values: np.ndarray, mask: np.ndarray, us: np.ndarray, vs: np.ndarray, method: str
) -> tuple[np.ndarray, np.ndarray]:
    """Values and mask at pixel coordinates (u right, v down; pixel centres at half integers) inside `values`.

    Assumption (Google documents none of it): masked neighbours count nothing and the rest of the weights is scaled to
    one; the result is valid where the pixel under the point is. The result is float, or double where `values` is.
    """
    dtype = np.float64 if values.dtype in (np.float64, np.int64, np.uint32, np.int32) else np.float32
    source = np.ascontiguousarray(values, dtype)
    weights = np.ascontiguousarray(as_weight(mask))
    out, out_mask = np.zeros(us.shape, dtype), np.zeros(us.shape, np.float32)
    _fill(source, weights, us, vs, method == "bicubic", out, out_mask)
    return out, out_mask != 0 if mask.dtype == bool else out_mask


# Weights depend on each pixel's own place, so there is no kernel to convolve with; masked neighbours change them too.
# In float64, summed in the order of rows and columns, so that a pixel does not depend on the window.
@numba.njit(nogil=True, cache=True)
def _cubic(distance):  # pragma: no cover (compiled)
    d = abs(distance)
    if d < 1:
        return (1.5 * d - 2.5) * d * d + 1
    if d < 2:
        return ((-0.5 * d + 2.5) * d - 4) * d + 2
    return 0.0


@numba.njit(nogil=True, cache=True)
def _fill(source, weights, us, vs, cubic, out, out_mask):  # pragma: no cover (compiled)
    reach = 2 if cubic else 1
    for i in range(us.shape[0]):
        for j in range(us.shape[1]):
            u, v = us[i, j], vs[i, j]
            valid = weights[int(np.floor(v + 1e-7)), int(np.floor(u + 1e-7))]
            if valid <= 0:
                continue
            left, top = int(np.floor(u - 0.5)), int(np.floor(v - 0.5))
            total, weight = 0.0, 0.0
            for r in range(top + 1 - reach, top + 1 + reach):
                dv = v - 0.5 - r
                wv = _cubic(dv) if cubic else 1 - abs(dv)
                for c in range(left + 1 - reach, left + 1 + reach):
                    if weights[r, c] > 0:
                        du = u - 0.5 - c
                        w = wv * (_cubic(du) if cubic else 1 - abs(du)) * weights[r, c]
                        total += w * source[r, c]
                        weight += w
            if weight != 0:
                out[i, j] = total / weight
                out_mask[i, j] = valid
