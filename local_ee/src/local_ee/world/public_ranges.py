"""The range of a band's values where the catalog has none: what its unit, name and scale make plausible.

They are rules of thumb, so that temperatures look like temperatures; they say nothing of any place.
"""

from __future__ import annotations

import numpy as np

from local_ee.world.public_facts import BandFacts

_BY_NAME = (
    ("azimuth", (0, 360)), ("zenith", (5, 70)), ("incidence", (20, 50)), ("latitude", (-60, 70)),
    ("longitude", (-180, 180)), ("elevation", (0, 2500)), ("dem", (0, 2500)), ("slope", (0, 40)),
    ("ndvi", (-0.1, 0.9)), ("evi", (-0.1, 0.7)), ("probability", (0, 1)), ("uncertainty", (0, 0.2)),
    ("doy", (1, 365)), ("year", (1990, 2023)), ("count", (0, 20)), ("population", (0, 1000)),
)  # fmt: skip
_BY_UNIT = {
    "K": (255, 305), "kelvin": (255, 305), "°C": (-15, 32), "°F": (5, 90), "%": (0, 100), "deg": (0, 90),
    "Pa": (60_000, 102_000), "hPa": (600, 1020), "mb": (600, 1020), "kPa": (60, 102), "m/s": (-12, 12),
    "W/m^2": (0, 400), "J/m^2": (0, 1.5e7), "mm": (0, 120), "mm/d": (0, 10), "mm/day": (0, 10), "mm/hr": (0, 4),
    "mm/y": (0, 1800), "m": (0, 40), "km": (0, 12), "cm": (0, 60), "kg/m^2/s": (0, 1e-4), "kg/m^2": (0, 60),
    "kg/kg": (0, 0.02), "Mass fraction": (0, 0.01), "Dobson": (200, 400), "psu": (30, 38), "dB": (-22, -4),
    "ppm": (380, 430), "h": (0, 24), "seconds": (0, 86_400), "Spectral reflectance": (0.02, 0.45),
    "Mg/ha": (0, 250), "m of water equivalent": (-0.005, 0.005), "mg/m^3": (0, 5), "dn": (0, 255),
}  # fmt: skip
_SHARE = (0.0, 1.0)
_REFLECTANCE = (0.02, 0.45)


def range_of(band: BandFacts) -> tuple[float, float]:
    """The least and the greatest stored value, within the band's type."""
    if band.least is not None and band.most is not None:
        return band.least, band.most
    low, high = _in_unit(band)
    stored = sorted(((low - band.offset) / band.scale, (high - band.offset) / band.scale))
    dtype = np.dtype(band.dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return max(stored[0], info.min), min(stored[1], info.max)
    return stored[0], stored[1]


def _in_unit(band: BandFacts) -> tuple[float, float]:
    name = band.name.lower()
    by_name = next((values for word, values in _BY_NAME if word in name), None)
    if by_name is not None and band.unit in ("", "deg", "m", "Dimensionless", "Degrees", "Degree"):
        return by_name
    return _BY_UNIT.get(band.unit, _REFLECTANCE if band.scale != 1 and not band.unit else _SHARE)
