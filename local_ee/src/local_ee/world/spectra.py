"""Reflectance of the truth's classes by month, and how objects of a class differ (local_ee/docs/world.md, "Sentinel-2
reflectance", "Materials", "Covariance" and "Seasons").
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from local_ee.world import materials as m
from local_ee.world.climate import TEMPERATE, Climate

BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")

# Digital numbers (reflectance x 10 000) in the order of BANDS. Sources: local_ee/docs/world.md, "Sentinel-2
# reflectance" (ground) and "Materials".
_RIVER = (620, 700, 1000, 1050, 950, 520, 460, 400, 360, 300, 60, 40)
_LAKE = (420, 430, 560, 380, 330, 210, 215, 190, 180, 200, 80, 60)
_TREES = (180, 180, 340, 210, 660, 1990, 2420, 2580, 2690, 2700, 1150, 500)
# Broad leaves in summer: between Leipzig's riverside woods and Slovenia's hills, whose B8 differ by .11.
_BROADLEAF = (160, 230, 440, 240, 820, 2450, 3080, 3320, 3460, 3460, 1480, 650)
_GRASS = (330, 320, 730, 390, 1310, 3400, 4100, 4250, 4450, 4400, 2270, 1120)
_CROP = (90, 110, 460, 280, 950, 2690, 3160, 3470, 3460, 3470, 1840, 970)
_STUBBLE = (430, 620, 790, 1110, 1270, 1510, 1670, 1850, 1920, 1950, 2740, 2170)
_MOIST = (320, 510, 860, 1340, 1580, 1830, 2020, 2320, 2350, 2360, 2470, 1650)
_LITTER = (330, 420, 540, 650, 820, 1050, 1150, 1240, 1290, 1300, 1650, 1150)
_SPARSE = (400, 480, 620, 800, 1050, 1400, 1560, 1700, 1760, 1820, 2250, 1650)
_ASPHALT = (780, 850, 950, 1020, 1030, 1040, 1060, 1070, 1080, 1100, 1400, 1390)
_CONCRETE = (1780, 1960, 2280, 2450, 2480, 2530, 2580, 2570, 2575, 2615, 3100, 3150)  # mean of paving and bridges
_DARK_ROOF = (620, 680, 790, 900, 950, 1000, 1050, 1090, 1110, 1150, 1300, 1210)
_LIGHT_ROOF = (1000, 1120, 1330, 1550, 1620, 1690, 1750, 1800, 1810, 1860, 2080, 2000)
_CLAY = (500, 560, 880, 1940, 2210, 2430, 2530, 2490, 2470, 2730, 5380, 5780)
_METAL = (1800, 2200, 2580, 2350, 2450, 2500, 2440, 2360, 2330, 2260, 2900, 2650)
_BLUE = (2100, 2500, 2300, 1300, 1450, 1700, 1850, 2000, 2050, 2100, 2600, 2300)

# What bare ground is, by an object's second number: moist, stubble, bright and dry, gravel and rubble, foil. Stubble
# and moist: "Sentinel-2 reflectance"; dry is Tanzania's there; gravel and rubble (between dry soil and weathered
# concrete) and foil (greenhouses, covers) are ours.
_DRY = (680, 900, 1240, 1700, 2000, 2240, 2420, 2480, 2680, 2660, 3600, 2900)
_GRAVEL = (880, 1120, 1370, 1600, 1690, 1790, 1850, 1930, 1950, 1990, 2300, 2080)
_FOIL = (1250, 1500, 1700, 1800, 1900, 2250, 2400, 2450, 2480, 2500, 2250, 1800)
# Red ground of the tropics: tiles, laterite and dust, by shares of built ground and of soil that give Manaus the
# medians of a real town of Para (G).
_LATERITE = (560, 850, 1280, 1850, 2350, 2750, 3050, 3400, 3500, 3550, 5900, 5000)
_RED_TOWN, _RED_SOIL = 0.7, 0.5
# NDVI by month, January to December (local_ee/docs/world.md, "Seasons").
_NDVI = {
    m.EVERGREEN: (0.55, 0.55, 0.60, 0.68, 0.75, 0.78, 0.80, 0.80, 0.77, 0.72, 0.65, 0.58),
    m.DECIDUOUS: (0.30, 0.30, 0.38, 0.60, 0.75, 0.80, 0.80, 0.78, 0.72, 0.60, 0.42, 0.32),
    m.LAWN: (0.28, 0.30, 0.38, 0.50, 0.60, 0.65, 0.68, 0.68, 0.62, 0.52, 0.40, 0.30),
    m.CROP_DOUBLE: (0.45, 0.52, 0.60, 0.62, 0.40, 0.20, 0.55, 0.80, 0.65, 0.30, 0.28, 0.38),
    m.PADDY: (0.15, 0.15, 0.18, 0.18, 0.15, 0.20, 0.60, 0.80, 0.65, 0.30, 0.20, 0.15),
    m.CROP_DRY: (0.40, 0.42, 0.48, 0.50, 0.45, 0.50, 0.65, 0.70, 0.60, 0.45, 0.40, 0.40),
}
_GREEN = {
    m.EVERGREEN: _TREES, m.DECIDUOUS: _BROADLEAF, m.LAWN: _GRASS, m.CROP_DOUBLE: _CROP, m.PADDY: _CROP,
    m.CROP_DRY: _CROP,
}  # fmt: skip
_BACK = {
    m.EVERGREEN: _LITTER, m.DECIDUOUS: _LITTER, m.LAWN: _SPARSE, m.CROP_DOUBLE: _MOIST, m.PADDY: _MOIST,
    m.CROP_DRY: _STUBBLE,
}  # fmt: skip
# Share of flooded ground in paddies by month: crayfish-rice stands under water in winter, all is flooded in June.
_FLOODED = (0.35, 0.35, 0.30, 0.30, 0.45, 0.75, 0.25, 0.0, 0.0, 0.0, 0.15, 0.30)
_STEADY = {
    m.BARE: _STUBBLE, m.ASPHALT: _ASPHALT, m.CONCRETE: _CONCRETE, m.ROOF_DARK: _DARK_ROOF, m.ROOF_LIGHT: _LIGHT_ROOF,
    m.ROOF_CLAY: _CLAY, m.ROOF_METAL: _METAL, m.ROOF_BLUE: _BLUE,
}  # fmt: skip

# Rows L1, L2 and r of ln(reflectance) (local_ee/docs/world.md, "Covariance"), order of BANDS.
_LOADINGS = {
    "trees": (
        (0.12, 0.21, 0.28, 0.31, 0.30, 0.20, 0.18, 0.22, 0.18, 0.06, 0.30, 0.37),
        (-0.17, -0.12, -0.04, -0.11, 0.02, 0.16, 0.19, 0.18, 0.18, 0.09, -0.05, -0.12),
        (0.17, 0.17, 0.15, 0.17, 0.12, 0.07, 0.08, 0.18, 0.07, 0.12, 0.14, 0.19),
    ),
    "crop": (
        (-0.02, 0.15, 0.28, 0.13, 0.22, 0.31, 0.30, 0.31, 0.28, 0.20, 0.14, 0.10),
        (0.08, 0.12, 0.09, 0.25, 0.07, -0.10, -0.12, -0.02, -0.10, -0.12, 0.10, 0.19),
        (0.12, 0.10, 0.14, 0.12, 0.13, 0.07, 0.07, 0.15, 0.07, 0.12, 0.12, 0.16),
    ),
    "bare": (
        (0.11, 0.19, 0.20, 0.20, 0.20, 0.18, 0.18, 0.20, 0.18, 0.12, 0.19, 0.16),
        (0.03, -0.05, -0.06, -0.04, 0.05, -0.02, -0.03, -0.06, -0.03, -0.04, 0.11, 0.16),
        (0.14, 0.09, 0.07, 0.09, 0.08, 0.07, 0.08, 0.07, 0.08, 0.10, 0.06, 0.05),
    ),
    "water": (
        (0.12, 0.15, 0.20, 0.28, 0.30, 0.22, 0.22, 0.20, 0.20, 0.20, 0.10, 0.10),
        (0.0,) * 12,
        (0.03, 0.03, 0.03, 0.04, 0.04, 0.06, 0.06, 0.06, 0.06, 0.06, 0.10, 0.10),
    ),
    "built": (
        (0.0,) * 12,
        (0.0,) * 12,
        (0.13, 0.10, 0.09, 0.10, 0.11, 0.12, 0.13, 0.14, 0.13, 0.12, 0.11, 0.13),
    ),
}
_GROUP = {
    m.RIVER: "water", m.LAKE: "water", m.EVERGREEN: "trees", m.DECIDUOUS: "trees", m.LAWN: "crop",
    m.CROP_DOUBLE: "crop", m.PADDY: "crop", m.CROP_DRY: "crop", m.BARE: "bare",
}  # fmt: skip
_RIVER_OBJECTS = 0.4  # a river keeps its colour: its tone counts less than a lake's
_CLUTTER = {"built": 0.28, "trees": 0.13, "water": 0.02}
# Log-normal spread of objects' brightness (local_ee/docs/world.md, "Materials": .19 to .55); in the visible bands
# it counts more than in the infrared, as in real built ground ("Covariance").
_SPREAD = {
    m.ASPHALT: 0.32, m.CONCRETE: 0.36, m.ROOF_DARK: 0.34, m.ROOF_LIGHT: 0.40, m.ROOF_CLAY: 0.22, m.ROOF_METAL: 0.42,
    m.ROOF_BLUE: 0.22,
}  # fmt: skip
_HUE = (0.9, 1.15, 1.12, 1.12, 1.0, 0.88, 0.88, 0.86, 0.86, 0.86, 0.92, 0.96)


# Leaves, dust and light from trees near by lift what a roof or street sends back in the near infrared, and redden it:
# the least green city pixels of the real samples have B8 / B4 of 1.58 (CL, BEN) to 1.71 (WC: local_ee/docs/world.md,
# "Sentinel-2 reflectance") and B2 / B4 of .67 to .72, their clean materials 1.05 and .8.
_CITY_LIFT = (1.0, 0.85, 0.88, 0.98, 1.06, 1.26, 1.32, 1.42, 1.38, 1.33, 1.24, 1.12)
# The table's rows are of pixels of street and park trees, which hold ground between the crowns; a crown is greener.
_CROWN_NDVI = 0.06
_FRESH_NDVI = 0.85  # of meadows and woods in cool, moist summers (Leipzig, Slovenia)


@lru_cache(maxsize=1024)
def mean_spectra(month: int, climate: Climate = TEMPERATE) -> np.ndarray:
    """Mean digital number of each class in a month (1 to 12) of a climate: float32 [class, band]."""
    out = np.zeros((m.COUNT, len(BANDS)), np.float32)
    summer = 1.3 if 6 <= month <= 9 else 1.0
    out[m.RIVER], out[m.LAKE] = np.array(_RIVER) * summer, _LAKE
    for material, spectrum in _STEADY.items():
        lift, red = (1.0, _RED_SOIL) if material == m.BARE else (np.array(_CITY_LIFT), _RED_TOWN)
        out[material] = _reddened(np.array(spectrum) * lift, red * climate.tropical)
    for material, curve in _NDVI.items():
        crown = _CROWN_NDVI if material in (m.EVERGREEN, m.DECIDUOUS) else 0.0
        ndvi = climate.green(curve, month, evergreen=material == m.EVERGREEN) + crown
        if material in (m.LAWN, m.DECIDUOUS):
            ndvi += climate.fresh(month) * max(0.0, _FRESH_NDVI - ndvi)
        back = _reddened(_background(material, month), _RED_SOIL * climate.tropical)
        out[material] = _mix_to_ndvi(np.array(_GREEN[material], float), back, ndvi)
    if month == 3:  # rape in flower (local_ee/docs/world.md, "Seasons")
        out[m.CROP_DOUBLE, 2:4] += 300
    return out


def _reddened(spectrum: np.ndarray, share: float) -> np.ndarray:
    return (1 - share) * spectrum + share * np.array(_LATERITE)


def _background(material: int, month: int) -> np.ndarray:
    """What lies between the plants of a class in a month."""
    back = np.array(_BACK[material], float)
    if material != m.PADDY:
        return back
    wet = 0.6 * np.array(_RIVER) + 0.4 * np.array(_MOIST)
    return back * (1 - _FLOODED[month - 1]) + wet * _FLOODED[month - 1]


@lru_cache(maxsize=1024)
def tone_tables(band: int, month: int, climate: Climate = TEMPERATE) -> tuple[np.ndarray, np.ndarray]:
    """Factors on a class's mean in a band by the two bytes of a pixel: two float32 [class, 256].

    The second number of bare ground says which soil it is; crops show their soil as far as they are not green.
    """
    z = (np.arange(256) - 128) / 32
    first, second = np.ones((m.COUNT, 256)), np.ones((m.COUNT, 256))
    levels = np.log([spectrum[band] for spectrum in (_MOIST, _STUBBLE, _DRY, _GRAVEL, _FOIL)])
    soil = np.interp(z, m.SOILS, levels) - levels[1]
    for material in range(m.COUNT):
        if material in _SPREAD:
            first[material] = np.exp(_SPREAD[material] * _HUE[band] * z)
            continue
        rows = _LOADINGS[_GROUP[material]]
        open_share = _open_share(material, month, climate)
        bare = _LOADINGS["bare"][0][band]
        strength = _RIVER_OBJECTS if material == m.RIVER else 0.85
        first[material] = np.exp((strength * (1 - open_share) * rows[0][band] + open_share * bare) * z)
        second[material] = np.exp(0.85 * (1 - open_share) * rows[1][band] * z + open_share * soil)
    return first.astype(np.float32), second.astype(np.float32)


def _open_share(material: int, month: int, climate: Climate) -> float:
    """How far a class's tone is that of its soil: all of bare ground, of crops as far as they are not green."""
    if material == m.BARE:
        return 1.0
    if material not in (m.CROP_DOUBLE, m.PADDY, m.CROP_DRY):
        return 0.0
    return 0.8 * min(max((0.62 - climate.green(_NDVI[material], month)) / 0.45, 0.0), 1.0)


@cache
def texture(band: int) -> np.ndarray:
    """Relative spread of 10-m pixels within an object: float32 [class]."""
    return np.array([_LOADINGS[_GROUP.get(material, "built")][2][band] for material in range(m.COUNT)], np.float32)


@cache
def clutter() -> np.ndarray:
    """Relative spread that pixels within an object have in all bands alike: float32 [class]; towns hold cars, chimneys
    and courts (local_ee/docs/world.md, "Covariance": built ground, within objects .23 in the red)."""
    return np.array([_CLUTTER.get(_GROUP.get(material, "built"), 0.07) for material in range(m.COUNT)], np.float32)


def _mix_to_ndvi(green: np.ndarray, back: np.ndarray, ndvi: float) -> np.ndarray:
    """The mixture of a green and a background spectrum that has an NDVI (clipped to what the two can reach)."""
    red, nir = BANDS.index("B4"), BANDS.index("B8")
    a = (green[nir] - back[nir]) - ndvi * (green[nir] - back[nir] + green[red] - back[red])
    b = ndvi * (back[nir] + back[red]) - (back[nir] - back[red])
    share = min(max(b / a, 0.0), 1.0)
    return back + share * (green - back)
