"""Sums of plane waves over the globe, evaluated block by block: within a block longitude and latitude are linear.

A block's cosines are then products of cosines along its rows and its columns, so a pixel costs no cosine of its own.
Blocks lie at fixed places of a lattice, so that a pixel is the same in any window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.world.compiled import compiled

_BLOCK_M = 2000.0  # of a side: over it a zone's metres bend by less than a metre
_MOST_SIDE = 64  # pixels of a block's side
_ZONES = 120  # of UTM


@dataclass(frozen=True)
class Blocks:
    """Longitude and latitude of the first pixel of each block [row, column]; the window begins at (row, col)."""

    lon: np.ndarray
    lat: np.ndarray
    side: int
    row: int
    col: int
    shape: tuple[int, int]

    def shares(self, waves: np.ndarray, middle: float, northern: float) -> np.ndarray:
        """0 to 1 [row, column]: the middle, plus northern (minus it in the south), plus the waves.

        waves: size, cycles per degree of longitude and of latitude times 2 pi, and phase, by wave.
        """
        out = np.empty(self.shape)
        _fill(self.lon, self.lat, self.side, self.row, self.col, waves, middle, northern, out)
        return out


def blocks_of(window: GeoBox) -> Blocks:
    """The blocks of a window in degrees (it is one), or in metres."""
    height, width = window.shape
    if window.crs is None or window.crs.epsg == 4326:
        side = max(height, width)
        x, y = window.affine * (np.array([0.5, side + 0.5]), np.array([0.5, side + 0.5]))
        lon, lat = np.meshgrid(x, y)
        return Blocks(lon, lat, side, 0, 0, (height, width))
    step = abs(window.affine.a)
    side = 1 << max(0, min(int(math.log2(_MOST_SIDE)), int(math.log2(max(_BLOCK_M / step, 1)))))
    x, col = _nodes(window.affine.c, window.affine.a, width, side)
    y, row = _nodes(window.affine.f, window.affine.e, height, side)
    lon, lat = (np.asarray(each) for each in _to_degrees(str(window.crs)).transform(*np.meshgrid(x, y)))
    return Blocks(lon, lat, side, row, col, (height, width))


def degrees(window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude [row, column] of pixel centres."""
    columns, rows = np.meshgrid(np.arange(window.shape[1]) + 0.5, np.arange(window.shape[0]) + 0.5)
    x, y = window.affine * (columns, rows)
    if window.crs is not None and window.crs.epsg != 4326:
        x, y = _to_degrees(str(window.crs)).transform(x, y)
    return np.asarray(x), np.asarray(y)


def _nodes(origin: float, step: float, length: int, side: int) -> tuple[np.ndarray, int]:
    """Coordinates of the first pixels of blocks along an axis, and where the window begins in the first block."""
    first = math.floor(origin / step + 1e-6)  # absolute, of the window
    block = first // side
    numbers = np.arange(block, (first + length - 1) // side + 2) * side
    return origin + (numbers - first + 0.5) * step, first - block * side


@lru_cache(_ZONES)
def _to_degrees(crs: str) -> Transformer:
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


# Cosines of places by turning a point on the circle from pixel to pixel: two products instead of a cosine.
@compiled
def _fill(lon, lat, side, row0, col0, waves, middle, northern, out):  # pragma: no cover (compiled)
    for block_row in range(lon.shape[0] - 1):
        top = max(block_row * side - row0, 0)
        low = min((block_row + 1) * side - row0, out.shape[0])
        for block_col in range(lon.shape[1] - 1):
            left = max(block_col * side - col0, 0)
            right = min((block_col + 1) * side - col0, out.shape[1])
            if top >= low or left >= right:
                continue
            here = lon[block_row, block_col], lat[block_row, block_col]
            if side == 1:
                out[top, left] = _share(here, waves, middle, northern)
                continue
            across = _slope(here, lon[block_row, block_col + 1], lat[block_row, block_col + 1], side)
            down = _slope(here, lon[block_row + 1, block_col], lat[block_row + 1, block_col], side)
            first = row0 + top - block_row * side, col0 + left - block_col * side
            _block(here, across, down, first, waves, middle, northern, out[top:low, left:right])


@compiled
def _share(here, waves, middle, northern):  # pragma: no cover (compiled)
    total = middle + (northern if here[1] > 0 else (-northern if here[1] < 0 else 0.0))
    for k in range(waves.shape[0]):
        total += waves[k, 0] * math.cos(waves[k, 1] * here[0] + waves[k, 2] * here[1] + waves[k, 3])
    return min(max(total, 0.0), 1.0)


@compiled
def _slope(here, lon, lat, side):  # pragma: no cover (compiled)
    turn = (lon - here[0] + 180.0) % 360.0 - 180.0 if abs(lon - here[0]) > 180.0 else lon - here[0]
    return turn / side, (lat - here[1]) / side


@compiled
def _block(here, across, down, first, waves, middle, northern, out):  # pragma: no cover (compiled)
    """One block's pixels from the `first` row and column of it; across and down: degrees from pixel to pixel."""
    height, width = out.shape
    for i in range(height):
        lat = here[1] + (first[0] + i) * down[1] + first[1] * across[1]
        for j in range(width):
            north = lat + j * across[1]
            out[i, j] = middle + (northern if north > 0 else (-northern if north < 0 else 0.0))
    every = np.empty((2, first[1] + width))
    cosines, sines = every[0, first[1] :], every[1, first[1] :]
    for k in range(waves.shape[0]):
        size, x, y = waves[k, 0], waves[k, 1], waves[k, 2]
        _turns(x * across[0] + y * across[1], every)
        phase = x * here[0] + y * here[1] + waves[k, 3]
        cosine, sine = size * math.cos(phase), size * math.sin(phase)
        step = x * down[0] + y * down[1]
        turn_cosine, turn_sine = math.cos(step), math.sin(step)
        for i in range(first[0] + height):
            if i >= first[0]:
                line = out[i - first[0]]
                for j in range(line.size):
                    line[j] += cosine * cosines[j] - sine * sines[j]
            cosine, sine = cosine * turn_cosine - sine * turn_sine, sine * turn_cosine + cosine * turn_sine
    for i in range(height):
        for j in range(width):
            out[i, j] = min(max(out[i, j], 0.0), 1.0)


@compiled
def _turns(step, every):  # pragma: no cover (compiled)
    """Cosines (first row) and sines of 0, step, 2 step ..."""
    cosine, sine = 1.0, 0.0
    turn_cosine, turn_sine = math.cos(step), math.sin(step)
    for j in range(every.shape[1]):
        every[0, j], every[1, j] = cosine, sine
        cosine, sine = cosine * turn_cosine - sine * turn_sine, sine * turn_cosine + cosine * turn_sine
