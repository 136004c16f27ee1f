"""Maps on geemap: tiles of the session's Earth Engine, and the pixels of a map's file over them."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend
from isamap.inference.map_files.map_file import MapFile, numbers_words, open_map
from isamap.inference.map_files.simulation import NOTHING_REAL, shows_no_real_place
from isamap.inference.web_map.facts import labels_of
from isamap.inference.web_map.picture import class_png

LONGEST_PX = 2048  # of a picture over the map
WEB_MERCATOR = "EPSG:3857"
BANDS, BRIGHTEST = ("B4", "B3", "B2"), 0.3  # reflectance that is shown as white


def of_files(paths: Sequence[str | os.PathLike[str]]) -> Any:
    """A geemap map of files, the latest visible, over Sentinel-2 of its period; ValueError for what is no map."""
    import geemap
    from ipyleaflet import ImageOverlay

    map_files = sorted((open_map(path) for path in paths), key=lambda each: each.tags.get("period_start", ""))
    if not map_files:
        raise ValueError("no map to show: give MAP.tif, or what isamap.map_region returned")
    view = geemap.Map()
    _add_imagery(view, map_files[-1])
    for map_file, label in zip(map_files, labels_of(map_files), strict=True):
        url, bounds = picture_over(map_file)
        overlay = ImageOverlay(url=url, bounds=bounds, name=f"{map_file.legend.band} {label}")
        overlay.visible = map_file is map_files[-1]
        view.add(overlay)
    view.fit_bounds([list(corner) for corner in bounds])
    _add_legend(view, map_files[-1].legend, any(shows_no_real_place(each.tags) for each in map_files))
    return view


def of_asset(asset: str) -> Any:
    """A geemap map of a published map: classes, and probabilities that are switched on; both of the session's tiles."""
    import ee
    import geemap

    properties = ee.data.getAsset(asset).get("properties", {})
    names = next((text for band in ("isa", "class") if (text := properties.get(f"{band}_class_names"))), None)
    if names is None:
        raise ValueError(f"{asset} is no map that `isamap publish` made: show it with geemap's own add_layer")
    legend, image = Legend(tuple(str(names).split(","))), ee.Image(asset)
    view = geemap.Map()
    classes = {"min": 0, "max": len(legend.names) - 1, "palette": list(legend.colours)}
    view.add_layer(image.select(legend.band), classes, legend.band)
    share = {"min": 0, "max": PROB_STEPS, "palette": ["ffffff", "e31a1c"]}
    view.add_layer(image.select(PROBABILITY), share, numbers_words(properties), False)
    west, south, east, north = _bounds(image)
    view.fit_bounds([[south, west], [north, east]])
    _add_legend(view, legend, shows_no_real_place(properties))
    return view


def picture_over(map_file: MapFile) -> tuple[str, tuple[tuple[float, float], tuple[float, float]]]:
    """The classes in Web Mercator as a data address, and ((south, west), (north, east)) of the picture."""
    from pyproj import Transformer
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    values_2HW, geobox = map_file.shrunk(LONGEST_PX)
    wkt = crs_of(geobox).to_wkt()
    height, width = geobox.shape
    affine, columns, rows = calculate_default_transform(wkt, WEB_MERCATOR, width, height, *geobox.boundingbox.bbox)
    class_HW = np.full((rows, columns), UNKNOWN, np.uint8)
    reproject(
        values_2HW[0],
        class_HW,
        src_transform=geobox.affine,
        src_crs=wkt,
        dst_transform=affine,
        dst_crs=WEB_MERCATOR,
        src_nodata=UNKNOWN,
        dst_nodata=UNKNOWN,
        resampling=Resampling.nearest,
    )
    drawn = GeoBox((rows, columns), affine, WEB_MERCATOR).boundingbox
    to_degrees = Transformer.from_crs(WEB_MERCATOR, 4326, always_xy=True)
    (west, east), (south, north) = to_degrees.transform([drawn.left, drawn.right], [drawn.bottom, drawn.top])
    data = base64.b64encode(class_png(class_HW, map_file.legend.colours)).decode()
    return f"data:image/png;base64,{data}", ((south, west), (north, east))


def _add_imagery(view: Any, map_file: MapFile) -> None:
    """The Sentinel-2 composite of the map's period; none for a map of a file, which names no period."""
    from isamap.gee_export.sentinel import sentinel2

    tags = map_file.tags
    if "period_start" not in tags or "period_end" not in tags:
        return
    period = Period(date.fromisoformat(tags["period_start"]), date.fromisoformat(tags["period_end"]))
    box = map_file.geobox.extent.to_crs("EPSG:4326").boundingbox.bbox
    image = sentinel2.sensed(box, period, sentinel2.Optical(bands=BANDS)).image
    view.add_layer(image, {"bands": list(BANDS), "min": 0, "max": BRIGHTEST}, f"Sentinel-2 {tags.get('period', '')}")


def _add_legend(view: Any, legend: Legend, simulated: bool) -> None:
    title = f"Simulated: {NOTHING_REAL}" if simulated else "Classes"
    view.add_legend(title=title, legend_dict=dict(zip(legend.names, legend.colours, strict=True)))


def _bounds(image: Any) -> tuple[float, float, float, float]:
    """W S E N of an image's footprint."""
    ring = image.geometry().bounds().coordinates().getInfo()[0]
    lon, lat = zip(*ring, strict=True)
    return min(lon), min(lat), max(lon), max(lat)
