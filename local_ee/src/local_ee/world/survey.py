"""Real ground in the world: a class map of 1 m in place of what is drawn by rule, so that sensors alone are simulated.

The map is a GeoTIFF whose pixels are 0 (the world's own ground), 1 roof, 2 pavement, 3 low vegetation, 4 tree, 5 soil
or 6 water. What it does not tell is chosen: a building has one kind of roof, height and brightness, by its size and a
hash of its place; other ground has smooth tones.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling
from rasterio.errors import RasterioIOError
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from scipy import ndimage

from local_ee import raster_file
from local_ee.world import materials as m
from local_ee.world.compiled import compiled
from local_ee.world.materials import pack, to_byte
from local_ee.world.noise import draw, draw_normal, hash2, seed_of, smooth

OWN, ROOF, PAVEMENT, LOW, TREE, SOIL, WATER = range(7)
# A building is seen whole so far beyond a tile, and so has the same roof in the next one.
_REACH_M = 128
_S_ROOF, _S_TONE, _S_FINE, _S_KIND = (
    seed_of("survey roof"),
    seed_of("survey tone"),
    seed_of("survey grain"),
    seed_of("survey kind"),
)


@dataclass(frozen=True)
class Roofs:
    """Roofs of buildings below an area: kinds and their shares, the least height and what a draw adds to it."""

    below_m2: float
    kinds: tuple[int, ...]
    shares: tuple[float, ...]
    height_m: float
    spread_m: float


# Houses, blocks and halls. Guesses, with the roofs and heights of parcels.py: a class map tells neither.
_ROOFS = (
    Roofs(250.0, (m.ROOF_CLAY, m.ROOF_DARK, m.ROOF_LIGHT), (0.45, 0.40, 0.15), 4.0, 5.0),
    Roofs(2000.0, (m.ROOF_DARK, m.ROOF_LIGHT, m.ROOF_CLAY), (0.45, 0.40, 0.15), 10.0, 14.0),
    Roofs(np.inf, (m.ROOF_LIGHT, m.ROOF_METAL, m.ROOF_DARK, m.ROOF_BLUE), (0.40, 0.30, 0.25, 0.05), 7.0, 7.0),
)


@dataclass(frozen=True)
class Survey:
    """A class map of real ground."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> Survey:
        """The map of a file; ValueError where it is none."""
        wanted = "expected a GeoTIFF of one band of bytes with a projection: 0 none, 1 roof, 2 pavement, "
        wanted += "3 low vegetation, 4 tree, 5 soil, 6 water"
        try:
            with raster_file.open_file(path, f"class map {path}") as source:
                if source.count != 1 or source.dtypes[0] != "uint8" or source.crs is None:
                    raise ValueError(f"class map {path}: {wanted}")
                greatest = max(int(source.read(1, window=window).max()) for _, window in source.block_windows(1))
        except RasterioIOError as error:
            raise ValueError(f"class map {path}: {wanted}") from error
        if greatest > WATER:
            raise ValueError(f"class map {path} holds class {greatest}: {wanted}")
        return cls(path)

    def lay(self, canvas: np.ndarray, facing: np.ndarray, epsg: int, left_m: float, top_m: float) -> None:
        """Covers a drawn tile, whose upper-left corner is (left, top) in a zone, where the map knows the ground."""
        side = canvas.shape[0]
        kinds = self._kinds(epsg, left_m - _REACH_M, top_m + _REACH_M, side + 2 * _REACH_M)
        here = slice(_REACH_M, _REACH_M + side)
        if kinds[here, here].any():
            corner = int(left_m) - _REACH_M, int(-top_m) - _REACH_M
            roofs, turns = _roofs(kinds == ROOF, *corner)
            cover(canvas, kinds[here, here], roofs[here, here], int(left_m), int(-top_m))
            _turn(facing, turns[here, here])

    def _kinds(self, epsg: int, left_m: float, top_m: float, side: int) -> np.ndarray:
        """Classes of a square of 1-m pixels; 0 beyond the map."""
        with (
            raster_file.open_file(self.path) as source,
            WarpedVRT(
                source,
                crs=f"EPSG:{epsg}",
                transform=from_origin(left_m, top_m, 1.0, 1.0),
                width=side,
                height=side,
                resampling=Resampling.nearest,
            ) as warped,
        ):
            return np.asarray(warped.read(1))


