"""One small world for the suite; windows are small, so that drawing and compiling stay cheap."""

from __future__ import annotations

import pytest

from local_ee.world import World
from tests.support.places import WUHAN_WSEN, Month


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture(scope="session")
def bounds():
    return WUHAN_WSEN


@pytest.fixture(scope="session")
def optical(world, bounds):
    """The Sentinel-2 L2A scenes of tile 50RKU in June 2020."""
    june = Month(2020, 6)
    found = world.images("COPERNICUS/S2_SR_HARMONIZED", june.start_ms, june.end_ms, bounds)
    return [image for image in found if image.properties["MGRS_TILE"] == "50RKU"]


@pytest.fixture(scope="session")
def radar(world, bounds):
    """The ascending Sentinel-1 passes (linear power) of June 2020."""
    june = Month(2020, 6)
    found = world.images("COPERNICUS/S1_GRD_FLOAT", june.start_ms, june.end_ms, bounds)
    return [image for image in found if image.properties["orbitProperties_pass"] == "ASCENDING"]
