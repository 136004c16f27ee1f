"""Earth Engine's conventions, one test per row of local_ee/docs/reference.md, "Documented rules"; each docstring
names Google's source.

D is the documentation (guides and apidocs), A the algorithm's description in the client's algorithms.json.
"""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import GRID, info, number, pixels, value
from local_ee.testing.scenes import Scene, Scenes, month, utm

pytestmark = pytest.mark.usefixtures("session")

SCENE = Scene("C/a", GRID, {"x": ("uint16", 10), "y": ("uint16", 10)}, {"season": "dry"}, seed=3, hidden=6)
CATALOG = Scenes((SCENE,))


def stored() -> ee.Image:
    return ee.Image("C/a")


def kind(image: ee.Image) -> dict:
    return info(image, CATALOG)["bands"][0]["data_type"]


def test_inputs_are_computed_in_the_grid_that_is_asked_for():
    """D guides/projections: inputs are requested in the output projection."""
    wide = utm(3, 4, step=20)
    fine = pixels(ee.Image.pixelCoordinates("EPSG:32650"), grid=GRID).data
    coarse = pixels(ee.Image.pixelCoordinates("EPSG:32650"), grid=wide).data
    assert fine[0, :2].tolist() == [300005, 300015] and coarse[0, :2].tolist() == [300010, 300030]


def test_composites_have_the_default_projection():
    """D guides/projections: composites are in WGS84 with one degree."""
    composite = ee.ImageCollection([stored(), stored()]).mean()
    assert info(composite.projection(), CATALOG)["crs"] == "EPSG:4326"
    assert info(composite.projection().nominalScale(), CATALOG) == pytest.approx(111319.49, abs=0.01)


def test_aggregating_a_composite_needs_a_scale():
    """D release-notes: "default WGS84 projection is invalid for aggregations"."""
    composite = ee.ImageCollection([stored(), stored()]).mean()
    with pytest.raises(EngineError, match="default WGS84 projection is invalid for aggregations"):
        value(composite.reduceRegion(ee.Reducer.mean(), stored().geometry()), CATALOG)


def test_reproject_fixes_the_grid_and_is_resampled_nearest_afterwards():
    """A Image.reproject: forces an image to be computed in a given projection and resolution."""
    coarse = ee.Image.pixelCoordinates("EPSG:32650").reproject("EPSG:32650", [20, 0, 300000, 0, -20, 3400000])
    assert pixels(coarse).data[0, :4].tolist() == [300010, 300010, 300030, 300030]


def test_set_default_projection_does_not_fix_the_grid():
    """A Image.setDefaultProjection: may be overridden by a later output projection."""
    image = ee.Image.pixelCoordinates("EPSG:32650").setDefaultProjection("EPSG:32650", [20, 0, 300000, 0, -20, 3400000])
    assert pixels(image).data[0, :2].tolist() == [300005, 300015]
    assert info(image.select("x").projection())["transform"] == [20, 0, 300000, 0, -20, 3400000]


def test_a_coarser_request_reads_the_pyramid_level_not_larger_than_it():
    """D guides/scale: the closest level with a scale at most that requested, then nearest; levels are 2 x 2 blocks."""
    grid = utm(8, 8)
    scene = Scene("C/b", grid, {"x": ("float32", 10)}, seed=5)
    own = pixels(ee.Image("C/b"), Scenes((scene,)), grid).data
    halved = own.reshape(4, 2, 4, 2).mean(axis=(1, 3), dtype=float).astype("float32")
    assert pixels(ee.Image("C/b"), Scenes((scene,)), utm(4, 4, step=20)).data == pytest.approx(halved, rel=1e-6)
    nearest = halved[np.ix_([0, 2], [0, 2])]  # 30-m pixels are taken nearest from the 20-m level
    assert pixels(ee.Image("C/b"), Scenes((scene,)), utm(2, 2, step=30)).data == pytest.approx(nearest, rel=1e-6)


