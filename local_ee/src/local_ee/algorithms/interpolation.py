"""Images between the points of a collection (guides/interpolation): inverse distances and kriging."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.coerce import type_name
from local_ee.evaluation.features import Collection, geometry_of, get_property, index_of
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image
from local_ee.raster import kriging, lattice
from local_ee.raster.accumulate import mean_of
from local_ee.raster.compound import plain
from local_ee.raster.geometry import LONLAT
from local_ee.raster.kriging import Places
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels
from local_ee.raster.projection import code_of, transformer
from local_ee.raster.reducing import Reducer

SHAPES = ("exponential", "gaussian", "spherical")
Estimate = Callable[[np.ndarray, np.ndarray], np.ndarray]


@algorithm("FeatureCollection.inverseDistance")
def inverse_distance(
    collection: Collection,
    range: float,
    propertyName: str,
    mean: float,
    stdDev: float,
    gamma: float,
    reducer: Reducer | None,
) -> Image:
    """A band named as the property, within the range of a point."""
    if range <= 0 or stdDev <= 0:
        raise EngineError(f"range and stdDev must be positive, got {range:g} and {stdDev:g}.")
    places = _places(collection, propertyName, reducer)

    def estimate() -> Estimate:
        return kriging.inverse_distance(places(), range_m=range, mean=mean, deviation=stdDev, gamma=gamma)

    return _image(propertyName, places, range, estimate)


@algorithm("FeatureCollection.kriging")
def kriged(
    collection: Collection,
    propertyName: str,
    shape: str,
    range: float,
    sill: float,
    nugget: float,
    maxDistance: float | None,
    reducer: Reducer | None,
) -> Image:
    """A band named as the property: ordinary kriging of the points within maxDistance, by default the range."""
    if shape not in SHAPES:
        raise EngineError(f"The shape of a semivariogram must be one of {', '.join(SHAPES)}, got '{shape}'.")
    if range <= 0 or not 0 <= nugget <= sill or sill == 0:
        raise EngineError(
            f"A semivariogram needs a range > 0 and 0 <= nugget <= sill, got {range:g}, {nugget:g} and {sill:g}."
        )
    curve = kriging.semivariance(shape, range_m=range, sill=sill, nugget=nugget)
    places = _places(collection, propertyName, reducer)
    reach = range if maxDistance is None else maxDistance
    return _image(propertyName, places, reach, lambda: kriging.ordinary(places(), curve))


def _places(collection: Collection, name: str, reducer: Reducer | None) -> Callable[[], Places]:
    """The points with their values, found when first asked for; one where several overlap.

    Assumption: without a reducer, the value of points that overlap is their mean.
    """
    if reducer is not None and (reducer.inputs, len(reducer.outputs)) != (1, 1):
        raise EngineError("The reducer of overlapping points must have one input and one output.")

    @cache
    def find() -> Places:
        groups: dict[tuple[float, float], list[float]] = {}
        for element in collection.elements:
            geometry = geometry_of(element)
            value = get_property(element, name)
            if not isinstance(value, bool | int | float):
                raise EngineError(
                    f"Property '{name}' of feature '{index_of(element)}' must be a number, got a value of type "
                    f"{type_name(value)}."
                )
            if geometry is None or geometry.unbounded or geometry.shape.is_empty:
                raise EngineError(f"Feature '{index_of(element)}' has no place to interpolate from.")
            point = geometry.lonlat.centroid
            groups.setdefault((point.x, point.y), []).append(float(value))
        lon, lat = (np.array([lon_lat[axis] for lon_lat in groups]) for axis in (0, 1))
        values = np.array([_collapsed(samples, reducer) for samples in groups.values()])
        return Places(kriging.vectors_of(lon, lat), values)

    return find


def _collapsed(samples: list[float], reducer: Reducer | None) -> float:
    values = np.array(samples)
    if reducer is None:
        return float(mean_of(np.array(len(samples), float), values.sum())[0])
    running = reducer.start()
    running.add([(values, np.ones(len(values)))])
    return float(plain(*running.result()[0]))


def _image(name: str, places: Callable[[], Places], reach_m: float, estimate: Callable[[], Estimate]) -> Image:
    prepared = cache(estimate)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        shape = tuple(geobox.shape)
        points = places()
        if not len(points.values):
            values, valid = np.zeros(shape), np.zeros(shape, bool)
        else:
            x, y = lattice.place_of(geobox).centres()
            lon, lat = transformer(code_of(geobox.crs), LONLAT).transform(x, y)
            lon, lat = np.broadcast_to(lon, shape), np.broadcast_to(lat, shape)
            values, valid = kriging.interpolated(points, kriging.vectors_of(lon, lat), reach_m, prepared())
        return Pixels((values.reshape(shape),) * len(positions), (valid.reshape(shape),) * len(positions))

    return Image((Band(name, DOUBLE),), reading)
