"""Land-cover products of the world, drawn from its truth with the kinds of error their namesakes have.

Each product blurs and disturbs the truth's shares, decides, draws outlines round what it found as a generalised map
does (each pixel takes the majority of its neighbourhood), removes small patches, and grows or shifts what is left (the
recipe of local_ee/docs/world.md, "Label errors"). Nothing here says anything about the real products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from local_ee.world import materials as m
from local_ee.world import overview
from local_ee.world.compiled import compiled
from local_ee.world.fractions import BORN, CellCache
from local_ee.world.lattice import TILE, Cut, TileCache, mosaic
from local_ee.world.noise import derive, draw, draw_normal, hash2, seed_of, smooth, smooth_row, unit

GROUPS = 7
BUILT, WATER, TREES, GRASS, CROPS, BARE, WET = range(GROUPS)
_GROUP_OF = np.array(
    [WATER, WATER, TREES, TREES, GRASS, CROPS, CROPS, CROPS, BARE, BUILT, BUILT, BUILT, BUILT, BUILT, BUILT, BUILT],
    np.int64,
)
_MARGIN = 8
_CLASSES = slice(0, m.COUNT)


@dataclass(frozen=True)
class Errors:
    """How a product errs. Lengths are 10-m pixels; `edition` seeds it.

    threshold on the built share; noise: its spread, correlated over `length`; blur: box each way; least: smallest
    patch kept; reach, level: a pixel is drawn as built where that share of the 2 reach + 1 pixels square around it is;
    growth: ring added; bare_as_built: share of bare ground taken for built; paved: how far roads and yards
    count as built; filled, missed: share of the ground in which a town's gaps are taken for built, and built ground is
    not seen, together over about a hundred metres.
    """

    edition: str
    threshold: float = 0.5
    noise: float = 0.15
    length: float = 3.0
    blur: int = 1
    least: int = 2
    reach: int = 1
    level: float = 0.47
    growth: int = 0
    bare_as_built: float = 0.05
    paved: float = 1.0
    filled: float = 0.05
    missed: float = 0.07
    family: str = ""  # products of one family fill and miss the same places

    @property
    def rates(self) -> np.ndarray:
        """What `decide` reads, in its order."""
        levels = (_level(self.filled), -_level(self.missed))
        return np.array([self.threshold, self.noise, self.length, self.bare_as_built, self.paved, *levels])


def _level(share: float) -> float:
    """The value that `smooth` exceeds over a share of the plane (found by drawing it 160,000 times)."""
    return float(np.interp(share, (0.0, 0.02, 0.05, 0.1, 0.15, 0.2), (1.0, 0.823, 0.712, 0.586, 0.490, 0.408)))


WORLDCOVER_2020 = Errors("worldcover 2020", filled=0.03, missed=0.05, family="worldcover")
WORLDCOVER_2021 = Errors("worldcover 2021", filled=0.03, missed=0.05, family="worldcover", bare_as_built=0.04)
DYNAMIC_WORLD = Errors(
    "dynamic world",
    threshold=0.38,
    noise=0.12,
    blur=2,
    least=4,
    reach=2,
    level=0.42,
    growth=1,
    bare_as_built=0.06,
    filled=0.08,
)
ESRI = Errors(
    "esri",
    threshold=0.32,
    blur=2,
    least=20,
    reach=3,
    level=0.4,
    growth=1,
    bare_as_built=0.06,
    paved=0.7,
    filled=0.15,
    missed=0.06,
)
FROM_GLC10 = Errors("from-glc10", noise=0.22, length=1.5, blur=1, least=1, reach=0, bare_as_built=0.08)
GAIA = Errors("gaia", length=9.0, blur=2, least=81, reach=3, filled=0.08, missed=0.08)
GISA = Errors("gisa", threshold=0.45, length=9.0, blur=2, least=27, reach=2)
GISD30 = Errors("gisd30", threshold=0.45, length=9.0, blur=2, least=18, reach=2)
GLC_FCS30D = Errors("glc_fcs30d", threshold=0.45, length=9.0, blur=2, least=18, reach=2, bare_as_built=0.06)
WSF2015 = Errors("wsf2015", threshold=0.35, blur=2, least=6, reach=2, growth=1, bare_as_built=0.02, paved=0.35)
WSF2019 = Errors("wsf2019", threshold=0.35, blur=2, least=4, reach=2, growth=1, bare_as_built=0.02, paved=0.35)

_BLOCK = 4  # world tiles along a product's tile: what it is shifted by as a whole
_SHIFTED = 0.1  # share of tiles that lie 2 to 6 pixels off; the others by a normal draw of sd 0.5
_SHIFT_MOST = 6
_BLOB = 11.0  # pixels: how far gaps are filled and built ground is missed together


# Squares of neighbours are summed by shifted rows, so that the loops run over columns; decisions are branches by pixel.
@compiled
def decide(layers, groups, rates, blur, seed, blob_seed, col0, row0):
    """Where ground counts as built (1), and the best other group of each pixel: uint8 [2, row, column], from class
    layers with `blur` pixels of margin."""
    threshold, noise, length, bare_as_built = rates[0], rates[1], rates[2], rates[3]
    paved, fills_above, misses_below = rates[4], rates[5], rates[6]
    height, width = layers.shape[1] - 2 * blur, layers.shape[2] - 2 * blur
    out = np.zeros((2, height, width), np.uint8)
    row_shares, shares = np.empty((GROUPS, width)), np.empty(GROUPS)
    waves, blobs = np.empty(width), np.empty(width)
    for row in range(height):
        scale = 0.01 / _blurred(layers, groups, paved, blur, row, row_shares)
        y = row0 + row
        smooth_row(seed, col0, 1.0, length, y / length, waves)
        smooth_row(blob_seed, col0, 1.0, _BLOB, y / _BLOB, blobs)
        for col in range(width):
            for group in range(GROUPS):
                shares[group] = row_shares[group, col]
            x = col0 + col
            h = hash2(seed, x, y)
            wave = 1.8 * waves[col] + 0.8 * (unit(h) - 0.5)
            built = shares[BUILT] * scale + noise * wave
            # Whole yards and gardens are taken for built, whole quarters are not seen: town ground only.
            blob = blobs[col]
            town = min(1.0, shares[BUILT] * scale / 0.15)
            if blob > fills_above:
                built += 0.9 * town * (shares[GRASS] + shares[BARE] + shares[CROPS] + 0.5 * shares[TREES]) * scale
            elif blob < misses_below:
                built *= 0.3
            # Bare soil is taken for built a field at a time, not pixel by pixel.
            field = hash2(seed + np.uint64(5), x // 16, y // 16)
            if unit(field) < bare_as_built * 1.6:
                built += shares[BARE] * scale
            # Roofs and lanes under trees go unseen; open ground around houses is taken for built.
            built -= 0.25 * max(0.0, shares[TREES] * scale - 0.3)
            out[0, row, col] = built > threshold
            best, top = BARE, -1.0
            for group in range(1, GROUPS):
                if shares[group] * scale < 0.01:
                    continue  # built ground that is not seen as such, with nothing else on it, is taken for bare
                score = shares[group] * scale + 0.10 * (unit(derive(h, group)) - 0.5)
                if group == TREES and shares[TREES] * scale < 0.6:
                    score *= 0.6  # loose trees over lawns and yards are called grass
                if score > top:
                    best, top = group, score
            out[1, row, col] = best
    return out


@compiled
def _blurred(layers, groups, paved, blur, row, shares):
    """Fills shares [group, column] with the groups' square metres around a row's pixels; returns their total weight."""
    shares[:] = 0.0
    width, total = shares.shape[1], 0.0
    for dy in range(-blur, blur + 1):
        for dx in range(-blur, blur + 1):
            weight = 1.0 / (1.0 + dx * dx + dy * dy)
            total += weight
            for material in range(layers.shape[0]):
                area = layers[material, row + blur + dy, blur + dx : blur + dx + width]
                if material == m.ASPHALT or material == m.CONCRETE:
                    for col in range(width):
                        share = weight * area[col]
                        shares[BUILT, col] += paved * share
                        shares[BARE, col] += (1.0 - paved) * share
                else:
                    group = groups[material]
                    for col in range(width):
                        shares[group, col] += weight * area[col]
    return total


# A running sum along the row: a square of any size costs two additions a pixel.
@compiled
def generalised(built, reach, level):
    """Where the share of built pixels in the square of 2 reach + 1 around is at least `level`; `reach` cut off."""
    height, width = built.shape[0] - 2 * reach, built.shape[1] - 2 * reach
    side = 2 * reach + 1
    least = level * side * side
    out = np.empty((height, width), np.bool_)
    down = np.empty(built.shape[1], np.int64)
    for row in range(height):
        down[:] = 0
        for dy in range(side):
            for col in range(built.shape[1]):
                down[col] += built[row + dy, col]
        total = 0
        for col in range(side - 1):
            total += down[col]
        for col in range(width):
            total += down[col + side - 1]
            out[row, col] = total >= least
            total -= down[col]
    return out


def outlined(decisions: np.ndarray, reach: int, level: float) -> np.ndarray:
    """Groups [row, column] of what `decide` gave, built ground as a generalised map draws it; water stays water."""
    inner = (slice(reach, -reach or None),) * 2
    seen, other = decisions[0][inner].astype(bool), decisions[1][inner]
    built = generalised(decisions[0], reach, level) & (seen | (other != WATER))
    return np.where(built, np.uint8(BUILT), other)


# Patches are followed until they are large enough, at most `least` pixels: labelling all would visit every one.
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
            count, at, neighbour = 1, 0, -1
            while at < count and count < least:
                r, c = stack[at, 0], stack[at, 1]
                at += 1
                for k in range(4):
                    rr, cc = r + (0, 0, 1, -1)[k], c + (1, -1, 0, 0)[k]
                    if rr < 0 or cc < 0 or rr >= height or cc >= width:
                        continue
                    if groups[rr, cc] != BUILT:
                        neighbour = groups[rr, cc]
                    elif not _listed(stack, count, rr, cc):
                        stack[count, 0], stack[count, 1] = rr, cc
                        count += 1
            if count < least and neighbour >= 0:
                for k in range(count):
                    out[stack[k, 0], stack[k, 1]] = neighbour
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

    def __init__(self, cells: CellCache, bound_bytes: int = 10 << 20) -> None:
        self._cells = cells
        self._tiles = TileCache(bound_bytes)

    def groups(self, cut: Cut, year: int, errors: Errors) -> np.ndarray:
        """Group of any 10-m pixels: uint8 [row, column]."""
        return mosaic(cut, lambda col, row: self._tile(cut.epsg, col, row, year, errors))

    def overview(self, cut: Cut, year: int, errors: Errors) -> np.ndarray:
        """Group of a coarse cut's pixels (see overview.py): uint8 [row, column]; areas of groups are kept."""

        def tile(col: int, row: int) -> np.ndarray:
            key = ("alone", cut.epsg, col, row, year, errors)
            return self._tiles.get(key, lambda: self._make_alone(*key[1:]))

        return overview.sampled(cut, 1, tile, "uint8")[0]

    def since(self, cut: Cut, year: int, errors: Errors) -> np.ndarray:
        """First year in which a product of change sees each pixel built, 0 where it does not until `year`: uint16."""
        return mosaic(cut, lambda col, row: self._dated(cut.epsg, col, row, year, errors))

    def _dated(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        key = ("since", epsg, col, row, year, errors)
        return self._tiles.get(key, lambda: self._make_dated(epsg, col, row, year, errors))

    def _make_dated(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        """Built ground is seen up to three years after the newest thing built around it."""
        seed = seed_of(errors.edition)
        down, right = _shift(seed, epsg, col // _BLOCK, row // _BLOCK)
        cut = Cut(epsg, row * TILE - 1 - down, col * TILE - 1 - right, TILE + 2, TILE + 2)
        newest = self._cells.window(cut, year, slice(BORN, BORN + 1))[0]
        newest = np.max([newest[y : y + TILE, x : x + TILE] for y in range(3) for x in range(3)], axis=0)
        lag = np.rint(1.5 + 1.5 * _waves(TILE, TILE, np.uint64(derive(seed, 3)), row * TILE, col * TILE))
        seen = np.minimum(newest.astype(np.uint16) + np.uint16(m.FIRST_YEAR) + lag.astype(np.uint16), np.uint16(year))
        return np.where(self._tile(epsg, col, row, year, errors) == BUILT, seen, np.uint16(0))

    def _tile(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        return self._tiles.get((epsg, col, row, year, errors), lambda: self._make(epsg, col, row, year, errors))

    def _make(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        return self._drawn((epsg, col, row), errors, lambda cut: self._cells.window(cut, year, _CLASSES))

    def _make_alone(self, epsg: int, col: int, row: int, year: int, errors: Errors) -> np.ndarray:
        alone = self._drawn(
            (epsg, col, row), errors, lambda cut: self._cells.alone((col, row), cut, year, _CLASSES)
        )  # fmt: skip
        return alone[None, :: overview.FACTOR, :: overview.FACTOR].copy()

    def _drawn(self, place: tuple[int, int, int], errors: Errors, ground: Callable[[Cut], np.ndarray]) -> np.ndarray:
        """A tile (zone, column, row) of a product over the class layers that `ground` gives of any cut around it."""
        epsg, col, row = place
        margin = max(_MARGIN, 3 * math.isqrt(errors.least))  # patches are seen whole, but for long thin ones
        around, seed = margin + errors.growth, seed_of(errors.edition)
        reach = around + errors.reach + errors.blur
        down, right = _shift(seed, epsg, col // _BLOCK, row // _BLOCK)
        cut = Cut(epsg, row * TILE - reach - down, col * TILE - reach - right, TILE + 2 * reach, TILE + 2 * reach)
        layers = ground(cut)
        corner = (col * TILE - around - errors.reach, row * TILE - around - errors.reach)
        blobs = seed_of(errors.family or errors.edition, "blobs")
        decisions = decide(layers, _GROUP_OF, errors.rates, errors.blur, seed, blobs, *corner)
        rough = outlined(decisions, errors.reach, errors.level)
        kept = sieve(rough, errors.least) if errors.least > 1 else rough
        grown = grow(kept, errors.growth)
        return np.ascontiguousarray(grown[margin:-margin, margin:-margin])


def _shift(seed: np.uint64, epsg: int, col: int, row: int) -> tuple[int, int]:
    """Pixels (down, right) that a product's tile lies off the ground."""
    key = seed_of("shift", int(seed), epsg, col, row)
    if draw(key, 0) < _SHIFTED:
        length, angle = 2.0 + (_SHIFT_MOST - 2.0) * draw(key, 1), 2 * np.pi * draw(key, 2)
        return round(length * np.sin(angle)), round(length * np.cos(angle))
    return round(0.5 * draw_normal(key, 3)), round(0.5 * draw_normal(key, 4))


# One number a pixel from a lattice of 8: a field of NumPy would hash four corners for each.
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
