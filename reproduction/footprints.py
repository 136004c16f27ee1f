"""San Marcos at 1 m from a sample of SpaceNet 7: real footprints, and classes between them by colour."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling
from rasterio.features import rasterize
from rasterio.io import DatasetWriter
from rasterio.transform import from_origin
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds, transform_geom
from scipy.ndimage import maximum_filter

from isamap.gee_export.base.rasters import open_raster

_SCENE = "global_monthly_2018_01_mosaic_L15-0357E-1223N_1429_3296_13"
FILES = (f"{_SCENE}.tif", f"{_SCENE}_Buildings.geojson")
CRS = "EPSG:32611"
ROOF, PAVEMENT, LOW, TREE, SOIL = 1, 2, 3, 4, 5  # of local_ee/world/survey.py
# Of the mosaic's bytes: medians of its roads (warm .12 to .14, fresh .03 to .08), cleared ground (.15 to .17, .01 to
# .02), dry grass (.15, .05), lawns and chaparral (.12 to .13, .11 to .18) lie apart so. Streets between houses are as
# warm as grass: beside a building all that is not green is yard or street.
DARK, GREY, BARE, DRY, GREEN, YARD_M = 35.0, 0.145, 0.035, 0.06, 0.10, 15


def class_map(folder: Path, path: Path) -> Path:
    """Writes San Marcos at 1 m: footprints are roofs; grey is pavement, green and dark plants, the rest soil."""
    image, buildings = (folder / name for name in FILES)
    shapes = [
        transform_geom("EPSG:4326", CRS, each["geometry"]) for each in json.loads(buildings.read_text())["features"]
    ]
    with open_raster(image) as source:
        west, south, east, north = (round(bound) for bound in transform_bounds(source.crs, CRS, *source.bounds))
        grid = {"transform": from_origin(west, north, 1, 1), "width": east - west, "height": north - south}
        with WarpedVRT(source, crs=CRS, resampling=Resampling.bilinear, **grid) as warped:
            *colours, coverage = warped.read().astype(np.float32)
    built = rasterize(shapes, out_shape=coverage.shape, transform=grid["transform"]) == 1
    classes = classes_of(np.stack(colours), built)
    classes[coverage == 0] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with DatasetWriter(
        path, "w", driver="GTiff", dtype="uint8", count=1, crs=CRS, compress="deflate", **grid
    ) as target:
        target.write(classes, 1)
    return path


def bounds(path: Path) -> tuple[float, float, float, float]:
    """West, south, east, north of a map in degrees."""
    with open_raster(path) as source:
        return transform_bounds(source.crs, "EPSG:4326", *source.bounds)


def classes_of(colours_3HW: np.ndarray, built_HW: np.ndarray) -> np.ndarray:
    """Roofs where it is built, other classes by colour."""
    red, green, blue = colours_3HW
    total = np.maximum(red + green + blue, 1.0)
    warm, fresh = (red - blue) / total, (2 * green - red - blue) / total
    beside = maximum_filter(built_HW, 2 * YARD_M + 1)
    classes = np.full(red.shape, LOW, np.uint8)
    classes[total < 3 * DARK] = TREE
    classes[(warm >= GREY) & (fresh < BARE)] = SOIL
    classes[((warm < GREY) & (fresh < DRY)) | (beside & (fresh < GREEN))] = PAVEMENT
    classes[built_HW] = ROOF
    return classes
