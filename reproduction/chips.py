"""S003's chips on the simulated world: a 3-m image with a 10-m product's classes, its truth, and another sensor."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from gee_export.regions import BoundsWSEN, Region, named
from reproduction.study import Export

if TYPE_CHECKING:
    import ee

WORLD = "projects/local/assets/world"
YEAR, MONTH = 2019, "2019-07"
SIDE = 128
# town edges with fields, woods and water; W S E N in degrees
SITES: Mapping[str, BoundsWSEN] = MappingProxyType(
    {
        "wuhan-city": (114.30, 30.30, 114.34, 30.335),
        "hangzhou": (119.95, 30.24, 119.99, 30.275),
        "harbin": (126.46, 45.63, 126.51, 45.665),
        "kunming": (102.75, 25.065, 102.79, 25.10),
        "baoding": (115.55, 38.82, 115.595, 38.855),
    }
)
# of the world's sixteen kinds of ground in order (the truth's class_names), S003's class
CLASS_OF_KIND = (3, 3, 1, 1, 2, 0, 0, 0, 5, 4, 4, 4, 4, 4, 4, 4)
# another sensor: 4-m pixels (Gaofen-2's, S003 section 5.2), other gains and more haze; ours, R G B N in DN
SENSOR_SITE, SENSOR_STEP_M = "hangzhou", 4
GAINS, HAZE_DN = (0.85, 0.9, 0.95, 1.2), (150, 250, 400, 60)
ALL_BUT_TEST = (1, 0, 9)
_ZONE_NORTH = 32600
_PLANET_STEP_M = 3


def chips() -> Export:
    """Chips of 128 px over five places, 6:1:3 by blocks, with seven classes of FROM-GLC10 by the nearest pixel."""
    return Export("s003", _planet() | {"label": "from_glc10"})


def chips_truth() -> Export:
    """The same chips with the truth's seven classes."""
    return Export("s003-truth", _planet() | {"fusion": "majority"}, prepare=_planet_truth)


def sensor() -> Export:
    """One of the places as another sensor shows it, with the truth's seven classes; nearly all chips are test."""
    asked = {"scheme": "s003", "size": SIDE, "stride": SIDE, "ratios": ALL_BUT_TEST, "month": MONTH}
    return Export("s003-sensor", asked | {"unit": "reflectance=0.0001"}, prepare=_sensor_files)


def _planet() -> dict[str, Any]:
    return {
        "region": tuple(_site(name) for name in SITES),
        "month": MONTH,
        "image": f"{WORLD}/planet3m",
        "unit": "reflectance=0.0001",
        "scheme": "s003",
        "size": SIDE,
        "stride": SIDE,
        "ratios": (6, 1, 3),
    }


def _site(name: str) -> Region:
    return named(name).part(SITES[name])


def _planet_truth(home: Path) -> Mapping[str, Any]:
    """A raster of the truth's classes for each site."""
    paths = [home / "s003-files" / f"{name}-truth-{_PLANET_STEP_M}m.tif" for name in SITES]
    for name, path in zip(SITES, paths, strict=True):
        _downloaded(path, _site(name), _PLANET_STEP_M, partial(_classes, _site(name)))
    return {"label": tuple(str(path) for path in paths)}


def _sensor_files(home: Path) -> Mapping[str, Any]:
    """The other sensor's image of its site, and the truth's classes on its grid."""
    site, folder = _site(SENSOR_SITE), home / "s003-files"
    image, truth = folder / "sensor.tif", folder / f"{SENSOR_SITE}-truth-{SENSOR_STEP_M}m.tif"
    _downloaded(image, site, SENSOR_STEP_M, partial(_sensed, site))
    _downloaded(truth, site, SENSOR_STEP_M, partial(_classes, site))
    return {"image": str(image), "label": str(truth)}


def _classes(site: Region) -> ee.Image:
    """S003's class of the 1-m truth; int16, because the least value of its files is no data and 0 is a class."""
    import ee

    truth = ee.Image(f"{WORLD}/truth/{_index(site)}").select("class")
    return truth.remap(list(range(len(CLASS_OF_KIND))), list(CLASS_OF_KIND)).toInt16()


def _sensed(site: Region) -> ee.Image:
    """The 1-m image's mean over larger pixels, with the sensor's gains and haze."""
    import ee

    fine = ee.Image(f"{WORLD}/imagery1m/{_index(site)}")
    mean = fine.reduceResolution(ee.Reducer.mean(), maxPixels=SENSOR_STEP_M**2)
    return mean.multiply(ee.Image.constant(list(GAINS))).add(ee.Image.constant(list(HAZE_DN))).toInt16()


def _index(site: Region) -> str:
    return f"{YEAR}_{site.epsg - _ZONE_NORTH}N"


def _downloaded(path: Path, site: Region, step_m: int, image: Callable[[], ee.Image]) -> None:
    """A GeoTIFF of the site's pixels, on whole multiples of the step, from the simulated world; kept if it is there."""
    if path.exists():
        return
    import ee

    from gee_export import session

    session.connect()
    left, bottom, right, top = site.bounds_m
    west, north = math.floor(left / step_m) * step_m, math.ceil(top / step_m) * step_m
    affine = {"scaleX": step_m, "shearX": 0, "translateX": west, "shearY": 0, "scaleY": -step_m, "translateY": north}
    size = {"width": math.ceil((right - west) / step_m), "height": math.ceil((north - bottom) / step_m)}
    grid = {"dimensions": size, "affineTransform": affine, "crsCode": f"EPSG:{site.epsg}"}
    found = ee.data.computePixels({"expression": image(), "fileFormat": "GEO_TIFF", "grid": grid})
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_bytes(found)
    os.replace(fresh, path)
