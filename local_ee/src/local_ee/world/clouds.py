"""Clouds of an overpass: one field on the plane per overpass, so every tile and band of it sees the same clouds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache

import numpy as np

from local_ee import parallel
from local_ee.world import sun
from local_ee.world.compiled import Beginning, compiled, over_arrays
from local_ee.world.lattice import STEP_M, TILE, Cut
from local_ee.world.noise import (
    between,
    column_keys,
    corners_of,
    derive,
    draw,
    draw_normal,
    either,
    fractal,
    hash2,
    next_row,
    point_hash,
    row_state,
    seed_of,
    smooth,
    unit,
)
from local_ee.world.plane import nodes_of, plane_at, plane_nodes

NODES = 17  # per tile side: 80 m apart
# Ours: detail down to the 80 m between nodes; a finer octave would be lost between them.
OCTAVES = 6
_CENTRES = 16  # pixels along a square whose places are interpolated
_NODES_KEPT = 2048  # tiles of overpasses, 5 kB each: a window's images and their scores share them
# Ours: weather as wide as a swath, so that scenes are mostly clear or mostly overcast, as real ones are.
_WEATHER_CELL_M = 320_000.0
# Tiles of overpasses, points and pixels that NumPy does (compiled.Beginning): less than compiling takes.
_FIRST_NODED, _FIRST_POINTS, _FIRST_PIXELS = 300, 60_000, 2_000_000


@dataclass(frozen=True)
class Sky:
    """The clouds of one overpass: seed, lattice length in m, edge width, shadow displacement (plane metres, toward
    the sun), and the clear share of the season."""

    seed: np.uint64
    length_m: float
    edge: float
    toward_sun_m: tuple[float, float]
    clear_share: float


def sky_of(day: date, orbit: int) -> Sky:
    """The sky of a day's overpass (local_ee/docs/world.md, "Clouds": cover is U-shaped, cloud sizes follow
    a power law).
    """
    seed = seed_of("sky", day.isoformat(), orbit)
    east, south, reach = sun.direction(day.month)
    # A shadow lies base height x the sun's shadow length away from its cloud.
    base_m = 800.0 + 1700.0 * draw(seed, 1)
    length_m = 4000.0 * 4.0 ** draw(seed, 2)
    shift = (base_m * reach * east, -base_m * reach * south)
    return Sky(seed, length_m, 0.10 + 0.22 * draw(seed, 3), shift, sun.CLEAR_SHARE[day.month - 1])


@cache
def _levels() -> np.ndarray:
    """Values of the cloud noise below which 0, 1, .. 100 % of it lies."""
    seed = seed_of("levels")
    k = np.arange(22_500)
    sample = over_arrays(fractal)(seed, 3.77 * (k % 150), 2.91 * (k // 150), OCTAVES)
    return np.quantile(sample, np.linspace(0, 1, 101))


# Clouds are asked at single points (scores of scenes), nodes and pixels: one kernel for all gives one sky.
@compiled
def _cover_at(seed, i, j, clear):
    """Cloud cover of a weather cell: under 10 %, over 90 % or between (local_ee/docs/world.md, "Clouds")."""
    h = hash2(seed, i, j)
    pick, u = unit(h), unit(derive(h, 1))
    # Cover above 1 lowers the threshold below all noise: an overcast sky without holes.
    cloudy = either(pick < 0.5 * clear + 0.75 * (1.0 - clear), 0.9 + 0.16 * u, 0.1 + 0.8 * u)
    return either(pick < 0.5 * clear, 0.1 * u, cloudy)


@compiled
def _threshold(seed, x, y, clear, levels):
    """The noise value above which there is cloud, steady within a weather cell and sliding between cells."""
    u, v = x / _WEATHER_CELL_M + draw(seed, 8), y / _WEATHER_CELL_M + draw(seed, 9)
    i, j = math.floor(u), math.floor(v)
    u, v = u - i, v - j
    for _ in range(2):
        u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    value = 0.0
    for dj in range(2):
        for di in range(2):
            cover = _cover_at(seed, i + di, j + dj, clear)
            at = (1.0 - min(cover, 1.0)) * 100.0
            k = min(int(at), 99)
            level = levels[k] + (at - k) * (levels[k + 1] - levels[k]) - 8.0 * max(0.0, cover - 1.0)
            value += (u if di else 1 - u) * (v if dj else 1 - v) * level
    return value


@compiled
def opacity_at(x, y, seed, length_m, edge, clear, levels):
    """Cloud opacity 0 to 1 at a point of the plane."""
    over = fractal(seed, x / length_m, y / length_m, OCTAVES) - _threshold(seed, x, y, clear, levels)
    t = min(max(over / edge + 0.25, 0.0), 1.0)
    return t * t * (3.0 - 2.0 * t)


def _spread(nodes: np.ndarray, out: np.ndarray, row0: int, col0: int, top: int, left: int) -> None:
    """Bilinear values between a tile's nodes, written where the tile meets the window."""
    rows = np.arange(max(0, top - row0), min(out.shape[0], top + TILE - row0))
    cols = np.arange(max(0, left - col0), min(out.shape[1], left + TILE - col0))
    here = out[rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
    least, most = nodes.min(), nodes.max()
    if least == most and least in (0.0, 1.0):  # most tiles are clear or overcast
        here[:] = least
        return
    i, u = _beside(cols + col0 - left)
    j, v = _beside(rows + row0 - top)
    along = nodes[:, i] * (1 - u) + nodes[:, i + 1] * u  # of a node's row once, and not of every pixel's
    here[:] = along[j] * (1 - v)[:, None] + along[j + 1] * v[:, None]


def _beside(px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nodes left of (above) pixels' centres, and the share of the way to the next."""
    at = (px + 0.5) * ((NODES - 1) / TILE)
    node = at.astype(int)
    return node, at - node


# Six octaves twice for each node: the dearest noise of a scene, so 289 nodes stand for a tile's 16,384 pixels.
@compiled
def _nodes(epsg, tile_col, tile_row, seed, length_m, edge, east, north, clear, levels):
    """Opacity and shadow at the nodes of a world tile: [2, NODES, NODES]."""
    out = np.empty((2, NODES, NODES))
    side = TILE * 10.0
    corners = plane_nodes(tile_col * side, -tile_row * side, side, epsg)
    for j in range(NODES):
        for i in range(NODES):
            x, y = plane_at(corners, i / (NODES - 1.0), j / (NODES - 1.0))
            out[0, j, i] = opacity_at(x, y, seed, length_m, edge, clear, levels)
            shadow = opacity_at(x + east, y + north, seed, length_m, edge, clear, levels)
            out[1, j, i] = shadow * (1.0 - out[0, j, i])
    return out


def _nodes_by_numpy(epsg, tile_col, tile_row, seed, length_m, edge, east, north, clear, levels):
    side = TILE * 10.0
    v, u = np.mgrid[:NODES, :NODES] / (NODES - 1.0)
    x, y = over_arrays(plane_at)(nodes_of(tile_col * side, -tile_row * side, side, epsg), u, v)
    seen, shade = (
        over_arrays(opacity_at)(x + dx, y + dy, seed, length_m, edge, clear, levels)
        for dx, dy in ((0.0, 0.0), (east, north))
    )
    return np.stack([seen, shade * (1.0 - seen)])


# NumPy takes a millisecond for a tile of an overpass, the kernel a tenth after a second of compiling.
_noding = Beginning(_nodes, _FIRST_NODED, instead=_nodes_by_numpy)


@lru_cache(maxsize=_NODES_KEPT)
def _tile_nodes(epsg: int, tile_col: int, tile_row: int, sky: Sky) -> np.ndarray:
    east, north = sky.toward_sun_m
    weather = (sky.seed, sky.length_m, sky.edge, east, north, sky.clear_share)
    return _noding(1)(epsg, tile_col, tile_row, *weather, _levels())


def at_centres(cut: Cut, sky: Sky) -> tuple[np.ndarray, np.ndarray]:
    """Cloud opacity and shadow (0 to 1) at the centres of pixels of any size: two float32 [row, column]."""
    shape, east_north = (cut.height, cut.width), sky.toward_sun_m
    opacity, shadow = np.empty(shape, np.float32), np.empty(shape, np.float32)
    weather = (sky.seed, sky.length_m, sky.edge, *east_north, sky.clear_share)

    def fill(rows: slice) -> None:
        corner = cut.epsg, cut.row + rows.start, cut.col, float(cut.step_m)
        _at_centres(corner, weather, _levels(), opacity[rows], shadow[rows])

    parallel.strips(fill, cut.height, _CENTRES)
    return opacity, shadow


# For pixels that are larger than nodes are apart; squares of pixels, so that places come from nine exact ones.
@compiled
def _at_centres(corner, weather, levels, opacity, shadow):
    """Places are those of `plane_at` in squares of _CENTRES pixels, at most 82 km along a side."""
    epsg, row0, col0, step = corner
    seed, length_m, edge, east, north, clear = weather
    for left in range(0, opacity.shape[1], _CENTRES):
        side = _CENTRES * step
        nodes = plane_nodes((col0 + left) * step, -row0 * step, side, epsg)
        for row in range(opacity.shape[0]):
            for col in range(left, min(left + _CENTRES, opacity.shape[1])):
                x, y = plane_at(nodes, (col - left + 0.5) / _CENTRES, (row + 0.5) / _CENTRES)
                seen = opacity_at(x, y, seed, length_m, edge, clear, levels)
                opacity[row, col] = seen
                shadow[row, col] = opacity_at(x + east, y + north, seed, length_m, edge, clear, levels) * (1.0 - seen)


def over(cut: Cut, sky: Sky) -> tuple[np.ndarray, np.ndarray]:
    """Cloud opacity and shadow (0 to 1) of any 10-m pixels: two float32 [row, column]."""
    shape = cut.height, cut.width
    opacity, shadow = np.empty(shape, np.float32), np.empty(shape, np.float32)

    def fill(tile_row: int) -> None:
        for tile_col in range(cut.col // TILE, (cut.col + cut.width - 1) // TILE + 1):
            nodes = _tile_nodes(cut.epsg, tile_col, tile_row, sky)
            corner = (cut.row, cut.col, tile_row * TILE, tile_col * TILE)
            _spread(nodes[0], opacity, *corner)
            _spread(nodes[1], shadow, *corner)

    parallel.each(fill, range(cut.row // TILE, (cut.row + cut.height - 1) // TILE + 1))
    return opacity, shadow


def glow(opacity: np.ndarray, seed: np.uint64, row0: int, col0: int, step_m: float) -> np.ndarray:
    """Brightness of the clouds on pixels of `step_m` metres, mean 1, common to all bands: float32 [row, column].

    A cloud's bands brighten and dim together (local_ee/docs/world.md, "Clouds": reflectance .42 to .59, sd .14 to
    .19).
    """
    out = np.ones(opacity.shape, np.float32)
    fill = _glowing(opacity.size)
    parallel.strips(lambda rows: fill(opacity[rows], seed, row0 + rows.start, col0, step_m, out[rows]), len(out), TILE)
    return out


# Only cloudy pixels need it; lattice corners are kept from pixel to pixel, as neighbours share them.
@compiled
def _glow(opacity, seed, row0, col0, step_m, out):
    cells = np.full((2, 2), -(2**62), np.int64)
    broad = fine = (0.0, 0.0, 0.0, 0.0)
    for row in range(out.shape[0]):
        y = (row0 + row + 0.5) * step_m
        for col in range(out.shape[1]):
            if opacity[row, col] > 0:
                x = (col0 + col + 0.5) * step_m
                u, v = (0.8 * x + 0.6 * y) / 1300.0, (0.8 * y - 0.6 * x) / 1300.0
                p, q = 2.7 * u, 2.7 * v
                i, j, k, l = math.floor(u), math.floor(v), math.floor(p), math.floor(q)
                if i != cells[0, 0] or j != cells[0, 1]:
                    cells[0, 0], cells[0, 1] = i, j
                    broad = corners_of(seed + np.uint64(5), i, j)
                if k != cells[1, 0] or l != cells[1, 1]:
                    cells[1, 0], cells[1, 1] = k, l
                    fine = corners_of(seed + np.uint64(6), k, l)
                lump = between(broad, u - i, v - j) + 0.6 * between(fine, p - k, q - l)
                out[row, col] = max(0.7, 1.0 + 0.5 * lump)


def _glow_by_numpy(opacity, seed, row0, col0, step_m, out):
    rows, cols = np.nonzero(opacity > 0)
    x, y = (col0 + cols + 0.5) * step_m, (row0 + rows + 0.5) * step_m
    u, v = (0.8 * x + 0.6 * y) / 1300.0, (0.8 * y - 0.6 * x) / 1300.0
    lump = over_arrays(smooth)(seed + np.uint64(5), u, v) + 0.6 * over_arrays(smooth)(
        seed + np.uint64(6), 2.7 * u, 2.7 * v
    )
    out[rows, cols] = np.maximum(0.7, 1.0 + 0.5 * lump)


_glowing = Beginning(_glow, _FIRST_PIXELS, instead=_glow_by_numpy)


def cover_of(points_xy: np.ndarray, sky: Sky) -> float:
    """Share of plane points [n, 2] under cloud of more than half opacity."""
    count = _counting(len(points_xy))
    covered = count(points_xy, sky.seed, sky.length_m, sky.edge, sky.clear_share, _levels())
    return float(covered / len(points_xy))


# Points one by one: a scene's cover is asked before any pixel of it, often of hundreds of scenes.
@compiled
def _count_covered(points_xy, seed, length_m, edge, clear, levels):
    """How many plane points [n, 2] are under cloud of more than half opacity."""
    count = 0
    for i in range(points_xy.shape[0]):
        if opacity_at(points_xy[i, 0], points_xy[i, 1], seed, length_m, edge, clear, levels) > 0.5:
            count += 1
    return count


def _count_by_numpy(points_xy, seed, length_m, edge, clear, levels):
    opacity = over_arrays(opacity_at)(points_xy[:, 0], points_xy[:, 1], seed, length_m, edge, clear, levels)
    return int((opacity > 0.5).sum())


_counting = Beginning(_count_covered, _FIRST_POINTS, instead=_count_by_numpy)


@cache
def _quantiles(state: str) -> np.ndarray:
    """Cloud scores at 0, .5, .. 100 % of their distribution by state of the pixel (local_ee/docs/world.md,
    "Clouds").
    """
    from scipy.stats import beta

    a, b = {"clear": (12, 1.5), "thin": (3, 3), "shadow": (2.5, 3.5), "opaque": (1.2, 12)}[state]
    return beta.ppf(np.linspace(0.0005, 0.9995, 201), a, b)


@cache
def score_tables() -> tuple[np.ndarray, np.ndarray]:
    """Scores by state (clear, thin, shadow, opaque) and rank [4, 201], and the rank of scores 0, .005, .. 1 in a
    pixel's history (a mixture of the states over a year)."""
    table = np.stack([_quantiles(state) for state in ("clear", "thin", "shadow", "opaque")])
    grid = np.linspace(0, 1, 201)
    shares = (0.43, 0.08, 0.05, 0.44)
    rows = (s * np.interp(grid, row, grid, left=0, right=1) for s, row in zip(shares, table, strict=True))
    history = sum(rows, np.zeros(grid.shape))
    return table.astype(np.float32), history.astype(np.float32)


# Loops of one kind of step over a row each, without branches where that can be: they run on several columns at once.
@compiled
def _look(table, at):
    k = min(max(at, 0.0), 0.9999) * (table.shape[0] - 1)
    i = int(k)
    return table[i] + (k - i) * (table[i + 1] - table[i])


@compiled
def _ranks(broad, fine, grain, haze, out):
    """Fills out with the share of its state's scores that a pixel's lies above; loops of one kind of step each."""
    for col in range(out.shape[0]):
        wave = broad[col] + 0.5 * fine[col]
        z = haze + 1.25 * wave + 1.1 * (grain[col] - 0.5)
        out[col] = -1.702 * z
    for col in range(out.shape[0]):
        out[col] = math.exp(out[col])
    for col in range(out.shape[0]):
        out[col] = 1.0 / (1.0 + out[col])


@compiled
def _scores(opacity, shadow, seed, row0, col0, tables, cs, cdf):
    """Fills Cloud Score+ cs; cdf too, unless it has no pixels (its noise takes as long as all the others)."""
    height, width = opacity.shape
    (table, history), ranked = tables, cdf.size > 0
    haze = 0.45 * draw_normal(seed, 20)
    broad, fine, drift = np.empty(width), np.empty(width), np.empty(width)
    broad_state, fine_state, drift_state = row_state(width), row_state(width), row_state(width)
    grain, jitter, keys = np.empty(width), np.empty(width), column_keys(seed, col0, width)
    ranks, line = np.empty(width), np.empty(width)
    clear, thin, shaded, opaque = table[0], table[1], table[2], table[3]
    for row in range(height):
        next_row(seed + np.uint64(7), col0, 1.0, 70.0, (row0 + row) / 70.0, broad_state, broad)
        next_row(seed + np.uint64(8), col0, 1.0, 6.0, (row0 + row) / 6.0, fine_state, fine)
        if ranked:
            next_row(seed + np.uint64(9), col0, 1.0, 12.0, (row0 + row) / 12.0, drift_state, drift)
            for col in range(width):
                h = point_hash(keys[col], row0 + row)
                grain[col], jitter[col] = unit(h), unit(derive(h, 1)) + unit(derive(h, 2))
        else:
            for col in range(width):
                grain[col] = unit(point_hash(keys[col], row0 + row))
        _ranks(broad, fine, grain, haze, ranks)
        for col in range(width):
            a, s, rank = opacity[row, col], shadow[row, col], ranks[col]
            score = _look(clear, rank)
            if s > 0.0:
                score += min(1.6 * s, 1.0) * (min(_look(shaded, rank), score) - score)
            if a > 0.0:
                score += min(a / 0.14, 1.0) * (min(_look(thin, rank), score) - score)
                if a > 0.25:
                    score += min((a - 0.25) / 0.4, 1.0) * (min(_look(opaque, rank), score) - score)
            cs[row, col], line[col] = score, score
        if ranked:
            for col in range(width):
                blur = 0.087 * (jitter[col] - 1.0 + drift[col])
                cdf[row, col] = min(max(_look(history, line[col]) + blur, 0.0), 1.0)


def scores(cut: Cut, sky: Sky, names: tuple[str, ...] = ("cs", "cs_cdf")) -> np.ndarray:
    """Cloud Score+ (cs, cs_cdf; 1 is clear) of any pixels: float32 [band, row, column]."""
    opacity, shadow = (over if cut.step_m == STEP_M else at_centres)(cut, sky)
    tables, ranked = score_tables(), "cs_cdf" in names
    cs, cdf = np.empty_like(opacity), np.empty(opacity.shape if ranked else (0, 0), np.float32)

    def fill(rows: slice) -> None:
        part = cdf[rows] if ranked else cdf
        _scores(opacity[rows], shadow[rows], sky.seed, cut.row + rows.start, cut.col, tables, cs[rows], part)

    parallel.strips(fill, cut.height, TILE)
    return np.stack([cs if name == "cs" else cdf for name in names])