@pytest.mark.parametrize(
    "policy, expected", [("MODE", 3), ("SAMPLE", 7), ("MIN", 3), ("MAX", 7), ("MEAN", 4), ("MEDIAN", 3)]
)
def test_pyramiding_policies(policy, expected):
    """D reference Shared.Types/PyramidingPolicy: MEAN, SAMPLE (upper left), MIN, MAX, MODE, MEDIAN."""
    from local_ee.raster.pixels import Pixels, valid
    from local_ee.raster.pyramid import reduced

    block = np.array([[7, 3], [3, 3]], "uint8")
    found = reduced(lambda *_: Pixels((block,), (valid((2, 2)),)), (0, 0, 1, 1), 2, (policy,))
    assert found.values[0].tolist() == [[expected]] and found.masks[0].all()


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_the_median_policy_is_numpys_median_of_the_valid_pixels(dtype):
    """D reference PyramidingPolicy: MEDIAN; of an even number of pixels the mean of the middle two."""
    from local_ee.raster.pixels import Pixels
    from local_ee.raster.pyramid import reduced

    random = np.random.default_rng(2)
    values, mask = random.integers(0, 100, (12, 18)).astype(dtype), random.random((12, 18)) < 0.6
    level = reduced(lambda *_: Pixels((values,), (mask,)), (0, 0, 4, 6), 3, ("MEDIAN",))
    for row, col in np.ndindex(4, 6):
        block = (slice(3 * row, 3 * row + 3), slice(3 * col, 3 * col + 3))
        median = np.median(values[block][mask[block]])
        assert level.values[0][row, col] == (median if dtype == "float32" else np.rint(median))
        assert level.masks[0][row, col] == pytest.approx(mask[block].mean())


def test_the_mean_policy_weighs_by_the_mask_and_averages_it():
    """D reference PyramidingPolicy: MEAN is weighted by the mask; the mask is the mean of masks."""
    from local_ee.raster.pixels import Pixels
    from local_ee.raster.pyramid import reduced

    values, mask = np.array([[8, 2], [0, 0]], "float32"), np.array([[1, 0.5], [0, 0]], "float32")
    found = reduced(lambda *_: Pixels((values,), (mask,)), (0, 0, 1, 1), 2, ("MEAN",))
    assert found.values[0][0, 0] == pytest.approx((8 + 2 * 0.5) / 1.5)
    assert found.masks[0][0, 0] == pytest.approx(1.5 / 4)


def test_operators_are_valid_where_both_are():
    """D guides/image_math: only the intersection of unmasked pixels is considered."""
    left, right = pixels(stored(), CATALOG), pixels(stored(), CATALOG, band=1)
    total = pixels(stored().select("x").add(stored().select("y")), CATALOG)
    expected = left.astype("int32") + right.astype("int32")
    assert (total.mask == expected.mask).all() and expected.mask.any()
    assert (total == expected).all()


def test_bands_pair_by_order_and_one_band_goes_with_all():
    """A Image.add: matched pairs of bands in natural order; a single band is used against all; named for the longer."""
    two = ee.Image([10, 20]).rename(["p", "q"])
    assert info(two.add(1).bandNames()) == ["p", "q"] and info(ee.Image(1).add(two).bandNames()) == ["p", "q"]
    assert info(two.add(ee.Image([1, 2]).rename(["r", "s"])).bandNames()) == ["p", "q"]
    assert number(two.add(ee.Image([1, 2])).select(1)) == 22


def test_images_of_different_band_counts_do_not_pair():
    with pytest.raises(EngineError, match=r"Image\.add"):
        value(ee.Image([1, 2, 3]).add(ee.Image([1, 2])))


def test_comparisons_are_boolean_and_powers_are_not_whole():
    """A Image.gt, Image.and: the type of the output pixels is boolean; Image.pow: float."""
    assert kind(stored().select("x").gt(3)) == {"type": "PixelType", "precision": "int", "min": 0, "max": 1}
    assert kind(stored().select("x").pow(2))["precision"] in ("float", "double")


@pytest.mark.parametrize("left, right, precision", [(1, 2, "int"), (1, 2.5, "double")])
def test_the_type_is_the_union_of_the_inputs(left, right, precision):
    """D guides/image_math: the type of the output pixels is the union of the input types."""
    assert info(ee.Image.constant(left).add(right))["bands"][0]["data_type"]["precision"] == precision


def test_a_float_image_and_whole_numbers_stay_float():
    assert info(ee.Image(2).toFloat().multiply(3))["bands"][0]["data_type"]["precision"] == "float"


def test_division_by_zero_gives_zero_and_stays_valid():
    """A Image.divide: returning 0 for division by 0; D apidocs ee-number-divide."""
    assert number(ee.Image(7).divide(0)) == 0
    assert info(ee.Number(7).divide(0)) == 0


def test_whole_numbers_divide_to_fractions():
    """D guides/image_math computes NDVI from integer bands with divide()."""
    assert number(ee.Image(7).divide(2)) == 3.5
    assert info(ee.Number(7).divide(2)) == 3.5


