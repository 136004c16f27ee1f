"""Values of bands of which only the range is known: smooth over the globe, with a season, the same for any window.

They say nothing of the ground: such images carry simulated = 1.
"""

from __future__ import annotations

import math
import zlib
from datetime import datetime

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer

from local_ee.world.public_facts import BandFacts
from local_ee.world.public_ranges import range_of

_WAVES = 12
_LONGEST_DEG, _SHORTEST_DEG = 60.0, 0.01
_SPREAD = 0.55  # of the sum of waves, to about half of the range
_SEASON = 0.12
_SUMMER_DAY = 200  # of the northern half


def degrees(window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude [row, column] of pixel centres."""
    columns, rows = np.meshgrid(np.arange(window.shape[1]) + 0.5, np.arange(window.shape[0]) + 0.5)
    x, y = window.affine * (columns, rows)
    if window.crs is not None and window.crs.epsg != 4326:
        x, y = Transformer.from_crs(window.crs, "EPSG:4326", always_xy=True).transform(x, y)
    return np.asarray(x), np.asarray(y)


def values_of(asset_id: str, band: BandFacts, moment: datetime, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Values [row, column] of a band at a moment, in its type."""
    share = _share(f"{asset_id}/{band.name}", moment, lon, lat)
    if band.classes:
        classes = np.array(band.classes)
        return classes[np.minimum((share * len(classes)).astype(int), len(classes) - 1)].astype(band.dtype)
    least, most = range_of(band)
    values = least + (most - least) * share
    dtype = np.dtype(band.dtype)
    return np.rint(values).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)


def _share(name: str, moment: datetime, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """0 to 1: a sum of waves of many lengths, each in a direction of its own, that drift slowly."""
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    lengths = _LONGEST_DEG * (_SHORTEST_DEG / _LONGEST_DEG) ** (np.arange(_WAVES) / (_WAVES - 1))
    sizes = lengths**0.35
    days = moment.timestamp() / 86_400
    total = np.zeros(np.shape(lon))
    for length, size in zip(lengths, sizes / sizes.sum(), strict=True):
        angle, phase, drift = chance.uniform(0, 2 * math.pi, 3)
        turn = 2 * math.pi / length
        total += size * np.cos(turn * (math.cos(angle) * lon + math.sin(angle) * lat) + phase + drift * days / 40)
    season = _SEASON * math.cos(2 * math.pi * (moment.timetuple().tm_yday - _SUMMER_DAY) / 365.25) * np.sign(lat)
    return np.clip(0.5 + _SPREAD * total + season, 0, 1)
