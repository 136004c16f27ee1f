"""Composites of the plot against numpy: Lee, power before decibels, clouds, labels, what is counted and refused."""

from __future__ import annotations

import ee
import numpy as np
import pytest
from local_ee.evaluation import features

from isamap.gee_export.base import regions
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.manifest import Band
from isamap.gee_export.labelling.label_request import LabelRequest, open_labels
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import border, composite, scenes
from isamap.gee_export.sentinel.composite import Settings
from tests.support import plot as plots
from tests.support import radar

JUNE = regions.Month(2019, 6).period
BANDS = plots.BANDS
pytestmark = pytest.mark.usefixtures("plot_session")


def fetched(image, bands):
    return pixels.fetch(image, plots.GRID, bands)


def build(period=JUNE, **settings):
    return composite.build(plots.REGION, period, Settings.of(**settings))


def usable(plot):
    return [index for index, bands in plot.power.items() if "_IW_" in index and len(bands) == 2]


def masked_power(plot, index, band):
    angle = plot.angle_deg[index]
    return np.ma.masked_where((angle <= 30.63993) | (angle >= 45.23993), plot.power[index][band].astype(float))


@pytest.mark.parametrize("name", ["none", "lee"])
def test_sentinel1_is_the_mean_power_of_filtered_scenes_in_decibels(plot, name):
    """docs/reference/earth-engine.md, "Sentinel-1": dB last. Every filter: test_speckle.py."""
    raster = fetched(build(speckle=name).image, ["VV", "VH"])
    for at, band in enumerate(("VV", "VH")):
        scenes = [radar.filtered(name, masked_power(plot, index, band).filled(np.nan), 7) for index in usable(plot)]
        expected = 10 * np.ma.log10(np.ma.masked_invalid(scenes).mean(axis=0))
        valid = raster.valid_BHW[at]
        np.testing.assert_array_equal(valid, ~np.ma.getmaskarray(expected))
        np.testing.assert_allclose(raster.values_BHW[at][valid], expected[valid], atol=2e-4)


def test_scenes_without_both_polarisations_are_counted(plot):
    """Thread adugnag/gee_s1_ard 23: VV-only scenes must not vanish silently."""
    info = build().info["sentinel1"]
    assert info["dropped"] == {"mode EW": 1, "no VH": 1}
    assert info["scenes"] == 3 and info["ids"] == usable(plot)
    assert info["passes"] == {"ASCENDING": 3}


def clear(plot, index, threshold=0.60):
    return plot.clear_score[index] >= np.float32(threshold) if index in plot.clear_score else None


def expected_mean(plot, band, reduce=np.ma.mean):
    scenes = [np.ma.masked_where(~clear(plot, index), plot.dn[index][band].astype(float)) for index in plot.clear_score]
    return reduce(np.ma.stack(scenes), axis=0)


@pytest.mark.long
@pytest.mark.parametrize(("reducer", "reduce"), [("mean", np.ma.mean), ("median", np.ma.median)])
def test_sentinel2_is_the_reduction_of_clear_pixels(plot, reducer, reduce):
    raster = fetched(build(reducer=reducer).image, BANDS)
    for index, band in enumerate(BANDS):
        expected = expected_mean(plot, band, reduce)
        np.testing.assert_array_equal(raster.valid_BHW[index], ~np.ma.getmaskarray(expected))
        valid = raster.valid_BHW[index]
        np.testing.assert_allclose(raster.values_BHW[index][valid], expected[valid] * 1e-4, rtol=1e-6)


def test_a_scene_that_cloud_score_plus_does_not_know_is_named(plot):
    """docs/reference/earth-engine.md, "Cloud masks": linkCollection masks it wholly and says nothing."""
    info = build().info["sentinel2"]
    assert info["without_cloud_product"] == [index for index in plot.dn if index not in plot.clear_score]
    assert info["scenes"] == 2


def test_the_scene_classification_masks_shadow_and_cloud(plot):
    raster = fetched(build(clouds="scl").image, ["B2"])
    scenes = []
    for index, bands in plot.dn.items():
        hidden = np.isin(np.kron(plot.scl[index], np.ones((2, 2), int)), (1, 3, 8, 9, 10))
        scenes.append(np.ma.masked_where(hidden, bands["B2"].astype(float)))
    expected = np.ma.mean(np.ma.stack(scenes), axis=0)
    np.testing.assert_array_equal(raster.valid_BHW[0], ~np.ma.getmaskarray(expected))
    valid = raster.valid_BHW[0]
    np.testing.assert_allclose(raster.values_BHW[0][valid], expected[valid] * 1e-4, rtol=1e-6)


