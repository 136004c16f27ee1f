"""What air does to Sentinel-2's reflectance on its way to the satellite: the difference of levels L1C and L2A.

Source: Hansen and Travis (1974), Light scattering in planetary atmospheres, Space Science Reviews 16, 527-610: the
optical depth of air by wavelength (their equation 2.30), scattered once.
Assumptions: sea level, a view from the zenith, no aerosol (a day's haze is in the ground's numbers: optical.py); gases
take the same share of a band's light every day (ours); a cloud lies under all air.
"""

from __future__ import annotations

import math

import numpy as np

from local_ee.world.spectra import BANDS

# Centres of Sentinel-2A's bands (ESA's spectral responses), B10 left out.
_WAVELENGTHS_UM = (0.4427, 0.4924, 0.5598, 0.6646, 0.7041, 0.7405, 0.7828, 0.8328, 0.8647, 0.9451, 1.6137, 2.2024)
# Shares of light that ozone (B3, B4), oxygen and above all water vapour (B9) leave.
_GASES = (1.0, 0.99, 0.94, 0.96, 0.97, 0.96, 0.99, 0.95, 0.99, 0.40, 0.98, 0.96)
_FULL_DN = 10_000.0  # of reflectance 1


def optical_depth(wavelength_um: float) -> float:
    """Of all air above the sea, by scattering alone."""
    square = wavelength_um**-2
    return 0.008569 * square**2 * (1 + 0.0113 * square + 0.00013 * square**2)


def path_reflectance(name: str, zenith_deg: float) -> float:
    """What air alone sends to the satellite in a band, as a reflectance, with the sun that far from the zenith."""
    cosine = math.cos(math.radians(zenith_deg))
    phase = 0.75 * (1 + cosine**2)
    return optical_depth(_WAVELENGTHS_UM[BANDS.index(name)]) * phase / (4 * cosine)


def transmittance(name: str, zenith_deg: float) -> float:
    """The share of the ground's light in a band that reaches the satellite, down and up through the air."""
    band = BANDS.index(name)
    depth = optical_depth(_WAVELENGTHS_UM[band])
    return _GASES[band] * math.exp(-0.5 * depth * (1 + 1 / math.cos(math.radians(zenith_deg))))


def seen_from_above(values: np.ndarray, name: str, zenith_deg: float) -> np.ndarray:
    """Digital numbers (uint16) of a band at the top of the atmosphere, of those at the ground."""
    light = values * transmittance(name, zenith_deg) + _FULL_DN * path_reflectance(name, zenith_deg)
    return np.rint(light).astype(np.uint16)
