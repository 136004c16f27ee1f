"""Values of bands of which only the range is known: smooth over the globe, with a season, the same for any window.

They say nothing of the ground: such images carry simulated = 1.
"""

from __future__ import annotations

import math
import zlib
from datetime import datetime
from functools import lru_cache

import numpy as np

from local_ee.world.public_facts import BandFacts
from local_ee.world.public_ranges import range_of
from local_ee.world.waves import Blocks

_WAVES = 12
_LONGEST_DEG, _SHORTEST_DEG = 60.0, 0.01
_SPREAD = 0.55  # of the sum of waves, to about half of the range
_SEASON = 0.12
_SUMMER_DAY = 200  # of the northern half
_WAVES_KEPT = 4096


def values_of(asset_id: str, band: BandFacts, moment: datetime, blocks: Blocks) -> np.ndarray:
    """Values [row, column] of a band at a moment, in its type."""
    season = _SEASON * math.cos(2 * math.pi * (moment.timetuple().tm_yday - _SUMMER_DAY) / 365.25)
    share = blocks.shares(_waves(f"{asset_id}/{band.name}", moment), 0.5, season)
    if band.classes:
        classes = np.array(band.classes)
        return classes[np.minimum((share * len(classes)).astype(int), len(classes) - 1)].astype(band.dtype)
    least, most = range_of(band)
    values = least + (most - least) * share
    dtype = np.dtype(band.dtype)
    return np.rint(values).astype(dtype) if dtype.kind in "iu" else values.astype(dtype)


def _waves(name: str, moment: datetime) -> np.ndarray:
    """Waves of many lengths (Blocks.shares), each in a direction of its own, that drift slowly."""
    sizes, angles, turns, phases, drifts = _standing(name)
    shift = phases + drifts * (moment.timestamp() / 86_400) / 40
    return np.column_stack([_SPREAD * sizes, turns * np.cos(angles), turns * np.sin(angles), shift])


@lru_cache(_WAVES_KEPT)
def _standing(name: str) -> tuple[np.ndarray, ...]:
    """Sizes, angles, radians per degree, phases and drifts of a name's waves."""
    chance = np.random.default_rng(zlib.crc32(name.encode()))
    lengths = _LONGEST_DEG * (_SHORTEST_DEG / _LONGEST_DEG) ** (np.arange(_WAVES) / (_WAVES - 1))
    sizes = lengths**0.35
    angles, phases, drifts = chance.uniform(0, 2 * math.pi, (_WAVES, 3)).T
    return sizes / sizes.sum(), angles, 2 * math.pi / lengths, phases, drifts
