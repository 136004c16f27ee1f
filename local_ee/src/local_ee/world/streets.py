"""The street lattice: arterials about a kilometre apart, bent and turned, and the streets and parcels inside.

A cell of the lattice is a quadrilateral between four corners; its two middle lines are secondary streets, and branch
streets cut the four quarters into parcels (local_ee/docs/world.md, "Towns and fields": 2 km of street lines per km2 of
each kind in town).
"""

from __future__ import annotations

import math

import numpy as np

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.fields import year_built
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, draw_normal, hash2, seed_of, smooth, unit
from local_ee.world.paint import disc, line, point
from local_ee.world.plane import lonlat_of, utm_of

SPACING_M = 1000.0
REACH_M = 4600.0  # no corner is displaced farther than this less one cell
_S_BEND_X, _S_BEND_Y, _S_CORNER, _S_CELL = seed_of("bend x"), seed_of("bend y"), seed_of("corner"), seed_of("cell")
_S_LINE = seed_of("line")
ARTERIAL, SECONDARY, BRANCH = range(3)


# The plan of streets is code with branches over a few hundred objects, compiled so that many tiles can be drawn in
# parallel; Python draws the first tiles of an installation (truth.drawing).
@compiled
def corner(i, j, towns):
    """Plane metres of a lattice corner."""
    x, y = i * SPACING_M, j * SPACING_M
    dx = 1300.0 * smooth(_S_BEND_X, x / 8200.0, y / 8200.0)
    dy = 1300.0 * smooth(_S_BEND_Y, x / 8200.0, y / 8200.0)
    for k in range(towns.shape[0]):
        rx, ry = x - towns[k, 0], y - towns[k, 1]
        share = 1.0 - (rx * rx + ry * ry) / (4.0 * towns[k, 2] * towns[k, 2])
        if share > 0.0:
            turn = towns[k, 3] * (share * share * share)
            dx, dy = dx - turn * ry, dy + turn * rx
    h = hash2(_S_CORNER, i, j)
    dx += 300.0 * (unit(h) - 0.5)
    dy += 300.0 * (unit(derive(h, 1)) - 0.5)
    return x + dx, y + dy


@compiled
def corners(i0, j0, count, towns, epsg, left, top):
    """Corners of count x count lattice points from (i0, j0): plane metres and canvas points [j, i, 4]."""
    out = np.empty((count, count, 4))
    for j in range(count):
        for i in range(count):
            x, y = corner(i0 + i, j0 + j, towns)
            lon, lat = lonlat_of(x, y)
            east, north = utm_of(lon, lat, epsg)
            out[j, i, 0], out[j, i, 1], out[j, i, 2], out[j, i, 3] = x, y, east - left, top - north
    return out


@compiled
def cell_key(i, j):
    """The key from which everything in a cell is drawn."""
    return hash2(_S_CELL, i, j)


@compiled
def middles(key):
    """Where a cell's middle lines lie, as shares along and across."""
    return 0.4 + 0.2 * draw(key, 1), 0.4 + 0.2 * draw(key, 2)


@compiled
def cuts(key):
    """Where branch streets cut a quarter: a share along and one across, or 0 for none."""
    pick, s, t = draw(key, 3), 0.4 + 0.2 * draw(key, 4), 0.4 + 0.2 * draw(key, 5)
    if pick < 0.45:
        return s, t
    return (s, 0.0) if pick < 0.73 else (0.0, t)


@compiled
def part(q, s0, s1, t0, t1):
    """A part of a quadrilateral between shares along and across."""
    out = np.empty(8)
    out[0], out[1] = point(q, s0, t0)
    out[2], out[3] = point(q, s1, t0)
    out[4], out[5] = point(q, s1, t1)
    out[6], out[7] = point(q, s0, t1)
    return out


@compiled
def far_away(q, side, margin):
    """Whether a quadrilateral cannot touch the canvas."""
    xs_low, xs_high = min(q[0], q[2], q[4], q[6]), max(q[0], q[2], q[4], q[6])
    ys_low, ys_high = min(q[1], q[3], q[5], q[7]), max(q[1], q[3], q[5], q[7])
    return xs_high < -margin or ys_high < -margin or xs_low > side + margin or ys_low > side + margin


@compiled
def _town_street(canvas, ends, rank, key, born):
    half = 12.5 if rank == ARTERIAL else (8.0 if rank == SECONDARY else 4.5)
    half *= 0.85 + 0.3 * draw(key, 1)
    green = pack(m.EVERGREEN, 0, to_byte(0.6 * draw_normal(key, 2)), to_byte(draw_normal(key, 3)))
    walk = pack(m.CONCRETE, 0, to_byte(-0.8 + 0.4 * draw_normal(key, 4)), born)
    road = pack(m.ASPHALT, 0, to_byte(0.6 * draw_normal(key, 5)), born)
    if rank != BRANCH:
        line(canvas, ends[0], ends[1], ends[2], ends[3], half + 9.0, walk)
        line(canvas, ends[0], ends[1], ends[2], ends[3], half + 6.5, green)
    else:
        line(canvas, ends[0], ends[1], ends[2], ends[3], half + 4.0, green)
    line(canvas, ends[0], ends[1], ends[2], ends[3], half, road)
    _avenue(canvas, ends, half, key)


