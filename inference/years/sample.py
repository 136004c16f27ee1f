"""The pixels from which the parameters of a series are estimated: a lattice that is fixed to the ground."""

from __future__ import annotations

import numpy as np

from inference.years.series import MapSeries

MOST_VALUES = 80_000  # pixels x years: so EM takes seconds and about 300 MB


def sampled(series: MapSeries, most: int | None = None) -> np.ndarray:
    """Stored probabilities (years, N) uint8 of every n-th row and column, counted from the origin of the projection.

    n is a power of two and as small as gives at most `most` pixels (MOST_VALUES of all years), so that two maps of one
    place share most pixels of their samples. A part of a map is another sample all the same: parameters that are to be
    equal are kept and given.
    """
    affine, (height, width) = series.geobox.affine, series.geobox.shape
    step, most = 1, most or MOST_VALUES // len(series.years)
    while (height // step) * (width // step) > most:
        step *= 2
    row0, col0 = round(affine.f / affine.e), round(affine.c / affine.a)
    cols = slice(-col0 % step, None, step)
    taken = [rows.share_THW[:, -(row0 + rows.row) % step :: step, cols] for rows in series.rows()]
    return np.concatenate([share_THW.reshape(len(share_THW), -1) for share_THW in taken], axis=1)
