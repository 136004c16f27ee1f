"""Sunlit slopes and snow of a tile: heights at nodes 40 m apart, lit by the month's sun, and snow by height."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from local_ee.world import sun
from local_ee.world.climate import Climate, snow_share
from local_ee.world.compiled import compiled
from local_ee.world.fields import height_at, land_at
from local_ee.world.lattice import STEP_M, TILE
from local_ee.world.places import places
from local_ee.world.plane import lonlat_of_utm, plane_at, plane_nodes

_NODE_PX = 4  # 10-m pixels between nodes
_NODES = TILE // _NODE_PX + 3  # one more on each side
_STEEP_M = 60.0  # hills' height times ruggedness under which the land counts as flat
_SIDE_M = float(TILE * STEP_M)


@dataclass(frozen=True)
class Site:
    """Where a tile lies: latitude of its middle, the land's form (see fields.land_at), climate."""

    lat_deg: float
    form: tuple[float, ...]
    climate: Climate

    @property
    def hilly(self) -> bool:
        return self.form[1] * self.form[2] > _STEEP_M


@lru_cache(maxsize=4096)
def site_of(epsg: int, col: int, row: int) -> Site:
    """The site of a world tile."""
    nodes = plane_nodes(col * _SIDE_M, -row * _SIDE_M, _SIDE_M, epsg)
    form = tuple(land_at(nodes[1, 1, 0], nodes[1, 1, 1], places().land).tolist())
    lat = lonlat_of_utm((col + 0.5) * _SIDE_M, -(row + 0.5) * _SIDE_M, epsg)[1]
    return Site(lat, form, Climate.of(lat, form[0], form[3]))


def light_and_snow(epsg: int, col: int, row: int, month: int) -> np.ndarray | None:
    """Sunlight on the slopes over that on level ground, and share of open ground under snow: float32 [2, row, column].

    None where the land is flat and free of snow all year.
    """
    site = site_of(epsg, col, row)
    if not site.hilly and site.climate.cold == 0:
        return None
    nodes = plane_nodes(col * _SIDE_M, -row * _SIDE_M, _SIDE_M, epsg)
    heights = node_heights(nodes, np.array(site.form))
    east, south, reach = sun.direction(month)
    table = np.array([snow_share(site.lat_deg, 50.0 * k, month, site.form[3]) for k in range(180)], np.float32)
    return slopes(heights, east, south, reach, table)


@compiled
def node_heights(nodes, form):
    """Terrain heights in m at _NODES x _NODES nodes, the first one node outside the tile's corner."""
    out = np.empty((_NODES, _NODES))
    for j in range(_NODES):
        for i in range(_NODES):
            x, y = plane_at(nodes, (i - 1.0) / (_NODES - 3.0), (j - 1.0) / (_NODES - 3.0))
            out[j, i] = height_at(x, y, form)
    return out


@compiled
def slopes(heights, east, south, reach, snow_table):
    """See `light_and_snow`; `reach` is a shadow's length per metre, `snow_table` the snow share by 50 m of height."""
    side = (heights.shape[0] - 3) * _NODE_PX
    out = np.empty((2, side, side), np.float32)
    step = 2.0 * _NODE_PX * STEP_M
    for row in range(side):
        v = (row + 0.5) / _NODE_PX + 1.0
        j = int(v)
        v -= j
        for col in range(side):
            u = (col + 0.5) / _NODE_PX + 1.0
            i = int(u)
            u -= i
            rise_east = rise_south = height = 0.0
            for dj in range(2):
                for di in range(2):
                    weight = (v if dj else 1.0 - v) * (u if di else 1.0 - u)
                    a, b = j + dj, i + di
                    height += weight * heights[a, b]
                    left, right = heights[a, max(b - 1, 0)], heights[a, min(b + 1, heights.shape[1] - 1)]
                    above, below = heights[max(a - 1, 0), b], heights[min(a + 1, heights.shape[0] - 1), b]
                    rise_east += weight * (right - left) / step
                    rise_south += weight * (below - above) / step
            toward = rise_east * east + rise_south * south
            facing = (1.0 - toward * reach) / np.sqrt(1.0 + rise_east * rise_east + rise_south * rise_south)
            out[0, row, col] = min(max(0.25 + 0.75 * facing, 0.25), 1.6)
            at = min(max(height / 50.0, 0.0), snow_table.shape[0] - 1.0)
            low = min(int(at), snow_table.shape[0] - 2)
            out[1, row, col] = snow_table[low] + (at - low) * (snow_table[low + 1] - snow_table[low])
    return out
