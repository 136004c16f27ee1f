"""What Sentinel-2's scenes say of themselves, under the names of the catalog's pages.

Given are those that follow from the scene; shares of land cover and of classes of clouds are left out. Sources: the
catalog's pages of COPERNICUS/S2 and S2_SR; the sun's irradiances and the height of the orbit are Sentinel-2A's, of
ESA's product metadata and mission page. Assumptions: ESA's checks are passed, no pixel is lost, a product is made six
hours after its datatake, all bands look the same way, and the number in a datatake's name is its relative orbit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from local_ee.world import passes

_IRRADIANCES = {
    "B1": 1884.69, "B2": 1959.66, "B3": 1823.24, "B4": 1512.06, "B5": 1424.64, "B6": 1287.61, "B7": 1162.08,
    "B8": 1041.63, "B8A": 955.32, "B9": 812.92, "B10": 367.15, "B11": 245.59, "B12": 85.25,
}  # fmt: skip
_CHECKS = ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "RADIOMETRIC_QUALITY", "SENSOR_QUALITY")
_LOST = {
    "L1C": ("DEGRADED_MSI_DATA_PERCENTAGE",),
    "L2A": ("DEGRADED_MSI_DATA_PERCENTAGE", "NODATA_PIXEL_PERCENTAGE", "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE"),
}
_MADE_AFTER = timedelta(hours=6)
_ALTITUDE_KM, _DEGREE_KM = 786.0, 111.32
_ECCENTRICITY, _PERIHELION_DAY = 0.01673, 3  # of the Earth's orbit


def common(level: str, moment: datetime, spacecraft: str, orbit: int, baseline: str) -> Mapping[str, Any]:
    """Properties of a datatake at a level (L1C or L2A): names, qualities, the sun's light."""
    unit, start, made = f"S2{spacecraft[-1]}", f"{moment:%Y%m%dT%H%M%S}", moment + _MADE_AFTER
    version = f"N{baseline}"
    return {
        "DATATAKE_IDENTIFIER": f"G{unit}_{start}_{orbit:06d}_{version}",
        "DATATAKE_TYPE": "INS-NOBS",
        "DATASTRIP_ID": f"{unit}_OPER_MSI_{level}_DS_SIMU_{made:%Y%m%dT%H%M%S}_S{start}_{version}",
        "GENERATION_TIME": passes.milliseconds(made),
        "REFLECTANCE_CONVERSION_CORRECTION": _sunlight(moment),
        **dict.fromkeys(_CHECKS, "PASSED"),
        **dict.fromkeys(_LOST[level], 0),
        **_irradiances(level),
    }


def view(level: str, lon_deg: float, lat_deg: float, orbit: int) -> Mapping[str, float]:
    """The mean angles at which a scene's centre is seen: from the zenith, and clockwise from north."""
    across = passes.degrees_east_of_track(lon_deg, orbit) * _DEGREE_KM * math.cos(math.radians(lat_deg))
    zenith = round(math.degrees(math.atan2(abs(across), _ALTITUDE_KM)), 4)
    azimuth = 287.0 if across > 0 else 107.0
    angles = {f"MEAN_INCIDENCE_ZENITH_ANGLE_{band}": zenith for band in _bands(level)}
    return angles | {f"MEAN_INCIDENCE_AZIMUTH_ANGLE_{band}": azimuth for band in _bands(level)}


def _bands(level: str) -> list[str]:
    return [band for band in _IRRADIANCES if level == "L1C" or band != "B10"]


@cache
def _irradiances(level: str) -> Mapping[str, float]:
    return {f"SOLAR_IRRADIANCE_{band}": _IRRADIANCES[band] for band in _bands(level)}


def _sunlight(moment: datetime) -> float:
    """The sun's light at that distance over the mean: ESA's U."""
    turn = 2 * math.pi * (moment.timetuple().tm_yday - _PERIHELION_DAY) / 365.25
    return round((1 - _ECCENTRICITY * math.cos(turn)) ** -2, 6)
