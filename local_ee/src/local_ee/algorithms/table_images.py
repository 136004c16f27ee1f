"""Images of collections of features: their properties reduced at each pixel, and the distance to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio.features
import shapely
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection, geometry_of, get_property
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image
from local_ee.raster import segments
from local_ee.raster.geometry import LONLAT, Geometry, outline
from local_ee.raster.lattice import place_of
from local_ee.raster.nearness import Nearness
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, hidden
from local_ee.raster.projection import code_of, transformer
from local_ee.raster.rasterise import covered_share
from local_ee.raster.reducing import Reducer


@algorithm("Collection.reduceToImage")
def reduce_to_image(collection: Collection, properties: list, reducer: Reducer) -> Image:
    """The reducer's outputs over the properties of all features that intersect a pixel; they name the bands.

    A feature without one of the properties is left out. A pixel without a feature is masked.
    """
    if reducer.inputs != len(properties):
        raise EngineError(f"Reducer '{reducer.name}' needs {reducer.inputs} properties, got {len(properties)}.")
    reducer = reducer.for_pixels()
    bands = [Band(name, output) for name, output in zip(reducer.outputs, reducer.typed(DOUBLE), strict=True)]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pairs = _reduced(_records(collection, properties), reducer, geobox)
        values = (pairs[i][0].astype(bands[i].type.dtype, copy=False) for i in positions)
        return Pixels(tuple(values), tuple(pairs[i][1] for i in positions))

    return Image(tuple(bands), reading, {}, None, lambda: geometry_of(collection))


def _records(collection: Collection, properties: Sequence[str]) -> list[tuple[Geometry, list[float]]]:
    """The place and the numbers of each feature that has them all."""
    records = []
    for element in collection.elements:
        geometry, numbers = geometry_of(element), [get_property(element, name) for name in properties]
        if geometry is None or any(property_value is None for property_value in numbers):
            continue
        for name, property_value in zip(properties, numbers, strict=True):
            if not isinstance(property_value, bool | int | float):
                raise EngineError(
                    f"Property '{name}' must be a number to make an image of it, got {property_value!r:.60}."
                )
        records.append((geometry, numbers))
    return records


def _reduced(
    records: Sequence[tuple[Geometry, list[float]]], reducer: Reducer, geobox: GeoBox
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The outputs of a window: each feature is a sample of every pixel that it intersects, in their order."""
    shape = tuple(geobox.shape)
    pixels, numbers = [], []
    for geometry, own in records:
        budget.check()
        touched = np.flatnonzero(intersected(geometry, geobox))
        pixels.append(touched)
        numbers.append(np.broadcast_to(np.array(own, float), (len(touched), len(own))))
    at = np.concatenate(pixels) if pixels else np.zeros(0, int)
    if not len(at):
        return [hidden(np.float64, shape) for _ in reducer.outputs]
    table = np.concatenate(numbers)
    covered, labels = np.unique(at, return_inverse=True)
    weights = np.ones(len(at), bool)
    inputs = [(table[:, k], weights) for k in range(table.shape[1])]
    results = segments.reduced(reducer, inputs, labels, len(covered))
    outputs = []
    for k in range(len(reducer.outputs)):
        values, valid = np.zeros(shape), np.zeros(shape, bool)
        valid.flat[covered] = [bool(np.all(row[k][1])) for row in results]
        values.flat[covered] = [np.asarray(row[k][0]).item() if np.all(row[k][1]) else 0 for row in results]
        outputs.append((values, valid))
    return outputs


def intersected(geometry: Geometry, geobox: GeoBox) -> np.ndarray:
    """bool [row, column]: pixels that an area overlaps, a line crosses, or a point lies in."""
    if geometry.unbounded or geometry.shape.area:
        return np.asarray(covered_share(geometry, geobox)) > 0
    if not geometry.in_crs(str(geobox.crs)).drawn.intersects(outline(geobox, str(geobox.crs))):
        return np.zeros(geobox.shape, bool)
    shape = geometry.in_crs(str(geobox.crs)).drawn
    burnt = rasterio.features.rasterize(
        [(shape, 1)], tuple(geobox.shape), transform=geobox.affine, dtype="uint8", all_touched=True
    )
    return np.asarray(burnt.astype(bool))


@algorithm("Collection.distance")
def distance(features: Collection, searchRadius: float, maxError: float) -> Image:
    """Band distance: metres on the sphere from a pixel's centre to the nearest point, line or edge of an area.

    Also within areas. Masked where nothing is within searchRadius. Edges are followed within maxError metres, or 1.
    """
    if not searchRadius > 0:
        raise EngineError(f"searchRadius must be positive, got {searchRadius:g}.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        near = _near(features, geobox, searchRadius)
        if not near:
            nothing = hidden(np.float64, tuple(geobox.shape))
            return Pixels((nothing[0],) * len(positions), (nothing[1],) * len(positions))
        x, y = place_of(geobox).centres()
        lon, lat = transformer(code_of(geobox.crs), LONLAT).transform(x, y)
        away = Nearness.of(near, max(maxError, 1.0)).metres(lon, lat, searchRadius)
        valid = away <= searchRadius
        return Pixels((np.where(valid, away, 0),) * len(positions), (valid,) * len(positions))

    return Image((Band("distance", DOUBLE),), reading, {}, None, lambda: _grown_footprint(features, searchRadius))


def _near(features: Collection, geobox: GeoBox, radius_m: float) -> list[Any]:
    """The shapes in degrees that may be within a radius of a window."""
    window = _grown(Geometry(outline(geobox, LONLAT), LONLAT, False), radius_m)
    geometries = [geometry for element in features.elements if (geometry := geometry_of(element)) is not None]
    shapes = [geometry.lonlat for geometry in geometries if not geometry.unbounded and not geometry.shape.is_empty]
    return [shape for shape in shapes if window.intersects(shape)]


def _grown(geometry: Geometry, radius_m: float) -> shapely.Geometry:
    """A box of degrees that holds everything within a radius of a place."""
    west, south, east, north = geometry.lonlat.bounds
    up = np.degrees(radius_m / 6.3e6)
    south, north = max(south - up, -90), min(north + up, 90)
    highest = min(max(abs(south), abs(north)), 89.9)
    across = min(up / np.cos(np.radians(highest)), 360)
    return shapely.box(west - across, south, east + across, north)


def _grown_footprint(features: Collection, radius_m: float) -> Geometry | None:
    geometry = geometry_of(features)
    if geometry is None or geometry.unbounded or geometry.shape.is_empty:
        return geometry
    return Geometry(_grown(geometry, radius_m), LONLAT, False)
