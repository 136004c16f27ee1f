"""Images whose pixels are arrays, against numpy on the same numbers (apidocs ee-image-toarray and its kin)."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import GRID, info, number, pixels, value
from local_ee.testing.scenes import utm

pytestmark = pytest.mark.usefixtures("session")

CRS = "EPSG:32650"
BOX = [500_000, 3_400_000, 500_080, 3_400_060]  # 8 x 6 pixels of 10 m: the grid of `utm(6, 8)`
COLUMNS = np.broadcast_to(np.arange(8), (6, 8))


def column() -> ee.Image:
    """The column of the grid, 0 to 7."""
    grid = GRID.affine
    place = ee.Projection(CRS, [grid.a, 0, grid.c, 0, grid.e, grid.f])
    return ee.Image.pixelCoordinates(place).select("x").floor().toInt()


def array_of(expression: ee.Image) -> list:
    """The array at a pixel, by Image.sample."""
    point = ee.Geometry.Point([117.0, 30.73])
    return info(expression.sample(point, 10, CRS).first().get("array"))


def table() -> ee.Image:
    """[[0, 10, 6, 5], [4, 7, 11, 1], [2, 9, 8, 3]] at each pixel."""
    numbers = ee.Image([0, 10, 6, 5, 4, 7, 11, 1, 2, 9, 8, 3]).toArray()
    return numbers.arrayReshape(ee.Image([3, 4]).toArray(), 2)


TABLE = np.array([[0, 10, 6, 5], [4, 7, 11, 1], [2, 9, 8, 3]])


def test_bands_become_a_list_at_each_pixel():
    assert array_of(ee.Image([0, 1, 2]).toArray()) == [0, 1, 2]


def test_a_second_axis_is_new():
    assert array_of(ee.Image([0, 1, 2]).toArray().toArray(1)) == [[0], [1], [2]]


def test_the_band_is_described_with_its_dimensions():
    band = info(ee.Image([0, 1, 2]).toArray().toArray(1))["bands"][0]
    assert band["id"] == "array" and band["data_type"]["dimensions"] == 2 and band["data_type"]["max"] == 2


def test_a_pixel_with_a_masked_band_is_masked():
    image = column().addBands(column().updateMask(column().gt(2))).toArray().arrayGet([1])
    assert np.array_equal(pixels(image).mask, COLUMNS <= 2)


def test_flattened_arrays_are_the_bands_again():
    image = ee.Image([1, 2, 3]).add(column()).toArray().arrayFlatten([["a", "b", "c"]])
    assert np.array_equal(pixels(image, band=1), COLUMNS + 2)


def test_names_of_flattened_tables():
    labels = [["r0", "r1", "r2"], ["c0", "c1", "c2", "c3"]]
    names = info(table().arrayFlatten(labels).bandNames())
    assert names[:5] == ["r0_c0", "r0_c1", "r0_c2", "r0_c3", "r1_c0"] and len(names) == 12


def test_labels_that_do_not_match_are_refused():
    with pytest.raises(EngineError, match="do not match"):
        pixels(ee.Image([1, 2]).toArray().arrayFlatten([["a", "b", "c"]]))


@pytest.mark.parametrize("axis", [0, 1])
def test_joined_tables(axis):
    assert array_of(table().arrayCat(table(), axis).rename("array")) == np.concatenate([TABLE, TABLE], axis).tolist()


def test_lists_joined_along_a_new_axis():
    joined = ee.Image([0, 1]).toArray().arrayCat(ee.Image([3, 4]).toArray(), 1)
    assert array_of(joined) == [[0, 3], [1, 4]]


@pytest.mark.parametrize(
    ("axis", "start", "end", "step"), [(0, 1, 3, 1), (1, -3, -1, 1), (1, 0, None, 2), (0, 5, 9, 1)]
)
def test_slices(axis, start, end, step):
    expected = TABLE[start:end:step] if axis == 0 else TABLE[:, start:end:step]
    assert array_of(table().arraySlice(axis, start, end, step)) == expected.tolist()


def test_slices_that_differ_from_pixel_to_pixel():
    image = ee.Image([10, 20, 30, 40, 50, 60, 70, 80]).toArray().arraySlice(0, column()).arrayGet([0])
    assert np.array_equal(pixels(image), (COLUMNS + 1) * 10)


def test_a_masked_end_is_the_length():
    image = ee.Image([1, 2, 3]).toArray().arraySlice(0, 0, ee.Image(1).updateMask(column().gt(3))).arrayLength(0)
    assert np.array_equal(pixels(image), np.where(COLUMNS > 3, 1, 3))


def test_sorted_by_keys():
    keys = table().arraySlice(1, 1, 2)
    assert array_of(table().arraySort(keys)) == TABLE[np.argsort(TABLE[:, 1])].tolist()


def test_repeated_along_an_axis():
    assert array_of(table().arrayRepeat(1, 2)) == np.tile(TABLE, (1, 2)).tolist()


def test_transposed():
    assert array_of(table().arrayTranspose()) == TABLE.T.tolist()


def test_padded():
    assert array_of(table().arrayPad([4, 5], 9)) == np.pad(TABLE, ((0, 1), (0, 1)), constant_values=9).tolist()


def test_positions_beside_a_mask():
    mask = table().arraySlice(0, 1, 2).gt(4)
    assert array_of(table().arrayMask(mask)) == TABLE[:, TABLE[1] > 4].tolist()


def test_projected_to_one_axis():
    assert array_of(table().arraySlice(0, 1, 2).arrayProject([1])) == TABLE[1].tolist()


def test_an_axis_that_is_long_cannot_be_dropped():
    with pytest.raises(EngineError, match="at most 1"):
        array_of(table().arrayProject([1]))


def test_lengths_and_dimensions():
    assert array_of(table().arrayLengths()) == [3, 4] and array_of(table().arrayDimensions()) == 2


def test_the_position_of_the_maximum():
    assert array_of(table().arrayArgmax()) == [1, 2]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "median", "stdDev"])
def test_reduced_along_an_axis(name, axis):
    oracle = {"stdDev": np.std}.get(name, getattr(np, name, None))
    expected = oracle(TABLE, axis=axis, keepdims=True)
    assert np.allclose(array_of(table().arrayReduce(getattr(ee.Reducer, name)(), [axis])), expected)


def test_outputs_go_to_the_field_axis():
    reduced = table().arraySlice(1, 0, 1).arrayReduce(ee.Reducer.minMax(), [0], 1)
    assert array_of(reduced) == [[0, 4]]


def test_running_sums():
    assert array_of(table().arrayAccum(1)) == TABLE.cumsum(axis=1).tolist()


def test_running_maxima():
    assert array_of(table().arrayAccum(0, ee.Reducer.max())) == np.maximum.accumulate(TABLE, 0).tolist()


def test_dot_products():
    a, b = ee.Image([1, 2, 3]).toArray(), ee.Image([4, 5, 6]).toArray()
    assert array_of(a.arrayDotProduct(b)) == 32


def test_arithmetic_goes_number_by_number():
    assert array_of(table().multiply(2).add(table())) == (TABLE * 3).tolist()


def test_a_number_goes_with_every_number_of_an_array():
    image = ee.Image([1, 2]).toArray().add(column()).arrayGet([1])
    assert np.array_equal(pixels(image), COLUMNS + 2)


def test_arrays_of_other_lengths_cannot_be_added():
    with pytest.raises(EngineError, match="same lengths"):
        array_of(ee.Image([1, 2]).toArray().add(ee.Image([1, 2, 3]).toArray()))


def test_a_constant_array():
    assert array_of(ee.Image(ee.Array([[1, 2], [3, 4]])).rename("array")) == [[1, 2], [3, 4]]


def test_casts_keep_arrays():
    assert array_of(ee.Image([1.7, 2.2]).toArray().toInt()) == [1, 2]


def dated() -> ee.ImageCollection:
    """Three images of a quality and a value; image i is masked in columns below i."""
    return ee.ImageCollection(
        [
            ee.Image([10 - i, 100 * (i + 1)]).rename(["quality", "value"]).add(column()).updateMask(column().gte(i))
            for i in range(3)
        ]
    )


def test_a_collection_has_a_row_for_each_image_that_is_valid():
    lengths = pixels(dated().toArray().arrayLength(0))
    assert np.array_equal(lengths, np.minimum(COLUMNS, 2) + 1)


def test_the_composite_of_the_least_quality():
    """guides/arrays_sorting: the quality mosaic by arrays."""
    array = dated().toArray()
    best = array.arraySort(array.arraySlice(1, 0, 1)).arraySlice(0, 0, 1).arrayProject([1])
    values = pixels(best.arrayFlatten([["quality", "value"]]), band=1)
    assert np.array_equal(values, np.where(COLUMNS >= 2, 300, np.where(COLUMNS >= 1, 200, 100)) + COLUMNS)


def test_pixels_without_an_image_are_masked():
    image = ee.ImageCollection([column().updateMask(column().gt(4))]).toArray().arrayLength(0)
    assert np.array_equal(pixels(image).mask, COLUMNS <= 4)


def test_arrays_by_band_keep_the_names():
    assert info(dated().toArrayPerBand(0).bandNames()) == ["quality", "value"]


def test_arrays_by_band_are_masked_where_an_image_is():
    values = pixels(dated().toArrayPerBand(0).select("value").arrayGet([2]))
    assert np.array_equal(values.mask, COLUMNS < 2) and np.array_equal(values[:, 2:], (300 + COLUMNS)[:, 2:])


def test_masked_images_are_left_out_by_band_where_asked():
    lengths = pixels(dated().toArrayPerBand(0, True).select("value").arrayLength(0))
    assert np.array_equal(lengths, np.minimum(COLUMNS, 2) + 1)


def test_regions_give_the_first_array():
    region = ee.Geometry.Rectangle(BOX, CRS, False)
    reduced = table().reduceRegion(ee.Reducer.first(), region, 10, CRS)
    assert info(reduced)["array"] == TABLE.tolist()


def test_regions_have_no_mean_of_arrays():
    with pytest.raises(EngineError, match="takes numbers"):
        value(table().reduceRegion(ee.Reducer.mean(), ee.Geometry.Rectangle(BOX, CRS, False), 10, CRS))


def test_algorithms_of_numbers_refuse_arrays():
    with pytest.raises(EngineError, match="are arrays with 2 axes"):
        value(table().focalMax(1))


def test_masks_of_arrays_hold():
    image = table().updateMask(column().gt(3)).arrayReduce(ee.Reducer.sum(), [0, 1]).arrayGet([0, 0])
    assert np.array_equal(pixels(image).mask, COLUMNS <= 3) and pixels(image)[0, 7] == TABLE.sum()


def test_arrays_are_read_on_other_grids():
    fixed = ee.Image([column(), 7]).toArray().reproject(CRS, [10, 0, 300_000, 0, -10, 3_400_000])
    coarse = pixels(fixed.arrayGet([0]), grid=utm(3, 4, step=20))
    assert np.array_equal(coarse[0] // 2, [0, 1, 2, 3])


def test_a_number_of_one_pixel():
    assert number(ee.Image([4, 5]).toArray().arrayGet([1])) == 5
