"""A Sentinel-1 pass as its bands record it: point response, shift against Sentinel-2, wind, speckle, noise, borders."""

from __future__ import annotations

import math
from functools import cache

import numpy as np

from local_ee.world.compiled import compiled
from local_ee.world.noise import column_keys, point_hash, seed_of, smooth_row

# Of the Gaussian that correlates speckle: acf .68, .22, .05 (local_ee/docs/world.md, "Speckle")
SPECKLE_SIGMA_PX = 1.14
LOOKS = (1.0, 1.0, 1.0, 1.0, 0.4)  # 4.4 looks
# A resolution of about 20 m on pixels of 10 m (ESA).
RESPONSE_SIGMA_PX = 0.9
# Taps beyond which a pixel changes by less than it is noisy; so are the steps of a shift.
_REACH = 4
FLOOR = 10 ** (-30 / 10)  # noise left after thermal correction
MARGIN = 9  # 10-m pixels around a window that response and shift reach
_S_SLOW = seed_of("slow shift")
_STEPS = 64


def _response_table() -> np.ndarray:
    """Weights of 2 * _REACH + 1 neighbours for shifts of -1/2 to 1/2 pixel in _STEPS steps."""
    shifts = np.linspace(-0.5, 0.5, _STEPS + 1)[:, None]
    at = np.arange(-_REACH, _REACH + 1)[None, :]
    weights = np.exp(-0.5 * ((at - shifts) / RESPONSE_SIGMA_PX) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _speckle_taps() -> np.ndarray:
    at = np.arange(-_REACH, _REACH + 1)
    weights = np.exp(-0.5 * (at / SPECKLE_SIGMA_PX) ** 2)
    return (weights / np.sqrt((weights**2).sum())).astype(np.float32)


# The shift is a field, so NumPy would gather by index; along a row it is equal over long runs, which are sums of
# whole rows with one weight.
@compiled
def _slow_shift(axis, first, row, out):
    """Fills out with the slowly changing part of the shift in pixels (sd .25, length 3 km: local_ee/docs/world.md,
    "Shift of Sentinel-1").
    """
    smooth_row(_S_SLOW + np.uint64(axis), first, 10.0, 3000.0, row * 10.0 / 3000.0, out)
    for k in range(out.shape[0]):
        out[k] = 0.55 * out[k]


@compiled
def respond(power, margin, shift_col, shift_row, table, col0, row0):
    """Power convolved with the point response and moved by the shift (pixels east and south), margins cut off."""
    height, width = power.shape[0] - 2 * margin, power.shape[1] - 2 * margin
    reach, steps = (table.shape[1] - 1) // 2, table.shape[0] - 1
    middle = np.empty(power.shape[1], np.float32)
    down, across = np.empty(power.shape[1]), np.empty(width)
    whole_px, index = np.empty(power.shape[1], np.int32), np.empty(power.shape[1], np.int32)
    out = np.zeros((height, width), np.float32)
    for row in range(height):
        # The shift changes slowly along a row, so pixels of one shift are summed together.
        _slow_shift(1, col0 - margin, row0 + row, down)
        _split(down, shift_row, steps, whole_px, index)
        middle[:] = 0
        start = 0
        while start < power.shape[1]:
            stop = _run(whole_px, index, start, power.shape[1])
            top = row + margin + whole_px[start] - reach
            for k in range(2 * reach + 1):
                _add(middle[start:stop], table[index[start], k], power[top + k, start:stop])
            start = stop
        _slow_shift(0, col0, row0 + row, across)
        _split(across, shift_col, steps, whole_px, index)
        start = 0
        while start < width:
            stop = _run(whole_px, index, start, width)
            left = margin + whole_px[start] - reach
            for k in range(2 * reach + 1):
                _add(out[row, start:stop], table[index[start], k], middle[start + left + k : stop + left + k])
            start = stop
    return out


@compiled
def _split(slow, shift, steps, whole_px, index):
    """Fills whole pixels and the table's row of each shift back by `shift` and a slow part."""
    for k in range(slow.shape[0]):
        back = -(shift + slow[k])
        whole = math.floor(back + 0.5)
        whole_px[k], index[k] = whole, int((back - whole + 0.5) * steps + 0.5)


@compiled
def _run(whole_px, index, start, end):
    """Where the run of equal shifts from `start` ends."""
    stop = start + 1
    while stop < end and whole_px[stop] == whole_px[start] and index[stop] == index[start]:
        stop += 1
    return stop


@compiled
def _add(target, weight, source):
    for k in range(target.shape[0]):
        target[k] += weight * source[k]


# Random fields come from hashes and are filtered while their rows are made: only the rows under the taps are kept.
# float32: speckle is a product of noise, and twice as many columns fit into a register.
@compiled
def _look(out, seed, weight, taps, col0, row0):
    """Adds one look of correlated speckle: weight x the squared modulus of a filtered circular field."""
    height, width = out.shape
    count = taps.shape[0]
    reach = (count - 1) // 2
    # Only the rows under the taps are kept: row r of the field lies at r modulo their number.
    real = np.empty((count, width + 2 * reach), np.float32)
    imag = np.empty((count, width + 2 * reach), np.float32)
    line_r, line_i = np.empty(width + 2 * reach, np.float32), np.empty(width + 2 * reach, np.float32)
    sum_r, sum_i = np.empty(width, np.float32), np.empty(width, np.float32)
    keys = column_keys(seed, col0 - reach, width + 2 * reach)
    scale = np.float32(weight * 1.5 / (8388608.0 * 8388608.0))  # a uniform number in [-1, 1] has variance 1/3
    for new in range(height + 2 * reach):
        for col in range(width + 2 * reach):
            h = point_hash(keys[col], row0 + new - reach)
            real[new % count, col] = np.float32(np.int64(h & np.uint64(0xFFFFFF)) - 8388608)
            imag[new % count, col] = np.float32(np.int64((h >> np.uint64(24)) & np.uint64(0xFFFFFF)) - 8388608)
        row = new - 2 * reach
        if row < 0:
            continue
        line_r[:] = 0
        line_i[:] = 0
        sum_r[:] = 0
        sum_i[:] = 0
        for k in range(count):
            at = (row + k) % count
            for col in range(width + 2 * reach):
                line_r[col] += taps[k] * real[at, col]
                line_i[col] += taps[k] * imag[at, col]
        for k in range(count):
            shifted_r, shifted_i = line_r[k:], line_i[k:]
            for col in range(width):
                sum_r[col] += taps[k] * shifted_r[col]
                sum_i[col] += taps[k] * shifted_i[col]
        for col in range(width):
            out[row, col] += scale * (sum_r[col] * sum_r[col] + sum_i[col] * sum_i[col])


def speckle(height: int, width: int, seed: np.uint64, col0: int, row0: int) -> np.ndarray:
    """Multiplicative speckle of mean 1 and 4.4 looks over a window: float32 [row, column]."""
    out = np.zeros((height, width), np.float32)
    total = sum(LOOKS)
    for look, weight in enumerate(LOOKS):
        _look(out, np.uint64((int(seed) + 7919 * look) % 2**64), weight / total, _TAPS, col0, row0)
    return out


_TABLE, _TAPS = _response_table(), _speckle_taps()


@cache
def speckle_db() -> float:
    """What speckle takes of the mean of decibels, about -0.5: its own mean is 1, that of its logarithm is below 0."""
    return float(10 * np.log10(speckle(256, 256, seed_of("speckle in decibels"), 0, 0)).mean())


def sampled(planes: np.ndarray, every: int) -> np.ndarray:
    """Each `every`-th pixel of a tile's planes under the point response; beyond its edges the tile comes again."""
    padded = np.pad(planes, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)), "wrap")
    seen = np.stack([respond(np.ascontiguousarray(plane), MARGIN, 0.0, 0.0, _TABLE, 0, 0) for plane in padded])
    return seen[:, ::every, ::every].copy()


def lit(land: np.ndarray, water_power: float) -> np.ndarray:
    """Power of land and of open water together, from the land's power and the water share."""
    return land[0] + np.float32(water_power) * land[1]


def record(
    land: np.ndarray, water_power: float, *, shift_px: tuple[float, float], seed: np.uint64, corner: tuple[int, int]
):
    """One polarisation as recorded: linear power, float32 [row, column].

    `land` holds the land's power and the water share with MARGIN pixels around; `corner` is the window's (column, row).
    """
    seen = respond(lit(land, water_power), MARGIN, shift_px[0], shift_px[1], _TABLE, *corner)
    grain = speckle(seen.shape[0], seen.shape[1], seed, *corner)
    return (seen + np.float32(FLOOR)) * grain
