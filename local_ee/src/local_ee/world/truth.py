"""The 1-m land cover of a tile, drawn once: parcels, then streets by rank, then water, then bridges."""

from __future__ import annotations

import math

import numpy as np

from local_ee.world import country, parcels
from local_ee.world import materials as m
from local_ee.world import streets as st
from local_ee.world.climate import tree_line_m
from local_ee.world.compiled import Beginning, compiled
from local_ee.world.fields import hill_at, lake_at, land_at, river_at, score_at, urban_at, year_built
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, seed_of, smooth
from local_ee.world.paint import disc, point, quad
from local_ee.world.plane import lonlat_of, plane_at, plane_nodes
from local_ee.world.scatter import scatter

# Whole pixels of 10 and 20 m, whole nodes of 40 m, whole cells of 2 m.
TILE_M = 1280
SIDE = TILE_M + 1  # one more row and column, so that walls on the tile's edge are seen
NODE_M = 40
_S_INDUSTRY, _S_CROP, _S_PONDS, _S_SHADE = (
    seed_of("industry"),
    seed_of("crop"),
    seed_of("ponds"),
    seed_of("water shade"),
)
_S_SOIL, _S_FOIL, _S_FORM, _S_VILLAGE = seed_of("soil"), seed_of("foil"), seed_of("town form"), seed_of("village form")
_NEVER = 9999
_FIRST_TILES = 24  # that Python draws in less time than compiling takes


# As streets.py: plans. Layers are painted over each other in the order of a map (parcels, branch streets to arterials,
# water, bridges), which needs no geometry of overlaps.
@compiled
def _note(span, event, year):
    """Narrows the years in which the drawing stays as it is: span = [first year, first year after]."""
    if event <= year:
        span[0] = max(span[0], event)
    else:
        span[1] = min(span[1], event)


@compiled
def _town_kind(x, y, urban, key):
    industry = smooth(_S_INDUSTRY, x / 3600.0, y / 3600.0)
    pick = draw(key, 40)
    if industry > 0.3 and urban < 0.8:
        return parcels.SHEDS if pick < 0.72 else (parcels.SQUARE if pick < 0.8 else parcels.ESTATE)
    if urban > 0.72 and pick < 0.30:
        return parcels.TOWERS
    if draw(key, 42) < 0.05:
        return parcels.CLEARED
    # Old cores of houses wall to wall, superblocks of estates, and what lies between.
    form = smooth(_S_FORM, x / 2900.0, y / 2900.0) + 0.9 * (urban - 0.55)
    old = 0.55 if form > 0.35 else (0.06 if form < -0.25 else 0.24)
    estates = 0.18 if form > 0.35 else (0.60 if form < -0.25 else 0.38)
    pick = draw(key, 41)
    if pick < old:
        return parcels.OLD_QUARTER
    if pick < old + estates:
        return parcels.ESTATE
    pick = (pick - old - estates) / (1.0 - old - estates)
    if pick < 0.28:
        return parcels.SHEDS
    if pick < 0.62:
        return parcels.CAMPUS
    return parcels.PARK if pick < 0.82 else parcels.SQUARE


@compiled
def _country(canvas, facing, q, key, x, y, form, hill, shore):
    """A parcel that is not town: by land form, height, dryness, and the water near by."""
    lat = lonlat_of(x, y)[1]
    soil = 0.5 + 0.7 * form[3] + 1.1 * smooth(_S_SOIL, x / 3400.0, y / 3400.0)
    above = form[0] + form[1] * hill - tree_line_m(lat)
    if above > 200.0 * (draw(key, 55) - 0.5):
        country.alpine(canvas, q, key)
        return
    if hill > 0.12 + 0.1 * draw(key, 50):
        if draw(key, 51) < 1.2 * form[3]:
            country.dry_range(canvas, q, key, 0.9 - form[3], soil)
        elif draw(key, 56) < 0.02:
            country.quarry(canvas, q, key)
        else:
            country.woods(canvas, q, key, 0.9 if abs(lat) < 24.0 else 0.55)
        return
    pick = draw(key, 52)
    if draw(key, 53) < 1.6 * form[3] * form[3]:
        country.dry_range(canvas, q, key, 0.8 - 0.8 * form[3], soil)
        return
    wet = smooth(_S_PONDS, x / 3100.0, y / 3100.0) + 0.55 * form[4] - 0.42 + (0.35 if shore > -300.0 else 0.0)
    if pick < 0.55 * max(0.0, wet):
        country.ponds(canvas, q, key)
    elif pick > 0.93:
        country.woods(canvas, q, key, 0.9 if abs(lat) < 24.0 else 0.4)
    elif pick > 0.90:
        country.dry_range(canvas, q, key, 0.5, soil)
    elif pick > 0.893:
        country.quarry(canvas, q, key)
    elif pick > 0.845 - 0.25 * max(0.0, smooth(_S_FOIL, x / 4200.0, y / 4200.0)):
        country.greenhouses(canvas, q, key)
    else:
        mixture = 0.5 + 0.5 * smooth(_S_CROP, x / 2600.0, y / 2600.0) - 0.8 * form[3]
        country.fields(canvas, q, key, mixture, soil)
        if draw(key, 54) < 0.42 * (1.0 - 0.85 * form[2]):
            habit = smooth(_S_VILLAGE, x / 9000.0, y / 9000.0) + 0.5 * (draw(key, 57) - 0.5)
            if habit < -0.25:
                country.farms(canvas, facing, q, key, 22)
            elif habit < 0.1:
                country.street_village(canvas, facing, q, key, 22)
            else:
                country.village(canvas, facing, q, key, 22)


