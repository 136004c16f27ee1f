"""Smooth fields of the plane: land form, water, and how urban a place is and since when."""

from __future__ import annotations

import math

import numpy as np

from local_ee.world.compiled import compiled
from local_ee.world.noise import fractal, hash2, seed_of, smooth, unit
from local_ee.world.places import Places

_S_RIVER, _S_LAKE, _S_POND = seed_of("river"), seed_of("lake"), seed_of("pond")
_S_HILL, _S_FINE, _S_URBAN, _S_TOWN = seed_of("hill"), seed_of("fine"), seed_of("urban"), seed_of("town")
_S_MEANDER = seed_of("meander")

TOWN_REACH = 3.0  # town radii beyond which a town is not felt
WATER_FLOOR_M = -100.0  # the water field is cut there, so that far water need not be looked at
# Ours: a small town every 6 to 9 km of plain.
_TOWN_CELL_M = 6400.0
# Score at which a place was built up in 2020, and how much the score falls each year before and after
# (local_ee/docs/world.md, "Towns and fields": 3.5 % of the built area a year to 2020, 2 % after; fitted on region
# wuhan).
BUILT_2020, FALL_BEFORE, FALL_AFTER = 0.072, 0.0105, 0.0065


# Kernels, as every node of every field asks them; the tables are short and differ by place, so NumPy's calls on a few
# rows each would take longer than the sums. float64: plane metres have seven digits before the point.
@compiled
def land_at(x, y, land):
    """Height of the plain, of hills, ruggedness, dryness and wetness, blended from the land points."""
    total = 0.0
    out = np.zeros(5)
    reach = 15.0  # hundreds of km; on the open sea farther
    while total == 0.0:
        reach *= 2.0
        for k in range(land.shape[0]):
            dx, dy = (land[k, 0] - x) / 1e5, (land[k, 1] - y) / 1e5
            d2 = dx * dx + dy * dy
            if d2 < reach * reach:
                weight = 1.0 / ((d2 + 0.01) * (d2 + 0.01))
                total += weight
                for c in range(5):
                    out[c] += weight * land[k, 2 + c]
    for c in range(5):
        out[c] /= total
    return out


# Land points in the outer loop, so that the inner one runs over columns side by side without a branch.
@compiled
def land_row(xs, y, land, out):
    """Fills out [5, point] with land_at of points of one row; the same numbers, several at once."""
    count = xs.shape[0]
    total = np.zeros(count)
    out[:] = 0.0
    for k in range(land.shape[0]):
        dy = (land[k, 1] - y) / 1e5
        for i in range(count):
            dx = (land[k, 0] - xs[i]) / 1e5
            d2 = dx * dx + dy * dy
            weight = 1.0 / ((d2 + 0.01) * (d2 + 0.01)) if d2 < 900.0 else 0.0
            total[i] += weight
            out[0, i] += weight * land[k, 2]
            out[1, i] += weight * land[k, 3]
            out[2, i] += weight * land[k, 4]
            out[3, i] += weight * land[k, 5]
            out[4, i] += weight * land[k, 6]
    for i in range(count):
        if total[i] == 0.0:  # the open sea
            sea = land_at(xs[i], y, land)
            for c in range(5):
                out[c, i] = sea[c]
        else:
            for c in range(5):
                out[c, i] /= total[i]


@compiled
def hill_at(x, y, ruggedness):
    """Hills as a share of their greatest height: 0 on the plain; they run roughly east to west."""
    form = fractal(_S_HILL, x / 7000.0, y / 3900.0, 5)
    floor = 0.80 - 1.45 * ruggedness
    rise = (form - floor) / (1.35 - floor)
    return math.pow(min(max(rise, 0.0), 1.2), 1.2)


@compiled
def height_at(x, y, form):
    """Terrain height in metres above the sea, of bare ground."""
    roll = fractal(_S_FINE, x / 2300.0, y / 2300.0, 4)
    swell = 2.5 + 0.05 * form[1] * form[2]
    return form[0] + form[1] * hill_at(x, y, form[2]) * (1.0 + 0.12 * roll) + swell * roll