def test_twenty_metre_bands_are_bilinear_before_compositing(plot):
    raster = fetched(build(clouds="none", bands=("B11",)).image, ["B11"])
    stack = np.stack([scene["B11"].astype(float) for scene in plot.dn.values()]).mean(axis=0)
    # Centres of 10-m pixels lie a quarter of a 20-m pixel beside the 20-m centres.
    rows = 0.75 * stack[:-1, :] + 0.25 * stack[1:, :]
    expected = 0.75 * rows[:, :-1] + 0.25 * rows[:, 1:]
    np.testing.assert_allclose(raster.values_BHW[0][1:-1:2, 1:-1:2], expected * 1e-4, rtol=1e-5)


@pytest.mark.parametrize(("year", "edition"), [(2019, "v100"), (2020, "v100"), (2021, "v200"), (2023, "v200")])
def test_labels_are_remapped_from_the_edition_of_the_year(plot, year, edition):
    """WorldCover: 50 is built-up; codes that are no class are unknown (docs/reference/earth-engine.md, "Label
    products").
    """
    actual = open_labels(LabelRequest(("worldcover",)), plots.REGION, regions.Month(year, 6).period)
    raster = pixels.fetch(actual.image, plots.GRID, ["label_0"])
    codes = plot.codes[edition]
    expected = np.where(codes == 50, 1, np.where(np.isin(codes, (0, 44)), 255, 0))
    shown = {"v100": 2020, "v200": 2021}[edition]  # catalog pages of both: what the manifest must own up to
    assert actual.info["asset"] == f"ESA/WorldCover/{edition}" and actual.info["year"] == shown
    np.testing.assert_array_equal(raster.values_BHW[0], expected)


def test_outside_the_images_everything_is_missing_not_zero(plot):
    """docs/reference/wishes.md, "Wish 13": masked pixels arrive as 0, and 0 is a class."""
    from odc.geo.geobox import GeoBox

    actual = build()
    grid = plots.GRID
    beyond = GeoBox(
        (8, 8), grid.affine.translation(plots.LEFT + 50_000, plots.TOP) @ grid.affine.scale(10, -10), grid.crs
    )
    raster = pixels.fetch(actual.image, beyond, actual.bands)
    assert not raster.valid_BHW.any()


def test_everything_lies_on_one_grid_in_one_request(plot):
    """docs/reference/wishes.md, "Wish 11" and "Wish 12"."""
    actual = build()
    raster = fetched(actual.packed.addBands(actual.counts), [*actual.bands, "s2_count", "s1_count"])
    assert raster.geobox == plots.GRID
    count = np.sum([clear(plot, index) for index in plot.clear_score], axis=0)
    np.testing.assert_array_equal(raster.values_BHW[-2], count)


def test_a_month_without_scenes_says_where_when_and_what_was_found(plot):
    with pytest.raises(ValueError, match=r"'plot'.*2019-07.*Sentinel-2 0 scenes.*Sentinel-1 0 scenes"):
        build(period=regions.Month(2019, 7).period)


def test_more_scenes_than_a_collection_may_send_are_listed_at_once(plot, monkeypatch):
    """Google's servers and the engine send at most 5,000 images of a collection; a table of their properties is one."""
    named = scenes.collection(plots.S2, plots.REGION.bounds_wsen, JUNE)
    full = scenes.listed(named, JUNE)
    monkeypatch.setattr(features, "MOST_ELEMENTS", len(full) - 1)
    with pytest.raises(Fault, match=scenes.TOO_MANY):
        scenes.ask(named)
    assert scenes.listed(named, JUNE) == full


def test_a_scene_of_the_list_has_what_the_whole_collection_says_of_it(plot):
    named = scenes.collection(plots.S2, plots.REGION.bounds_wsen, JUNE)
    listed = scenes.listed(named, JUNE)
    for scene, image in zip(listed, named.getInfo()["features"], strict=True):
        options = {name: image["properties"].get(name) for name in scenes.PROPERTIES}
        assert scene.properties == {name: value for name, value in options.items() if value is not None}
        assert scene.bands == tuple(band["id"] for band in image["bands"])