@compiled
def _parcel(canvas, facing, q, key, centre, tables, year, span):
    """Draws one parcel as it stands in a year."""
    towns, reaches, lakes, form = tables
    x, y = centre
    shore = max(river_at(x, y, reaches), lake_at(x, y, lakes, form[4]))
    hill = hill_at(x, y, form[2])
    urban = urban_at(x, y, towns, form[2], form[3])
    # Ours: neighbours are built up within some years of each other, and hills last, unless a town leaves no other room.
    score = score_at(x, y, towns, form) + 0.10 * (draw(key, 60) - 0.5) - 1.4 * hill * (1.0 - 0.8 * urban)
    born = year_built(score) + (14.0 * draw(key, 61) if draw(key, 62) < 0.08 else 0.0)
    start = math.ceil(born)
    if start < 2100 and start > 1900:
        _note(span, start, year)
        _note(span, start - 1, year)
    stamp = min(max(start - m.FIRST_YEAR, 0), 255)
    if shore > 330.0:
        return
    if year < start - 1:
        _country(canvas, facing, q, key, x, y, form, hill, shore)
        return
    inner = parcels.inset(q, 6.0)
    parcels.ground(canvas, q, pack(m.LAWN, 0, 128, 128))
    if year < start:
        parcels.site(canvas, facing, inner, key, stamp)
        return
    parcel_type = _town_kind(x, y, urban, key)
    if parcel_type == parcels.OLD_QUARTER:
        cleared = 2010 + int(75.0 * draw(key, 63))
        if cleared > start + 8:
            _note(span, cleared, year)
            _note(span, cleared + 1, year)
            if year == cleared:
                parcels.site(canvas, facing, inner, key, stamp)
                return
            if year > cleared:
                parcel_type, stamp = parcels.ESTATE, min(max(cleared + 1 - m.FIRST_YEAR, 0), 255)
    parcels.town(canvas, facing, inner, key, stamp, parcel_type)


@compiled
def _cell_parcels(canvas, facing, q, p, key, tables, year, span):
    """All parcels of a cell; q holds its canvas corners, p its plane corners."""
    sm, tm = st.middles(key)
    for quarter in range(4):
        right, far = quarter % 2, quarter // 2
        s0, s1 = (sm, 1.0) if right else (0.0, sm)
        t0, t1 = (tm, 1.0) if far else (0.0, tm)
        quarter_key = derive(key, 10 + quarter)
        cs, ct = st.cuts(quarter_key)
        for b in range(2 if ct > 0 else 1):
            for a in range(2 if cs > 0 else 1):
                u0 = 0.0 if a == 0 else cs
                u1 = 1.0 if (a == 1 or cs == 0.0) else cs
                v0 = 0.0 if b == 0 else ct
                v1 = 1.0 if (b == 1 or ct == 0.0) else ct
                a0, a1 = s0 + (s1 - s0) * u0, s0 + (s1 - s0) * u1
                b0, b1 = t0 + (t1 - t0) * v0, t0 + (t1 - t0) * v1
                lot = st.part(q, a0, a1, b0, b1)
                if not st.far_away(lot, SIDE, 20.0):
                    centre = point(p, (a0 + a1) / 2, (b0 + b1) / 2)
                    _parcel(canvas, facing, lot, derive(quarter_key, 100 + 2 * b + a), centre, tables, year, span)


