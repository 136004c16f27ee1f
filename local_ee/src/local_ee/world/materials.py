"""What the ground is made of: the classes of the 1-m truth, and how one of its pixels is packed into 32 bits."""

from __future__ import annotations

import numpy as np

from local_ee.world.compiled import compiled

NAMES = (
    "river", "lake", "trees_evergreen", "trees_deciduous", "lawn", "crop_double", "paddy", "crop_dry", "bare",
    "asphalt", "concrete", "roof_dark", "roof_light", "roof_clay", "roof_metal", "roof_blue",
)  # fmt: skip
(
    RIVER, LAKE, EVERGREEN, DECIDUOUS, LAWN, CROP_DOUBLE, PADDY, CROP_DRY, BARE,
    ASPHALT, CONCRETE, ROOF_DARK, ROOF_LIGHT, ROOF_CLAY, ROOF_METAL, ROOF_BLUE,
) = range(16)  # fmt: skip
COUNT = 16
FIRST_IMPERVIOUS = ASPHALT
FIRST_ROOF = ROOF_DARK
# Second numbers at which bare ground is moist, stubble, bright and dry, gravel or rubble, and foil (see spectra.py).
SOILS = (-1.6, 0.0, 1.1, 2.0, 3.2)
MOIST, STUBBLE, DRY, GRAVEL, FOIL = SOILS
FIRST_YEAR = 1980  # of the byte that holds when a built object appeared

_CLASS, _BYTE = np.uint32(31), np.uint32(255)
_S8, _S16, _S24 = np.uint32(8), np.uint32(16), np.uint32(24)


# 32 bits a pixel, not a record: a tile's 1.6 million pixels stay in 6.5 MB, and filling a row is one store each.
@compiled
def pack(material, height_m, first, second):
    """One pixel: class, height above ground in m, and two bytes.

    Impervious ground: brightness (see `to_byte`) and years since FIRST_YEAR. Other ground: two brightness numbers.
    """
    height = np.uint32(min(max(height_m, 0.0), 255.0)) << _S8
    packed = np.uint32(material) | height | (np.uint32(first) << _S16) | (np.uint32(second) << _S24)
    return np.uint64(packed)  # as numba has it, so that shapes called by Python compile for one type


@compiled
def to_byte(z):
    """A standard normal number in steps of 1/32 around 128."""
    return min(max(round(z * 32.0) + 128, 0), 255)


@compiled
def kind_of(pixel):
    return np.int64(pixel & _CLASS)


@compiled
def height_of(pixel):
    return np.int64((pixel >> _S8) & _BYTE)


@compiled
def first_of(pixel):
    return np.int64((pixel >> _S16) & _BYTE)


@compiled
def second_of(pixel):
    return np.int64(pixel >> _S24)
