"""LandCover3m's chips on the simulated world: a 3-m image with a 10-m product's classes, the truth, another sensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.atomic import write_whole
from isamap.gee_export.base.regions import Region, named
from isamap.reproduction.study import Export

if TYPE_CHECKING:
    import ee

WORLD = "projects/local/assets/world"
FILES = "landcover3m-files"
YEAR, MONTH, UNIT = 2019, "2019-07", "reflectance=0.0001"
# town edges with fields, woods and water: longitude and latitude of their middles
SITES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "wuhan-city": (114.32, 30.3175),
        "hangzhou": (119.97, 30.2575),
        "harbin": (126.485, 45.6475),
        "kunming": (102.77, 25.0825),
        "baoding": (115.5725, 38.8375),
    }
)
# the urban examples of LandCover3m's Figures 5, 6 and 7, where its captions place them; nothing is trained there
CITIES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"harbin": (126.5237, 45.7270), "taiyuan": (112.4604, 37.6375), "shanghai": (121.2374, 31.1567)}
)
# of the world's sixteen kinds of ground in order (the truth's class_names), LandCover3m's class
CLASS_OF_KIND = (3, 3, 1, 1, 2, 0, 0, 0, 5, 4, 4, 4, 4, 4, 4, 4)
# LandCover3m's chips have pixels of 3 m.
STEP_M = 3
# another sensor: 4-m pixels (LandCover3m section 5.2), other gains and more haze; in the order R G B N, in DN
SENSOR_REGION, SENSOR_MIDDLE, SENSOR_STEP_M = "wuhan-city", (114.48, 30.4475), 4
GAINS, HAZE_DN = (0.85, 0.9, 0.95, 1.2), (150, 250, 400, 60)
# Not 0:0:1: a dataset needs a training split for its statistics.
ALL_BUT_TEST = (1, 0, 9)
_ZONE_NORTH = 32600
_KM_OF_DEGREE = 111.32


@dataclass(frozen=True)
class Size:
    """How large the sites are, how large the chips, and how far one lies from the next."""

    site_km: float
    chip_px: int
    stride_px: int

    @property
    def name(self) -> str:
        """The end of the datasets' names."""
        return f"{self.chip_px}-{self.site_km:g}km"


# the larger one's truth is as much as one request may hold
SMALL, LARGE = Size(4.0, 128, 128), Size(11.4, 1024, 512)


def chips(size: Size = SMALL) -> Export:
    """Chips over five places, 6:1:3 by blocks, with seven classes of FROM-GLC10 by the nearest pixel."""
    return Export(f"landcover3m-{size.name}", _planet(size, SITES) | {"label": "from_glc10"})


def chips_truth(size: Size = SMALL) -> Export:
    """The chips labelled with the truth's seven classes."""
    arguments = _planet(size, SITES) | {"fusion": "majority"}
    return Export(f"landcover3m-truth-{size.name}", arguments, prepare=partial(_truths, size, SITES, ""))


def city(name: str) -> Export:
    """Chips of one of CITIES, nearly all test, labelled with the truth's seven classes."""
    site, remarks = {name: CITIES[name]}, (f"{name.capitalize()} is a square of {SMALL.site_km:g} km of its edge.",)
    arguments = _planet(SMALL, site) | {"fusion": "majority", "ratios": ALL_BUT_TEST}
    return Export(f"landcover3m-city-{name}", arguments, remarks, partial(_truths, SMALL, site, "city-"))


def city_product(name: str) -> Export:
    """The same chips with FROM-GLC10's classes."""
    arguments = _planet(SMALL, {name: CITIES[name]}) | {"label": "from_glc10", "ratios": ALL_BUT_TEST}
    return Export(f"landcover3m-city-{name}-product", arguments)


def sensor() -> Export:
    """A sixth place as another sensor shows it, with the truth's seven classes; nearly all chips are test."""
    arguments = {"scheme": "landcover3m", "size": SMALL.chip_px, "stride": SMALL.stride_px, "ratios": ALL_BUT_TEST}
    remarks = (
        "The other sensor is ours: the world's 1-m image averaged to 4 m (Gaofen-2's), its bands R, G, B, N multiplied "
        f"by {', '.join(map(str, GAINS))} and raised by {', '.join(f'{dn / 10_000:.3f}' for dn in HAZE_DN)} of "
        "reflectance, as another calibration and haze would do; of a place in which nothing was trained.",
    )
    return Export("landcover3m-sensor", arguments | {"month": MONTH, "unit": UNIT}, remarks, _sensor_files)


