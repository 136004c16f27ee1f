"""What stands on a parcel of town: estates, old quarters, sheds, towers, campuses, parks, building sites.

A parcel is a quadrilateral of canvas points, an array of eight numbers (corners in order: start, along, far, across);
its key draws every number about it. Sizes, heights and shares follow local_ee/docs/world.md, "Towns and fields".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, draw_normal
from local_ee.world.paint import building, disc, line, point, quad
from local_ee.world.scatter import PLOTS, RUBBLE, TREES, scatter

ESTATE, OLD_QUARTER, SHEDS, TOWERS, CAMPUS, PARK, SQUARE, CLEARED = range(8)


class Blocks(NamedTuple):
    """Blocks of an estate, for draws below a bound: heights, halves of depth and length, and steps between them."""

    below: float
    height_m: float
    height_spread_m: float
    depth_m: float
    row_m: float
    length_m: float
    length_spread_m: float
    gap_m: float


# Heights and built shares after "types" in local_ee/docs/world.md, "Towns and fields"; chosen within them: 3 m a storey
# (6, 11, 18 to 33 storeys), and rows that stand farther apart the higher the blocks are, for light in winter.
_BLOCKS = (
    Blocks(0.25, 18.0, 0.0, 7.0, 27.0, 19.0, 9.0, 8.0),
    Blocks(0.45, 33.0, 0.0, 7.0, 40.0, 19.0, 9.0, 8.0),
    Blocks(1.00, 54.0, 45.0, 8.5, 52.0, 13.0, 5.0, 17.0),
)


# As streets.py: plans with branches over few objects; what paints many pixels is in paint.py and scatter.py.
@compiled
def inset(q, margin):
    """The parcel without a margin (metres) along its edges."""
    along, across = lengths(q)
    # Never half or more: a parcel narrower than its margins would turn inside out.
    ds, dt = min(margin / along, 0.45), min(margin / across, 0.45)
    out = np.empty(8)
    out[0], out[1] = point(q, ds, dt)
    out[2], out[3] = point(q, 1 - ds, dt)
    out[4], out[5] = point(q, 1 - ds, 1 - dt)
    out[6], out[7] = point(q, ds, 1 - dt)
    return out


@compiled
def lengths(q):
    """Mean length along and across, metres."""
    along = (math.hypot(q[2] - q[0], q[3] - q[1]) + math.hypot(q[4] - q[6], q[5] - q[7])) / 2
    across = (math.hypot(q[6] - q[0], q[7] - q[1]) + math.hypot(q[4] - q[2], q[5] - q[3])) / 2
    return along, across


@compiled
def axis(q):
    """Unit vector along the parcel."""
    dx, dy = q[2] - q[0] + q[4] - q[6], q[3] - q[1] + q[5] - q[7]
    length = math.hypot(dx, dy)
    return dx / length, dy / length


@compiled
def ground(canvas, q, value):
    """Covers the whole parcel."""
    quad(canvas, q[0], q[1], q[2], q[3], q[4], q[5], q[6], q[7], value)


@compiled
def _roof(material, height, tone, key, counter, born):
    """A roof whose brightness is partly the parcel's (tone), partly its own."""
    return pack(material, height, to_byte(0.3 * tone + 0.95 * draw_normal(key, counter)), born)


@compiled
def _lanes(canvas, q, key, spacing, half_width, value):
    """Lanes across the parcel, about every `spacing` metres, and one around it."""
    _along, across = lengths(q)
    count = int(across / spacing)
    for k in range(1, count + 1):
        t = k / (count + 1.0)
        x0, y0 = point(q, 0.0, t)
        x1, y1 = point(q, 1.0, t)
        line(canvas, x0, y0, x1, y1, half_width, value)
    for k in range(4):
        line(canvas, q[2 * k], q[2 * k + 1], q[(2 * k + 2) % 8], q[(2 * k + 3) % 8], half_width, value)


