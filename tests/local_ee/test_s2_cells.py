"""Cells of the S2 grid as polygons, against corners computed once by s2sphere 0.2.5 (a port of Google's library)."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.raster.s2_cell import DEEPEST, S2Cell
from tests.local_ee.support.evaluating import info
from tests.local_ee.support.nodes import called, evaluated

pytestmark = pytest.mark.usefixtures("session")

CORNERS = {
    "89c25a3100000000": [
        (-73.9947563, 40.7073444), (-73.9947563, 40.7024), (-73.9888797, 40.7015664), (-73.9888797, 40.7065108),
    ],
    "47a1cbd595522b39": [
        (11.7706816, 49.7034986), (11.7706817, 49.7034987), (11.7706816, 49.7034987), (11.7706815, 49.7034986),
    ],
    "9400000000000000": [(-90, 0), (-90, -45), (-45, -35.2643897), (-45, 0)],
    "6b00000000000000": [(135, -16.4164404), (135, -35.2643897), (157.3801351, -42.70939), (157.3801351, -21.037511)],
}  # fmt: skip


def ring(geometry: dict) -> list[tuple[float, float]]:
    return [tuple(point) for point in geometry["coordinates"][0][:-1]]


@pytest.mark.parametrize("token", CORNERS)
def test_a_token_is_the_cell_of_googles_library(token):
    """A Geometry.fromS2CellToken: "the S2 cell id as a hex string. Trailing zeros are required"."""
    cell = info(ee.Geometry.fromS2CellToken(token))
    assert np.array(ring(cell)) == pytest.approx(np.array(CORNERS[token]), abs=2e-7)
    assert cell["type"] == "Polygon" and cell["geodesic"]


@pytest.mark.parametrize("name", ["Geometry.s2Cell", "Geometry.fromS2CellId"])
def test_an_id_is_the_cell_of_its_token(name):
    cell = evaluated(called(name, cellId=int("89c25a3100000000", 16) - 2**64))
    assert np.array(ring(cell)) == pytest.approx(np.array(CORNERS["89c25a3100000000"]), abs=2e-7)


def test_a_token_may_begin_with_0x():
    assert info(ee.Geometry.fromS2CellToken("0x9400000000000000").area()) > 0


def test_the_children_of_a_face_cover_a_sixth_of_the_earth():
    whole, *children = (
        info(ee.Geometry.fromS2CellToken(token.ljust(16, "0")).area()) for token in ("1", "04", "0c", "14", "1c")
    )
    assert sum(children) == pytest.approx(whole, rel=1e-3) and whole == pytest.approx(510.1e12 / 6, rel=0.01)


def test_a_cell_at_a_pole_reaches_it_along_its_meridians():
    """s2sphere: corners of 0xb4 are the pole, 90 E 45 S, 45 E 35.26 S and 0 E 45 S."""
    corners = sorted(ring(info(ee.Geometry.fromS2CellToken("b400000000000000"))))
    assert np.array(corners) == pytest.approx(np.array([(0, -90), (0, -45), (45, -35.2643897), (90, -90), (90, -45)]))


def test_a_cell_across_180_degrees_has_a_width_of_its_own():
    west, *_, east = sorted(lon for lon, _ in S2Cell.of(int("7", 16) << 60).corners())
    assert east - west == pytest.approx(90)


def test_an_id_that_is_no_64_bit_integer_is_refused():
    with pytest.raises(EngineError, match=r"take 2\*\*64 from it"):
        info(ee.Geometry.s2Cell(int("89c25a3100000000", 16)))


@pytest.mark.parametrize("token", ["b0", "x" * 16, "0000000000000000", "e400000000000000", "9400000000000002"])
def test_what_is_no_cell_is_refused(token):
    with pytest.raises(EngineError, match=r"no S2 cell id|16 hexadecimal digits"):
        info(ee.Geometry.fromS2CellToken(token))


def test_a_face_around_a_pole_is_refused_in_a_sentence():
    with pytest.raises(EngineError, match="take its four children"):
        info(ee.Geometry.fromS2CellToken("b000000000000000"))


def test_the_level_is_where_the_lowest_bit_lies():
    assert [S2Cell.of(5 << 61 | 1 << (60 - 2 * level)).level for level in range(DEEPEST + 1)] == list(range(31))
