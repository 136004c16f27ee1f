"""What lies on a parcel of country: fields in strips, ponds, villages, woods, dry range (parcels as in parcels.py)."""

from __future__ import annotations

import math

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, draw_normal
from local_ee.world.paint import building, disc, line, point, quad
from local_ee.world.parcels import axis, ground, lengths
from local_ee.world.scatter import BLOTS, HEAPS, SCREE, STANDS, scatter


# As streets.py: plans with branches over few objects; what paints many pixels is in paint.py and scatter.py.
@compiled
def _crop(key, mixture):
    """The crop of a field: mixture 0 to 1 goes from dry crops to paddy; some fields lie fallow."""
    pick = draw(key, 1)
    if pick < 0.10:
        return m.BARE
    pick = draw(key, 2)
    if pick < 0.34:
        return m.CROP_DOUBLE
    return m.PADDY if draw(key, 3) < mixture else m.CROP_DRY


@compiled
def fields(canvas, q, key, mixture, soil):
    """Strips of about 20 x 60 m (median 0.12 ha), or consolidated fields, with bunds between them; `soil` is the
    neighbourhood's (see materials.SOILS)."""
    ground(canvas, q, pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2))))
    along, across = lengths(q)
    # Ours, within "fields" of local_ee/docs/world.md: log-normal, median .12 ha; a fifth are consolidated ones.
    large = draw(key, 3) < 0.22
    deep = 20.0 * math.exp(0.35 * draw_normal(key, 4)) * (2.2 if large else 1.0)
    wide = 62.0 * math.exp(0.3 * draw_normal(key, 5)) * (1.9 if large else 1.0)
    turned = draw(key, 6) < 0.4
    cols = max(1, int(along / (deep if turned else wide)))
    rows = max(1, int(across / (wide if turned else deep)))
    main = derive(key, 7)
    z1, z2 = draw_normal(key, 8), draw_normal(key, 9)
    ds, dt = 0.6 / along, 0.6 / across
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 128 + col)
            s0 = (col + 0.28 * (draw(key, 40 + col) - 0.5) * (col > 0)) / cols + ds
            s1 = (col + 1 + 0.28 * (draw(key, 41 + col) - 0.5) * (col < cols - 1)) / cols - ds
            t0 = (row + 0.28 * (draw(key, 70000 + row) - 0.5) * (row > 0)) / rows + dt
            t1 = (row + 1 + 0.28 * (draw(key, 70001 + row) - 0.5) * (row < rows - 1)) / rows - dt
            crop = _crop(main if draw(h, 4) < 0.6 else h, mixture)
            value = pack(
                crop,
                0,
                to_byte(0.6 * z1 + 0.8 * draw_normal(h, 5)),
                to_byte(soil + 0.35 * z2 + 0.5 * draw_normal(h, 6)),
            )
            x0, y0 = point(q, s0, t0)
            x1, y1 = point(q, s1, t0)
            x2, y2 = point(q, s1, t1)
            x3, y3 = point(q, s0, t1)
            quad(canvas, x0, y0, x1, y1, x2, y2, x3, y3, value)


@compiled
def ponds(canvas, q, key):
    """Fish ponds of 0.5 to 3 ha behind grassy dykes."""
    ground(canvas, q, pack(m.LAWN, 0, to_byte(draw_normal(key, 1)), to_byte(draw_normal(key, 2))))
    along, across = lengths(q)
    cols, rows = max(1, int(along / (60.0 + 80.0 * draw(key, 3)))), max(1, int(across / (80.0 + 90.0 * draw(key, 4))))
    ds, dt = 3.5 / along, 3.5 / across
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 128 + col)
            cover = m.BARE if draw(h, 1) < 0.05 else m.LAKE
            s0, s1, t0, t1 = col / cols + ds, (col + 1) / cols - ds, row / rows + dt, (row + 1) / rows - dt
            x0, y0 = point(q, s0, t0)
            x1, y1 = point(q, s1, t0)
            x2, y2 = point(q, s1, t1)
            x3, y3 = point(q, s0, t1)
            quad(
                canvas,
                x0,
                y0,
                x1,
                y1,
                x2,
                y2,
                x3,
                y3,
                pack(cover, 0, to_byte(draw_normal(h, 2)), to_byte(draw_normal(h, 3))),
            )