def test_a_list_that_is_too_much_for_one_answer_is_asked_in_parts(plot, monkeypatch):
    named = scenes.collection(plots.S2, plots.REGION.bounds_wsen, JUNE)
    full, request = [scene.index for scene in scenes.listed(named, JUNE)], scenes.ask

    def bounded(value):
        answer = request(value)
        if len(answer["list"]) == len(full):
            raise Fault("Computed value is too large")
        return answer

    monkeypatch.setattr(scenes, "ask", bounded)
    assert [scene.index for scene in scenes.listed(named, JUNE)] == sorted(full)


def test_scenes_that_were_dropped_are_part_of_the_sentence(plot):
    days = regions.Period.between("2019-06-15", "2019-06-22")
    with pytest.raises(ValueError, match=r"Sentinel-1 0 scenes \(1 dropped: mode EW, 1 dropped: no VH\)"):
        build(period=days)


def test_before_sentinel2_the_sentence_names_its_first_day(plot):
    with pytest.raises(ValueError, match="begins 2017-03-28"):
        build(period=regions.Month(2016, 6).period)


def test_the_stored_bands_name_unit_and_scale():
    bands = Settings.of(bands=("B2", "B11")).stored_bands
    assert bands == (
        Band("B2", "reflectance", 1e-4),
        Band("B11", "reflectance", 1e-4),
        Band("VV", "dB", 0.01),
        Band("VH", "dB", 0.01),
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"bands": ("B2", "B99")}, "no band B99"),
        ({"bands": ("B2", "B2")}, "each once"),
        ({"speckle": "frost"}, "none, boxcar, lee, .*gamma_map"),
        ({"kernel_px": 4}, "odd number"),
        ({"clouds": "fmask"}, "cloud_score_plus, s2cloudless, scl, cldprb, omnicloudmask, qa60, none"),
        ({"reducer": "max"}, "mean, median, best"),
        ({"clear": 60}, "clear 60: expected 0 to 1"),
        ({"resample": "cubic"}, "bilinear, nearest, bicubic"),
        ({"extras": ("date",)}, "expected some of count, day"),
        ({"level": "l1a"}, "auto, l2a, l1c"),
        ({"level": "l1c", "clouds": "scl"}, "scl needs Sentinel-2 L2A"),
        ({"bands": ("B10",)}, "no band B10"),
        ({"sentinel2": "COPERNICUS/S2_SR"}, "1000 higher since 2022-01-25"),
        ({"sentinel2": "COPERNICUS/S2_HARMONIZED"}, "ask for level l1c"),
        ({"sentinel1": "COPERNICUS/S1_GRD"}, "holds decibels.*S1_GRD_FLOAT"),
    ],
)
def test_settings_that_cannot_be_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        Settings.of(**change)


def test_settings_of_a_newer_version_are_refused():
    with pytest.raises(ValueError, match="flattening are unknown"):
        Settings.from_json({"flattening": True})


def test_the_border_is_masked_by_incidence_angle(plot):
    """docs/reference/earth-engine.md, "Sentinel-1 equations", equation 1: 30.63993 to 45.23993 degrees."""
    raster = fetched(build(speckle="none").image, ["VV"])
    inside = [(a > 30.63993) & (a < 45.23993) for index, a in plot.angle_deg.items() if index in usable(plot)]
    np.testing.assert_array_equal(raster.valid_BHW[0], np.any(inside, axis=0))


def test_the_noisy_edge_is_masked_before_2018(plot):
    """S1_GRD catalog page: border noise is removed by Google only from 2018-01-12 on."""
    quiet = ee.Image([1e-4, 1e-4, 38]).rename(["VV", "VH", "angle"]).toFloat().set("system:time_start", 0)
    loud = ee.Image([1e-1, 1e-2, 38]).rename(["VV", "VH", "angle"]).toFloat()
    month = regions.Month(2017, 6).period
    scenes = ee.ImageCollection([image.set("system:time_start", month.start_ms + 1) for image in (quiet, loud)])
    cleaned = border.without_border(scenes, month, has_angle=True)
    assert pixels.fetch(cleaned.count(), plots.GRID[:4, :4], ["VV"]).values_BHW.max() == 1
