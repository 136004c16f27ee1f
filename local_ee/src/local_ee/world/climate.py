"""Climate of a place from latitude, height and dryness: when plants are green, and where snow lies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from local_ee.world.compiled import compiled

_STEPS = 8  # a climate's numbers are rounded to eighths, so that few tables are made
_WUHAN_DEG = 30.5  # the seasons of local_ee/docs/world.md are those of 30 N
_METRES_PER_DEG = 150.0  # of height that cool as much as a degree of latitude


@dataclass(frozen=True)
class Climate:
    """Shares 0 to 1: how evergreen (tropics), how cold a winter is, how dry; and whether seasons are the south's."""

    tropical: float = 0.0
    cold: float = 0.0
    dry: float = 0.0
    southern: bool = False

    @classmethod
    def of(cls, lat_deg: float, height_m: float, dryness: float) -> Climate:
        """The climate of a latitude (degrees north), a height above the sea and a dryness 0 to 1."""
        pole = abs(lat_deg) + max(height_m, 0.0) / _METRES_PER_DEG
        tropical = _eighths((27.0 - abs(lat_deg) - max(height_m, 0.0) / 400.0) / 5.0)
        return cls(tropical, _eighths((pole - _WUHAN_DEG - 3.0) / 14.0), _eighths(dryness), lat_deg < 0)

    def month(self, month: int) -> int:
        """The month of the north whose season it is."""
        return (month + 5) % 12 + 1 if self.southern else month

    def green(self, curve: Sequence[float], month: int, *, evergreen: bool = False) -> float:
        """NDVI in a month of what has the curve [12 months] at 30 N.

        Tropics keep their greenest month; cold winters are bare or, of evergreens, dull; dry land is less green.
        """
        ndvi = curve[self.month(month) - 1]
        ndvi += 0.85 * self.tropical * (max(curve) - ndvi)
        winter = max(0.0, math.cos((self.month(month) - 1) / 6 * math.pi)) * self.cold
        ndvi += winter * ((0.5 if evergreen else 0.16) - ndvi)
        return ndvi - self.dry * 0.6 * max(0.0, ndvi - 0.14) * (0.5 if evergreen else 1.0)

    def fresh(self, month: int) -> float:
        """Share 0 to .3 by which the summer of a cold climate keeps meadows and woods at their greenest."""
        return 0.3 * max(0.0, -math.cos((self.month(month) - 1) / 6 * math.pi)) * self.cold * (1.0 - self.dry)


TEMPERATE = Climate()


def snow_share(lat_deg: float, height_m: float, month: int, dryness: float) -> float:
    """Share of open ground under snow, from a mean temperature by latitude, height and month (ours: 31 C to 10 degrees,
    0.6 C less a degree, 5.5 C less a kilometre, a yearly swing of 0.2 C a degree of latitude, twice that in deserts).
    """
    season = math.cos((month - 7) / 6 * math.pi) * (1 if lat_deg >= 0 else -1)
    far = abs(lat_deg)
    celsius = 31.0 - 0.6 * max(far - 10.0, 0.0) - 5.5 * max(height_m, 0.0) / 1000
    celsius += (0.2 + 0.25 * dryness) * far * season
    return min(max((-3.0 - celsius) / 10.0, 0.0), 0.9) * (1.0 - 0.5 * dryness)


# A kernel, because kernels of parcels ask it.
@compiled
def tree_line_m(lat_deg: float) -> float:
    """Height above which no trees grow: 4,300 m at 30 degrees, 2,000 m at 47, the sea at 68 (general knowledge)."""
    far = abs(lat_deg)
    return max(0.0, 4300.0 - 135.0 * max(far - 30.0, 0.0)) if far < 47 else max(0.0, 2005.0 - 95.0 * (far - 47.0))


def _eighths(share: float) -> float:
    return round(min(max(share, 0.0), 1.0) * _STEPS) / _STEPS
