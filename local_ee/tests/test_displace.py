"""Image.displace: against scipy, a written-out bicubic kernel, and any cut of the request."""

from __future__ import annotations

import ee
import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from local_ee.errors import EngineError
from local_ee.testing.evaluating import CLIENT, pixels, value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = CLIENT

GRID = utm(60, 70, left=600_000, top=3_390_000, epsg=32650)
CATALOG = Scenes((
    Scene("C/whole", GRID, {"x": ("float32", 10), "c": ("uint8", 10)}, seed=4),
    Scene("C/holes", GRID, {"x": ("float32", 10)}, seed=5, hidden=3),
))  # fmt: skip
UTM50 = "EPSG:32650"


def vector(right_m: float, up_m: float, crs: str = UTM50) -> ee.Image:
    """The same metres everywhere, in a projection whose rows are counted upward."""
    return ee.Image.constant([right_m, up_m]).toDouble().setDefaultProjection(crs, [10, 0, 0, 0, 10, 0])


def source(name: str) -> np.ma.MaskedArray:
    return pixels(ee.Image(name).select("x"), CATALOG, GRID)


def moved(name: str, displacement: ee.Image, mode: str = "bilinear", grid=GRID, **options) -> np.ma.MaskedArray:
    return pixels(ee.Image(name).select("x").displace(displacement, mode, **options), CATALOG, grid)


@pytest.mark.parametrize(("right", "up"), [(3, 2), (-4, 1), (0, -5)])
@pytest.mark.parametrize("mode", ["nearest_neighbor", "bilinear", "bicubic"])
def test_the_vector_is_added_to_the_pixels_place(mode, right, up):
    """apidocs ee-image-displace: a [dx, dy] vector added to the pixel location gives the location in the image.

    guides/register, for displacement(): from a place of the reference image, how far to go to the matching place in
    the calling image; so up (north) is the row above.
    """
    found, land = moved("C/whole", vector(10 * right, 10 * up), mode), source("C/whole")
    for row, col in ((20, 30), (41, 17)):
        assert found[row, col] == pytest.approx(land[row - up, col + right], abs=1e-6)


@pytest.mark.parametrize(("right_m", "up_m"), [(3.7, -12.2), (-25.0, 5.0)])
def test_bilinear_is_scipys_linear_interpolation(right_m, up_m):
    rows, cols = np.mgrid[:60, :70]
    at = rows - up_m / 10, cols + right_m / 10
    expected = map_coordinates(source("C/whole").data.astype(float), at, order=1, mode="nearest")
    found = moved("C/whole", vector(right_m, up_m))
    inside = (at[0] >= 0) & (at[0] <= 59) & (at[1] >= 0) & (at[1] <= 69)
    assert np.allclose(found.data[inside], expected[inside], atol=1e-6) and not found.mask[inside].any()


def test_bicubic_is_keys_kernel():
    """a = -0.5 (Keys 1981), written out for one pixel."""
    land, right, up = source("C/whole").data.astype(float), 0.3, 0.6
    along = np.array([[-0.5, 1, -0.5, 0], [1.5, -2.5, 0, 1], [-1.5, 2, 0.5, 0], [0.5, -0.5, 0, 0]])
    rows, cols = (along @ share ** np.arange(3.0, -1, -1) for share in (1 - up, right))
    expected = rows @ land[28:32, 39:43] @ cols
    assert moved("C/whole", vector(3, 6), "bicubic")[30, 40] == pytest.approx(expected, abs=1e-5)


def test_the_default_is_bicubic():
    """apidocs ee-image-displace: default "bicubic"."""
    plain = pixels(ee.Image("C/whole").select("x").displace(vector(3, 6)), CATALOG, GRID)
    assert (plain.data == moved("C/whole", vector(3, 6), "bicubic").data).all()


def test_nearest_keeps_the_pixel_type_and_the_others_do_not():
    image = ee.Image("C/whole").select("c")
    kept = value(image.displace(vector(12, 0), "nearest_neighbor"), CATALOG).bands[0].type
    assert kept == value(image, CATALOG).bands[0].type
    assert not value(image.displace(vector(12, 0), "bilinear"), CATALOG).bands[0].type.is_integer