@compiled
def _avenue(canvas, ends, half, key):
    """Crowns along both kerbs that hang over a street; some streets have few."""
    length = length_of(ends)
    if length < 20.0:
        return
    share = 0.25 + 0.65 * draw(key, 30)
    ux, uy = (ends[2] - ends[0]) / length, (ends[3] - ends[1]) / length
    for k in range(int(length / 8.0)):
        for side in range(2):
            h = derive(key, 3000 + 2 * k + side)
            if unit(h) > share:
                continue
            away = (half + 1.2) * (1 if side else -1)
            x, y = ends[0] + 8.0 * k * ux - away * uy, ends[1] + 8.0 * k * uy + away * ux
            if min(x, y) < -6.0 or max(x, y) > canvas.shape[0] + 6.0:
                continue
            tree = m.EVERGREEN if draw(h, 1) < 0.6 else m.DECIDUOUS
            disc(canvas, x, y, 2.4 + 2.2 * draw(h, 2), pack(tree, 0, to_byte(draw_normal(h, 3)), 128))


@compiled
def _country_road(canvas, ends, rank, key, wild):
    if draw(key, 18) < wild:
        return
    pick = draw(key, 6)
    verge = pack(m.DECIDUOUS, 0, to_byte(draw_normal(key, 7)), to_byte(draw_normal(key, 8)))
    old = 25  # paved before the world's first year
    if rank == ARTERIAL and pick < 0.5:
        line(canvas, ends[0], ends[1], ends[2], ends[3], 8.5, verge)
        line(
            canvas, ends[0], ends[1], ends[2], ends[3], 4.5, pack(m.ASPHALT, 0, to_byte(0.5 * draw_normal(key, 9)), old)
        )
    elif rank == SECONDARY and pick < 0.16:
        water = pack(m.LAKE, 0, to_byte(draw_normal(key, 9)), 128)
        line(canvas, ends[0], ends[1], ends[2], ends[3], 8.0, verge)
        line(canvas, ends[0], ends[1], ends[2], ends[3], 3.0 + 3.0 * draw(key, 10), water)
    elif pick < (0.9 if rank == ARTERIAL else (0.75 if rank == SECONDARY else 0.3)):
        if draw(key, 11) < 0.5:
            line(canvas, ends[0], ends[1], ends[2], ends[3], 4.5, verge)
        half = 1.8 + 0.9 * draw(key, 12)
        line(
            canvas,
            ends[0],
            ends[1],
            ends[2],
            ends[3],
            half,
            pack(m.CONCRETE, 0, to_byte(0.4 * draw_normal(key, 13) - 0.6), old),
        )
    elif pick < 0.7:
        line(canvas, ends[0], ends[1], ends[2], ends[3], 1.5, pack(m.BARE, 0, to_byte(draw_normal(key, 14)), 128))


@compiled
def street(canvas, ends, rank, key, score, land, year):
    """Draws a street or road between two canvas points; returns the year it became a town street.

    land = (share of hill, wildness of the country): few roads lead through wild country, none over hills.
    """
    hill, wild = land
    # Streets come before houses; the plains are full of them, wild country outside towns is not.
    share = 1.0 if score > 0.02 else min(max(2.0 - wild / 0.3, 0.0), 1.0)
    born = year_built(score + share * (0.05 + 0.1 * draw(key, 15)))
    if hill > 0.3:
        return 3000.0
    if year >= born:
        _town_street(canvas, ends, rank, key, min(max(int(born) - m.FIRST_YEAR, 0), 255))
    else:
        _country_road(canvas, ends, rank, key, wild)
    return born


@compiled
def crosses_rivers(i, j, upward):
    """Whether the arterial that starts at a corner belongs to a line that is carried over rivers."""
    line_index = i if upward else j
    return hash2(_S_LINE, line_index, 1 if upward else 0) % np.uint64(10) < np.uint64(3)


@compiled
def bridge(canvas, ends, key):
    """A bridge deck over whatever lies there."""
    line(
        canvas,
        ends[0],
        ends[1],
        ends[2],
        ends[3],
        14.0,
        pack(m.CONCRETE, 12, to_byte(-1.2 + 0.3 * draw_normal(key, 16)), 25),
    )
    line(canvas, ends[0], ends[1], ends[2], ends[3], 10.0, pack(m.ASPHALT, 12, to_byte(0.3 * draw_normal(key, 17)), 25))


@compiled
def length_of(ends):
    """Metres between two canvas points."""
    return math.hypot(ends[2] - ends[0], ends[3] - ends[1])