@compiled
def _one_street(canvas, q, p, share, rank, key, tables, year, span):
    """A street between two points of a cell given as shares (s0, t0, s1, t1)."""
    ends = np.empty(4)
    ends[0], ends[1] = point(q, share[0], share[1])
    ends[2], ends[3] = point(q, share[2], share[3])
    if min(ends[0], ends[2]) > SIDE + 40 or max(ends[0], ends[2]) < -40:
        return
    if min(ends[1], ends[3]) > SIDE + 40 or max(ends[1], ends[3]) < -40:
        return
    towns, reaches, _, form = tables
    x, y = point(p, (share[0] + share[2]) / 2, (share[1] + share[3]) / 2)
    hill = hill_at(x, y, form[2])
    if river_at(x, y, reaches) > 80.0:
        return
    score = score_at(x, y, towns, form)
    hill *= 1.0 - 0.8 * min(score, 1.0)
    born = st.street(canvas, ends, rank, key, score - 1.4 * hill, (hill, max(0.85 * form[2], 1.1 * form[3])), year)
    if 1900.0 < born < 2100.0:
        _note(span, math.ceil(born), year)


@compiled
def _cell_streets(canvas, q, p, key, tables, year, span, rank):
    """The streets of one rank that a cell owns: its first two sides, its middle lines, its quarters' cuts."""
    sm, tm = st.middles(key)
    if rank == st.ARTERIAL:
        _one_street(canvas, q, p, (0.0, 0.0, 1.0, 0.0), rank, derive(key, 20), tables, year, span)
        _one_street(canvas, q, p, (0.0, 0.0, 0.0, 1.0), rank, derive(key, 21), tables, year, span)
    elif rank == st.SECONDARY:
        _one_street(canvas, q, p, (sm, 0.0, sm, tm), rank, derive(key, 22), tables, year, span)
        _one_street(canvas, q, p, (sm, tm, sm, 1.0), rank, derive(key, 22), tables, year, span)
        _one_street(canvas, q, p, (0.0, tm, sm, tm), rank, derive(key, 23), tables, year, span)
        _one_street(canvas, q, p, (sm, tm, 1.0, tm), rank, derive(key, 23), tables, year, span)
    else:
        for quarter in range(4):
            right, far = quarter % 2, quarter // 2
            s0, s1 = (sm, 1.0) if right else (0.0, sm)
            t0, t1 = (tm, 1.0) if far else (0.0, tm)
            quarter_key = derive(key, 10 + quarter)
            cs, ct = st.cuts(quarter_key)
            if cs > 0:
                s = s0 + cs * (s1 - s0)
                _one_street(canvas, q, p, (s, t0, s, t1), rank, derive(quarter_key, 30), tables, year, span)
            if ct > 0:
                t = t0 + ct * (t1 - t0)
                _one_street(canvas, q, p, (s0, t, s1, t), rank, derive(quarter_key, 31), tables, year, span)


# Fields at nodes 40 m apart and lines between them: there are 1,089 nodes and 1.6 million pixels.
@compiled
def _water(canvas, nodes, reaches, lakes, wetness):
    """Rivers and lakes over everything, from fields at 40-m nodes; river banks lie bare or grassy."""
    count = TILE_M // NODE_M + 1
    river, lake = np.empty((count, count)), np.empty((count, count))
    for j in range(count):
        for i in range(count):
            x, y = plane_at(nodes, i / (count - 1.0), j / (count - 1.0))
            river[j, i] = river_at(x, y, reaches)
            lake[j, i] = lake_at(x, y, lakes, wetness)
    for j in range(count - 1):
        for i in range(count - 1):
            r = (river[j, i], river[j, i + 1], river[j + 1, i], river[j + 1, i + 1])
            k = (lake[j, i], lake[j, i + 1], lake[j + 1, i], lake[j + 1, i + 1])
            if max(r) > -60.0 or max(k) > 0.0:
                x, y = plane_at(nodes, (i + 0.5) / (count - 1.0), (j + 0.5) / (count - 1.0))
                _water_cell(canvas, i, j, r, k, to_byte(1.6 * smooth(_S_SHADE, x / 5200.0, y / 5200.0)))