@compiled
def woods(canvas, q, key, evergreen):
    """Closed trees in patches of age and kind; `evergreen` is the share of evergreen ones."""
    z1, z2 = draw_normal(key, 1), draw_normal(key, 2)
    base = m.EVERGREEN if draw(key, 3) < evergreen else m.DECIDUOUS
    ground(canvas, q, pack(base, 0, to_byte(0.5 * z1), to_byte(0.5 * z2)))
    scatter(canvas, q, key, 14, STANDS, (evergreen, 1.0, 0.5 * z1, 0.0))


@compiled
def greenhouses(canvas, q, key):
    """Tunnels of foil side by side on bare ground, some without their foil."""
    ground(canvas, q, pack(m.BARE, 0, to_byte(draw_normal(key, 1)), to_byte(0.5 * draw_normal(key, 2))))
    along, across = lengths(q)
    rows, cols = max(1, int(along / (70.0 + 40.0 * draw(key, 3)))), max(1, int(across / (8.5 + 3.0 * draw(key, 4))))
    shine = draw_normal(key, 5)
    for row in range(rows):
        for col in range(cols):
            h = derive(key, 100 + row * 256 + col)
            if draw(h, 1) > 0.88:
                continue
            t = (col + 0.5) / cols
            x0, y0 = point(q, (row + 0.06) / rows, t)
            x1, y1 = point(q, (row + 0.94) / rows, t)
            foil = pack(
                m.BARE, 0, to_byte(0.7 * shine + 0.6 * draw_normal(h, 2)), to_byte(m.FOIL + 0.3 * draw_normal(h, 3))
            )
            line(canvas, x0, y0, x1, y1, 3.4, foil)


@compiled
def quarry(canvas, q, key):
    """Rock, gravel and spoil in heaps."""
    z = draw_normal(key, 1)
    ground(canvas, q, pack(m.BARE, 0, to_byte(0.5 * z), to_byte(m.GRAVEL + 0.3 * draw_normal(key, 2))))
    scatter(canvas, q, key, 24, HEAPS, (1.0, 1.0, 0.5 * z, 1.6))


@compiled
def alpine(canvas, q, key):
    """Grass, scree and rock above the trees."""
    z = draw_normal(key, 1)
    ground(canvas, q, pack(m.LAWN, 0, to_byte(0.5 * z - 0.5), to_byte(draw_normal(key, 2))))
    scatter(canvas, q, key, 30, SCREE, (1.0, 1.0, -0.8, 1.5))


@compiled
def dry_range(canvas, q, key, cover, soil):
    """Sparse grass on bare ground in blots; `cover` is the share of grass, `soil` the neighbourhood's (see fields)."""
    z1, z2 = 0.4 * draw_normal(key, 1), 2.0 * soil + 0.5 * draw_normal(key, 2)
    ground(canvas, q, pack(m.BARE if cover < 0.5 else m.LAWN, 0, to_byte(0.4 * z1), to_byte(0.4 * z2)))
    scatter(canvas, q, key, 20, BLOTS, (cover, 1.0, 0.4 * z1, 0.5 * z2))


@compiled
def _house(canvas, facing, at, direction, h, born):
    """A house with its yard before it; its garden trees hang over both."""
    (x, y), (ex, ey) = at, direction
    yard = pack(m.CONCRETE, 0, to_byte(0.7 * draw_normal(h, 3) - 0.8), born)
    building(canvas, facing, x - 4.0 * -ey, y + 4.0 * ex, ex, ey, 6.0, 6.0 * (0.5 + 0.5 * draw(h, 20)), yard)
    pick = draw(h, 4)
    cover = m.ROOF_DARK
    if pick > 0.42:
        cover = m.ROOF_LIGHT if pick < 0.72 else (m.ROOF_CLAY if pick < 0.93 else m.ROOF_BLUE)
    roof = pack(cover, 6.0 + 4.0 * draw(h, 5), to_byte(draw_normal(h, 6)), born)
    building(canvas, facing, x, y, ex, ey, 5.0 + 1.6 * draw(h, 7), 4.6 + 1.4 * draw(h, 8), roof)
    for k in range(2):
        tree = m.DECIDUOUS if draw(h, 30 + k) < 0.55 else m.EVERGREEN
        crown = pack(tree, 0, to_byte(draw_normal(h, 32 + k)), to_byte(draw_normal(h, 34 + k)))
        turn, reach = 6.2832 * draw(h, 36 + k), 6.0 + 3.0 * draw(h, 38 + k)
        disc(canvas, x + reach * math.cos(turn), y + reach * math.sin(turn), 1.8 + 1.8 * draw(h, 40 + k), crown)


