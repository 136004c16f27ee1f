"""Retired ids are answered by today's, and say so."""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info
from local_ee.world.retired import successor

pytestmark = pytest.mark.usefixtures("session")
NOTED = [
    ("MODIS/051/MCD12Q1", "MODIS/061/MCD12Q1"),
    ("MODIS/MCD12Q1_005", None),
    ("LANDSAT/LC08/C01/T1_TOA", "LANDSAT/LC08/C02/T1_TOA"),
    ("LANDSAT/LE07/C01/T1", "LANDSAT/LE07/C02/T1"),
]


@pytest.mark.parametrize(("retired", "today"), NOTED)
def test_a_collection_of_a_retired_id(world, retired, today):
    today = today or successor(retired)
    collection = (
        ee.ImageCollection(retired).filterDate("2015-01-01", "2016-03-01").filterBounds(ee.Geometry.Point(10, 45))
    )
    assert info(ee.ImageCollection(retired).get("note"), world) == (
        f"{retired} is retired: {today} answers for it in the local engine."
    )
    assert info(collection.size(), world) > 0
    assert info(collection.first(), world)["id"].startswith(today)


def test_an_image_of_a_retired_id(world):
    image = ee.Image("MODIS/051/MCD12Q1/2012_01_01")
    assert "MODIS/061/MCD12Q1/2012_01_01 answers" in info(image.get("note"), world)
    assert info(ee.Image("srtm90_v4").bandNames(), world) == ["elevation"]


@pytest.mark.parametrize("name", ["MODIS/006/MCD12Q1", "MODIS/061/MCD12Q1", "USGS/SRTMGL1_003"])
def test_ids_that_the_catalog_lists_have_no_note(world, name):
    assert world.describe(name).id == name
    assert "note" not in world.describe(name).properties


def test_bands_of_another_name_are_no_successor(world):
    """T1_SR's B4 is SR_B4 of T1_L2 today."""
    with pytest.raises(EngineError, match="not found"):
        info(ee.ImageCollection("LANDSAT/LC08/C01/T1_SR").size(), world)