# Row by row with what both columns share computed once; most cells are dry and never come here.
@compiled
def _water_cell(canvas, i, j, river, lake, shade):
    in_river, in_lake = pack(m.RIVER, 0, shade, 128), pack(m.LAKE, 0, shade, 128)
    bank, strand = pack(m.LAWN, 0, shade, 128), pack(m.BARE, 0, shade, 128)
    for dy in range(NODE_M + (j == TILE_M // NODE_M - 1)):
        row = j * NODE_M + dy
        v = (dy + 0.5) / NODE_M
        r0, r1 = river[0] * (1 - v) + river[2] * v, river[1] * (1 - v) + river[3] * v
        k0, k1 = lake[0] * (1 - v) + lake[2] * v, lake[1] * (1 - v) + lake[3] * v
        for dx in range(NODE_M + (i == TILE_M // NODE_M - 1)):
            u = (dx + 0.5) / NODE_M
            r, k = r0 + (r1 - r0) * u, k0 + (k1 - k0) * u
            if r > 0.0 and r >= k:
                canvas[row, i * NODE_M + dx] = in_river
            elif k > 0.0:
                canvas[row, i * NODE_M + dx] = in_lake
            elif r > -14.0:
                canvas[row, i * NODE_M + dx] = strand
            elif r > -55.0:
                canvas[row, i * NODE_M + dx] = bank


@compiled
def draw_tile(epsg, left, top, year, towns, reaches, lakes, land):
    """The tile whose upper-left corner is (left, top) in a zone, as it stands in a year.

    Returns the canvas (SIDE x SIDE packed pixels), the walls' direction by 10-m cell, and the years [first, after)
    in which it looks like this.
    """
    canvas = np.empty((SIDE, SIDE), np.uint32)
    # What no parcel covers, between a parcel and its street, is verge.
    canvas[:] = pack(m.LAWN, 0, 128, 128)
    facing = np.zeros((TILE_M // 10, TILE_M // 10), np.uint8)
    span = np.array([0, _NEVER])
    nodes = plane_nodes(left, top, np.float64(TILE_M), epsg)
    x, y = nodes[1, 1, 0], nodes[1, 1, 1]
    form = land_at(x, y, land)
    reach = math.ceil((st.REACH_M + TILE_M) / st.SPACING_M)
    i0, j0 = math.floor(x / st.SPACING_M) - reach, math.floor(y / st.SPACING_M) - reach
    count = 2 * reach + 2
    net = st.corners(i0, j0, count, towns, epsg, left, top)
    q, p = np.empty(8), np.empty(8)
    for step in range(4):
        for j in range(count - 1):
            for i in range(count - 1):
                _cell_corners(net, i, j, q, p)
                if st.far_away(q, SIDE, 60.0):
                    continue
                cell_form = land_at(p[0], p[1], land)
                tables = (towns, reaches, lakes, cell_form)
                key = st.cell_key(i0 + i, j0 + j)
                if step == 0:
                    _cell_parcels(canvas, facing, q, p, key, tables, year, span)
                else:
                    _cell_streets(canvas, q, p, key, tables, year, span, 3 - step)
    _water(canvas, nodes, reaches, lakes, form[4])
    _bridges(canvas, net, i0, j0, reaches)
    return canvas, facing, span[0], span[1]


@compiled
def _cell_corners(net, i, j, q, p):
    for k in range(4):
        di, dj = (0, 1, 1, 0)[k], (0, 0, 1, 1)[k]
        p[2 * k], p[2 * k + 1] = net[j + dj, i + di, 0], net[j + dj, i + di, 1]
        q[2 * k], q[2 * k + 1] = net[j + dj, i + di, 2], net[j + dj, i + di, 3]


@compiled
def _bridges(canvas, net, i0, j0, reaches):
    if reaches.shape[0] == 0:
        return
    ends = np.empty(4)
    count = net.shape[0]
    for j in range(count - 1):
        for i in range(count - 1):
            for upward in range(2):
                if not st.crosses_rivers(i0 + i, j0 + j, upward == 1):
                    continue
                a, b = net[j, i], net[j + upward, i + 1 - upward]
                ends[0], ends[1], ends[2], ends[3] = a[2], a[3], b[2], b[3]
                if (
                    min(a[2], b[2]) > SIDE + 20
                    or max(a[2], b[2]) < -20
                    or min(a[3], b[3]) > SIDE + 20
                    or max(a[3], b[3]) < -20
                ):
                    continue
                wet = max(river_at(a[0], a[1], reaches), river_at(b[0], b[1], reaches))
                wet = max(wet, river_at((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, reaches))
                if wet > -40.0:
                    st.bridge(canvas, ends, derive(st.cell_key(i0 + i, j0 + j), 24 + upward))


# The drawing's plan is 60 kernels for some hundred objects a tile: Python does it in .3 s, numba in .02 s after 15.
drawing = Beginning(draw_tile, units=_FIRST_TILES, kept=(quad, disc, scatter, _water))
