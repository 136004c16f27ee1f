"""The places worth a look: where much is unknown over much ground, spread so that no two ask the same question."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

RADIUS_PX = 3  # a question stands for the window of so many pixels around: 70 x 70 m at 10 m


def candidates(
    score_HW: np.ndarray, known_HW: np.ndarray, each: int, *, radius_px: int = RADIUS_PX
) -> list[tuple[int, int, float]]:
    """At most `each` pixels (row, column) of a patch with disagreement x area, in pixels; the greatest first.

    Disagreement x area is the sum of the scores in the window around; the pixel asked is that of the greatest score in
    it. No window holds another pixel asked. known_HW: which pixels may be asked about; others count as score 0.
    """
    side = 2 * radius_px + 1
    score = np.where(known_HW, score_HW, 0.0).astype(float)
    area = uniform_filter(score, side, mode="constant") * side**2
    area[~known_HW] = 0.0
    out: list[tuple[int, int, float]] = []
    while len(out) < each and area.max() > 1e-9:
        middle = tuple(map(int, np.unravel_index(area.argmax(), area.shape)))
        rows, cols = (slice(max(0, at - radius_px), at + radius_px + 1) for at in middle)
        window = np.where(known_HW[rows, cols] & (area[rows, cols] > 0), score[rows, cols], -1.0)
        down, right = np.unravel_index(window.argmax(), window.shape)
        row, col = int(down) + rows.start, int(right) + cols.start
        out.append((row, col, float(area[middle])))
        for y, x in ((row, col), middle):
            area[max(0, y - side) : y + side + 1, max(0, x - side) : x + side + 1] = 0.0
    return out
