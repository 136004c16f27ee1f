"""Grids of public assets that differ from whole pixels of degrees, as Google's projections print them.

MODIS lies on its sinusoidal grid (G prints SR-ORG:6974, 463.31 m), NASADEM on whole arc seconds shifted by a half.
"""

from __future__ import annotations

import re

import numpy as np
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from local_ee.world.public_facts import AssetFacts

_RADIUS_M = 6_371_007.181  # of MODIS's sphere
SINUSOIDAL = CRS(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={_RADIUS_M} +units=m +no_defs")  # SR-ORG:6974 in projections
_HALF_WIDTH_M, _HALF_HEIGHT_M = 20_015_109.354, 10_007_554.677  # as Google prints them
_COLUMNS = {1000: 43_200, 500: 86_400, 250: 172_800}  # around the globe, by the pages' pixel size
_MODIS = re.compile(r"MODIS/0\d\d/")
_GLOBE = (-180, -90, 180, 90)
_NASADEM, _SECONDS = "NASA/NASADEM_HGT/001", 3600
_NASADEM_CORNER = -179, 61  # as Google's transform says in openet-core's tests; the page's bounds: -180, 60


def is_sinusoidal(asset: AssetFacts) -> bool:
    """Whether an asset's images lie on MODIS's own grid."""
    return bool(_MODIS.match(asset.id)) and asset.bounds == _GLOBE and round(asset.pixel_m) in _COLUMNS


def grid_of(asset: AssetFacts, pixel_m: float) -> GeoBox | None:
    """The grid of an asset with pixels of a size, or None where it is one of degrees."""
    if is_sinusoidal(asset) and round(pixel_m) in _COLUMNS:
        columns = _COLUMNS[round(pixel_m)]
        step = 2 * _HALF_WIDTH_M / columns
        return GeoBox((columns // 2, columns), Affine(step, 0, -_HALF_WIDTH_M, 0, -step, _HALF_HEIGHT_M), SINUSOIDAL)
    if asset.id == _NASADEM:
        _, south, east, _ = asset.bounds
        west, north = _NASADEM_CORNER
        shape = (round((north - south) * _SECONDS) + 1, round((east - west) * _SECONDS) + 1)
        half = 0.5 / _SECONDS
        return GeoBox(shape, Affine(1 / _SECONDS, 0, west - half, 0, -1 / _SECONDS, north + half), "EPSG:4326")
    return None


def on_globe(window: GeoBox) -> np.ndarray:
    """Which pixels of a sinusoidal window have their centres on the globe."""
    x = window.affine.c + (np.arange(window.shape[1]) + 0.5) * window.affine.a
    y = window.affine.f + (np.arange(window.shape[0]) + 0.5) * window.affine.e
    half = np.where(np.abs(y) <= _HALF_HEIGHT_M, _HALF_WIDTH_M * np.cos(y / _RADIUS_M), -1)
    return np.asarray(np.abs(x)[None, :] <= half[:, None])
