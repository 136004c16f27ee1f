"""What stands on a parcel of town: estates, old quarters, sheds, towers, campuses, parks, building sites.

A parcel is a quadrilateral of canvas points, an array of eight numbers (corners in order: start, along, far, across);
its key draws every number about it. Sizes, heights and shares follow docs/reference/world.md, "Towns and fields".
"""

from __future__ import annotations

import math

import numpy as np

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, draw_normal
from local_ee.world.paint import building, disc, line, quad

ESTATE, OLD_QUARTER, SHEDS, TOWERS, CAMPUS, PARK, SQUARE, CLEARED = range(8)


@compiled
def point(q, s, t):
    """The canvas point at shares s (along) and t (across) of a parcel."""
    a, b, c, d = (1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t
    return a * q[0] + b * q[2] + c * q[4] + d * q[6], a * q[1] + b * q[3] + c * q[5] + d * q[7]


@compiled
def inset(q, margin):
    """The parcel without a margin (metres) along its edges."""
    along, across = lengths(q)
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
def _trees(canvas, q, key, count, radius):
    """Single crowns scattered over the parcel."""
    for k in range(count):
        h = derive(key, 5000 + k)
        x, y = point(q, draw(h, 1), draw(h, 2))
        tree = m.EVERGREEN if draw(h, 3) < 0.7 else m.DECIDUOUS
        size = radius * (0.7 + 0.6 * draw(h, 4))
        if min(x, y) < -size or max(x, y) > canvas.shape[0] + size:
            continue  # its colour need not be drawn
        disc(canvas, x, y, size, pack(tree, 0, to_byte(draw_normal(h, 5)), to_byte(draw_normal(h, 6))))


@compiled
def _plots(canvas, q, key, count):
    """Planted strips, gravel and weeds of a few metres between walls and on yards."""
    for k in range(count):
        h = derive(key, 20000 + k)
        x, y = point(q, draw(h, 1), draw(h, 2))
        size = 1.8 + 2.4 * draw(h, 4)
        if min(x, y) < -size or max(x, y) > canvas.shape[0] + size:
            continue
        pick = draw(h, 3)
        cover = m.LAWN if pick < 0.5 else (m.BARE if pick < 0.75 else m.EVERGREEN)
        disc(canvas, x, y, size, pack(cover, 0, to_byte(draw_normal(h, 5)), to_byte(0.6 + 0.6 * draw_normal(h, 6))))


@compiled
def estate(canvas, facing, q, key, born):
    """Slab blocks or towers in rows over lawn, lanes and parking."""
    lawn = pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2)))
    paving = pack(m.CONCRETE, 0, to_byte(0.6 * draw_normal(key, 3) - 0.5), born)
    parking = pack(m.ASPHALT, 0, to_byte(draw_normal(key, 4)), born)
    along, across = lengths(q)
    area = along * across
    ground(canvas, q, lawn)
    _trees(canvas, q, key, int(area / 75.0), 3.4)
    pick = draw(key, 5)
    tall = pick > 0.45
    height = 18.0 if pick < 0.25 else (33.0 if pick < 0.45 else 54.0 + 45.0 * draw(key, 6))
    depth = 7.0 if not tall else 8.5
    row_gap = 27.0 if pick < 0.25 else (40.0 if pick < 0.45 else 52.0)
    length = 19.0 + 9.0 * draw(key, 7) if not tall else 13.0 + 5.0 * draw(key, 7)
    gap = 2 * length + (8.0 if not tall else 17.0)
    roof = m.ROOF_DARK if draw(key, 8) < 0.45 else (m.ROOF_LIGHT if draw(key, 8) < 0.85 else m.ROOF_CLAY)
    rows, cols = max(1, int(across / row_gap)), max(1, int(along / gap))
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
                building(canvas, facing, x, y, ex, ey, length + 5.0, depth + 3.5, paving)
                building(
                    canvas,
                    facing,
                    x,
                    y,
                    ex,
                    ey,
                    length,
                    depth,
                    _roof(roof, height + 3.0 * draw(h, 2), tone, h, 3, born),
                )
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
    _plots(canvas, q, key, int(along * across / 190.0))
    _trees(canvas, q, key, int(along * across / 240.0), 3.0)


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
    _trees(canvas, q, key, int(along * across / 420.0), 3.2)
    _plots(canvas, q, key, int(along * across / 90.0))
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
    _trees(canvas, q, key, int(along * across / 120.0), 3.6)
    _plots(canvas, q, key, int(along * across / 120.0))
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
                    high = 60.0 + 140.0 * draw(h, 7) ** 2
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
    _trees(canvas, q, key, int(along * across / 80.0), 4.0)
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
                building(
                    canvas,
                    facing,
                    x,
                    y,
                    ex,
                    ey,
                    20.0 + 10 * draw(h, 3),
                    8.0 + 3 * draw(h, 4),
                    _roof(roof, 15.0 + 9 * draw(h, 5), tone, h, 6, born),
                )
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
    _trees(canvas, q, key, int(along * across / 160.0), 6.0)
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
    for k in range(int(along * across / 500.0)):
        h = derive(key, 100 + k)
        x, y = point(q, draw(h, 1), draw(h, 2))
        cover = m.LAWN if draw(h, 3) < 0.4 else m.BARE
        value = pack(cover, 0, to_byte(0.6 * z + 0.8 * draw_normal(h, 4)), to_byte(1.2 + 0.9 * draw_normal(h, 5)))
        disc(canvas, x, y, 4.0 + 9.0 * draw(h, 6), value)


@compiled
def square(canvas, facing, q, key, born):
    """A paved square, a station forecourt or a large car park with one hall."""
    paving = m.CONCRETE if draw(key, 1) < 0.55 else m.ASPHALT
    ground(canvas, q, pack(paving, 0, to_byte(0.7 * draw_normal(key, 2) - 0.6), born))
    along, across = lengths(q)
    ex, ey = axis(q)
    tone = draw_normal(key, 90)
    x, y = point(q, 0.5, 0.3)
    _trees(canvas, q, key, int(along * across / 200.0), 3.0)
    _plots(canvas, q, key, int(along * across / 160.0))
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
