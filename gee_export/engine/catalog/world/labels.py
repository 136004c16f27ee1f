"""Land-cover products of the world, drawn from its truth with the kinds of error their namesakes have.

Each product blurs and disturbs the truth's shares, decides, removes small patches, and grows or shifts what is left
(the recipe of world.md section 5). Nothing here says anything about the real products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gee_export.engine.catalog.world import materials as m
from gee_export.engine.catalog.world.compiled import compiled
from gee_export.engine.catalog.world.fractions import CellCache
from gee_export.engine.catalog.world.lattice import TILE, Cut, TileCache, mosaic
from gee_export.engine.catalog.world.noise import derive, hash2, seed_of, smooth, unit

GROUPS = 7
BUILT, WATER, TREES, GRASS, CROPS, BARE, WET = range(GROUPS)
_GROUP_OF = np.array(
    [WATER, WATER, TREES, TREES, GRASS, CROPS, CROPS, CROPS, BARE, BUILT, BUILT, BUILT, BUILT, BUILT, BUILT, BUILT],
    np.int64,
)
_MARGIN = 8


@dataclass(frozen=True)
class Errors:
    """How a product errs: threshold on the built share, spread of its noise, box blur in 10-m pixels each way,
    smallest patch kept in pixels, growth in pixels, share of bare ground taken for built, seed."""

    threshold: float
    noise: float
    blur: int
    least: int
    growth: int
    bare_as_built: float
    edition: str


WORLDCOVER_2020 = Errors(0.5, 0.15, 1, 2, 0, 0.05, "worldcover 2020")
WORLDCOVER_2021 = Errors(0.5, 0.15, 1, 2, 0, 0.04, "worldcover 2021")
DYNAMIC_WORLD = Errors(0.35, 0.12, 2, 1, 1, 0.06, "dynamic world")
ESRI = Errors(0.35, 0.15, 2, 5, 2, 0.06, "esri")


@compiled
def decide(layers, groups, threshold, noise, blur, bare_as_built, seed, col0, row0):
    """Group of each pixel [row, column] uint8, from class layers with `blur` pixels of margin."""
    height, width = layers.shape[1] - 2 * blur, layers.shape[2] - 2 * blur
    out = np.empty((height, width), np.uint8)
    shares = np.zeros(GROUPS)
    for row in range(height):
        for col in range(width):
            shares[:] = 0.0
            weight = 0.0
            for dy in range(-blur, blur + 1):
                for dx in range(-blur, blur + 1):
                    w = 1.0 / (1.0 + dx * dx + dy * dy)
                    weight += w
                    for kind in range(layers.shape[0]):
                        shares[groups[kind]] += w * layers[kind, row + blur + dy, col + blur + dx]
            scale = 0.01 / weight
            x, y = col0 + col, row0 + row
            h = hash2(seed, x, y)
            wave = 1.6 * smooth(seed, x / 3.0, y / 3.0) + 1.2 * (unit(h) - 0.5)
            built = shares[BUILT] * scale + noise * wave
            field = hash2(seed + np.uint64(5), x // 16, y // 16)
            if unit(field) < bare_as_built * 1.6:
                built += shares[BARE] * scale
            # Roofs and lanes under trees go unseen; open ground around houses is taken for built.
            built -= 0.25 * max(0.0, shares[TREES] * scale - 0.3)
            if built > threshold:
                out[row, col] = BUILT
                continue
            best, top = BARE, -1.0
            for group in range(1, GROUPS):
                score = shares[group] * scale + 0.10 * (unit(derive(h, group)) - 0.5)
                if group == TREES and shares[TREES] * scale < 0.6:
                    score *= 0.6  # loose trees over lawns and yards are called grass
                if score > top:
                    best, top = group, score
            out[row, col] = best
    return out


@compiled
def sieve(groups, least):
    """Built patches (4-connected) of fewer than `least` pixels turned to their neighbours' group; a copy."""
    height, width = groups.shape
    out = groups.copy()
    seen = np.zeros((height, width), np.bool_)
    stack = np.empty((4 * least + 8, 2), np.int64)
    for row in range(1, height - 1):
        for col in range(1, width - 1):
            if groups[row, col] != BUILT or seen[row, col]:
                continue
            stack[0, 0], stack[0, 1] = row, col
            seen[row, col] = True
            count, at, other = 1, 0, -1
            while at < count and count < least:
                r, c = stack[at, 0], stack[at, 1]
                at += 1
                for k in range(4):
                    rr, cc = r + (0, 0, 1, -1)[k], c + (1, -1, 0, 0)[k]
                    if rr < 0 or cc < 0 or rr >= height or cc >= width:
                        continue
                    if groups[rr, cc] != BUILT:
                        other = groups[rr, cc]
                    elif not _listed(stack, count, rr, cc):
                        stack[count, 0], stack[count, 1] = rr, cc
                        count += 1
            if count < least and other >= 0:
                for k in range(count):
                    out[stack[k, 0], stack[k, 1]] = other
    return out


@compiled
def _listed(stack, count, row, col):
    for k in range(count):  # noqa: SIM110
        if stack[k, 0] == row and stack[k, 1] == col:
            return True
    return False


def grow(groups: np.ndarray, steps: int) -> np.ndarray:
    """Built ground spread by `steps` pixels over land; `steps` pixels at the window's edge are cut off."""
    for _ in range(steps):
        built = groups == BUILT
        near = built[1:-1, 1:-1] | built[:-2, 1:-1] | built[2:, 1:-1] | built[1:-1, :-2] | built[1:-1, 2:]
        inner = groups[1:-1, 1:-1]
        groups = np.where(near & (inner != WATER), np.uint8(BUILT), inner)
    return groups


class Products:
    """Groups of land cover by product, year and tile."""

    def __init__(self, cells: CellCache, capacity: int) -> None:
        self._cells = cells
        self._tiles = TileCache(capacity)

    def groups(self, cut: Cut, year: int, errors: Errors) -> np.ndarray:
        """Group of any 10-m pixels: uint8 [row, column]."""
        return mosaic(cut, lambda col, row: self._tile(cut.epsg, col, row, year, errors))

    def _tile(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        return self._tiles.get((epsg, col, row, year, errors), lambda: self._make(epsg, col, row, year, errors))

    def _make(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        around, seed = _MARGIN + errors.growth, seed_of(errors.edition)
        reach = around + errors.blur
        cut = Cut(epsg, row * TILE - reach, col * TILE - reach, TILE + 2 * reach, TILE + 2 * reach)
        layers = self._cells.window(cut, year, slice(0, m.COUNT))
        place = (col * TILE - around, row * TILE - around)
        rough = decide(
            layers, _GROUP_OF, errors.threshold, errors.noise, errors.blur, errors.bare_as_built, seed, *place
        )  # fmt: skip
        kept = sieve(rough, errors.least) if errors.least > 1 else rough
        grown = grow(kept, errors.growth)
        return np.ascontiguousarray(grown[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


@compiled
def _waves(height, width, seed, row0, col0):
    out = np.empty((height, width), np.float32)
    for row in range(height):
        for col in range(width):
            out[row, col] = smooth(seed, (col0 + col) / 8.0, (row0 + row) / 8.0)
    return out


def waves(cut: Cut, seed: np.uint64) -> np.ndarray:
    """Smooth numbers in [-1, 1] over any pixels: float32 [row, column]."""
    return _waves(cut.height, cut.width, seed, cut.row, cut.col)