def test_normalized_difference_masks_negative_inputs_and_drops_properties():
    """A Image.normalizedDifference: band nd, properties not retained, a negative input masks the pixel."""
    image = ee.Image([3, 1]).set("a", 1)
    assert number(image.normalizedDifference()) == 0.5
    assert number(ee.Image([3, -1]).normalizedDifference()) is None
    described = info(image.normalizedDifference())
    assert described["bands"][0]["id"] == "nd" and "properties" not in described


def test_update_mask_acts_where_the_old_mask_is_not_zero():
    """A Image.updateMask: updates the mask at all positions where the existing mask is not zero."""
    assert number(ee.Image(5).updateMask(0).updateMask(1)) is None
    assert number(ee.Image(5).updateMask(0.5).mask()) == 0.5
    assert number(ee.Image(5).updateMask(0.5).updateMask(0.25).mask()) == 0.25


def test_mask_values_are_bounded_to_one():
    """A Image.updateMask: a floating-point value in the range [0, 1]."""
    assert number(ee.Image(5).updateMask(7).mask()) == 1


def test_image_mask_fills_pixels_that_become_valid():
    """A Image.mask: filled with zeros, or the values closest to zero within the range of the pixel type."""
    assert number(ee.Image(5).updateMask(0).mask(ee.Image(1))) == 5  # the type of a constant 5 holds only 5
    assert number(ee.Image(5).toInt16().updateMask(0).mask(ee.Image(1))) == 0


def test_self_mask_masks_zeros():
    """A Image.selfMask: the value of the image is the new mask."""
    assert number(ee.Image(0).selfMask()) is None and number(ee.Image(2).selfMask()) == 2


def test_where_keeps_the_input_where_test_or_value_is_masked():
    """A Image.where: if test or value is masked, the input is used; if the input is masked, nothing is done."""
    nothing = ee.Image(9).updateMask(0)
    assert number(ee.Image(1).where(1, 9)) == 9
    assert number(ee.Image(1).where(0, 9)) == 1
    assert number(ee.Image(1).where(1, nothing)) == 1
    assert number(ee.Image(1).where(ee.Image(1).updateMask(0), 9)) == 1
    assert number(nothing.where(1, 5)) is None


def test_unmask_keeps_the_footprint_unless_told_otherwise():
    """A Image.unmask: by default the output retains the footprint of the input."""
    grid = utm(6, 400)  # reaches far beyond the scene
    inside = pixels(stored().select("x").unmask(7), CATALOG, grid)
    everywhere = pixels(stored().select("x").unmask(7, False), CATALOG, grid)
    own = pixels(stored(), CATALOG, GRID)
    assert not inside.mask[:, :8].any() and inside.mask[:, 60:].all()
    assert not everywhere.mask.any() and (everywhere.data[:, 60:] == 7).all()
    assert (inside.data[:, :8][own.mask] == 7).all()


def test_clip_gives_the_covered_share_as_mask():
    """D release-notes: clip leaves fractional masks on edges."""
    half = ee.Geometry.Rectangle([300000, 3399940, 300015, 3400000], "EPSG:32650", False)
    mask = pixels(ee.Image(1).clip(half).mask())
    assert mask.data[0, :3].tolist() == [1, 0.5, 0]


def test_clip_keeps_properties_and_where_drops_none():
    """A Image.clip, Image.where: the output image retains the metadata of the input image."""
    assert info(stored().clip(ee.Geometry.Point([114.9, 30.7]).buffer(100)).get("season"), CATALOG) == "dry"
    assert info(stored().where(1, 2).get("season"), CATALOG) == "dry"


def test_remap_masks_or_replaces_what_is_not_listed():
    """A Image.remap: unmatched values become defaultValue if given, or masked."""
    assert number(ee.Image(10).remap([10, 20], [1, 2])) == 1
    assert number(ee.Image(11).remap([10, 20], [1, 2])) is None
    assert number(ee.Image(11).remap([20, 10], [1, 2], 255)) == 255
    assert info(ee.Image(11).remap([10], [1]).bandNames()) == ["remapped"]


def test_mosaic_puts_the_last_on_top():
    """D guides/ic_composite_mosaic: images are composited by their order, last on top."""
    images = [ee.Image(1), ee.Image(2), ee.Image(3).updateMask(0)]
    assert number(ee.ImageCollection(images).mosaic()) == 2


def test_quality_mosaic_takes_all_bands_of_the_best():
    """D guides/ic_composite_mosaic: the maximum of a band decides for all bands."""
    images = [ee.Image([1, 9]).rename(["a", "q"]), ee.Image([2, 5]).rename(["a", "q"])]
    assert number(ee.ImageCollection(images).qualityMosaic("q").select("a")) == 1