@compiled
def village(canvas, facing, q, key, born):
    """Rows of houses with concrete yards along lanes, among trees, on part of the parcel."""
    along, across = lengths(q)
    direction = axis(q)
    share = 0.35 + 0.5 * draw(key, 11)
    s_start, t_start = (1 - share) * draw(key, 12), (1 - share) * draw(key, 13)
    rows = max(1, int(share * across / (30.0 + 10.0 * draw(key, 14))))
    cols = max(2, int(share * along / 15.5))
    lane = pack(m.CONCRETE, 0, to_byte(0.5 * draw_normal(key, 15) - 0.6), born)
    for k in range(int(share * share * along * across / 240.0)):
        h = derive(key, 9000 + k)
        x, y = point(q, s_start + share * draw(h, 1), t_start + share * draw(h, 2))
        cover = m.DECIDUOUS if draw(h, 3) < 0.55 else m.EVERGREEN
        disc(
            canvas, x, y, 3.0 + 2.5 * draw(h, 4), pack(cover, 0, to_byte(draw_normal(h, 5)), to_byte(draw_normal(h, 6)))
        )
    for row in range(rows):
        t = t_start + share * (row + 0.5) / rows
        x0, y0 = point(q, s_start, t + 11.0 / across)
        x1, y1 = point(q, s_start + share, t + 11.0 / across)
        line(canvas, x0, y0, x1, y1, 2.1, lane)
        for col in range(cols):
            h = derive(key, 200 + row * 128 + col)
            if draw(h, 1) < 0.74:
                at = point(q, s_start + share * (col + 0.5) / cols, t + (6.0 * draw(h, 2) - 3.0) / across)
                _house(canvas, facing, at, direction, h, born)
    x0, y0 = point(q, s_start + 0.5 * share, 0.0)
    x1, y1 = point(q, s_start + 0.5 * share, 1.0)
    line(canvas, x0, y0, x1, y1, 2.4, lane)


@compiled
def street_village(canvas, facing, q, key, born):
    """One row of houses along each side of a lane through the parcel."""
    along, across = lengths(q)
    direction = axis(q)
    t = 0.25 + 0.5 * draw(key, 11)
    x0, y0 = point(q, 0.0, t)
    x1, y1 = point(q, 1.0, t)
    for col in range(max(2, int(along / 17.0))):
        for side in range(2):
            h = derive(key, 200 + 2 * col + side)
            if draw(h, 1) < 0.7:
                away = (14.0 + 4.0 * draw(h, 2)) * (1 if side else -1)
                _house(canvas, facing, point(q, (col + 0.5) * 17.0 / along, t + away / across), direction, h, born)
    line(canvas, x0, y0, x1, y1, 2.6, pack(m.CONCRETE, 0, to_byte(0.5 * draw_normal(key, 15) - 0.6), born))


@compiled
def farms(canvas, facing, q, key, born):
    """Single farms here and there, each with a path to the parcel's edge."""
    direction = axis(q)
    for k in range(2 + int(5.0 * draw(key, 11))):
        h = derive(key, 200 + k)
        s, t = 0.08 + 0.84 * draw(h, 21), 0.08 + 0.84 * draw(h, 22)
        at, gate = point(q, s, t), point(q, s, 0.0)
        path = pack(m.CONCRETE, 0, to_byte(0.5 * draw_normal(h, 23) - 0.6), born)
        line(canvas, at[0], at[1], gate[0], gate[1], 1.5, path)
        _house(canvas, facing, at, direction, h, born)