@compiled
def river_at(x, y, reaches):
    """Metres inside (positive) or outside the nearest river's bank."""
    bend = 60.0 * smooth(_S_RIVER, x / 1500.0, y / 1500.0) + 12.0 * smooth(_S_RIVER, x / 330.0, y / 330.0)
    x += 160.0 * smooth(_S_MEANDER, x / 2600.0, y / 2600.0)
    best = WATER_FLOOR_M
    for k in range(reaches.shape[0]):
        dx, dy = reaches[k, 2] - reaches[k, 0], reaches[k, 3] - reaches[k, 1]
        t = ((x - reaches[k, 0]) * dx + (y - reaches[k, 1]) * dy) / (dx * dx + dy * dy)
        t = min(max(t, 0.0), 1.0)
        distance = math.hypot(x - reaches[k, 0] - t * dx, y - reaches[k, 1] - t * dy)
        half = reaches[k, 4]
        best = max(best, half - distance + min(0.12 * half, 60.0) / 60.0 * bend)
    return best


@compiled
def lake_at(x, y, lakes, wetness):
    """Metres (about) inside or outside the nearest lake's shore: the named lakes, and nameless ones in wet plains."""
    best = WATER_FLOOR_M
    if lakes.shape[0] > 0:
        ragged = fractal(_S_LAKE, x / 2100.0, y / 2100.0, 5)
        for k in range(lakes.shape[0]):
            dx, dy = x - lakes[k, 0], y - lakes[k, 1]
            u = (dx * lakes[k, 4] + dy * lakes[k, 5]) / lakes[k, 2]
            v = (dy * lakes[k, 4] - dx * lakes[k, 5]) / lakes[k, 3]
            best = max(best, lakes[k, 3] * (1.0 - math.sqrt(u * u + v * v)) + 0.62 * lakes[k, 3] * ragged)
    if wetness > 0.02:
        pool = fractal(_S_POND, x / 2700.0, y / 2700.0, 5)
        best = max(best, 900.0 * (pool - 1.42 + 0.62 * wetness))
    return best


@compiled
def urban_at(x, y, towns, ruggedness, dryness):
    """How urban a place is, 0 to 1: the towns of the table and small ones on a loose lattice in the plains."""
    rural_share = 1.0
    for k in range(towns.shape[0]):
        share = math.hypot(x - towns[k, 0], y - towns[k, 1]) / towns[k, 2]
        if share < TOWN_REACH:
            rural_share *= 1.0 - (math.exp(-(share**1.5)) - math.exp(-(TOWN_REACH**1.5)))
    i0, j0 = math.floor(x / _TOWN_CELL_M), math.floor(y / _TOWN_CELL_M)
    for j in range(j0 - 1, j0 + 2):
        for i in range(i0 - 1, i0 + 2):
            h = hash2(_S_TOWN, i, j)
            if unit(h) < 0.75 - 0.6 * ruggedness - 0.5 * dryness:
                cx = (i + 0.15 + 0.7 * unit(hash2(h, 1, 0))) * _TOWN_CELL_M
                cy = (j + 0.15 + 0.7 * unit(hash2(h, 2, 0))) * _TOWN_CELL_M
                wide = unit(hash2(h, 3, 0))
                radius = 300.0 + 900.0 * (wide * wide)
                share = math.hypot(x - cx, y - cy) / radius
                if share < TOWN_REACH:
                    rural_share *= 1.0 - 0.75 * (math.exp(-(share**1.5)) - math.exp(-(TOWN_REACH**1.5)))
    return 1.0 - rural_share


@compiled
def score_at(x, y, towns, form):
    """The score that decides when a place is built up: the higher the earlier; hills and water are not in it."""
    urban = urban_at(x, y, towns, form[2], form[3])
    if urban < 0.02:
        return 0.0
    clump = fractal(_S_URBAN, x / 2400.0, y / 2400.0, 3)
    return urban + 0.16 * clump * min(1.0, 4.0 * urban)


@compiled
def year_built(score):
    """The year in which a place of this score is built up (a fraction of a year kept)."""
    gap = BUILT_2020 - score
    return 2020.0 + gap / (FALL_AFTER if gap > 0.0 else FALL_BEFORE)


def near(places: Places, x: float, y: float, reach_m: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Towns, river reaches and lakes that can matter within reach_m (plane metres) of a point."""
    towns, reaches, lakes = places.towns, places.reaches, places.lakes
    felt = np.hypot(towns[:, 0] - x, towns[:, 1] - y) < TOWN_REACH * towns[:, 2] + reach_m
    middle = (reaches[:, :2] + reaches[:, 2:4]) / 2
    length = np.hypot(reaches[:, 2] - reaches[:, 0], reaches[:, 3] - reaches[:, 1])
    along = np.hypot(middle[:, 0] - x, middle[:, 1] - y) < length / 2 + reaches[:, 4] + reach_m + 500
    wide = np.hypot(lakes[:, 0] - x, lakes[:, 1] - y) < 2.6 * lakes[:, 2] + reach_m + 500
    return towns[felt], reaches[along], lakes[wide]