def test_casts_of_numbers_are_bounded():
    """D apidocs ee-number-touint8: out of range values become the nearest bound."""
    assert info(ee.Number(-1).toUint8()) == 0 and info(ee.Number(300.7).toUint8()) == 255
    assert info(ee.Number(3.9).toInt()) == 3


@pytest.mark.parametrize(
    "given, cast, expected",
    [(300.7, "toUint8", 255), (-5, "toUint8", 0), (3.9, "toInt", 3), (-3.9, "toInt16", -3), (1e12, "toInt", 2**31 - 1)],
)
def test_casts_of_images_are_bounded(given, cast, expected):
    """Assumption of local_ee/docs/engine.md, "Assumptions": image casts follow the documented casts of numbers."""
    assert number(getattr(ee.Image(given), cast)()) == expected


def test_whole_numbers_do_not_overflow():
    """Assumption of local_ee/docs/engine.md, "Assumptions": the output's type holds every whole result."""
    assert number(ee.Image(200).toUint8().add(ee.Image(200).toUint8())) == 400
    assert number(ee.Image(3).toUint8().subtract(ee.Image(5).toUint8())) == -2


def test_pixels_that_are_not_finite_are_masked():
    """Assumption of local_ee/docs/engine.md, "Assumptions": log10(0) and the like are masked."""
    assert number(ee.Image(0.0).log10()) is None
    assert number(ee.Image(100.0).log10()) == pytest.approx(2)
    assert number(ee.Image(-1).sqrt()) is None


def test_arithmetic_drops_properties_and_copy_properties_restores_them():
    image = stored().multiply(2)
    assert info(image.get("season"), CATALOG) is None
    assert info(ee.Image(image.copyProperties(stored())).get("season"), CATALOG) == "dry"
    assert info(stored().select("x").get("season"), CATALOG) == "dry"


def test_link_collection_joins_by_index_and_masks_what_has_no_partner():
    """A Image.linkCollection: if a matching image is not found, new bands are fully masked."""
    catalog = month(2, utm(20, 20))
    scores = ee.ImageCollection("GOOGLE/CLOUD_SCORE_PLUS/V1/S2_HARMONIZED")
    optical = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED")
    linked = optical.linkCollection(scores, ["cs_cdf"]).first()
    assert info(linked.bandNames(), catalog)[-1] == "cs_cdf"
    lone = ee.Image(optical.first()).set("system:index", "nobody").linkCollection(scores, ["cs_cdf"])
    assert pixels(lone.select("cs_cdf"), catalog).mask.all()


def test_scale_without_crs_rescales_the_native_projection():
    """D guides/reducers_reduce_region: a scale alone rescales the native projection."""
    whole = ee.Geometry.Rectangle([300000, 3399940, 300080, 3400000], "EPSG:32650", False)
    count = ee.Image(1).setDefaultProjection("EPSG:32650", [10, 0, 300000, 0, -10, 3400000])
    assert info(count.reduceRegion(ee.Reducer.count(), whole)) == {"constant": 48}
    assert info(count.reduceRegion(ee.Reducer.count(), whole, 20)) == {"constant": 12}


def test_too_many_pixels_are_refused_in_earth_engines_words():
    """D guides/debugging: Too many pixels in the region ... maxPixels; bestEffort takes a larger scale."""
    image = ee.Image(1).setDefaultProjection("EPSG:32650", [10, 0, 300000, 0, -10, 3400000])
    area = ee.Geometry.Rectangle([300000, 3399000, 301000, 3400000], "EPSG:32650", False)
    with pytest.raises(
        EngineError, match=r"Too many pixels in the region\. Found 10000, but maxPixels allows only 100\."
    ):
        value(image.reduceRegion(ee.Reducer.count(), area, 10, maxPixels=100))
    assert info(image.reduceRegion(ee.Reducer.count(), area, 10, maxPixels=100, bestEffort=True))["constant"] <= 100


def test_weighted_reducers_take_the_covered_share_and_others_the_centre():
    """D guides/reducers_reduce_region: unweighted by pixel centres, weighted by min(mask, covered fraction)."""
    image = ee.Image(1).setDefaultProjection("EPSG:32650", [10, 0, 300000, 0, -10, 3400000])
    area = ee.Geometry.Rectangle([300000, 3399980, 300024, 3400000], "EPSG:32650", False)  # 2.4 x 2 pixels
    assert info(image.reduceRegion(ee.Reducer.sum(), area))["constant"] == pytest.approx(4.8)
    assert info(image.reduceRegion(ee.Reducer.count(), area))["constant"] == 4
    assert info(image.reduceRegion(ee.Reducer.sum().unweighted(), area))["constant"] == 4