def digest_of(path: Path) -> str:
    """What tells a class map from another."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _roofs(built: np.ndarray, col0: int, row0: int) -> tuple[np.ndarray, np.ndarray]:
    """Packed pixels of every building, and the direction of its walls in degrees; 0 elsewhere."""
    buildings, count = ndimage.label(built)
    if not count:
        return np.zeros(built.shape, np.uint32), np.zeros(built.shape, np.uint8)
    rows, cols = np.nonzero(buildings)
    number = buildings[rows, cols]
    area = np.bincount(number, minlength=count + 1)
    packed = np.zeros(count + 1, np.uint32)
    for building, (down, across) in enumerate(ndimage.find_objects(buildings), 1):
        key = np.uint64(hash2(_S_ROOF, col0 + across.start, row0 + down.start))
        packed[building] = _roof(int(area[building]), key)
    return packed[buildings], _walls(rows, cols, number, area)[buildings]


def _roof(area_m2: int, key: np.uint64) -> int:
    """The packed pixel of a building of an area."""
    form = next(roofs for roofs in _ROOFS if area_m2 < roofs.below_m2)
    kind = form.kinds[min(int(np.searchsorted(np.cumsum(form.shares), draw(key, 1))), len(form.kinds) - 1)]
    return int(pack(kind, form.height_m + form.spread_m * draw(key, 2), to_byte(draw_normal(key, 3)), 0))


def _walls(rows: np.ndarray, cols: np.ndarray, number: np.ndarray, area: np.ndarray) -> np.ndarray:
    """Direction of the walls of every building: of the longest axis of its pixels, as paint.building notes it."""
    count = np.maximum(area, 1)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(number, values, len(area)) / count

    x, y = mean(cols), mean(rows)
    xx, yy, xy = mean(cols**2) - x**2, mean(rows**2) - y**2, mean(rows * cols) - x * y
    along = 0.5 * np.arctan2(2 * xy, xx - yy)
    turns: np.ndarray = (np.degrees(np.arctan2(np.cos(along), -np.sin(along))) % 90).astype(np.uint8)
    return turns


def _turn(facing: np.ndarray, turns: np.ndarray) -> None:
    """Notes the walls' direction in 10-m cells that hold a roof: the greatest, which is that of one building."""
    side = facing.shape[0]
    cells = turns[: 10 * side, : 10 * side].reshape(side, 10, side, 10).max(axis=(1, 3))
    np.copyto(facing, cells, where=cells > 0)


# One pass over 1.6 million pixels; NumPy would make the noise of each tone for all of them.
@compiled
def cover(canvas, kinds, roofs, col0, row0):
    """Packs known ground over the canvas whose upper-left pixel is (col0, row0) of the zone."""
    for row in range(canvas.shape[0]):
        for col in range(canvas.shape[1]):
            kind = kinds[row, col]
            if kind == OWN:
                continue
            if kind == ROOF:
                canvas[row, col] = roofs[row, col]
                continue
            x, y = np.float64(col0 + col), np.float64(row0 + row)
            # fields of tens of metres and tufts of a few, so that neither 10-m pixels nor their inside are flat
            tone = 1.3 * smooth(_S_TONE, x / 45.0, y / 45.0) + 0.8 * smooth(_S_FINE, x / 7.0, y / 7.0)
            other = smooth(_S_KIND, x / 60.0, y / 60.0)
            canvas[row, col] = _ground(kind, tone, other)


@compiled
def _ground(kind, tone, other):
    """The packed pixel of a class other than roofs."""
    if kind == PAVEMENT:
        return pack(m.ASPHALT if other < 0.35 else m.CONCRETE, 0, to_byte(0.6 * tone), 0)
    if kind == WATER:
        return pack(m.LAKE, 0, to_byte(0.5 * other), 128)
    if kind == SOIL:
        return pack(m.BARE, 0, to_byte(tone), to_byte(0.5 + 0.7 * other))
    if kind == TREE:
        return pack(m.DECIDUOUS if other < 0.4 else m.EVERGREEN, 0, to_byte(tone), to_byte(other))
    return pack(m.LAWN, 0, to_byte(tone), to_byte(other))
