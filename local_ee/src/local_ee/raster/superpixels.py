"""Superpixels by simple non-iterative clustering, compiled.

R. Achanta, S. Suesstrunk, "Superpixels and polygons using simple non-iterative clustering", CVPR 2017, algorithm 1.
"""

from __future__ import annotations

import heapq

import numba
import numpy as np

NONE = -1
_STEPS = np.array([(0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (1, -1), (-1, -1), (-1, 1)])


def clusters(
    spectra: np.ndarray, valid: np.ndarray, seeds: np.ndarray, *, weight: float, connectivity: int
) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each pixel (NONE where there is none), and the mean spectra [band, cluster].

    spectra [band, row, column]; seeds: the cluster that a pixel starts, or NONE; weight: of a squared distance in
    pixels beside the squared distance of the spectra.
    """
    count = int(seeds.max(initial=NONE)) + 1
    labels = np.full(seeds.shape, NONE, np.int64)
    sums = np.zeros((count, len(spectra) + 3))
    if count:
        _grow(np.ascontiguousarray(spectra), valid, seeds, weight, _STEPS[:connectivity], labels, sums)
    size = np.maximum(sums[:, -1], 1)
    return labels, (sums[:, : len(spectra)] / size[:, None]).T


@numba.njit(nogil=True, cache=True)
def _grow(spectra, valid, seeds, weight, steps, labels, sums):  # pragma: no cover (compiled)
    # The pixel nearest to a cluster's mean, of all pixels beside clusters, joins next and moves that mean.
    # One queue for all clusters makes one pass enough; equal distances come in the order in which they were queued.
    # A pixel may be queued by several clusters: the first that takes it keeps it.
    bands, height, width = spectra.shape
    queue = [(0.0, 0, 0, 0)]
    queue.pop()
    turn = 0
    for i in range(height):
        for j in range(width):
            if seeds[i, j] >= 0 and valid[i, j]:
                queue.append((0.0, turn, i * width + j, seeds[i, j]))
                turn += 1
    while len(queue) > 0:
        _, _, pixel, label = heapq.heappop(queue)
        i, j = pixel // width, pixel % width
        if labels[i, j] >= 0:
            continue
        labels[i, j] = label
        own = sums[label]
        for b in range(bands):
            own[b] += spectra[b, i, j]
        own[bands] += i
        own[bands + 1] += j
        own[bands + 2] += 1
        size = own[bands + 2]
        for k in range(steps.shape[0]):
            r, c = i + steps[k, 0], j + steps[k, 1]
            if r < 0 or c < 0 or r >= height or c >= width or labels[r, c] >= 0 or not valid[r, c]:
                continue
            away = weight * ((r - own[bands] / size) ** 2 + (c - own[bands + 1] / size) ** 2)
            for b in range(bands):
                away += (spectra[b, r, c] - own[b] / size) ** 2
            heapq.heappush(queue, (away, turn, r * width + c, label))
            turn += 1
