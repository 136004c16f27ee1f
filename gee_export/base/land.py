"""Where there is land, to a tenth of a degree: a place without any is told before work begins.

land.bits holds one bit a cell, set where land of Natural Earth 1:10 million touches it (public domain,
https://www.naturalearthdata.com/downloads/10m-physical-vectors/10m-land/); the
program land_mask of commit d69d589e wrote it.
"""

from __future__ import annotations

import math
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from isamap.gee_export.base.regions import BoundsWSEN, Region

# Cells of 11 km: the mask takes some kB, and a note about the sea needs no finer coast.
CELLS_PER_DEGREE = 10
SHAPE = 180 * CELLS_PER_DEGREE, 360 * CELLS_PER_DEGREE
MASK = "land.bits"


def has_land(bounds_wsen: BoundsWSEN) -> bool:
    """Whether any cell that a box in degrees touches has land; True for a box across the antimeridian."""
    west, south, east, north = bounds_wsen
    # In doubt no note: it only warns, and a wrong one would confuse.
    if west > east:
        return True
    rows, cols = _cells(90 - north, 90 - south, SHAPE[0]), _cells(west + 180, east + 180, SHAPE[1])
    return bool(_mask()[rows, cols].any())


@cache
def note_sea(region: Region) -> None:
    """Says once, on the standard error, that a place has no land, and whether its coordinates look swapped."""
    bounds = region.bounds_wsen
    if has_land(bounds):
        return
    west, south, east, north = bounds
    swapped = south, west, north, east
    is_swapped = -85 < west < east < 85 and has_land(swapped)
    remedy = (
        "with longitude and latitude swapped it would lie on land: give longitude first, as GeoJSON has it"
        if is_swapped
        else "check its coordinates"
    )
    print(
        f"note: place {region.name} lies in the sea (no land is near it on Natural Earth's map); {remedy}",
        file=sys.stderr,
    )


def _cells(low: float, high: float, count: int) -> slice:
    """The cells from one coordinate to another, at least one."""
    first = min(max(math.floor(low * CELLS_PER_DEGREE), 0), count - 1)
    return slice(first, max(first + 1, min(math.ceil(high * CELLS_PER_DEGREE), count)))


@cache
def _mask() -> np.ndarray:
    """bool (rows from the north, columns from the west)."""
    bits = np.frombuffer(zlib.decompress(Path(__file__).with_name(MASK).read_bytes()), np.uint8)
    return np.unpackbits(bits, count=SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(bool)
