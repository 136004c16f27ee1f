"""Landsat scenes: numbers as radiance and reflectance, and a score of clouds (guides/landsat).

Sources: Landsat 8-9 Data Users Handbook (USGS LSDS-1574), section 5 (conversion of digital numbers), whose coefficients
are the scene's properties; Google's own script of the cloud score, "Landsat Simple Cloud Score" of the Code Editor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_bands import add_bands
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, alike, recomputed
from local_ee.raster.pixel_type import FLOAT, NAMED
from local_ee.raster.pixels import Pixels, both

Conversion = Callable[[np.ndarray], np.ndarray]
_ROLES = ("blue", "green", "red", "nir", "swir1", "swir2", "thermal")
_TM = ("B1", "B2", "B3", "B4", "B5", "B7", "B6")
_OLI = ("B2", "B3", "B4", "B5", "B6", "B7", "B10")
_SENSORS: Mapping[str, tuple[str, ...]] = {
    "TM": _TM,
    "ETM": (*_TM[:-1], "B6_VCID_1"),
    "OLI_TIRS": _OLI,
    "LANDSAT_4": _TM,
    "LANDSAT_5": _TM,
    "LANDSAT_7": (*_TM[:-1], "B6_VCID_1"),
    "LANDSAT_8": _OLI,
    "LANDSAT_9": _OLI,
}
_TOP = 100.0  # of the score


def _property(image: Image, name: str) -> float | None:
    value = image.properties.get(name)
    return float(value) if isinstance(value, int | float) else None


def _line(image: Image, quantity: str, band: str) -> Conversion | None:
    """Multiply and add by the properties QUANTITY_MULT_BAND_N and QUANTITY_ADD_BAND_N of band BN; None without them."""
    band_number = band.removeprefix("B")
    slope = _property(image, f"{quantity}_MULT_BAND_{band_number}")
    intercept = _property(image, f"{quantity}_ADD_BAND_{band_number}")
    if slope is None or intercept is None:
        return None
    return lambda values: values * slope + intercept


def _converted(image: Image, conversions: Mapping[str, Conversion], name: str, wanted: str) -> Image:
    """An image whose named bands are converted to floats; the others, such as quality, stay as they are."""
    if not conversions:
        raise EngineError(
            f"{name}: The image has no property {wanted}: give it a raw Landsat scene, with its properties."
        )
    bands = [band.typed(FLOAT) if band.name in conversions else band for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, positions)
        values = []
        for i, plane in zip(positions, pixels.values, strict=True):
            convert = conversions.get(image.bands[i].name)
            values.append(plane if convert is None else convert(np.asarray(plane, float)).astype(np.float32))
        return Pixels(tuple(values), pixels.masks)

    return recomputed(image, bands, reading, needs=alike)


@algorithm("Landsat.calibratedRadiance")
def calibrated_radiance(image: Image) -> Image:
    """Bands in W / (m2 sr um), by RADIANCE_MULT_BAND_N and RADIANCE_ADD_BAND_N of the scene.

    Assumption: bands without these properties, such as quality, stay as they are.
    """
    lines = {name: _line(image, "RADIANCE", name) for name in image.band_names}
    conversions = {name: line for name, line in lines.items() if line is not None}
    return _converted(image, conversions, "Landsat.calibratedRadiance", "RADIANCE_MULT_BAND_N")


@algorithm("Landsat.TOA")
def top_of_atmosphere(input: Image) -> Image:
    """Reflectances at the top of the atmosphere, and brightness temperatures in kelvins, of a raw scene.

    Assumptions: bands without coefficients, such as quality, stay as they are; of scenes without coefficients in their
    properties (Chander et al. 2009 has them for old ones) the engine has none and refuses them.
    """
    conversions = {name: _toa_of(input, name) for name in input.band_names}
    calibrated = {name: conversion for name, conversion in conversions.items() if conversion is not None}
    return _converted(input, calibrated, "Landsat.TOA", "REFLECTANCE_MULT_BAND_N")


@algorithm("Landsat.translateMetadata")
def translate_metadata(input: Image) -> Image:
    """The image as it is: Google's list says that the algorithm does nothing."""
    return input


