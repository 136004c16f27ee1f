"""Clouds in the quality bands of Landsat's scenes: each scene has its own, over the share that its CLOUD_COVER says.

Sources of the bits: the catalog's pages of QA_PIXEL, SR_QA_AEROSOL and SR_CLOUD_QA, and the values of QA_PIXEL that the
Landsat 8-9 Collection 2 Level 2 Science Product Guide (USGS LSDS-1619) lists. Assumptions: clouds are 2.5 km long and
shorter and 1500 m high, their rims are thin and count as dilated, beyond which OLI sees cirrus and aerosol; other bands
do not show them.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from local_ee.catalog import BoundsWSEN
from local_ee.world.compiled import compiled
from local_ee.world.noise import fractal, seed_of

CLEAR, CIRRUS, SHADOW, DILATED, CLOUD = range(5)
_METRES = 111_319.49079327358  # of a degree at the equator
_LENGTH_M, _OCTAVES, _HEIGHT_M = 2500.0, 4, 1500.0
_RIM = 0.06  # of the field, whose standard deviation is 0.38
_CLEAR_BELOW = 8.0  # per cent of cover: scenes of less have no clouds at all
_SIDE = 48  # of the sample that turns a cover into a level of the field
# Values in the order of the states.
_OLI = {"QA_PIXEL": (21824, 54596, 23888, 21762, 22280), "SR_QA_AEROSOL": (66, 224, 66, 224, 224)}
_TM = {"QA_PIXEL": (5440, 5440, 7440, 5378, 5896), "SR_CLOUD_QA": (0, 0, 4, 8, 2)}
_MSS = {"QA_PIXEL": (5440, 5440, 5440, 5440, 5896)}


# Points one by one, as they lie on no lattice: `fractal` is a kernel, and calling it costs more than what it does.
@compiled
def _field(x, y, seed):
    """The field whose highest parts are clouds, at points in units of its length."""
    out = np.empty(x.shape[0])
    for i in range(x.shape[0]):
        out[i] = fractal(seed, x[i], y[i], _OCTAVES)
    return out


def cover_of(index: str) -> float:
    """Per cent; of some scenes exactly 0, as of Google's."""
    cover = zlib.crc32(index.encode()) % 1000 / 10
    return 0.0 if cover < _CLEAR_BELOW else cover


def values_by_state(mission: str) -> Mapping[str, tuple[int, ...]]:
    """The values of a mission's quality bands for each state of a pixel."""
    return _MSS if mission.startswith("LM") else _OLI if mission.startswith("LC") else _TM


@dataclass(frozen=True)
class SceneClouds:
    """The clouds of a scene. cover: percent; sun_deg: azimuth and elevation; bounds: of its outline in degrees."""

    index: str
    cover: float
    sun_deg: tuple[float, float]
    bounds: BoundsWSEN

    def states(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """CLEAR to CLOUD at points: uint8 of the same shape."""
        x, y = self._places(lon, lat)
        field, level = self._field(x, y), self._level
        azimuth, elevation = (math.radians(angle) for angle in self.sun_deg)
        reach = _HEIGHT_M / max(math.tan(elevation), 0.2) / _LENGTH_M
        above = self._field(x + reach * math.sin(azimuth), y + reach * math.cos(azimuth))
        states = np.full(field.shape, CLEAR, np.uint8)
        states[field > level - 2 * _RIM] = CIRRUS
        states[above > level] = SHADOW
        states[field > level - _RIM] = DILATED
        states[field > level] = CLOUD
        return states.reshape(np.shape(lon))

    @cached_property
    def _level(self) -> float:
        """The value of the field above which there is cloud."""
        if self.cover <= 0:
            return math.inf
        west, south, east, north = self.bounds
        at = (np.arange(_SIDE) + 0.5) / _SIDE
        lon, lat = np.meshgrid(west + at * (east - west), south + at * (north - south))
        return float(np.quantile(self._field(*self._places(lon, lat)), 1 - min(self.cover, 100) / 100))

    def _places(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """East and north of the scene's corner, in lengths of the field."""
        west, south, _, north = self.bounds
        unit = _METRES / _LENGTH_M
        across = unit * math.cos(math.radians((south + north) / 2))
        return np.ravel((lon - west) * across), np.ravel((lat - south) * unit)

    def _field(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return _field(x, y, seed_of("landsat", self.index))
