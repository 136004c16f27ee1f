"""The minimum mapping unit as docs/after-the-network.md defines it, slowly and without the project's code."""

from __future__ import annotations

import numpy as np

UNKNOWN = 255


def by_definition(class_HW: np.ndarray, least_px: int) -> np.ndarray:
    """The classes of an array without small components, found pixel by pixel."""
    label_HW, sizes = np.zeros(class_HW.shape, int), [0]
    height, width = class_HW.shape

    def beside(row, col):
        for r, c in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
            if 0 <= r < height and 0 <= c < width and class_HW[r, c] != UNKNOWN:
                yield r, c

    for start in zip(*np.nonzero(class_HW != UNKNOWN), strict=True):
        if label_HW[start]:
            continue
        waiting, label_HW[start], size = [start], len(sizes), 0
        while waiting:
            pixel = waiting.pop()
            size += 1
            for second in beside(*pixel):
                if class_HW[second] == class_HW[start] and not label_HW[second]:
                    label_HW[second] = len(sizes)
                    waiting.append(second)
        sizes.append(size)
    result = class_HW.copy()
    for index, size in enumerate(sizes):
        if not index or size >= least_px:
            continue
        votes = np.zeros(255, int)
        for pixel in zip(*np.nonzero(label_HW == index), strict=True):
            for second in beside(*pixel):
                if label_HW[second] != index and sizes[label_HW[second]] >= least_px:
                    votes[class_HW[second]] += 1
        if votes.any():
            result[label_HW == index] = votes.argmax()
    return result
