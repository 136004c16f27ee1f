"""Slopes taken out of Sentinel-1: radiometric terrain flattening after Vollrath et al. 2020 (doi:10.3390/rs12111867).

With theta the incidence angle and alpha_r the ground's slope in range, positive where it faces the sensor, slopes
brighten gamma nought by tan(90 - theta + alpha_r) / tan(90 - theta) where it is scattered by a volume, and by
cos(90 - theta) / (cos alpha_az cos(90 - theta + alpha_r)) where by a surface; what is seen is divided by it.

Whether to divide or multiply, and with which sign of the range direction, is disputed (adugnag/gee_s1_ard issue 4,
ESA-PhiLab/radiometric-slope-correction issue 3). gee_s1_ard mirrors the aspect at north and multiplies: that comes near
where the radar looks east or west, but then its masks call the far side layover. Here the range direction is that in
which the incidence angle falls, as aspect is that in which the ground falls; both point to the sensor on a slope that
faces it. So the factor has its pole where layover begins (alpha_r = theta) and is 0 where shadow does
(alpha_r = theta - 90), and a bright slope becomes darker.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault

if TYPE_CHECKING:
    import ee

GLO30 = "COPERNICUS/DEM/GLO30_2024_1"
TOWARD = "toward_deg"  # a scene's property: azimuth from the ground to the sensor
_VIEW_STEP_M = 1_000  # as gee_s1_ard; the angle band has a value every 20 km
_LEAST_SLOPE_DEG = 0.1  # of angle per degree of latitude; a swath has about 7


@dataclass(frozen=True)
class Dem:
    """An elevation model: its band; whether it is a collection of tiles; worldwide: where it has no tile is sea."""

    band: str
    tiled: bool = False
    worldwide: bool = False


DEMS: dict[str, Dem] = {
    GLO30: Dem("DEM", tiled=True, worldwide=True),
    "COPERNICUS/DEM/GLO30": Dem("DEM", tiled=True, worldwide=True),
    "USGS/SRTMGL1_003": Dem("elevation"),
    "NASA/NASADEM_HGT/001": Dem("elevation"),
}


def check(model: str, buffer_m: float) -> None:
    """ValueError for unknown models and for buffers that cannot be."""
    if model != "none" and model not in MODELS:
        raise ValueError(f"terrain {model!r}: expected none, {', '.join(MODELS)}")
    if not 0 <= buffer_m <= 1000:
        raise ValueError(f"terrain buffer of {buffer_m} m: expected 0 to 1000")


def elevation(dem: str, box: ee.Geometry) -> ee.Image:
    """Heights in m, read bilinear: a known model (DEMS) or the first band of an image of the user's.

    A mosaic gets the projection of its first tile, for by itself it has one of a degree (catalog page of ALOS AW3D30).
    """
    import ee

    model = DEMS.get(dem)
    if model is None:
        return ee.Image(dem).select([0]).resample("bilinear")
    if not model.tiled:
        return ee.Image(dem).select([model.band]).resample("bilinear")
    tiles = ee.ImageCollection(dem).filterBounds(box).select([model.band])
    heights = tiles.mosaic()
    if model.worldwide:
        # Sea has no tile, and without a height Sentinel-1 would lose its coasts.
        heights = heights.unmask(0, False)
    return heights.setDefaultProjection(tiles.first().projection()).resample("bilinear")


def falls(heights: ee.Image) -> tuple[ee.Image, ee.Image]:
    """How far the ground falls per metre to the north and to the east."""
    import ee

    # As falls per metre: tangents add along directions, angles do not.
    steep = ee.Terrain.slope(heights).multiply(math.pi / 180).tan()
    aspect = ee.Terrain.aspect(heights).multiply(math.pi / 180)
    return steep.multiply(aspect.cos()), steep.multiply(aspect.sin())


def flattening(model: str, heights: ee.Image, buffer_m: float) -> Callable[[ee.Image, ee.Image, ee.Number], ee.Image]:
    """Turns sigma nought (linear power, angle in degrees, azimuth to the sensor) into flattened gamma nought.

    Masked: layover, shadow, what lies within buffer_m of either, and where there is no height.
    """
    north, east = falls(heights)

    def flat(power: ee.Image, angle_deg: ee.Image, toward_deg: ee.Number) -> ee.Image:
        toward = toward_deg.multiply(math.pi / 180)
        range_tan = north.multiply(toward.cos()).add(east.multiply(toward.sin()))
        azimuth_tan = north.multiply(toward.sin()).subtract(east.multiply(toward.cos()))
        theta = angle_deg.multiply(math.pi / 180)
        seen = _seen(theta.tan(), range_tan, buffer_m)
        # gamma0 is sigma0 / cos theta: level ground changes too, which the manifest says.
        factor = MODELS[model](theta.tan(), range_tan, azimuth_tan).divide(theta.cos())
        return power.multiply(factor).updateMask(seen)

    return flat


def _seen(theta_tan: ee.Image, range_tan: ee.Image, buffer_m: float) -> ee.Image:
    """Neither layover (alpha_r >= theta) nor shadow (alpha_r <= theta - 90), nor near one."""
    seen = range_tan.lt(theta_tan).And(range_tan.multiply(theta_tan).gt(-1))
    # Only where asked: a window in metres is the dearest step of this graph.
    return seen.focalMin(buffer_m, "circle", "meters") if buffer_m else seen


def volume(theta_tan: ee.Image, range_tan: ee.Image, azimuth_tan: ee.Image) -> ee.Image:
    """tan(90 - theta) / tan(90 - theta + alpha_r), for forests and crops."""
    return theta_tan.subtract(range_tan).divide(theta_tan.multiply(range_tan.multiply(theta_tan).add(1)))


def direct(theta_tan: ee.Image, range_tan: ee.Image, azimuth_tan: ee.Image) -> ee.Image:
    """cos alpha_az cos(90 - theta + alpha_r) / cos(90 - theta), for bare and built ground."""
    lengths = range_tan.multiply(range_tan).add(1).multiply(azimuth_tan.multiply(azimuth_tan).add(1)).sqrt()
    return theta_tan.subtract(range_tan).divide(theta_tan).divide(lengths)


def view(image: ee.Image) -> ee.Dictionary:
    """What `toward_deg` needs of a scene: means of the angle, of places and of their products over the scene."""
    import ee

    angle = image.select(["angle"])
    lon_lat = ee.Image.pixelLonLat().updateMask(angle.mask())
    lon, lat = lon_lat.select("longitude"), lon_lat.select("latitude")
    bands = [angle, lon, lat, lon.multiply(lon), lat.multiply(lat), lon.multiply(lat), angle.multiply(lon)]
    # Double: variances are small differences of large squares.
    stack = ee.Image.cat([*bands, angle.multiply(lat)]).toDouble()
    names = ["a", "x", "y", "xx", "yy", "xy", "ax", "ay"]
    return stack.rename(names).reduceRegion(ee.Reducer.mean(), image.geometry(), _VIEW_STEP_M, maxPixels=int(1e7))


def toward_deg(index: str, means: Mapping[str, Any]) -> float:
    """Azimuth from the ground to the sensor in degrees: where the plane through the scene's angles falls.

    A plane, because the band's own 20-km pixels read at finer steps have no gradient but at their edges.
    """
    if means.get("a") is None:
        raise Fault(f"Sentinel-1 scene {index}: its angle band holds nothing, so its slopes cannot be flattened")
    a, x, y, xx, yy, xy, ax, ay = (means[name] for name in ("a", "x", "y", "xx", "yy", "xy", "ax", "ay"))
    var_x, var_y, cov = xx - x * x, yy - y * y, xy - x * y
    to_x, to_y = ax - a * x, ay - a * y
    spread = var_x * var_y - cov * cov
    # In degrees to the fourth power: places that spread by 0.001 degrees, about 100 m, tell no plane.
    if spread <= 1e-12:
        raise Fault(f"Sentinel-1 scene {index}: too narrow to tell in which direction its incidence angle falls")
    # A degree of longitude is shorter than one of latitude, so its slope is divided by the cosine.
    slope_x = (to_x * var_y - to_y * cov) / spread / math.cos(math.radians(y))
    slope_y = (to_y * var_x - to_x * cov) / spread
    if math.hypot(slope_x, slope_y) < _LEAST_SLOPE_DEG:
        raise Fault(f"Sentinel-1 scene {index}: its incidence angle is the same everywhere, so it has no range")
    # Minus, because the angle falls towards the sensor; rounded, so that manifests compare.
    return round(math.degrees(math.atan2(-slope_x, -slope_y)) % 360, 3)


MODELS: dict[str, Callable[[Any, Any, Any], Any]] = {"volume": volume, "direct": direct}