def _planet(size: Size, sites: Mapping[str, tuple[float, float]]) -> dict[str, Any]:
    return {
        "region": tuple(_site(name, middle, size.site_km) for name, middle in sites.items()),
        "month": MONTH,
        "image": f"{WORLD}/planet3m",
        "unit": UNIT,
        "scheme": "landcover3m",
        "size": size.chip_px,
        "stride": size.stride_px,
        "ratios": (6, 1, 3),
    }


def _site(region: str, middle: tuple[float, float], side_km: float) -> Region:
    """A square of a region around a point."""
    lon, lat = middle
    half = side_km / 2 / _KM_OF_DEGREE
    wide = half / math.cos(math.radians(lat))
    return named(region).part((lon - wide, lat - half, lon + wide, lat + half))


def _truths(size: Size, sites: Mapping[str, tuple[float, float]], prefix: str, home: Path) -> Mapping[str, Any]:
    """A raster of the truth's classes of each site, as label sources."""
    paths = []
    for name, middle in sites.items():
        site = _site(name, middle, size.site_km)
        paths.append(home / FILES / f"{prefix}{name}-truth-{size.site_km:g}km.tif")
        _download(paths[-1], site, STEP_M, partial(_classes, site, STEP_M))
    return {"label": tuple(map(str, paths))}


def _sensor_files(home: Path) -> Mapping[str, Any]:
    """The other sensor's image of its site, and the truth's classes on its grid."""
    site, folder = _site(SENSOR_REGION, SENSOR_MIDDLE, SMALL.site_km), home / FILES
    image, truth = folder / "sensor.tif", folder / "sensor-truth.tif"
    _download(image, site, SENSOR_STEP_M, partial(_sensed, site))
    _download(truth, site, SENSOR_STEP_M, partial(_classes, site, SENSOR_STEP_M))
    return {"image": str(image), "label": str(truth)}


def _classes(site: Region, step_m: int) -> ee.Image:
    """LandCover3m's class that most of a pixel's ground has at 1 m, the smaller one of two that are even.

    int16, because the least value of its files is no data and 0 is a class. Not the nearest pixel: Earth Engine takes
    that of a coarser level, whose classes are means.
    """
    import ee

    truth = ee.Image(f"{WORLD}/truth/{_index(site)}").select("class")
    classes = truth.remap(list(range(len(CLASS_OF_KIND))), list(CLASS_OF_KIND)).toInt16()
    # Sixteen classes have no mean.
    return classes.reduceResolution(ee.Reducer.mode(), maxPixels=step_m**2)


def _sensed(site: Region) -> ee.Image:
    """The 1-m image's mean over larger pixels, with the sensor's gains and haze."""
    import ee

    fine = ee.Image(f"{WORLD}/imagery1m/{_index(site)}")
    mean = fine.reduceResolution(ee.Reducer.mean(), maxPixels=SENSOR_STEP_M**2)
    return mean.multiply(ee.Image.constant(list(GAINS))).add(ee.Image.constant(list(HAZE_DN))).toInt16()


def _index(site: Region) -> str:
    return f"{YEAR}_{site.epsg - _ZONE_NORTH}N"


def _download(path: Path, site: Region, step_m: int, image: Callable[[], ee.Image]) -> None:
    """A GeoTIFF of the site's pixels, on whole multiples of the step, from the simulated world; kept if it is there."""
    if path.exists():
        return
    import ee

    from isamap.gee_export.earth_engine import session

    session.connect()
    left, bottom, right, top = site.bounds_m
    west, north = math.floor(left / step_m) * step_m, math.ceil(top / step_m) * step_m
    affine = {"scaleX": step_m, "shearX": 0, "translateX": west, "shearY": 0, "scaleY": -step_m, "translateY": north}
    size = {"width": math.ceil((right - west) / step_m), "height": math.ceil((north - bottom) / step_m)}
    grid = {"dimensions": size, "affineTransform": affine, "crsCode": f"EPSG:{site.epsg}"}
    content = ee.data.computePixels({"expression": image(), "fileFormat": "GEO_TIFF", "grid": grid})
    write_whole(path, content)
