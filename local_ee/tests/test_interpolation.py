"""Images between points (guides/interpolation, apidocs ee-featurecollection-kriging) against systems solved by hand."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")

PLACES = [(10.0, 45.0), (10.02, 45.0), (10.0, 45.03)]
VALUES = [3.0, 5.0, 11.0]
METRES = np.pi / 180 * 6_371_008.8  # of a degree of latitude on the sphere


def points(places=PLACES, values=VALUES) -> ee.FeatureCollection:
    pairs = zip(places, values, strict=True)
    return ee.FeatureCollection([ee.Feature(ee.Geometry.Point(place), {"v": value}) for place, value in pairs])


def at(image: ee.Image, lon: float, lat: float) -> float | None:
    region = ee.Geometry.Point([lon, lat])
    grid = [1e-6, 0, lon - 5e-7, 0, -1e-6, lat + 5e-7]
    return info(image.reduceRegion(ee.Reducer.first(), region, None, "EPSG:4326", grid).get("v"))


def kriged(nugget: float = 0.0, shape: str = "exponential", **options) -> ee.Image:
    return points().kriging("v", shape, 5000, 2.0, nugget, **options)


def distance(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Haversine on the sphere."""
    (x, y), (u, v) = np.radians(a), np.radians(b)
    half = np.sin((v - y) / 2) ** 2 + np.cos(y) * np.cos(v) * np.sin((u - x) / 2) ** 2
    return 2 * 6_371_008.8 * np.arcsin(np.sqrt(half))


@pytest.mark.parametrize("shape", ["exponential", "gaussian", "spherical"])
def test_kriging_gives_the_values_of_its_points(shape):
    assert at(kriged(shape=shape), *PLACES[1]) == pytest.approx(5, abs=1e-3)


def test_kriging_solves_the_ordinary_system():
    def gamma(h):
        return 0 if h == 0 else 0.5 + 1.5 * (1 - np.exp(-3 * h / 5000))

    target = (10.01, 45.01)
    system = np.array([[*(gamma(distance(a, b)) for b in PLACES), 1] for a in PLACES] + [[1, 1, 1, 0]])
    right = np.array([*(gamma(distance(a, target)) for a in PLACES), 1])
    expected = np.linalg.solve(system, right)[:3] @ VALUES
    assert at(kriged(0.5), *target) == pytest.approx(expected, abs=1e-4)


def test_a_spherical_semivariance_in_reach_of_two_points():
    """Two points alike far from the target, weights of a half each: the mean, whatever the curve."""
    assert at(points(PLACES[:2], [3, 5]).kriging("v", "spherical", 5000, 2, 0.1), 10.01, 45.0) == pytest.approx(4)


def test_beyond_the_distance_there_is_no_value():
    assert at(kriged(maxDistance=1000), 10.0, 45.015) is None


def test_the_distance_is_by_default_the_range():
    assert at(kriged(), 10.0, 45.03 + 4900 / METRES) is not None
    assert at(kriged(), 10.0, 45.03 + 5100 / METRES) is None


def test_points_that_overlap_are_reduced():
    twice = points([*PLACES, PLACES[0]], [*VALUES, 9.0])
    assert at(twice.kriging("v", "exponential", 5000, 2, 0, reducer="max"), *PLACES[0]) == pytest.approx(9, abs=1e-3)


def weighted(gamma: float = 1.0, mean: float = 6.0) -> ee.Image:
    return points().inverseDistance(5000, "v", mean, 3.0, gamma)


def test_inverse_distances_give_the_values_of_their_points():
    assert at(weighted(), *PLACES[2]) == pytest.approx(11, abs=0.01)


def test_at_the_range_the_value_is_the_mean():
    assert at(weighted(), 10.0, 45.03 + 4990 / METRES) == pytest.approx(6, abs=0.05)


def test_a_larger_gamma_is_nearer_to_the_mean():
    spots = [abs(at(weighted(gamma), 10.0, 45.035) - 6) for gamma in (0.2, 1.0, 4.0)]
    assert spots[0] > spots[1] > spots[2]


def test_inverse_distances_end_at_the_range():
    assert at(weighted(), 10.0, 45.03 + 5100 / METRES) is None


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (lambda: points().kriging("v", "linear", 1, 1, 0), "must be one of exponential, gaussian, spherical"),
        (lambda: points().kriging("v", "gaussian", 1, 1, 2), "0 <= nugget <= sill"),
        (lambda: points().inverseDistance(-1, "v", 0, 1), "range and stdDev must be positive"),
        (lambda: points().kriging("w", "gaussian", 1, 1, 0), "Property 'w' of feature '0' must be a number"),
    ],
)
def test_arguments_that_cannot_be(image, words):
    with pytest.raises(EngineError, match=words):
        at(image(), 10.0, 45.0)
