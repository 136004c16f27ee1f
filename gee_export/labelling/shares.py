"""Impervious shares in percent (uint8, 255 unknown): of classes, of finer pixels, of several sources."""

from __future__ import annotations

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN, Scheme

SUBPIXELS = 10  # a side at most: 10-m pixels of 1 m


def of_classes(label: np.ndarray, scheme: Scheme) -> np.ndarray:
    """0 or 100 by class: all that a label as coarse as its grid can say."""
    return np.where(label == UNKNOWN, label, (label == scheme.impervious) * np.uint8(100)).astype(np.uint8)


def of_blocks(fine: np.ndarray, side: int) -> np.ndarray:
    """Mean of each block of side x side finer shares over the known ones, half to even; 255 where under half is."""
    if side == 1:
        return fine
    height, width = fine.shape[0] // side, fine.shape[1] // side
    blocks = fine.reshape(height, side, width, side)
    known_count = (blocks != UNKNOWN).sum(axis=(1, 3), dtype=np.int64)
    total = np.where(blocks == UNKNOWN, np.uint8(0), blocks).sum(axis=(1, 3), dtype=np.int64)
    share = np.rint(total / np.maximum(known_count, 1))
    # Half of the pixel at least: a share of a corner says little of the rest.
    return np.where(2 * known_count >= side * side, share, UNKNOWN).astype(np.uint8)


def mean(shares: np.ndarray) -> np.ndarray:
    """Mean of shares (sources, rows, columns) over the sources that know, half to even."""
    labelled = shares != UNKNOWN
    count = labelled.sum(axis=0)
    # uint8 would overflow at the third source.
    total = np.where(labelled, shares, 0).sum(axis=0, dtype=np.float64)
    return np.where(count > 0, np.rint(total / np.maximum(count, 1)), UNKNOWN).astype(np.uint8)


def most(shares: np.ndarray) -> np.ndarray:
    """The largest of shares (sources, rows, columns) that are known: a lower bound where sources add up."""
    labelled = shares != UNKNOWN
    return np.where(labelled.any(axis=0), np.where(labelled, shares, 0).max(axis=0), UNKNOWN).astype(np.uint8)


def subpixels(step_m: float, finest_m: float) -> int:
    """Finer pixels along a pixel of step_m so that each is no coarser than finest_m, 1 to SUBPIXELS."""
    return int(min(max(np.ceil(step_m / finest_m - 1e-6), 1), SUBPIXELS))
