"""Numbers from places: hashes of absolute coordinates, and smooth noise on them; nothing here has a state."""

from __future__ import annotations

import math

import numpy as np

from local_ee.world.compiled import compiled

_ADD, _MUL1, _MUL2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S11 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(11)
_LOW_32 = np.uint64(0xFFFFFFFF)


# The kernels here are small because every loop of the world calls them: numba puts them into the caller. NumPy would
# make an array for each step of a hash. Integers keep 64 bits and no sign, so that they wrap alike on every machine.
@compiled
def mix(value):
    """A well-stirred 64-bit number (the finaliser of SplitMix64, Steele et al. 2014)."""
    h = np.uint64(value) + _ADD
    h = (h ^ (h >> _S30)) * _MUL1
    h = (h ^ (h >> _S27)) * _MUL2
    return h ^ (h >> _S31)


@compiled
def column_key(seed, i):
    """What the hashes of a column's lattice points share: a loop over rows computes it once."""
    return mix(np.uint64(seed) ^ (np.uint64(np.int64(i)) * _MUL1))


@compiled
def column_keys(seed, first, count):
    """The keys of columns side by side."""
    out = np.empty(count, np.uint64)
    for k in range(count):
        out[k] = column_key(seed, first + k)
    return out


@compiled
def point_hash(column, j):
    """hash2 of the point in row j of a column, given its key."""
    return mix(column ^ (np.uint64(np.int64(j)) * _ADD))


@compiled
def hash2(seed, i, j):
    """The 64-bit hash of a lattice point."""
    return point_hash(column_key(seed, i), j)


@compiled
def derive(key, counter):
    """The counter-th hash of an object's key."""
    return mix(np.uint64(key) + np.uint64(np.int64(counter)) * _MUL2)


@compiled
def unit(h):
    """A hash as a number in [0, 1)."""
    # 53 bits are what a double holds exactly (2^53 = 9007199254740992): more could round to 1.
    return np.float64(h >> _S11) * (1.0 / 9007199254740992.0)


@compiled
def draw(key, counter):
    """The counter-th uniform number in [0, 1) of an object."""
    return unit(derive(key, counter))


@compiled
def draw_normal(key, counter):
    """The counter-th standard normal number of an object (Box-Muller)."""
    h = derive(key, counter)
    # Never 0, as 0 has no logarithm.
    u = (np.float64(h & _LOW_32) + 1.0) / 4294967297.0
    v = np.float64(h >> np.uint64(32)) / 4294967296.0
    return math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


@compiled
def either(condition, first, second):
    """One of two numbers by a condition: a branch that `compiled.over_arrays` has too."""
    return first if condition else second


@compiled
def smooth(seed, x, y):
    """Value noise in [-1, 1] of unit lattice length, continuous with its slope."""
    fx, fy = math.floor(x), math.floor(y)
    return between(corners_of(seed, np.int64(fx), np.int64(fy)), x - fx, y - fy)


@compiled
def corners_of(seed, i, j):
    """The numbers in [0, 1) at the corners of a lattice cell; a loop keeps them while it stays in the cell."""
    return (
        unit(hash2(seed, i, j)),
        unit(hash2(seed, i + 1, j)),
        unit(hash2(seed, i, j + 1)),
        unit(hash2(seed, i + 1, j + 1)),
    )


@compiled
def between(corners, u, v):
    """Value noise in [-1, 1] at shares u and v of the cell with these corners."""
    u = u * u * (3.0 - 2.0 * u)
    v = v * v * (3.0 - 2.0 * v)
    top = corners[0] * (1.0 - u) + corners[1] * u
    low = corners[2] * (1.0 - u) + corners[3] * u
    return 2.0 * (top * (1.0 - v) + low * v) - 1.0


@compiled
def row_state(count):
    """What `next_row` keeps between rows of `count` columns."""
    return np.full((2, count + 1), np.nan)


# Row by row, because neighbours share lattice corners: hashing, the dear part, is done once for each corner and not
# once for each pixel and corner. The loop at the end has no branch, so that it runs on several columns at once.
@compiled
def next_row(seed, first, step, length, y, kept, out):
    """As smooth_row, for one row after the other: rows between the same lattice points share all but their own weight.

    kept: from `row_state`, one for each seed and length.
    """
    count = out.shape[0]
    fy = math.floor(y)
    if kept[0, count] != fy:
        kept[0, count] = fy
        j, last = np.int64(fy), np.int64(-(2**62))
        a = b = c = d = 0.0
        for k in range(count):
            x = (first + k) * step / length
            fx = math.floor(x)
            i = np.int64(fx)
            if i != last:
                a, b = unit(hash2(seed, i, j)), unit(hash2(seed, i + 1, j))
                c, d = unit(hash2(seed, i, j + 1)), unit(hash2(seed, i + 1, j + 1))
                last = i
            u = x - fx
            u = u * u * (3.0 - 2.0 * u)
            kept[0, k], kept[1, k] = a * (1.0 - u) + b * u, c * (1.0 - u) + d * u
    v = y - fy
    v = v * v * (3.0 - 2.0 * v)
    for k in range(count):
        out[k] = 2.0 * (kept[0, k] * (1.0 - v) + kept[1, k] * v) - 1.0


@compiled
def smooth_row(seed, first, step, length, y, out):
    """Fills out with smooth(seed, (first + k) * step / length, y) for k = 0, 1, ..; a lattice cell is hashed once."""
    next_row(seed, first, step, length, y, row_state(out.shape[0]), out)


@compiled
def fractal(seed, x, y, octaves):
    """Sum of value noise, each octave twice as fine and half as strong; sd about 0.38."""
    total, strength = 0.0, 1.0
    for octave in range(octaves):
        total += strength * smooth(np.uint64(seed) + np.uint64(octave * 101), x, y)
        x, y, strength = 2.0 * x + 17.3, 2.0 * y - 9.1, 0.5 * strength
    return total


def seed_of(*parts: object) -> np.uint64:
    """A seed from words and numbers, the same on every machine and in every process."""
    value = 0x243F6A8885A308D3
    for byte in "/".join(map(str, parts)).encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return np.uint64(_mix_python(value))


def _mix_python(value: int) -> int:
    h = (value + int(_ADD)) % 2**64
    h = ((h ^ (h >> 30)) * int(_MUL1)) % 2**64
    h = ((h ^ (h >> 27)) * int(_MUL2)) % 2**64
    return h ^ (h >> 31)
