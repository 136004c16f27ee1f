"""A Sentinel-1 pass as its bands record it: point response, shift against Sentinel-2, wind, speckle, noise, borders."""

from __future__ import annotations

import math

import numpy as np

from gee_export.engine.catalog.world.compiled import compiled
from gee_export.engine.catalog.world.noise import hash2, seed_of, smooth

SPECKLE_SIGMA_PX = 1.14  # of the Gaussian that correlates speckle: acf .68, .22, .05 (world.md section 2d)
LOOKS = (1.0, 1.0, 1.0, 1.0, 0.4)  # 4.4 looks
RESPONSE_SIGMA_PX = 0.9
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


@compiled
def slow_shift(x_m, y_m, axis):
    """The slowly changing part of the shift in pixels (sd .25, length 3 km): world.md section 6."""
    return 0.55 * smooth(_S_SLOW + np.uint64(axis), x_m / 3000.0, y_m / 3000.0)


@compiled
def respond(power, margin, shift_col, shift_row, table, col0, row0):
    """Power convolved with the point response and moved by the shift (pixels east and south), margins cut off."""
    height, width = power.shape[0] - 2 * margin, power.shape[1] - 2 * margin
    reach, steps = (table.shape[1] - 1) // 2, table.shape[0] - 1
    middle = np.empty((height, power.shape[1]), np.float32)
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for col in range(power.shape[1]):
            shift = -(shift_row + slow_shift((col0 + col - margin) * 10.0, (row0 + row) * 10.0, 1))
            whole = math.floor(shift + 0.5)
            index = int((shift - whole + 0.5) * steps + 0.5)
            total = np.float32(0.0)
            for k in range(2 * reach + 1):
                total += table[index, k] * power[row + margin + whole + k - reach, col]
            middle[row, col] = total
        for col in range(width):
            shift = -(shift_col + slow_shift((col0 + col) * 10.0, (row0 + row) * 10.0, 0))
            whole = math.floor(shift + 0.5)
            index = int((shift - whole + 0.5) * steps + 0.5)
            total = np.float32(0.0)
            for k in range(2 * reach + 1):
                total += table[index, k] * middle[row, col + margin + whole + k - reach]
            out[row, col] = total
    return out


@compiled
def _look(out, seed, weight, taps, col0, row0):
    """Adds one look of correlated speckle: weight x the squared modulus of a filtered circular field."""
    height, width = out.shape
    reach = (taps.shape[0] - 1) // 2
    real = np.empty((height + 2 * reach, width + 2 * reach), np.float32)
    imag = np.empty((height + 2 * reach, width + 2 * reach), np.float32)
    for row in range(height + 2 * reach):
        for col in range(width + 2 * reach):
            h = hash2(seed, col0 + col - reach, row0 + row - reach)
            real[row, col] = np.float32(np.int64(h & np.uint64(0xFFFFFF)) - 8388608)
            imag[row, col] = np.float32(np.int64((h >> np.uint64(24)) & np.uint64(0xFFFFFF)) - 8388608)
    line_r, line_i = np.empty(width + 2 * reach, np.float32), np.empty(width + 2 * reach, np.float32)
    scale = np.float32(weight * 1.5 / (8388608.0 * 8388608.0))  # a uniform number in [-1, 1] has variance 1/3
    for row in range(height):
        line_r[:] = 0
        line_i[:] = 0
        for k in range(2 * reach + 1):
            for col in range(width + 2 * reach):
                line_r[col] += taps[k] * real[row + k, col]
                line_i[col] += taps[k] * imag[row + k, col]
        for col in range(width):
            a = b = np.float32(0.0)
            for k in range(2 * reach + 1):
                a += taps[k] * line_r[col + k]
                b += taps[k] * line_i[col + k]
            out[row, col] += scale * (a * a + b * b)


def speckle(height: int, width: int, seed: np.uint64, col0: int, row0: int) -> np.ndarray:
    """Multiplicative speckle of mean 1 and 4.4 looks over a window: float32 [row, column]."""
    out = np.zeros((height, width), np.float32)
    total = sum(LOOKS)
    for look, weight in enumerate(LOOKS):
        _look(out, np.uint64((int(seed) + 7919 * look) % 2**64), weight / total, _TAPS, col0, row0)
    return out


_TABLE, _TAPS = _response_table(), _speckle_taps()


def record(
    land: np.ndarray, water_power: float, *, shift_px: tuple[float, float], seed: np.uint64, place: tuple[int, int]
):
    """One polarisation as recorded: linear power, float32 [row, column].

    `land` holds the land's power and the water share with MARGIN pixels around; place is the window's (column, row).
    """
    power = land[0] + np.float32(water_power) * land[1]
    seen = respond(power, MARGIN, shift_px[0], shift_px[1], _TABLE, *place)
    grain = speckle(*seen.shape, seed, *place)
    return (seen + np.float32(FLOOR)) * grain
