"""Pixels and points as features: Image.sample and its kin, random points, an image collection's values at pixels.

Which pixels a seed draws is decided by a hash of the pixel's place, so that it depends on nothing else; they are not
the ones that Google's servers draw.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import shapely

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation import regions
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.feature_table import BAND_ORDER
from local_ee.evaluation.features import Collection, ErrorMargin, Feature, geometry_of, index_of
from local_ee.evaluation.pixel_samples import Share, drawn_pixels, pixels_of
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster.geometry import Geometry
from local_ee.raster.projection import Projection

# Earth Engine's limits, in whose words they are refused.
MOST_RECTANGLE_PIXELS = 262_144
MOST_REGION_VALUES = 1_048_576
_NOTHING = Geometry(shapely.Polygon())
_MOST_DRAWS = 10_000  # of points, before the first one lies in a region


def _projection(image: Image, projection: Projection | None, scale: float | None) -> Projection:
    return regions.working_projection(image, projection, None, scale)


def _samples(image: Image, find: Callable[[], list[Feature]]) -> Collection:
    """Features that say in which order the image has its bands, so that a classifier needs no inputProperties."""
    return Collection(find, properties={BAND_ORDER: list(image.band_names)})


@algorithm("Image.sample")
def sample(
    image: Image,
    region: Geometry | None,
    scale: float | None,
    projection: Projection | None,
    factor: float | None,
    numPixels: int | None,
    seed: int,
    dropNulls: bool,
    tileScale: float,
    geometries: bool,
) -> Collection:
    """A feature for each pixel of a region, or for some of them."""
    if factor is not None and numPixels is not None:
        raise EngineError("Image.sample: Cannot specify both 'factor' and 'numPixels'.")
    if factor is not None and not 0 < factor <= 1:
        raise EngineError(f"Image.sample: The factor must be within (0, 1], got {factor:g}.")

    def find() -> list[Feature]:
        grid = _projection(image, projection, scale)
        if numPixels is None and factor in (None, 1):
            pixels = pixels_of(image, region, grid)
        else:
            pixels = drawn_pixels(image, region, grid, seed, Share(factor or 1.0, numPixels))
        return (pixels.pick(pixels.complete) if dropNulls else pixels).features(geometries=geometries)

    return _samples(image, find)


def _lowest(drawn: np.ndarray, count: int) -> np.ndarray:
    """Which are among the `count` lowest numbers."""
    keep = np.zeros(len(drawn), bool)
    keep[np.argsort(drawn, kind="stable")[: max(count, 0)]] = True
    return keep


@algorithm("Image.sampleRegions")
def sample_regions(
    image: Image,
    collection: Collection,
    properties: list | None,
    scale: float | None,
    projection: Projection | None,
    tileScale: float,
    geometries: bool,
) -> Collection:
    """A feature for each pixel of each region, with the region's properties; pixels with a masked band are left out."""

    def find() -> list[Feature]:
        made: list[Feature] = []
        grid = _projection(image, projection, scale)
        for i, element in enumerate(collection.elements):
            pixels = pixels_of(image, geometry_of(element) or _NOTHING, grid)
            names = [n for n in element.properties if not n.startswith("system:")] if properties is None else properties
            common = {name: element.properties[name] for name in names if name in element.properties}
            label = index_of(element) if index_of(element) is not None else i
            complete = pixels.pick(pixels.complete)
            made += complete.features(geometries=geometries, common=common, prefix=f"{label}_")
        return made

    return _samples(image, find)


@algorithm("Image.stratifiedSample")
def stratified_sample(
    image: Image,
    numPoints: int,
    classBand: str | None,
    region: Geometry | None,
    scale: float | None,
    projection: Projection | None,
    seed: int,
    classValues: list | None,
    classPoints: list | None,
    dropNulls: bool,
    tileScale: float,
    geometries: bool,
) -> Collection:
    """Up to a number of pixels of each class."""
    points_of_class = dict(zip(classValues or [], classPoints or [], strict=False))
    if len(classValues or []) != len(classPoints or []):
        raise EngineError("Image.stratifiedSample: classValues and classPoints must be the same size.")
    position = image.positions([classBand])[0] if classBand is not None else 0

    def find() -> list[Feature]:
        pixels = pixels_of(image, region, _projection(image, projection, scale))
        pixels = pixels.pick(pixels.complete if dropNulls else pixels.valid[:, position])
        classes = pixels.values[position]
        if len(classes) and not np.array_equal(classes, np.rint(classes)):
            raise EngineError("Image.stratifiedSample: The class band must hold whole numbers.")
        drawn = pixels.draws(seed)
        keep = np.zeros(len(classes), bool)
        for label in np.unique(classes):
            members = np.flatnonzero(classes == label)
            keep[members[_lowest(drawn[members], points_of_class.get(int(label), numPoints))]] = True
        return pixels.pick(keep).features(geometries=geometries)

    return _samples(image, find)


@algorithm("Image.sampleRectangle")
def sample_rectangle(
    image: Image, region: Geometry | None, properties: list | None, defaultValue: float | None, defaultArrayValue: Any
) -> Feature:
    """The image's properties, and the pixels of each band over the region's bounding box as an array."""
    if defaultArrayValue is not None:
        raise EngineError("Image.sampleRectangle: The local engine has no bands of arrays, so no defaultArrayValue.")
    area = region or image.footprint
    if area is None or area.unbounded:
        raise EngineError("The geometry has no bounds: give a region to sample.")
    names = [n for n in image.properties if not n.startswith("system:")] if properties is None else properties
    copied = {name: image.properties[name] for name in names if name in image.properties}
    return Feature(area, copied | {band.name: _rectangle(image, band.name, area, defaultValue) for band in image.bands})