@compiled
def estate(canvas, facing, q, key, born):
    """Slab blocks or towers in rows over lawn, lanes and parking."""
    lawn = pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2)))
    paving = pack(m.CONCRETE, 0, to_byte(0.6 * draw_normal(key, 3) - 0.5), born)
    parking = pack(m.ASPHALT, 0, to_byte(draw_normal(key, 4)), born)
    along, across = lengths(q)
    ground(canvas, q, lawn)
    scatter(canvas, q, key, int(along * across / 75.0), TREES, (0.7, 3.4, 0.0, 0.0))
    pick = draw(key, 5)
    kind = _BLOCKS[0 if pick < _BLOCKS[0].below else (1 if pick < _BLOCKS[1].below else 2)]
    height = kind.height_m + kind.height_spread_m * draw(key, 6)
    length = kind.length_m + kind.length_spread_m * draw(key, 7)
    roof = m.ROOF_DARK if draw(key, 8) < 0.45 else (m.ROOF_LIGHT if draw(key, 8) < 0.85 else m.ROOF_CLAY)
    rows, cols = max(1, int(across / kind.row_m)), max(1, int(along / (2 * length + kind.gap_m)))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    for row in range(rows):
        t = (row + 0.5) / rows
        x0, y0 = point(q, 0.02, t + 0.36 / rows)
        x1, y1 = point(q, 0.98, t + 0.36 / rows)
        line(canvas, x0, y0, x1, y1, 2.8, paving)
        if row % 2 == 0:
            x0, y0 = point(q, 0.05, t - 0.37 / rows)
            x1, y1 = point(q, 0.95, t - 0.37 / rows)
            line(canvas, x0, y0, x1, y1, 2.6, parking)
        for col in range(cols):
            h = derive(key, 100 + row * 64 + col)
            if draw(h, 1) < 0.93:
                x, y = point(q, (col + 0.5) / cols, t)
                building(canvas, facing, x, y, ex, ey, length + 5.0, kind.depth_m + 3.5, paving)
                cover = _roof(roof, height + 3.0 * draw(h, 2), tone, h, 3, born)
                building(canvas, facing, x, y, ex, ey, length, kind.depth_m, cover)
    _lanes(canvas, q, key, 130.0, 3.2, paving)


@compiled
def old_quarter(canvas, facing, q, key, born):
    """Houses wall to wall on concrete, with few trees."""
    ground(canvas, q, pack(m.CONCRETE, 0, to_byte(0.5 * draw_normal(key, 1) - 1.0), born))
    along, across = lengths(q)
    pitch_s, pitch_t = 12.5 + 2.5 * draw(key, 2), 12.0 + 2.5 * draw(key, 3)
    cols, rows = max(1, int(along / pitch_s)), max(1, int(across / pitch_t))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    base = 9.0 + 9.0 * draw(key, 4)
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 128 + col)
            u = draw(h, 1)
            if u < 0.9 and row % 7 != 6 and col % 9 != 8:
                x, y = point(q, (col + 0.5) / cols, (row + 0.5) / rows)
                pick = draw(h, 2)
                roof = (
                    m.ROOF_LIGHT
                    if pick < 0.45
                    else (m.ROOF_DARK if pick < 0.8 else (m.ROOF_CLAY if pick < 0.95 else m.ROOF_BLUE))
                )
                half_s, half_t = 0.44 * pitch_s * (0.8 + 0.25 * draw(h, 3)), 0.44 * pitch_t * (0.8 + 0.25 * draw(h, 4))
                building(
                    canvas, facing, x, y, ex, ey, half_s, half_t, _roof(roof, base + 4.0 * draw(h, 5), tone, h, 6, born)
                )
    scatter(canvas, q, key, int(along * across / 190.0), PLOTS, (0.5, 1.0, 0.0, 0.6))
    scatter(canvas, q, key, int(along * across / 240.0), TREES, (0.7, 3.0, 0.0, 0.0))


