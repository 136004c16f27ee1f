"""Labels of products on the server: at a sample's points, and counted over the ground that a map knows.

The simulated world's truth is read the same way, to answer a sheet without interpreters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.grid import Window, crop, crs_of
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region, from_bbox
from isamap.gee_export.base.scheme import UNKNOWN, scheme_of
from isamap.gee_export.labelling import label_asset
from isamap.gee_export.labelling.label_products import product_named
from isamap.gee_export.labelling.label_source import LabelSource
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel.scenes import ask
from isamap.inference.assessment.class_map import ELSEWHERE, ClassMap
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.assessment.sample import DrawnSample

if TYPE_CHECKING:
    import ee

POINTS_AT_ONCE = 100  # of a request: the local engine takes up to 0.1 s for each
PAD_DEG = 1e-3
BLOCK_PX = 512
WINDOW_PX = 256  # side of the windows in which close points are read together
POINTS_A_WINDOW = 5  # on average, from which windows cost less than single points
# shares of the world's 1-m truth in each 10-m pixel; of more than half, the pixel is impervious
WORLD_TRUTH = "projects/local/assets/world/truth10#impervious=percent"
# what issues and papers call them -> the name of `isamap labels`
FAMILIES = (
    "worldcover", "dynamicworld", "glc_fcs30d", "gisa", "gaia", "ghs_built_s_10m", "wsf2019", "from_glc10",
)  # fmt: skip


def names_of(names: Sequence[str]) -> tuple[str, ...]:
    """The products asked for; `all` stands for FAMILIES."""
    return tuple(dict.fromkeys(name for each in names for name in (FAMILIES if each == "all" else (each,))))


@dataclass(frozen=True)
class ServerLabel:
    """A label source opened over some ground: an image of 1 impervious, 0 not, unknown masked."""

    name: str
    image: ee.Image
    caution: str = ""


def open_label(text: str, region: Region, year: int) -> ServerLabel:
    """The source of a product's name (`gaia@2018`) or of an asset, at the year that is nearest to the map's.

    ValueError: no such product or asset; Fault: the server refuses.
    """
    source = LabelSource.parse(text)
    if source.source_type == "asset":
        opened = label_asset.asset(source, scheme_of("isa"), region, Period.parse(str(year)))
        return ServerLabel(source.name, opened.label)
    if source.source_type != "product":
        raise ValueError(f"--products {text!r}: expected names of `isamap labels`, or assets projects/...")
    product = product_named(source.address)
    shown = product.nearest(source.year or year).year
    opened = label_asset.OnServer.of(product, scheme_of("isa"), shown, region)
    later = "" if shown == year else f"of {shown}, the nearest to {year}"
    return ServerLabel(f"{product.name}@{shown}", opened.label, "; ".join(filter(None, (later, product.caution or ""))))


def around(lon: np.ndarray, lat: np.ndarray) -> Region:
    """The ground of some points, as sources are opened over it."""
    west, east = float(lon.min() - PAD_DEG), float(lon.max() + PAD_DEG)
    south, north = float(lat.min() - PAD_DEG), float(lat.max() + PAD_DEG)
    return from_bbox((west, south, east, north), name="sample")


def at_points(label: ServerLabel, sample: DrawnSample, class_map: ClassMap) -> np.ndarray:
    """Labels of the map's pixels at the sample's points, uint8: 1 impervious, 0 not, 255 unknown.

    Points that lie close together are read as windows of pixels, others one by one: either way of the map's grid.
    """
    lon, lat = sample.lonlat
    label_N = np.full(len(lon), UNKNOWN, np.uint8)
    for sheet in class_map.sheets:
        row, col = sheet.rows_cols(lon, lat)
        inside = (row >= 0) & (row < sheet.geobox.shape[0]) & (col >= 0) & (col < sheet.geobox.shape[1])
        open_ = np.flatnonzero(inside & (label_N == UNKNOWN))
        groups = _windows(row[open_], col[open_])
        if len(groups) * POINTS_A_WINDOW <= len(open_):
            label_N[open_] = _fetched(label.image, sheet.geobox, (row[open_], col[open_]), groups)
        else:
            for first in range(0, len(open_), POINTS_AT_ONCE):
                batch = open_[first : first + POINTS_AT_ONCE]
                label_N[batch] = _asked(label.image, lon[batch], lat[batch], sheet.geobox)
    return label_N


def mapped_km2(label: ServerLabel, class_map: ClassMap, *, client: Any = None) -> float:
    """Impervious ground that the product counts on the pixels that the map knows, at the map's step."""
    total = 0.0
    unmasked = label.image.unmask(UNKNOWN, False).toUint8().rename("label")
    for block in class_map.blocks(BLOCK_PX):
        known_HW = block.class_HW < ELSEWHERE
        if not known_HW.any():
            continue
        raster = pixels.fetch(unmasked, block.geobox, ["label"], client=client)
        built_HW = (raster.values_BHW[0] == 1) & raster.valid_BHW[0] & known_HW
        total += float(np.broadcast_to(pixel_areas_m2(block.geobox), built_HW.shape)[built_HW].sum())
    return total / 1e6


def _windows(row: np.ndarray, col: np.ndarray) -> list[np.ndarray]:
    """Numbers of the points in each cell of WINDOW_PX pixels that holds any."""
    cell = np.stack([row // WINDOW_PX, col // WINDOW_PX], axis=1)
    index = np.unique(cell, axis=0, return_inverse=True)[1].ravel() if len(row) else np.zeros(0, np.int64)
    return [np.flatnonzero(index == each) for each in range(index.max(initial=-1) + 1)]


def _fetched(
    image: ee.Image, geobox: GeoBox, places: tuple[np.ndarray, np.ndarray], groups: Sequence[np.ndarray]
) -> np.ndarray:
    """The image's values at rows and columns of a grid, read in one window for each group."""
    row, col = places
    unmasked = image.unmask(UNKNOWN, False).toUint8().rename("label")
    windows = [
        Window(int(row[g].min()), int(col[g].min()), int(np.ptp(row[g])) + 1, int(np.ptp(col[g])) + 1) for g in groups
    ]
    label_N = np.full(len(row), UNKNOWN, np.uint8)
    for index, raster in pixels.stream(unmasked, [crop(geobox, window) for window in windows], ["label"]):
        group, window = groups[index], windows[index]
        label_HW = np.where(raster.valid_BHW[0], raster.values_BHW[0], UNKNOWN)
        label_N[group] = label_HW[row[group] - window.row, col[group] - window.col]
    return label_N


def _asked(image: ee.Image, lon: np.ndarray, lat: np.ndarray, geobox: GeoBox) -> Sequence[int]:
    """The image's values on a grid's pixels at places, UNKNOWN where it is masked."""
    import ee

    features = [
        ee.Feature(ee.Geometry.Point([float(x), float(y)]), {"at": at})
        for at, (x, y) in enumerate(zip(lon, lat, strict=True))
    ]
    step = list(geobox.affine)[:6]
    reduced = (
        image.unmask(UNKNOWN, False)
        .rename("label")
        .reduceRegions(
            collection=ee.FeatureCollection(features),
            reducer=ee.Reducer.first().setOutputs(["label"]),
            crs=f"EPSG:{crs_of(geobox).to_epsg()}",
            crsTransform=step,
        )
    )
    by_number = {each["properties"]["at"]: each["properties"].get("label") for each in ask(reduced)["features"]}
    return [UNKNOWN if by_number.get(at) is None else int(by_number[at]) for at in range(len(features))]