def test_select_names_the_bands_that_there_are():
    """The words as users see them: Band pattern 'X' did not match any bands. Available bands: [...]."""
    words = r"Image.select: Band pattern 'B9' did not match any bands. Available bands: \[x, y\]"
    with pytest.raises(EngineError, match=words):
        value(stored().select("B9"), CATALOG)


def test_select_takes_expressions_positions_and_new_names():
    """A Image.select: names, RE2 regular expressions or positions."""
    image = ee.Image([1, 2, 3]).rename(["B1", "B2", "C"])
    assert info(image.select("B.*").bandNames()) == ["B1", "B2"]
    assert info(image.select([2, "B1"], ["z", "b"]).bandNames()) == ["z", "b"]
    assert number(image.select([2, "B1"])) == 3


def test_add_bands_numbers_names_that_are_taken_or_overwrites():
    """A Image.addBands."""
    image = ee.Image(1).rename("a")
    assert info(image.addBands(ee.Image(2).rename("a")).bandNames()) == ["a", "a_1"]
    assert number(image.addBands(ee.Image(2).rename("a"), None, True)) == 2


def test_resample_acts_on_the_next_reprojection_and_not_on_composites():
    """D guides/resample; A Image.resample: no effect on composites."""
    grid = utm(8, 8)
    catalog = Scenes((Scene("C/b", grid, {"x": ("float32", 20)}, seed=5),))
    nearest = pixels(ee.Image("C/b"), catalog, grid)
    smooth = pixels(ee.Image("C/b").resample("bilinear"), catalog, grid)
    composite = pixels(ee.ImageCollection([ee.Image("C/b")]).mosaic().resample("bilinear"), catalog, grid)
    assert (composite == nearest).all() and not (smooth == nearest).all()


def test_clip_to_bounds_and_scale_puts_the_origin_on_multiples_of_the_scale():
    """D guides/exporting_images: with a scale alone, the translation is a multiple of the scale."""
    area = ee.Geometry.Rectangle([300003, 3399941, 300057, 3399997], "EPSG:32650", False)
    image = ee.Image(1).setDefaultProjection("EPSG:32650", [10, 0, 5, 0, -10, 5])
    band = info(ee.Image(ee.ApiFunction.lookup("Image.clipToBoundsAndScale").call(image, area, None, None, None, 10)))[
        "bands"
    ][0]
    assert band["crs_transform"] == [10, 0, 300000, 0, -10, 3400000] and band["dimensions"] == [6, 6]


def test_a_clipped_image_has_the_footprint_of_its_region():
    """guides/image_info: system:footprint is the image's outline; geedim compares a clip's with its region."""
    catalog = Scenes((Scene("C/c", utm(200, 200), {"x": ("float32", 10)}, seed=5),))
    scene = info(ee.Image("C/c"), catalog)["properties"]["system:footprint"]["coordinates"]
    middle = ee.Geometry.Polygon([scene]).centroid(1).buffer(300).bounds(1, "EPSG:3857")
    clipped = info(ee.Image("C/c").clip(middle), catalog)["properties"]["system:footprint"]
    assert clipped["type"] == "LinearRing"
    assert clipped["coordinates"] == info(middle.coordinates())[0]
    assert info(ee.Image("C/c").clip(middle).set("a", 1), catalog)["properties"]["system:footprint"] == clipped


def test_a_clip_of_an_endless_image_has_a_footprint():
    """geedim takes images with the property system:footprint for those with a grid of their own."""
    clipped = ee.Image(1).clip(ee.Geometry.BBox(0, 0, 1, 1))
    assert info(clipped.propertyNames().contains("system:footprint"))
    assert not info(ee.Image(1).propertyNames().contains("system:footprint"))


@pytest.mark.parametrize("scale", [111319.5, None])
def test_a_pixel_larger_than_its_region_is_there(scale):
    """wxee's test of conflicting values: 40 m around a point, in pixels of a degree."""
    area = ee.Geometry.Point([-118.2, 43.1]).buffer(20)
    clipped = ee.ApiFunction.lookup("Image.clipToBoundsAndScale").call(ee.Image(42), area, None, None, None, scale)
    pixel = ee.Image(clipped).reduceRegion(ee.Reducer.toList(), ee.Geometry.BBox(-119, 43, -118, 44), crs="EPSG:4326")
    assert info(pixel) == {"constant": [42]}