@compiled
def sheds(canvas, facing, q, key, born):
    """Large low roofs on concrete and asphalt yards."""
    yard = m.CONCRETE if draw(key, 1) < 0.6 else m.ASPHALT
    ground(canvas, q, pack(yard, 0, to_byte(draw_normal(key, 2) - 0.6), born))
    along, across = lengths(q)
    cols, rows = max(1, int(along / (45.0 + 60.0 * draw(key, 3)))), max(1, int(across / (32.0 + 38.0 * draw(key, 4))))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    family = draw(key, 5)
    scatter(canvas, q, key, int(along * across / 420.0), TREES, (0.7, 3.2, 0.0, 0.0))
    scatter(canvas, q, key, int(along * across / 90.0), PLOTS, (0.5, 1.0, 0.0, 0.6))
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 64 + col)
            if draw(h, 1) < 0.88:
                pick = 0.6 * family + 0.4 * draw(h, 2)
                roof = (
                    m.ROOF_METAL
                    if pick < 0.30
                    else (m.ROOF_BLUE if pick < 0.42 else (m.ROOF_DARK if pick < 0.7 else m.ROOF_LIGHT))
                )
                x, y = point(q, (col + 0.5) / cols, (row + 0.5) / rows)
                half_s, half_t = 0.42 * along / cols * (0.75 + 0.25 * draw(h, 3)), 0.40 * across / rows
                building(
                    canvas, facing, x, y, ex, ey, half_s, half_t, _roof(roof, 8.0 + 4.0 * draw(h, 4), tone, h, 5, born)
                )
            elif draw(h, 6) < 0.5:
                x, y = point(q, (col + 0.5) / cols, (row + 0.5) / rows)
                disc(canvas, x, y, 0.35 * across / rows, pack(m.LAWN, 0, to_byte(draw_normal(h, 7)), 128))


@compiled
def towers(canvas, facing, q, key, born):
    """Podiums with towers, car parks and paved squares."""
    ground(canvas, q, pack(m.CONCRETE, 0, to_byte(0.7 * draw_normal(key, 1) - 0.9), born))
    along, across = lengths(q)
    scatter(canvas, q, key, int(along * across / 120.0), TREES, (0.7, 3.6, 0.0, 0.0))
    scatter(canvas, q, key, int(along * across / 120.0), PLOTS, (0.5, 1.0, 0.0, 0.6))
    cols, rows = max(1, int(along / 75.0)), max(1, int(across / 70.0))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 64 + col)
            x, y = point(q, (col + 0.5) / cols, (row + 0.5) / rows)
            if draw(h, 1) < 0.78:
                half_s, half_t = 0.40 * along / cols * (0.7 + 0.3 * draw(h, 2)), 0.40 * across / rows
                roof = m.ROOF_LIGHT if draw(h, 3) < 0.5 else m.ROOF_DARK
                building(
                    canvas, facing, x, y, ex, ey, half_s, half_t, _roof(roof, 16.0 + 8 * draw(h, 4), tone, h, 5, born)
                )
                if draw(h, 6) < 0.65:
                    rare = draw(h, 7)
                    high = 60.0 + 140.0 * (rare * rare)
                    building(canvas, facing, x, y, ex, ey, 17.0, 14.0, _roof(m.ROOF_DARK, high, tone, h, 8, born))
            else:
                lot = pack(m.ASPHALT, 0, to_byte(draw_normal(h, 9)), born)
                building(canvas, facing, x, y, ex, ey, 0.42 * along / cols, 0.4 * across / rows, lot)


@compiled
def campus(canvas, facing, q, key, born):
    """Schools, hospitals and offices: long buildings among trees and lawns, and a sports field."""
    ground(canvas, q, pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2))))
    along, across = lengths(q)
    paving = pack(m.CONCRETE, 0, to_byte(0.6 * draw_normal(key, 3) - 0.7), born)
    scatter(canvas, q, key, int(along * across / 80.0), TREES, (0.7, 4.0, 0.0, 0.0))
    cols, rows = max(1, int(along / 85.0)), max(1, int(across / 55.0))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 64 + col)
            x, y = point(q, (col + 0.5) / cols, (row + 0.5) / rows)
            pick = draw(h, 1)
            if pick < 0.62:
                building(canvas, facing, x, y, ex, ey, 34.0, 17.0, paving)
                roof = m.ROOF_LIGHT if draw(h, 2) < 0.5 else (m.ROOF_DARK if draw(h, 2) < 0.85 else m.ROOF_CLAY)
                cover = _roof(roof, 15.0 + 9 * draw(h, 5), tone, h, 6, born)
                building(canvas, facing, x, y, ex, ey, 20.0 + 10 * draw(h, 3), 8.0 + 3 * draw(h, 4), cover)
            elif pick < 0.74:
                building(canvas, facing, x, y, ex, ey, 36.0, 22.0, pack(m.ROOF_CLAY, 0, to_byte(-1.5), born))
                building(canvas, facing, x, y, ex, ey, 29.0, 15.0, pack(m.LAWN, 0, to_byte(1.0), 128))
            elif pick < 0.86:
                building(canvas, facing, x, y, ex, ey, 30.0, 18.0, pack(m.ASPHALT, 0, to_byte(draw_normal(h, 7)), born))
    _lanes(canvas, q, key, 110.0, 3.5, paving)


