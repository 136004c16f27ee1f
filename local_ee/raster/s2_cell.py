"""Cells of the S2 grid: from the 64-bit id of a cell to its corners.

Source: S2 Geometry, "S2 Cell Hierarchy" (https://s2geometry.io/devguide/s2cell_hierarchy): six faces of a cube, a
Hilbert curve over each, and the quadratic projection. Its sphere's latitude is taken for that of WGS84, as S2 does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DEEPEST = 30
LEVEL_BITS = 0x1555555555555555  # where the lowest set bit of an id may lie
# Of the curve, by its orientation: which quarter (2 i + j) each position is; and by position, how it turns.
QUARTERS = ((0, 1, 3, 2), (0, 2, 3, 1), (3, 2, 0, 1), (3, 1, 0, 2))
TURNS = (1, 0, 0, 3)


@dataclass(frozen=True)
class S2Cell:
    """Column i and row j of a cell among the 2**level x 2**level of a face."""

    face: int
    level: int
    i: int
    j: int

    @classmethod
    def of(cls, cell_id: int) -> S2Cell:
        """The cell of an id, signed or unsigned; ValueError where it is none."""
        number = cell_id & (2**64 - 1)
        lowest = number & -number
        face = number >> 61
        if not -(2**63) <= cell_id < 2**64 or face > 5 or not lowest & LEVEL_BITS:
            raise ValueError(f"{cell_id} is no S2 cell id: expected a face of 0 to 5, a position and a closing bit.")
        level = DEEPEST - (lowest.bit_length() - 1) // 2
        i = j = 0
        orientation = face & 1
        for step in range(level):
            position = number >> (59 - 2 * step) & 3
            quarter = QUARTERS[orientation][position]
            i, j = 2 * i + (quarter >> 1), 2 * j + (quarter & 1)
            orientation ^= TURNS[position]
        return cls(face, level, i, j)

    def corners(self) -> list[tuple[float, float]]:
        """Longitude and latitude in degrees, counter-clockwise; at a pole there are two, on the meridians of the edges.

        Longitudes go on beyond 180 where the cell crosses it. ValueError for a face with a pole inside of it.
        """
        if self.level == 0 and self.face in (2, 5):
            raise ValueError("A face of the S2 cube around a pole is no polygon of longitudes: take its four children.")
        size = 2**self.level
        u = [_projected((self.i + step) / size) for step in (0, 1)]
        v = [_projected((self.j + step) / size) for step in (0, 1)]
        ring = [_direction(self.face, u[k], v[m]) for k, m in ((0, 0), (1, 0), (1, 1), (0, 1))]
        return _unbroken(ring)


def of_token(token: str) -> S2Cell:
    """The cell of sixteen hexadecimal digits, trailing zeros included; ValueError where it is none."""
    digits = token.lower().removeprefix("0x")
    if len(digits) != 16 or not set(digits) <= set("0123456789abcdef"):
        raise ValueError(f"Invalid S2 cell token '{token[:40]}': expected 16 hexadecimal digits, trailing zeros too.")
    return S2Cell.of(int(digits, 16))


def _projected(s: float) -> float:
    """From a share of a face's side to -1 ... 1 on the cube, so that cells have about the same area."""
    return (4 * s * s - 1) / 3 if s >= 0.5 else (1 - 4 * (1 - s) * (1 - s)) / 3


def _direction(face: int, u: float, v: float) -> tuple[float, float, float]:
    return ((1, u, v), (-u, 1, v), (-u, -v, 1), (-1, -v, -u), (v, -1, -u), (v, u, -1))[face]


def _unbroken(ring: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """The corners with longitudes that differ by less than half a turn from one to the next."""
    points: list[tuple[float, float]] = []
    for index, (x, y, z) in enumerate(ring):
        pole = x == 0 == y  # has the longitudes of both neighbours
        ends = (ring[index - 1], ring[(index + 1) % 4]) if pole else (ring[index],)
        latitude = math.degrees(math.atan2(z, math.hypot(x, y)))
        for east, north, _ in ends:
            longitude = math.degrees(math.atan2(north, east))
            if points:
                longitude += round((points[-1][0] - longitude) / 360) * 360
            points.append((longitude, latitude))
    return points
