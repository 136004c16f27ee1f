"""Two images brought together: on pairs with known displacements, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from isamap.gee_export.base.grid import Raster
from isamap.gee_export.coregistration.coregister import coregister, warped
from tests.support.ground_pairs import CUBIC_PX, SHIFT_PX, noise, pair, polynomial, raster, vectors_px


def error_px(found, px, side: int = 256) -> float:
    """Root mean square over every pixel, two dimensions together."""
    apart = vectors_px(found.polynomial, side) - vectors_px(polynomial(side, px), side)
    return float(np.sqrt((apart**2).sum(axis=0).mean()))


@pytest.fixture(scope="module")
def cubic():
    return coregister([pair(352, CUBIC_PX, 0)])


@pytest.mark.long
def test_a_cubic_distortion_of_several_pixels_is_found(cubic):
    """Optical classes against speckled decibels of other brightness order; less than 0.3 px is asked for."""
    assert cubic.applied and cubic.polynomial.order == 3
    assert error_px(cubic, CUBIC_PX, 352) < 0.3
    assert cubic.fit.rmse_px < 0.3 < 3 < cubic.fit.before_px


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shift_is_found_as_a_shift(seed):
    report = coregister([pair(192, SHIFT_PX, seed)])
    assert report.applied and error_px(report, SHIFT_PX, 192) < 0.15


@pytest.mark.long
def test_strong_speckle_is_borne():
    """Four looks, as a single scene has."""
    report = coregister([pair(192, SHIFT_PX, 3, 4.0)])
    assert report.applied and error_px(report, SHIFT_PX, 192) < 0.3


@pytest.mark.long
def test_a_correction_leaves_nothing_to_correct(cubic):
    fixed, moving = pair(352, CUBIC_PX, 0)
    again = coregister([(fixed, warped(moving, cubic.polynomial))])
    assert not again.applied and "together already" in again.reason and again.polynomial.is_identity


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1])
def test_images_that_lie_together_are_left_alone(seed):
    report = coregister([pair(192, ((0.0,), (0.0,)), seed)])
    assert not report.applied and report.polynomial.is_identity


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["noise and noise", "ground and noise", "two grounds"])
def test_images_without_common_structure_are_refused(kind, seed):
    fixed = noise(seed) if kind == "noise and noise" else pair(256, SHIFT_PX, seed)[0]
    moving = pair(256, SHIFT_PX, seed + 9)[1] if kind == "two grounds" else noise(seed + 50)
    report = coregister([(fixed, moving)])
    assert not report.applied and report.polynomial.is_identity and report.reason


def test_calm_water_is_refused():
    """No texture at all, and texture in the optical image only."""
    flat = raster(np.full((1, 128, 128), -20.0), "VV")
    assert "0 of" in coregister([(pair(128, SHIFT_PX)[0], flat)]).reason
    assert not coregister([(flat, flat)]).applied


@pytest.mark.long
def test_holes_in_one_image_are_borne():
    fixed, moving = pair(256, SHIFT_PX, 4)
    valid = np.ones((256, 256), bool)
    valid[40:120, 60:130] = valid[150:, 200:] = False
    clouded = Raster(fixed.geobox, fixed.bands, np.where(valid, fixed.values_BHW, 0), valid & fixed.valid_BHW)
    assert error_px(coregister([(clouded, moving)]), SHIFT_PX) < 0.2


@pytest.mark.long
def test_a_common_outline_is_no_evidence():
    """Unrelated images cut by one shape must not be said to lie together; nor related ones, that do not."""
    inside = np.hypot(*(np.mgrid[:256, :256] - 128)) < 110
    fixed, moving = (raster(single.values_BHW, " ".join(single.bands), inside) for single in pair(256, SHIFT_PX, 5))
    assert error_px(coregister([(fixed, moving)]), SHIFT_PX) < 0.2


@pytest.mark.long
def test_tiles_are_joined_by_their_places():
    fixed, moving = pair(352, CUBIC_PX, 6)
    tiles = []
    for rows in (slice(0, 176), slice(176, 352)):
        at = (slice(None), rows)
        tiles.append(
            tuple(
                Raster(raster.geobox[rows, :], raster.bands, raster.values_BHW[at], raster.valid_BHW[at])
                for raster in (fixed, moving)
            )
        )
    report = coregister(tiles)
    assert report.polynomial.bounds == tuple(fixed.geobox.boundingbox)
    assert error_px(report, CUBIC_PX, 352) < 0.4


def test_the_report_is_plain_json(cubic):
    document = json.loads(json.dumps(cubic.to_json(), allow_nan=False))
    assert document["applied"] and document["used"] == sum(row[-1] for row in document["points"])
    assert {"rmse_px", "leave_one_out_px", "uncorrected_px", "cross_validated_px"} <= document.keys()
    assert np.allclose(np.hypot(*cubic.residuals_px().T).max(), 0, atol=1.5)
    assert "leave-one-out" in str(cubic) and str(cubic).startswith("corrected")


def test_a_refusal_is_plain_json_too():
    document = json.loads(json.dumps(coregister([(noise(1), noise(2))]).to_json(), allow_nan=False))
    assert document["applied"] is False and document["polynomial"]["dx"] == [0.0]


# --- the warp ---------------------------------------------------------------------------------------------------------


def test_the_warp_is_scipys_linear_interpolation():
    single, move = pair(128, SHIFT_PX)[1], polynomial(128, CUBIC_PX)
    moved = warped(single, move)
    right, up = vectors_px(move, 128)
    rows, cols = np.mgrid[:128, :128]
    expected = map_coordinates(single.values_BHW[0].astype(float), (rows - up, cols + right), order=1, mode="nearest")
    inside = (rows - up > 0) & (rows - up < 127) & (cols + right > 0) & (cols + right < 127)
    assert np.allclose(moved.values_BHW[0][inside], expected[inside], atol=1e-4)
    assert moved.valid_BHW[0][inside].all() and not moved.valid_BHW.all()


def test_missing_pixels_weigh_nothing():
    values = np.arange(64.0 * 64).reshape(1, 64, 64)
    valid = np.ones((64, 64), bool)
    valid[30, 30] = False
    hole = raster(np.where(valid, values, 1e9), "A", valid)
    moved = warped(hole, polynomial(64, ((0.25,), (0.0,))))
    assert moved.values_BHW.max() < 1e5
    assert moved.values_BHW[0, 30, 29] == values[0, 30, 29]  # a quarter of it is missing: the rest counts whole
    assert moved.valid_BHW[0, 30, 29] and not moved.valid_BHW[0, 30, 30]


def test_whole_numbers_are_rounded():
    counts = raster(np.tile([0, 1], (1, 64, 32)), "A")
    counts = replace(counts, values_BHW=counts.values_BHW.astype(np.int16))
    moved = warped(counts, polynomial(64, ((0.8,), (0.0,))))
    assert moved.values_BHW.dtype == np.int16 and moved.values_BHW[0, 5, 4] == 1


def test_another_coordinate_system_is_refused():
    elsewhere = replace(polynomial(64, SHIFT_PX), crs="EPSG:32649")
    with pytest.raises(ValueError, match="EPSG:32649"):
        warped(raster(np.zeros((1, 64, 64)), "A"), elsewhere)


# --- bad input --------------------------------------------------------------------------------------------------------


def test_rasters_of_other_grids_are_refused():
    with pytest.raises(ValueError, match="different grids"):
        coregister([(noise(0, 128), noise(0, 96))])


def test_tiles_of_other_pixel_sizes_are_refused():
    single, second = noise(0, 64), noise(0, 64)
    coarse = replace(second, geobox=second.geobox.zoom_to(resolution=20)[:32, :32].pad(16)[:64, :64])
    with pytest.raises(ValueError, match="share CRS and pixel size"):
        coregister([(single, single), (coarse, coarse)])


def test_rasters_with_nothing_in_them_are_refused():
    empty = raster(np.zeros((1, 64, 64)), "A", np.zeros((64, 64), bool))
    with pytest.raises(ValueError, match="moving raster has no pixel"):
        coregister([(noise(0, 64), empty)])
    with pytest.raises(ValueError, match="fixed raster has no pixel"):
        coregister([(empty, noise(0, 64))])


def test_rasters_too_small_are_refused():
    with pytest.raises(ValueError, match="too small"):
        coregister([(noise(0, 20), noise(0, 20))])


def test_no_rasters_are_refused():
    with pytest.raises(ValueError, match="got none"):
        coregister([])