def thermal_bands(image: Image) -> tuple[str, ...]:
    """The bands of a scene that have constants of temperatures."""
    return tuple(name for name in image.band_names if _constant(image, 1, name) is not None)


def _constant(image: Image, which: int, band: str) -> float | None:
    """K1 or K2 of a thermal band."""
    return _property(image, f"K{which}_CONSTANT_BAND_{band.removeprefix('B')}")


def _toa_of(image: Image, band: str) -> Conversion | None:
    elevation = _property(image, "SUN_ELEVATION")
    reflectance = _line(image, "REFLECTANCE", band)
    if reflectance is not None and elevation is not None:
        height = math.sin(math.radians(elevation))
        return lambda values: reflectance(values) / height
    first, second = _constant(image, 1, band), _constant(image, 2, band)
    radiance = _line(image, "RADIANCE", band)
    if radiance is None or first is None or second is None:
        return None

    def temperature(values: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return second / np.log(first / np.maximum(radiance(values), np.finfo(float).tiny) + 1)

    return temperature


@dataclass(frozen=True)
class Looks:
    """Reflectances and the brightness temperature of a scene's pixels by their role, as floats."""

    planes: Mapping[str, np.ndarray]

    def total(self, *roles: str) -> np.ndarray:
        return np.sum([self.planes[role] for role in roles], axis=0)

    @property
    def cloudiness(self) -> np.ndarray:
        """0 to 100: bright in blue, in the visible and the infrared, cold, and no snow; the least of these counts."""
        green, infrared = self.planes["green"], self.planes["swir1"]
        with np.errstate(divide="ignore", invalid="ignore"):
            snow = np.nan_to_num((green - infrared) / (green + infrared))
        scores = (
            _share(self.planes["blue"], 0.1, 0.3),
            _share(self.total("red", "green", "blue"), 0.2, 0.8),
            _share(self.total("nir", "swir1", "swir2"), 0.3, 0.8),
            _share(self.planes["thermal"], 300, 290),
            _share(snow, 0.8, 0.6),
        )
        return np.clip(np.min(scores, axis=0), 0, 1) * _TOP


def _share(values: np.ndarray, start: float, end: float) -> np.ndarray:
    return (values - start) / (end - start)


@algorithm("Landsat.simpleCloudScore")
def simple_cloud_score(image: Image) -> Image:
    """The image with a band cloud, 0 (clear) to 100: how likely a pixel of a TOA image is a cloud.

    Assumptions: whole numbers, rounded; the sensor is that of SENSOR_ID, or else of SPACECRAFT_ID.
    """
    sensor = str(image.properties.get("SENSOR_ID") or image.properties.get("SPACECRAFT_ID"))
    if sensor not in _SENSORS:
        raise EngineError(
            f"Landsat.simpleCloudScore: Unknown sensor '{sensor}': set the property SENSOR_ID to TM, ETM or OLI_TIRS."
        )
    needed = image.positions(_SENSORS[sensor])
    model = image.bands[needed[0]]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, needed)
        mask = pixels.masks[0]
        for band_mask in pixels.masks[1:]:
            mask = both(mask, band_mask)
        looks = Looks({role: np.asarray(plane, float) for role, plane in zip(_ROLES, pixels.values, strict=True)})
        score = np.rint(looks.cloudiness).astype(np.uint8)
        return Pixels((score,) * len(positions), (mask,) * len(positions))

    band = Band("cloud", NAMED["uint8"], model.projection, model.dimensions)
    score = recomputed(image, [band], reading, needs=lambda positions: [needed])
    return add_bands(image, score, None, True)
