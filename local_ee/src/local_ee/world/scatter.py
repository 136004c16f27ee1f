"""Discs strewn over a parcel: crowns, plots, rubble, heaps, blots of grass; a row of the table says how a kind looks.

Sizes and shares are chosen by eye on 1-m images, within the counts of local_ee/docs/world.md, "Towns and fields".
"""

from __future__ import annotations

from typing import NamedTuple

from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import derive, draw, draw_normal
from local_ee.world.paint import disc, point


class Kind(NamedTuple):
    """A kind of discs; `begin` counts in the parcel's key, `size` and `tone` (and the next) in the disc's own.

    covers: what most, other and the remaining discs show; rest: the draw from which the third comes.
    """

    begin: int
    covers: tuple[int, int, int]
    rest: float
    size: int
    least_m: float
    spread_m: float
    squared: bool  # few are large
    tone: int
    first_sd: float
    second_sd: float


_TREES, _GRASS = (m.EVERGREEN, m.DECIDUOUS, m.DECIDUOUS), (m.LAWN, m.BARE, m.BARE)
TREES = Kind(5000, _TREES, 1.0, 4, 0.7, 0.6, False, 5, 1.0, 1.0)  # times the mean radius
PLOTS = Kind(20000, (m.LAWN, m.BARE, m.EVERGREEN), 0.75, 4, 1.8, 2.4, False, 5, 1.0, 0.6)
RUBBLE = Kind(100, _GRASS, 1.0, 6, 4.0, 9.0, False, 4, 0.8, 0.9)
STANDS = Kind(100, _TREES, 1.0, 4, 18.0, 45.0, False, 5, 0.8, 1.0)
HEAPS = Kind(100, (m.BARE, m.BARE, m.BARE), 1.0, 5, 8.0, 30.0, False, 3, 1.0, 0.7)
SCREE = Kind(100, (m.BARE, m.BARE, m.BARE), 1.0, 5, 10.0, 45.0, True, 3, 0.8, 0.6)
BLOTS = Kind(100, _GRASS, 1.0, 4, 10.0, 40.0, False, 5, 0.5, 0.6)


# Compiled even when Python draws a first tile: a town has tens of thousands of discs, most of them off the canvas.
@compiled
def scatter(canvas, q, key, count, kind, look):
    """Discs of a kind over a parcel; look: share of the first cover, scale of sizes, means of the two tones."""
    share, scale, first, second = look
    for k in range(count):
        h = derive(key, kind.begin + k)
        x, y = point(q, draw(h, 1), draw(h, 2))
        large = draw(h, kind.size)
        size = scale * (kind.least_m + kind.spread_m * (large * large if kind.squared else large))
        if min(x, y) < -size or max(x, y) > canvas.shape[0] + size:
            continue  # its colour need not be drawn
        pick = draw(h, 3)
        cover = kind.covers[0] if pick < share else (kind.covers[1] if pick < kind.rest else kind.covers[2])
        one, two = draw_normal(h, kind.tone), draw_normal(h, kind.tone + 1)
        tones = to_byte(first + kind.first_sd * one), to_byte(second + kind.second_sd * two)
        disc(canvas, x, y, size, pack(cover, 0, tones[0], tones[1]))
