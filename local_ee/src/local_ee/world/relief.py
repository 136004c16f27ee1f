"""Sunlit slopes and snow of a tile: heights at nodes 40 m apart, lit by the month's sun, and snow by height."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from local_ee.world import sun
from local_ee.world.climate import Climate, snow_share
from local_ee.world.compiled import Beginning, compiled, over_arrays
from local_ee.world.fields import height_at, land_at
from local_ee.world.lattice import STEP_M, TILE
from local_ee.world.places import places
from local_ee.world.plane import nodes_of, plane_at, to_lonlat

_NODE_PX = 4  # 10-m pixels between nodes
_NODES = TILE // _NODE_PX + 3  # one more on each side
_STEEP_M = 60.0  # hills' height times ruggedness under which the land counts as flat
_SIDE_M = float(TILE * STEP_M)
_FIRST_TILES, _FIRST_SITES = 150, 600  # that Python does (compiled.Beginning): ms each
_KEPT = 64  # tiles' months, 131 kB each: all bands of a scene share them


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
    nodes = nodes_of(col * _SIDE_M, -row * _SIDE_M, _SIDE_M, epsg)
    form = tuple(_forming(1)(nodes[1, 1, 0], nodes[1, 1, 1], places().land).tolist())
    lat = to_lonlat((col + 0.5) * _SIDE_M, -(row + 0.5) * _SIDE_M, epsg)[1]
    return Site(lat, form, Climate.of(lat, form[0], form[3]))


@lru_cache(maxsize=_KEPT)
def light_and_snow(epsg: int, col: int, row: int, month: int) -> np.ndarray | None:
    """Sunlight on the slopes over that on level ground, and share of open ground under snow: float32 [2, row, column].

    None where the land is flat and free of snow all year.
    """
    site = site_of(epsg, col, row)
    if not site.hilly and site.climate.cold == 0:
        return None
    nodes = nodes_of(col * _SIDE_M, -row * _SIDE_M, _SIDE_M, epsg)
    heights = _rising(1)(nodes, np.array(site.form))
    east, south, reach = sun.direction(month)
    table = np.array([snow_share(site.lat_deg, 50.0 * k, month, site.form[3]) for k in range(180)], np.float32)
    return slopes(heights, east, south, reach, table)


# Terrain at nodes, as a height takes nine octaves of noise; between them it is smooth.
@compiled
def node_heights(nodes, form):
    """Terrain heights in m at _NODES x _NODES nodes, the first one node outside the tile's corner."""
    out = np.empty((_NODES, _NODES))
    for j in range(_NODES):
        for i in range(_NODES):
            x, y = plane_at(nodes, (i - 1.0) / (_NODES - 3.0), (j - 1.0) / (_NODES - 3.0))
            out[j, i] = height_at(x, y, form)
    return out


def _heights_by_numpy(nodes: np.ndarray, form: np.ndarray) -> np.ndarray:
    j, i = np.mgrid[:_NODES, :_NODES]
    x, y = over_arrays(plane_at)(nodes, (i - 1.0) / (_NODES - 3.0), (j - 1.0) / (_NODES - 3.0))
    return np.asarray(over_arrays(height_at)(x, y, form))


_rising = Beginning(node_heights, _FIRST_TILES, instead=_heights_by_numpy)
_forming = Beginning(land_at, _FIRST_SITES)


def slopes(heights: np.ndarray, east: float, south: float, reach: float, snow_table: np.ndarray) -> np.ndarray:
    """See `light_and_snow`; `reach` is a shadow's length per metre, `snow_table` the snow share by 50 m of height."""
    around = np.pad(heights, 1, mode="edge")
    to_east, to_south = around[1:-1, 2:] - around[1:-1, :-2], around[2:, 1:-1] - around[:-2, 1:-1]
    at = (np.arange((len(heights) - 3) * _NODE_PX) + 0.5) / _NODE_PX + 1.0
    node = at.astype(int)
    shares = 1.0 - (at - node), at - node
    height = rise_east = rise_south = np.zeros((len(at), len(at)))
    for dj in range(2):
        for di in range(2):
            weight, nodes = shares[dj][:, None] * shares[di], np.ix_(node + dj, node + di)
            height = height + weight * heights[nodes]
            rise_east = rise_east + weight * to_east[nodes] / (2.0 * _NODE_PX * STEP_M)
            rise_south = rise_south + weight * to_south[nodes] / (2.0 * _NODE_PX * STEP_M)
    toward = rise_east * east + rise_south * south
    facing = (1.0 - toward * reach) / np.sqrt(1.0 + rise_east * rise_east + rise_south * rise_south)
    level = np.clip(height / 50.0, 0.0, len(snow_table) - 1.0)
    low = np.minimum(level.astype(int), len(snow_table) - 2)
    snow = snow_table[low] + (level - low) * (snow_table[low + 1] - snow_table[low])
    return np.stack([np.clip(0.25 + 0.75 * facing, 0.25, 1.6), snow]).astype(np.float32)
