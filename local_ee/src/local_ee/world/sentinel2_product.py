"""Sentinel-2's products on Earth Engine: which bands a collection has, on which grids, and what its numbers are.

Source: the catalog's pages of COPERNICUS/S2_SR_HARMONIZED, S2_SR, S2_HARMONIZED and S2. Numbers of S2_SR and S2 are
higher by 1000 from processing baseline 04.00 on (2022-01-25). QA60 is masked while ESA made no cloud polygons, and the
bands MSK_CLASSI before the end of that gap. TCI: ESA's saturation of L2A, reflectance 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.catalog import SourceBand
from local_ee.world import mgrs
from local_ee.world.atmosphere import seen_from_above
from local_ee.world.lattice import Cut
from local_ee.world.optical import CIRRUS, REFLECTANCE, Camera, Overpass, solar_zenith_deg

L2A, L1C = "L2A", "L1C"
SHIFT_SINCE = date(2022, 1, 25)  # processing baseline 04.00
_SHIFT_DN = 1000
_QA60_GAP = (SHIFT_SINCE, date(2024, 2, 28))
_STEP_M = {
    "B1": 60, "B2": 10, "B3": 10, "B4": 10, "B5": 20, "B6": 20, "B7": 20, "B8": 10, "B8A": 20, "B9": 60, CIRRUS: 60,
    "B11": 20, "B12": 20, "AOT": 10, "WVP": 10, "SCL": 20, "TCI_R": 10, "TCI_G": 10, "TCI_B": 10, "MSK_CLDPRB": 20,
    "MSK_SNWPRB": 20, "QA10": 10, "QA20": 20, "QA60": 60, "MSK_CLASSI_OPAQUE": 60, "MSK_CLASSI_CIRRUS": 60,
    "MSK_CLASSI_SNOW_ICE": 60,
}  # fmt: skip
_COLOURS = {"TCI_R": "B4", "TCI_G": "B3", "TCI_B": "B2"}
_COLOUR_FULL_DN = 2000.0
_ONLY = {L1C: (CIRRUS,), L2A: ("AOT", "WVP", "SCL", *_COLOURS, "MSK_CLDPRB", "MSK_SNWPRB")}
_NOWHERE = GeoBox((1, 1), Affine.identity(), "EPSG:4326")
BYTES = ("SCL", *_COLOURS, "probability", *(name for name in _STEP_M if name.startswith("MSK_")))


@dataclass(frozen=True)
class Product:
    """A level, and whether the numbers of newer scenes are in the range of the older ones (harmonized)."""

    level: str
    harmonized: bool

    @cached_property
    def steps_m(self) -> Mapping[str, int]:
        """Its bands in Google's order, with the metres of their pixels."""
        lacks = _ONLY[L2A if self.level == L1C else L1C]
        return {name: step for name, step in _STEP_M.items() if name not in lacks}

    def bands(self, tile: mgrs.Tile, *, classified: bool) -> tuple[SourceBand, ...]:
        """Its bands on a tile. classified: since ESA's bands MSK_CLASSI are there; before, Google has a pixel of one
        degree in their place (geedim's test_projection).
        """
        grids = {step: tile.grid(step) for step in set(self.steps_m.values())}
        places = {
            name: grids[step] if classified or not _is_class(name) else _NOWHERE for name, step in self.steps_m.items()
        }
        return tuple(SourceBand(name, _dtype(name), grid, _pyramid(name)) for name, grid in places.items())

    def classified(self, day: date) -> bool:
        """Whether the bands MSK_CLASSI are there on a day."""
        return day >= _QA60_GAP[1]

    def values(self, camera: Camera, names: tuple[str, ...], cut: Cut, overpass: Overpass) -> np.ndarray:
        """Numbers of bands that share a step: [band, row, column], uint8 where each band's are."""
        sources = tuple(dict.fromkeys(_COLOURS.get(name, name) for name in names))
        layers = dict(zip(sources, camera.bands(sources, cut, overpass), strict=True))
        values = [self._numbers(name, layers[_COLOURS.get(name, name)], overpass.day) for name in names]
        return np.stack(values).astype(np.uint8 if all(name in BYTES for name in names) else np.uint16, copy=False)

    def masked(self, name: str, day: date) -> bool:
        """Whether no pixel of a band is valid on a day."""
        if name == "QA60":
            return _QA60_GAP[0] <= day < _QA60_GAP[1]
        return _is_class(name) and not self.classified(day)

    def _numbers(self, name: str, recorded: np.ndarray, day: date) -> np.ndarray:
        if name in _COLOURS:
            return np.minimum(np.rint(recorded * (255 / _COLOUR_FULL_DN)), 255).astype(np.uint16)
        if name in REFLECTANCE and self.level == L1C:
            recorded = seen_from_above(recorded, name, solar_zenith_deg(day))
        if not self.harmonized and day >= SHIFT_SINCE and (name in REFLECTANCE or name == CIRRUS):
            return np.minimum(recorded.astype(np.uint32) + _SHIFT_DN, 65_535).astype(np.uint16)
        return recorded


def _is_class(name: str) -> bool:
    return name.startswith("MSK_CLASSI")


def _dtype(name: str) -> str:
    return "uint8" if name in BYTES else "uint32" if name == "QA20" else "uint16"


def _pyramid(name: str) -> str:
    return "MODE" if name == "SCL" else "SAMPLE" if name.startswith(("QA", "MSK_CLASSI")) else "MEAN"