def test_masks_move_along():
    found, land = moved("C/holes", vector(20, -30), "nearest_neighbor"), source("C/holes")
    assert (np.ma.getmaskarray(found)[:-3, :-2] == np.ma.getmaskarray(land)[3:, 2:]).all()
    assert np.ma.getmaskarray(found)[-3:].all() and np.ma.getmaskarray(found)[:, -2:].all()


def test_without_a_displacement_a_pixel_is_masked():
    east = ee.Image.pixelCoordinates(ee.Projection(UTM50)).select("x").gt(600_300)
    found = moved("C/whole", vector(10, 0).updateMask(east))
    assert np.ma.getmaskarray(found)[:, :30].all() and not np.ma.getmaskarray(found)[:, 30:-1].any()


def test_longer_displacements_than_promised_are_masked():
    """Assumption of docs/engine.md: maxOffset is the greatest absolute offset (apidocs), what exceeds it is not met."""
    assert not np.ma.getmaskarray(moved("C/whole", vector(20, 10), maxOffset=20))[5:-5, 5:-5].any()
    assert np.ma.getmaskarray(moved("C/whole", vector(20, 10), maxOffset=15)).all()


@given(st.integers(0, 40), st.integers(0, 40), st.integers(3, 20), st.integers(3, 20))
@settings(max_examples=25)
def test_a_pixel_does_not_depend_on_the_window(row, col, height, width):
    places = ee.Image.pixelCoordinates(ee.Projection(UTM50, [10, 0, 0, 0, 10, 0]))
    bent = places.multiply(0.21).sin().multiply(37.3).setDefaultProjection(UTM50, [10, 0, 0, 0, 10, 0])
    whole = moved("C/holes", bent)
    part = moved("C/holes", bent, grid=GRID[row : row + height, col : col + width])
    cut = whole[row : row + height, col : col + width]
    assert (np.ma.getmaskarray(part) == np.ma.getmaskarray(cut)).all() and (part.filled(0) == cut.filled(0)).all()


def test_metres_are_those_of_the_displacements_own_axes():
    """In the neighbouring zone, north is turned by the meridians' convergence: pyproj says where the vector ends."""
    there = pyproj.Transformer.from_crs(32650, 32649, always_xy=True)
    x, y = there.transform(600_305, 3_389_695)
    x, y = there.transform(x + 70, y + 110, direction="INVERSE")
    row, col = int((3_390_000 - y) // 10), int((x - 600_000) // 10)
    found = moved("C/whole", vector(70, 110, "EPSG:32649"), "nearest_neighbor")
    assert (row, col) != (19, 37) and found[30, 30] == source("C/whole")[row, col]


def test_composites_are_read_on_the_outputs_pixels():
    """Their default projection has pixels of a degree (guides/projections): it must not be what is interpolated."""
    mean = ee.ImageCollection([ee.Image("C/whole").select("x"), ee.Image("C/whole").select("x")]).mean()
    found = pixels(mean.displace(vector(40, 0), "bilinear"), CATALOG, GRID)
    assert found[10, 10] == pytest.approx(source("C/whole")[10, 14], abs=1e-6)


def test_other_modes_are_refused():
    with pytest.raises(EngineError, match="Unknown interpolation mode 'cubic'"):
        moved("C/whole", vector(1, 1), "cubic")


def test_one_band_is_no_vector():
    with pytest.raises(EngineError, match="needs 2 bands, got 1"):
        moved("C/whole", vector(1, 1).select([0]))


def test_vectors_over_half_the_globe_are_refused_instead_of_read():
    """One long vector would need every pixel between it and the others."""
    first = ee.Image.pixelCoordinates(ee.Projection(UTM50)).select("x").lt(600_010)
    with pytest.raises(EngineError, match="too large"):
        moved("C/whole", vector(0, 0).where(first, 1e7))