def _rectangle(image: Image, name: str, region: Geometry, default: float | None) -> Array:
    position = image.positions([name])[0]
    grid = regions.grid_over(region, image.bands[position].projection, float("inf"), False)
    count = grid.height * grid.width
    if count > MOST_RECTANGLE_PIXELS:
        raise EngineError(f"Too many pixels in sample; must be <= {MOST_RECTANGLE_PIXELS}. Got {count}.")
    window = grid.projection.geobox(grid.height, grid.width, row=grid.row, col=grid.col)
    pixels = image.read_at(window, (position,))
    values, valid = np.asarray(pixels.values[0]), np.asarray(pixels.masks[0]) != 0
    if default is None and not valid.all():
        raise EngineError(
            f"Fully or partially masked pixels / pixels outside of image footprint when sampling band '{name}' with no "
            "default value set. Note that calling sampleRectangle() on an image after ee.Image.clip() may result in a "
            "sampling bounding box outside the geometry passed to clip()."
        )
    return Array.of(values if default is None else np.where(valid, values, default))


@algorithm("FeatureCollection.randomPoints")
def random_points(region: Geometry, points: int, seed: int, maxError: ErrorMargin) -> Collection:
    """Points that are spread evenly over a region, along lines, or among points."""
    if region.unbounded or region.shape.is_empty:
        raise EngineError("FeatureCollection.randomPoints: The region must have bounds and must not be empty.")
    if points < 0:
        raise EngineError(f"The number of points must not be negative, got {points}.")
    budget.check_value(points * budget.ELEMENT_BYTES)

    def find() -> list[Feature]:
        # NumPy takes no seed below 0; that of -1 is another than that of 1.
        chance = np.random.default_rng([abs(seed), int(seed < 0)])
        drawn = _points_in(region.lonlat, points, chance)
        return [Feature(Geometry(point), {"system:index": str(i)}) for i, point in enumerate(drawn)]

    return Collection(find)


def _points_in(shape: Any, count: int, chance: np.random.Generator) -> Sequence[Any]:
    # Beside an area a line has no share, and beside a line a point has none.
    most = max(shapely.get_dimensions(shapely.get_parts(shape)))
    parts = [piece for piece in shapely.get_parts(shape) if shapely.get_dimensions(piece) == most]
    if most == 2:
        return _points_on_sphere(shapely.union_all(parts), count, chance)
    if most == 1:
        lines = shapely.MultiLineString([shapely.LineString(piece.coords) for piece in parts])
        return list(shapely.line_interpolate_point(lines, chance.random(count), normalized=True))
    return [parts[i] for i in chance.integers(len(parts), size=count)]


def _points_on_sphere(area: Any, count: int, chance: np.random.Generator) -> list[Any]:
    """Evenly by area: longitudes, and sines of latitudes, are drawn evenly."""
    west, south, east, north = area.bounds
    low, high = np.sin(np.radians([south, north]))
    shapely.prepare(area)
    inside_points: list[Any] = []
    for draws in itertools.count():
        if len(inside_points) >= count:
            break
        if draws == _MOST_DRAWS and not inside_points:
            raise EngineError("The region is too thin for points: none of those drawn in its bounds lies in it.")
        budget.check()
        # More than are wanted, since some lie outside; 64, so that the last few take few rounds.
        size = 2 * (count - len(inside_points)) + 64
        lon, lat = chance.uniform(west, east, size), np.degrees(np.arcsin(chance.uniform(low, high, size)))
        inside = shapely.contains_xy(area, lon, lat)
        inside_points += list(shapely.points(lon[inside], lat[inside]))
    return inside_points[:count]


@algorithm("ImageCollection.getRegion")
def get_region(
    collection: Collection, geometry: Geometry, scale: float | None, crs: Projection, crsTransform: list | None
) -> list:
    """A head line, then id, longitude, latitude, time and bands of each image at each pixel.

    Assumption: all images of a pixel follow one another.
    """
    images = collection.images
    if not images:
        raise EngineError("ImageCollection.getRegion: The collection is empty.")
    projection = regions.working_projection(images[0], crs, crsTransform, scale)
    names = images[0].band_names
    grid = regions.grid_over(geometry, projection, float("inf"), False)
    if grid.height * grid.width * len(names) * len(images) > MOST_REGION_VALUES:
        raise EngineError(
            f"ImageCollection.getRegion: Too many values: {grid.height * grid.width} points x {len(names)} bands x "
            f"{len(images)} images > {MOST_REGION_VALUES}."
        )
    head = ["id", "longitude", "latitude", "time", *names]
    by_image = [list(_rows(image, geometry, projection, names)) for image in images]
    return [head, *(row for rows in zip(*by_image, strict=True) for row in rows)]


def _rows(image: Image, region: Geometry, projection: Projection, names: tuple[str, ...]) -> Iterator[list[Any]]:
    positions = image.positions(names)
    pixels = pixels_of(image, region, projection)
    lon, lat = pixels.lonlat
    columns = [pixels.values[position].tolist() for position in positions]
    for i in range(len(lon)):
        values = [column[i] if pixels.valid[i, p] else None for column, p in zip(columns, positions, strict=True)]
        yield [index_of(image), float(lon[i]), float(lat[i]), image.properties.get("system:time_start"), *values]
