"""What raw Landsat scenes say of their numbers: coefficients of radiance, reflectance and temperature, and the sun.

Sources: Landsat 8-9 Data Users Handbook (USGS LSDS-1574) for OLI and TIRS; Chander, Markham and Helder, Remote Sensing
of Environment 113, 2009, for TM and ETM+ (rescaling factors, solar irradiances, thermal constants; those of Landsat 5
stand for Landsat 4 too, and the low gain for ETM+). Distances of the sun are one astronomical unit. Scenes of the MSS
say their sensor only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime

_OLI_SUN = (1895.33, 2004.57, 1820.75, 1549.49, 951.76, 247.55, 85.46, 1723.8, 366.97)  # W / (m2 um), bands 1 to 9
_OLI_MULT, _OLI_ADD = 2e-5, -0.1  # of reflectances
# Band: radiance per number, radiance of 0, and the sun's irradiance.
_TM = {"1": (0.765827, -2.29, 1983.0), "2": (1.448189, -4.29, 1796.0), "3": (1.043976, -2.21, 1536.0)}
_TM |= {"4": (0.876024, -2.39, 1031.0), "5": (0.120354, -0.49, 220.0), "7": (0.065551, -0.22, 83.44)}
_ETM = {"1": (1.180709, -7.38, 1997.0), "2": (1.209843, -7.61, 1812.0), "3": (0.942520, -5.94, 1533.0)}
_ETM |= {"4": (0.969291, -6.07, 1039.0), "5": (0.191220, -1.19, 230.8), "7": (0.066496, -0.42, 84.90)}
_ETM |= {"8": (0.975591, -5.68, 1362.0)}
# Band: radiance per number, radiance of 0, K1 and K2.
_TIRS = {"10": (3.342e-4, 0.1, 774.8853, 1321.0789), "11": (3.342e-4, 0.1, 480.8883, 1201.1442)}
_ETM_THERMAL = {"6_VCID_1": (0.067087, -0.07, 666.09, 1282.71), "6_VCID_2": (0.037205, 3.16, 666.09, 1282.71)}
_SENSORS = {"LC08": "OLI_TIRS", "LC09": "OLI_TIRS", "LE07": "ETM", "LT05": "TM", "LT04": "TM"}
_SENSORS |= dict.fromkeys(("LM01", "LM02", "LM03", "LM04", "LM05"), "MSS")
_TILT_DEG = 23.44


def calibration(mission: str) -> Mapping[str, float | str]:
    """The sensor and the coefficients by the names that scenes give them, such as RADIANCE_MULT_BAND_4."""
    sensor = _SENSORS[mission]
    if sensor == "MSS":
        return {"SENSOR_ID": sensor}
    if sensor == "OLI_TIRS":
        pairs = {
            str(n): (_OLI_MULT * sun / math.pi, _OLI_ADD * sun / math.pi, sun) for n, sun in enumerate(_OLI_SUN, 1)
        }
        thermal = _TIRS
    elif mission == "LE07":
        pairs, thermal = _ETM, _ETM_THERMAL
    else:
        constants = (671.62, 1284.30) if mission == "LT04" else (607.76, 1260.56)
        pairs, thermal = _TM, {"6": (0.055376, 1.18, *constants)}
    properties: dict[str, float | str] = {"SENSOR_ID": sensor}
    for band, (gain, bias, sun) in pairs.items():
        properties |= {f"RADIANCE_MULT_BAND_{band}": gain, f"RADIANCE_ADD_BAND_{band}": bias}
        properties |= {f"REFLECTANCE_MULT_BAND_{band}": gain * math.pi / sun}
        properties |= {f"REFLECTANCE_ADD_BAND_{band}": bias * math.pi / sun}
    for band, (gain, bias, first, second) in thermal.items():
        properties |= {f"RADIANCE_MULT_BAND_{band}": gain, f"RADIANCE_ADD_BAND_{band}": bias}
        properties |= {f"K1_CONSTANT_BAND_{band}": first, f"K2_CONSTANT_BAND_{band}": second}
    return properties


def sun_elevation(moment: datetime, lon: float, lat: float) -> float:
    """Degrees of the sun above the horizon (P. I. Cooper, Solar Energy 12, 1969), without the equation of time."""
    _, _, up = _toward_sun(moment, lon, lat)
    return math.degrees(math.asin(up))


def sun_azimuth(moment: datetime, lon: float, lat: float) -> float:
    """Degrees of the sun's direction clockwise from north: -180 to 180, as Landsat's scenes say it."""
    east, north, _ = _toward_sun(moment, lon, lat)
    return math.degrees(math.atan2(east, north))


def _toward_sun(moment: datetime, lon: float, lat: float) -> tuple[float, float, float]:
    """The sun's direction: east, north and up."""
    day = moment.timetuple().tm_yday
    declination = math.radians(_TILT_DEG) * math.sin(2 * math.pi * (284 + day) / 365)
    hours = moment.hour + moment.minute / 60 + lon / 15
    angle, latitude = math.radians(15 * (hours - 12)), math.radians(lat)
    across = math.cos(declination) * math.cos(angle)
    up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * across
    north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * across
    return -math.cos(declination) * math.sin(angle), north, up
