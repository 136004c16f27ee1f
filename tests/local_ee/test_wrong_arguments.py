"""A user's mistake is answered in words, never as a fault of the engine (the commonest ones of a million odd requests,
docs/reliability.md, "Odd requests").
"""

from __future__ import annotations

import ee
import pytest

from local_ee.errors import EngineError
from tests.local_ee.support.evaluating import info, value

pytestmark = pytest.mark.usefixtures("session")


def rgb() -> ee.Image:
    return ee.Image([1, 2, 3])


def called(name: str, **arguments) -> ee.ComputedObject:
    """An algorithm with arguments that the client would not take."""
    return ee.ComputedObject(
        ee.ApiFunction.lookup(name), {key: ee.Image(1) if v == "image" else v for key, v in arguments.items()}
    )


WRONG = {
    "a minimum that is an image": (
        lambda: called("Image.visualize", image=rgb(), min="image"),
        "min: expected numbers, got Image",
    ),
    "a minimum that is a word": (lambda: rgb().visualize(min="low"), "min: expected numbers, got String"),
    "a palette that is a number": (
        lambda: called("Image.visualize", image=ee.Image(1), palette=3),
        "palette: expected a list of colors, got Integer",
    ),
    "an area without a width": (
        lambda: ee.Image(1).clipToBoundsAndScale(ee.Geometry.Point([10, 10]), 5, 5),
        "The area has no size",
    ),
    "a size of no pixels": (
        lambda: ee.Image(1).clipToBoundsAndScale(ee.Geometry.Rectangle([0, 0, 1, 1]), 0, 5),
        "must be at least 1 pixel, got 0",
    ),
    "an infinite margin": (lambda: ee.Geometry.Point([1, 1]).buffer(10).simplify(1e9), "must not be infinite"),
    "a place that a projection has not": (
        lambda: ee.Geometry.Polygon([[[27, 0], [27.5, 0.5], [-63, 0]]], None, False).transform("EPSG:32650"),
        "have no coordinates there",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_answered_in_words(name):
    make, words = WRONG[name]
    with pytest.raises(EngineError, match=words):
        value(make())


def test_one_band_may_come_by_its_number():
    assert info(called("Image.visualize", image=rgb(), bands=1))["bands"][0]["id"] == "vis-gray"
