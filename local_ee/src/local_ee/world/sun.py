"""The sun over Sentinel-2's morning pass, by month (local_ee/docs/world.md, "Sentinel-2 sensor", computed there for
Wuhan).
"""

from __future__ import annotations

import math

ELEVATION_DEG = (34, 41, 51, 62, 69, 71, 69, 65, 57, 47, 38, 33)
AZIMUTH_DEG = (155, 149, 144, 135, 120, 107, 110, 127, 145, 157, 161, 159)
CLEAR_SHARE = (0.38, 0.36, 0.31, 0.38, 0.40, 0.38, 0.52, 0.59, 0.48, 0.46, 0.44, 0.42)


def direction(month: int) -> tuple[float, float, float]:
    """Unit vector toward the sun on the ground (east, south) and the shadow's length per metre of height."""
    azimuth, elevation = math.radians(AZIMUTH_DEG[month - 1]), math.radians(ELEVATION_DEG[month - 1])
    return math.sin(azimuth), -math.cos(azimuth), 1 / math.tan(elevation)