@compiled
def park(canvas, q, key, born):
    """Lawn under groups of trees, a pond, and paths."""
    ground(canvas, q, pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2))))
    along, across = lengths(q)
    scatter(canvas, q, key, int(along * across / 160.0), TREES, (0.7, 6.0, 0.0, 0.0))
    if draw(key, 3) < 0.5:
        x, y = point(q, 0.35 + 0.3 * draw(key, 4), 0.35 + 0.3 * draw(key, 5))
        disc(canvas, x, y, 0.16 * min(along, across), pack(m.LAKE, 0, to_byte(draw_normal(key, 6)), 128))
    path = pack(m.CONCRETE, 0, to_byte(-0.5), born)
    for k in range(4):
        x0, y0 = point(q, draw(key, 10 + k), 0.0)
        x1, y1 = point(q, draw(key, 20 + k), 1.0)
        line(canvas, x0, y0, x1, y1, 1.6, path)


@compiled
def cleared(canvas, q, key):
    """Cleared land in town: rubble, gravel and weeds, bright as roofs and open to rain."""
    z = draw_normal(key, 1)
    ground(canvas, q, pack(m.BARE, 0, to_byte(0.6 * z), to_byte(m.GRAVEL + 0.5 * draw_normal(key, 2))))
    along, across = lengths(q)
    scatter(canvas, q, key, int(along * across / 500.0), RUBBLE, (0.4, 1.0, 0.6 * z, 1.2))


@compiled
def square(canvas, facing, q, key, born):
    """A paved square, a station forecourt or a large car park with one hall."""
    paving = m.CONCRETE if draw(key, 1) < 0.55 else m.ASPHALT
    ground(canvas, q, pack(paving, 0, to_byte(0.7 * draw_normal(key, 2) - 0.6), born))
    along, across = lengths(q)
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    x, y = point(q, 0.5, 0.3)
    scatter(canvas, q, key, int(along * across / 200.0), TREES, (0.7, 3.0, 0.0, 0.0))
    scatter(canvas, q, key, int(along * across / 160.0), PLOTS, (0.5, 1.0, 0.0, 0.6))
    building(canvas, facing, x, y, ex, ey, 0.34 * along, 0.15 * across, _roof(m.ROOF_LIGHT, 16.0, tone, key, 3, born))


@compiled
def site(canvas, facing, q, key, born):
    """The year before building: bare soil with a few blue huts."""
    ground(canvas, q, pack(m.BARE, 0, to_byte(draw_normal(key, 30)), to_byte(0.9 + 0.7 * draw_normal(key, 31))))
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    for k in range(int(3 * draw(key, 32))):
        x, y = point(q, 0.1 + 0.8 * draw(key, 33 + k), 0.1)
        building(canvas, facing, x, y, ex, ey, 14.0, 5.0, _roof(m.ROOF_BLUE, 5.0, tone, key, 40 + k, born))


@compiled
def town(canvas, facing, q, key, born, parcel_type):
    """Draws a built-up parcel of one of the kinds above."""
    if parcel_type == ESTATE:
        estate(canvas, facing, q, key, born)
    elif parcel_type == OLD_QUARTER:
        old_quarter(canvas, facing, q, key, born)
    elif parcel_type == SHEDS:
        sheds(canvas, facing, q, key, born)
    elif parcel_type == TOWERS:
        towers(canvas, facing, q, key, born)
    elif parcel_type == CAMPUS:
        campus(canvas, facing, q, key, born)
    elif parcel_type == PARK:
        park(canvas, q, key, born)
    elif parcel_type == CLEARED:
        cleared(canvas, q, key)
    else:
        square(canvas, facing, q, key, born)
