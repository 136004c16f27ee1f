"""Both sensors see every land in every month: 200 places of the continents, asked as filterBounds asks."""

from __future__ import annotations

from datetime import date

import pytest
import shapely

from local_ee.raster.geometry import Geometry
from local_ee.world.tracks import pass_of, passes
from tests.support.places import Month

CONTINENTS = {  # west, south, east, north
    "Africa": (-17, -34, 48, 36),
    "Asia": (30, 1, 145, 70),
    "Indonesia": (95, -10, 141, 5),
    "Australia": (113, -39, 154, -11),
    "Europe": (-10, 36, 60, 70),
    "North America": (-165, 15, -55, 70),
    "South America": (-80, -55, -35, 11),
    "Oceania": (166, -47, 180, -15),
}
CAPITALS = {  # the default export ended without a scene of Sentinel-1 in each of them
    "Rio": (-43.2, -22.9),
    "Brasilia": (-47.9, -15.8),
    "Manaus": (-60.0, -3.1),
    "Lima": (-77.0, -12.0),
    "Jakarta": (106.8, -6.2),
    "Cape Town": (18.4, -33.9),
    "Sydney": (151.2, -33.9),
}
STEPS = [(10.0, 30.0), (10.0, 45.0), (10.0, 60.0), (25.0, -1.5), (25.0, 0.0), (-60.0, -33.0), (114.0, 30.002)]
_GOLDEN = 0.6180339887498949


def _places() -> list[tuple[float, float]]:
    """The named ones, then points spread over the continents' boxes by the golden ratio: 200."""
    places = [*CAPITALS.values(), *STEPS]
    boxes = list(CONTINENTS.values())
    for number in range(200 - len(places)):
        west, south, east, north = boxes[number % len(boxes)]
        along, up = (number * _GOLDEN) % 1, (number * 0.7548776662466927) % 1
        places.append((round(west + along * (east - west), 4), round(south + up * (north - south), 4)))
    return places


PLACES = _places()


@pytest.mark.parametrize("collection", ["COPERNICUS/S1_GRD_FLOAT", "COPERNICUS/S2_HARMONIZED"])
def test_a_scene_of_every_month_lies_over_every_place(world, collection):
    assert len(PLACES) == 200
    missing = []
    for number, (lon, lat) in enumerate(PLACES):
        month = Month(2016 + number % 8, number % 12 + 1)
        here = shapely.Point(lon, lat)
        images = world.images(collection, month.start_ms, month.end_ms, (lon, lat, lon, lat))
        if not any(Geometry(image.footprint).lonlat.intersects(here) for image in images):
            missing.append((lon, lat, month))
    assert missing == []


def test_every_slice_is_known_again_by_its_index():
    for lon, lat in PLACES[::4]:
        for taken in passes(date(2019, 3, 1), date(2019, 3, 31), (lon, lat, lon, lat)):
            assert pass_of(taken.index) == taken, (lon, lat)


@pytest.mark.parametrize(("lon", "lat"), [(-43.2, -22.9), (179.95, -16.8), (-179.95, -16.8)])
def test_a_place_of_the_south_has_pixels(world, lon, lat):
    """The swath's own rule puts the place inside it, also where a zone counts past the date line."""
    inside = [
        taken
        for taken in passes(date(2019, 3, 1), date(2019, 3, 31), (lon, lat, lon, lat))
        if 0 <= taken.range_km(lon, lat) < 250 and taken.latitudes[0] <= lat < taken.latitudes[1]
    ]
    assert inside
    assert {taken.epsg // 100 for taken in inside} == {327}
    assert all(1 <= taken.epsg % 100 <= 60 for taken in inside)
