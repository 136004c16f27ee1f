"""Pyramid levels: blocks of pixels averaged, voted or sampled (the pyramiding policies of Earth Engine's manifests)."""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.raster.pixels import Pixels, as_weight, hidden, is_blank, is_uniform, is_valid, valid

_BLOCK_PIXELS = 1 << 20  # native pixels held at once
MOST_PIXELS = 1 << 28  # native pixels of one reading: no level is stored, so a coarse one is made of them

FetchAt = Callable[[int, int, int, int], Pixels]


def reduced(fetch: FetchAt, window: tuple[int, int, int, int], factor: int, policies: tuple[str, ...]) -> Pixels:
    """A window (row, column, height, width) of the level whose pixels are factor x factor native ones.

    MEAN (weighted by the masks), SAMPLE (the upper left), MODE (weighted), MIN, MAX and MEDIAN (of an even number the
    mean of the middle two); the mask is the mean of the masks, except for SAMPLE (Shared.Types/PyramidingPolicy of the
    API reference). EngineError for a window of more than MOST_PIXELS native pixels.
    """
    row, col, height, width = window
    native = height * width * factor * factor
    if native > MOST_PIXELS:
        raise EngineError(
            f"Output of image computation is too large ({native} pixels of the input at its own scale, at most "
            f"{MOST_PIXELS}). Use a smaller area or a finer scale."
        )
    # Blocks of bounded native size: a level of 1 : 1,024 would otherwise read all native pixels of a window at once.
    across = max(1, min(width, _BLOCK_PIXELS // (factor * factor)))
    down = max(1, _BLOCK_PIXELS // (factor * factor * across))

    def block(rows: int, cols: int, top: int, left: int) -> Pixels:
        fine = fetch((row + top) * factor, (col + left) * factor, rows * factor, cols * factor)
        pairs = [_blocks(v, m, factor, p) for v, m, p in zip(fine.values, fine.masks, policies, strict=True)]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return in_blocks(block, (height, width), (down, across))


def in_blocks(block: Callable[[int, int, int, int], Pixels], shape: tuple[int, int], side: tuple[int, int]) -> Pixels:
    """A window put together of blocks (rows, columns, top, left), each a step of the computation's budget."""
    (height, width), (down, across) = shape, side
    pace = budget.Pace(-(-height // down) * -(-width // across))
    strips = []
    for top in range(0, height, down):
        strip = []
        for left in range(0, width, across):
            pace.step()
            strip.append(block(min(down, height - top), min(across, width - left), top, left))
        strips.append(_joined(strip, axis=1))
    return _joined(strips, axis=0)


def _joined(tiles: list[Pixels], axis: int) -> Pixels:
    """Parts side by side (axis 1) or one below the other (axis 0)."""
    if len(tiles) == 1:
        return tiles[0]
    values = zip(*(tile.values for tile in tiles), strict=True)
    masks = zip(*(tile.masks for tile in tiles), strict=True)
    return Pixels(
        tuple(np.concatenate(pieces, axis) for pieces in values),
        tuple(np.concatenate(pieces, axis) for pieces in masks),
    )


def _blocks(values: np.ndarray, mask: np.ndarray, factor: int, policy: str) -> tuple[np.ndarray, np.ndarray]:
    shape = (values.shape[0] // factor, values.shape[1] // factor)
    if is_blank(mask):
        return hidden(values.dtype, shape)
    if policy == "SAMPLE":
        return values[::factor, ::factor].copy(), mask[::factor, ::factor].copy()
    if is_uniform(values) and is_valid(mask):
        return np.broadcast_to(values[0, 0], shape), valid(shape)
    weights = np.ascontiguousarray(as_weight(mask))
    out, share = np.zeros(shape, values.dtype), np.zeros(shape, np.float32)
    values = np.ascontiguousarray(values)
    if policy == "MODE":
        _vote(values, weights, factor, out, share)
    elif policy == "MEDIAN":
        out, share = _middle(values, weights, factor)
    elif policy in ("MIN", "MAX"):
        _extreme(values, weights, factor, policy == "MIN", out, share)
    else:
        mean = np.zeros(shape)
        _average(values, weights, factor, mean, share)
        out = (np.rint(mean) if values.dtype.kind in "iu" else mean).astype(values.dtype)
    return out, _plain(share)


def _middle(values: np.ndarray, weights: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Medians of the pixels of each block that are not masked, and the means of the masks."""
    shape = (values.shape[0] // factor, factor, values.shape[1] // factor, factor)
    sorted_first, shares = (
        np.moveaxis(plane.reshape(shape), 1, 2).reshape(shape[0], shape[2], factor * factor)
        for plane in (np.where(weights > 0, values.astype(float), np.inf), weights)
    )
    ranked, count = np.sort(sorted_first, axis=2), (shares > 0).sum(axis=2, keepdims=True)
    low, high = np.maximum((count - 1) // 2, 0), count // 2 * (count > 0)
    ends = [np.take_along_axis(ranked, at, axis=2)[:, :, 0] for at in (low, high)]
    median = np.where(count[:, :, 0] > 0, ends[0] / 2 + ends[1] / 2, 0)
    whole = values.dtype.kind in "iu"
    return (np.rint(median) if whole else median).astype(values.dtype), shares.mean(axis=2, dtype=np.float32)


def _plain(share: np.ndarray) -> np.ndarray:
    """A mask of zeros and ones as bool."""
    return share != 0 if ((share == 0) | (share == 1)).all() else share


# Squares of native pixels with weights: NumPy would make arrays of the native size. In float64, in the
# order of rows, so that a window has the bits of the whole.
@numba.njit(nogil=True, cache=True)
def _average(values, weights, factor, mean, share):  # pragma: no cover (compiled)
    for i in range(mean.shape[0]):
        for j in range(mean.shape[1]):
            total, weight = 0.0, 0.0
            for k in range(i * factor, (i + 1) * factor):
                for m in range(j * factor, (j + 1) * factor):
                    if weights[k, m] > 0:
                        total += values[k, m] * weights[k, m]
                        weight += weights[k, m]
            if weight > 0:
                mean[i, j] = total / weight
                share[i, j] = weight / (factor * factor)


@numba.njit(nogil=True, cache=True)
def _extreme(values, weights, factor, least, out, share):  # pragma: no cover (compiled)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            weight, best = 0.0, values[0, 0]
            for k in range(i * factor, (i + 1) * factor):
                for m in range(j * factor, (j + 1) * factor):
                    if weights[k, m] > 0:
                        value = values[k, m]
                        if weight == 0.0 or (least and value < best) or (not least and value > best):
                            best = value
                        weight += weights[k, m]
            if weight > 0:
                out[i, j] = best
                share[i, j] = weight / (factor * factor)


@numba.njit(nogil=True, cache=True)
def _vote(values, weights, factor, out, share):  # pragma: no cover (compiled)
    most = factor * factor
    seen, votes = np.empty(most, values.dtype), np.empty(most, np.float64)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            kinds, weight = 0, 0.0
            for k in range(i * factor, (i + 1) * factor):
                for m in range(j * factor, (j + 1) * factor):
                    if weights[k, m] <= 0:
                        continue
                    weight += weights[k, m]
                    at = 0
                    while at < kinds and seen[at] != values[k, m]:
                        at += 1
                    if at == kinds:
                        seen[at], votes[at] = values[k, m], 0.0
                        kinds += 1
                    votes[at] += weights[k, m]
            best = 0
            for at in range(1, kinds):
                # Of equal votes the smaller value: the order in which pixels come must not decide.
                if votes[at] > votes[best] or (votes[at] == votes[best] and seen[at] < seen[best]):
                    best = at
            if kinds > 0:
                out[i, j] = seen[best]
                share[i, j] = weight / most
