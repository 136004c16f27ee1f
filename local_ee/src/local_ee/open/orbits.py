"""Sentinel-1's relative orbits, counted from the absolute orbit that a product's name states.

Relative = (absolute - OFFSET) mod 175 + 1. Sentinel-1C's offset changed when it was moved in June 2026; its last
product before that is of orbit 8018. An archive that goes on with the former rule gives one ground track two numbers.
Sources: https://sentiwiki.copernicus.eu/web/s1-products; isce-framework/isce2 pull requests 28123 and 28130.
"""

from __future__ import annotations

CYCLE = 175
OFFSETS = {"S1A": 73, "S1B": 27, "S1C": 172, "S1D": 42}
S1C_MOVED_AFTER, S1C_OFFSET_SINCE = 8018, 99


def relative_orbit(platform: str, absolute_orbit: int) -> int:
    """1 to 175, of S1A to S1D."""
    offset = OFFSETS[platform]
    if platform == "S1C" and absolute_orbit > S1C_MOVED_AFTER:
        offset = S1C_OFFSET_SINCE
    return (absolute_orbit - offset) % CYCLE + 1
