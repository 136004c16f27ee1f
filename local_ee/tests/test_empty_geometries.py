"""Geometries that hold no place, or all of them: refused in plain words, never in a library's."""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info

pytestmark = pytest.mark.usefixtures("session")


@pytest.mark.parametrize("name", ["centroid", "bounds", "buffer"])
def test_an_empty_geometry_has_no_place(name):
    empty = ee.FeatureCollection([]).geometry()
    computed = {
        "centroid": lambda: empty.centroid(1),
        "bounds": lambda: empty.bounds(1),
        "buffer": lambda: empty.buffer(9),
    }
    with pytest.raises(EngineError, match=r"The geometry is empty: it has no place, no centre and no bounds\.$"):
        info(computed[name]())


def test_an_empty_geometry_has_no_area():
    assert info(ee.FeatureCollection([]).geometry().area()) == 0


def test_an_image_without_an_end_is_refused_in_googles_words():
    """Seen in public code: "Unable to export unbounded image."."""
    with pytest.raises(EngineError, match=r"^Unable to export unbounded image\.$"):
        info(ee.Image(ee.ApiFunction.apply_("Image.clipToBoundsAndScale", {"input": ee.Image(1), "scale": 10})))
