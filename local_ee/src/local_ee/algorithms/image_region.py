"""Reductions of images to numbers: of a region, or of the bands at each pixel."""

from __future__ import annotations

from typing import Any

from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation import regions
from local_ee.evaluation.features import Collection, Feature, geometry_of
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import Projection
from local_ee.raster.reducing import Reducer


@algorithm("Image.reduceRegion")
def reduce_region(
    image: Image,
    reducer: Reducer,
    geometry: Geometry | None,
    scale: float | None,
    crs: Projection | None,
    crsTransform: list | None,
    bestEffort: bool,
    maxPixels: int,
    tileScale: float,
) -> dict[str, Any]:
    """The reducer's outputs over a region's pixels, by band; tileScale changes nothing here."""
    region = geometry or image.footprint
    if region is None or region.unbounded:
        raise EngineError("The geometry has no bounds: give a region to reduce.")
    projection = regions.working_projection(image, crs, crsTransform, scale)
    grid = regions.grid_over(region, projection, maxPixels, bestEffort)
    return regions.reduced(image, reducer.over(len(image.bands)), region, grid)


@algorithm("Image.reduceRegions")
def reduce_regions(
    image: Image,
    collection: Collection,
    reducer: Reducer,
    scale: float | None,
    crs: Projection | None,
    crsTransform: list | None,
    tileScale: float,
    maxPixelsPerRegion: int | None,
) -> Collection:
    """The features with the reducer's outputs over them as properties; outputs without a value are left out."""
    projection = regions.working_projection(image, crs, crsTransform, scale)
    most = float("inf") if maxPixelsPerRegion is None else maxPixelsPerRegion

    def find() -> list[Feature]:
        return [_with_reduction(image, element, reducer, projection, most) for element in collection.elements]

    return Collection(find)


def _with_reduction(image: Image, element: Any, reducer: Reducer, projection: Projection, most: float) -> Feature:
    region = geometry_of(element)
    if region is None:
        raise EngineError("A feature without a geometry has no pixels to reduce.")
    statistics = regions.reduced(
        image, reducer.over(len(image.bands)), region, regions.grid_over(region, projection, most, False)
    )
    if len(image.bands) == 1 and reducer.inputs == 1:  # of one band, outputs go by their own names
        statistics = dict(zip(reducer.outputs, statistics.values(), strict=True))
    valid_statistics = {key: value for key, value in statistics.items() if value is not None}
    return Feature(region, {**element.properties, **valid_statistics}, element.id)


@algorithm("Image.reduce")
def reduce(image: Image, reducer: Reducer) -> Image:
    """The bands of each pixel reduced to the reducer's outputs, which name the bands."""
    reducer = reducer.for_pixels()
    if not image.bands:
        raise EngineError("The image has no bands to reduce.")
    common_type = image.bands[0].type
    for band in image.bands[1:]:
        common_type = common_type.union(band.type)
    model = image.bands[0]
    bands = [
        Band(name, typed, model.projection, model.dimensions)
        for name, typed in zip(reducer.outputs, reducer.typed(common_type), strict=True)
    ]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(geobox, image.everything)
        running = reducer.over(len(image.bands)).start()
        if reducer.inputs == 1:
            for values, mask in zip(pixels.values, pixels.masks, strict=True):
                running.add([(values[None].astype(common_type.dtype, copy=False), mask[None])])
        else:
            running.add([(values[None], mask[None]) for values, mask in zip(pixels.values, pixels.masks, strict=True)])
        results = running.result()
        pairs = [(results[i][0].astype(bands[i].type.dtype, copy=False), results[i][1]) for i in positions]
        return Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))

    return recomputed(image, bands, reading)
