"""Graphs by the real client, evaluated in this process: serialised as for Earth Engine, without a server between."""

from __future__ import annotations

from typing import Any

import ee
import numpy as np
import pytest
from odc.geo.geobox import GeoBox

from local_ee.evaluation import graph
from local_ee.evaluation.values import Image
from local_ee.testing.scenes import Scenes, utm

NOTHING = Scenes(())
CLIENT = pytest.mark.local_ee(catalog={})  # tests that need the client's classes, and no server's pixels
GRID = utm(6, 8)


def value(expression: Any, catalog: Any = NOTHING) -> Any:
    """The engine's value of a client's object."""
    return graph.evaluate(ee.serializer.encode(expression, for_cloud_api=True), catalog)


def info(expression: Any, catalog: Any = NOTHING) -> Any:
    """What getInfo would give."""
    return graph.to_json(value(expression, catalog))


def pixels(image: ee.Image, catalog: Any = NOTHING, grid: GeoBox = GRID, *, band: int = 0) -> np.ma.MaskedArray:
    """One band on a grid, as numpy's masked array."""
    evaluated: Image = value(image, catalog)
    read = evaluated.read(grid)
    return np.ma.MaskedArray(read.values[band], read.masks[band] == 0)


def number(image: ee.Image, catalog: Any = NOTHING) -> float | None:
    """The first pixel, or None where it is masked."""
    first = pixels(image, catalog)[0, 0]
    return None if first is np.ma.masked else first.item()
