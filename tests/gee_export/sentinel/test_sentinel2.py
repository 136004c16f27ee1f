"""Sentinel-2 against numpy: cloud masks with shadows, best pixels, days, levels; what is refused and what is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pytest
from odc.geo.geobox import GeoBox
from scipy import ndimage

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.earth_engine.session import connect, current
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.requests import pixels
from isamap.gee_export.sentinel import clouds, composite, level, sentinel2
from isamap.gee_export.sentinel.clouds import CLOUDS
from isamap.gee_export.sentinel.composite import NoScenes
from isamap.gee_export.sentinel.scenes import Scene
from isamap.gee_export.sentinel.sentinel2 import Optical
from tests.support import skies as plots
from tests.support.samples import head
from tests.support.skies import Skies, coarse

JUNE = Period.parse("2019-06")
BOX = plots.REGION.bounds_wsen


@pytest.fixture(scope="module")
def skies(tmp_path_factory: pytest.TempPathFactory, engine_home, reconnected) -> Iterator[Skies]:
    written = plots.write(tmp_path_factory.mktemp("skies"))
    with connect(catalog=written.folder, home=engine_home):
        yield written


def sensed(period: Period = JUNE, **settings):
    return sentinel2.sensed(BOX, period, Optical(**settings))


def fetched(image, bands, grid: GeoBox = plots.GRID) -> np.ma.MaskedArray:
    raster = pixels.fetch(image, grid, bands)
    return np.ma.MaskedArray(raster.values_BHW, ~raster.valid_BHW)


def matched(skies: Skies, month: str = "201906") -> dict[str, dict[str, np.ndarray]]:
    return {index: skies.scenes[index] for index in skies.of(month) if "cs_cdf" in skies.scenes[index]}


def masked(values: np.ndarray, clear: np.ndarray) -> np.ma.MaskedArray:
    return np.ma.MaskedArray(values.astype(float), ~clear)


def equal(found: np.ma.MaskedArray, expected: np.ma.MaskedArray, **tolerance) -> None:
    np.testing.assert_array_equal(np.ma.getmaskarray(found), np.ma.getmaskarray(expected))
    assert 0.005 < np.ma.getmaskarray(expected).mean() < 0.98 or not np.ma.getmaskarray(expected).any()
    np.testing.assert_allclose(found.compressed(), expected.compressed(), **{"rtol": 1e-6} | tolerance)


def disk(radius: float) -> np.ndarray:
    side = int(radius)
    y, x = np.mgrid[-side : side + 1, -side : side + 1]
    return x**2 + y**2 <= radius**2


def shaded(bands: dict[str, np.ndarray], *, reach_m: int, buffer_m: int, water: bool) -> np.ndarray:
    """True where s2cloudless hides a 10-m pixel: clouds, and dark pixels a cloud stands before, seen to the sun."""
    cloud_100 = bands["probability"][::10, ::10] > 50
    cast = np.zeros_like(cloud_100)
    for step in range(reach_m // 100 + 1):
        if step * np.sqrt(2) <= reach_m / 100:
            away = np.zeros_like(cast)
            away[: len(cast) - step, : len(cast) - step] = cloud_100[step:, step:]
            cast |= away
    dark = bands["B8"][::2, ::2] < 1500
    if water:
        dark = dark & (bands["SCL"] != 6)
    hidden = (bands["probability"][::2, ::2] > 50) | (coarse(cast, 5) & dark)
    return coarse(grown(hidden, 2 + buffer_m / 20), 2)


def grown(hidden: np.ndarray, radius: float) -> np.ndarray:
    """Without specks narrower than a disk of radius 2, then grown; pixels beyond the scene are no neighbours."""
    room = 10
    around = np.pad(hidden, room, constant_values=True)
    inside = ndimage.binary_dilation(np.pad(np.ones_like(hidden), room), disk(2))
    opened = ndimage.binary_erosion(around, disk(2)) & inside
    return ndimage.binary_dilation(opened, disk(radius))[room:-room, room:-room]


def clear_of(name: str, bands: dict[str, np.ndarray]) -> np.ndarray:
    return {
        "cloud_score_plus": lambda: bands["cs_cdf"] >= np.float32(0.6),
        "s2cloudless": lambda: ~shaded(bands, reach_m=2000, buffer_m=50, water=True),
        "cldprb": lambda: (
            ~shaded(bands | {"probability": coarse(bands["MSK_CLDPRB"], 2)}, reach_m=2000, buffer_m=50, water=True)
        ),
        "scl": lambda: ~np.isin(coarse(bands["SCL"], 2), (1, 3, 8, 9, 10)),
        "qa60": lambda: coarse(bands["QA60"], 6) & 3072 == 0,
        "none": lambda: np.ones((plots.SIDE, plots.SIDE), bool),
    }[name]()


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name, mask in CLOUDS.items() if not mask.computed])
def test_each_mask_leaves_the_pixels_that_numpy_calls_clear(skies, name):
    """docs/reference/earth-engine.md, "Sentinel-2" and "Cloud masks"; bits and classes of the S2_SR catalog page, one
    by one.
    """
    composite = sensed(clouds=name)
    linked = name in ("cloud_score_plus", "s2cloudless")
    scenes = matched(skies) if linked else {index: skies.scenes[index] for index in skies.of("201906")}
    stack = np.ma.stack([masked(bands["B2"], clear_of(name, bands)) for bands in scenes.values()])
    equal(fetched(composite.packed, ["B2"])[0], stack.mean(axis=0))
    np.testing.assert_array_equal(fetched(composite.count, ["s2_count"])[0], stack.count(axis=0))


@pytest.mark.parametrize(
    ("settings", "mask"),
    [
        ({"clear": 0.3}, lambda bands: bands["cs_cdf"] >= np.float32(0.3)),
        (
            {"clouds": "s2cloudless", "cloud_probability": 50, "shadow_km": 0.5, "cloud_buffer_m": 120},
            lambda bands: ~shaded(bands, reach_m=500, buffer_m=120, water=True),
        ),
    ],
)
def test_thresholds_are_values(skies, settings, mask):
    stack = np.ma.stack([masked(bands["B3"], mask(bands)) for bands in matched(skies).values()])
    equal(fetched(sensed(**settings).packed, ["B3"])[0], stack.mean(axis=0))


@pytest.mark.parametrize("product", ["cloud_score_plus", "s2cloudless"])
def test_scenes_without_a_partner_are_named_and_left_out(skies, product):
    """docs/reference/earth-engine.md, "Cloud masks": linkCollection masks them wholly and says nothing."""
    composite = sensed(clouds=product)
    assert composite.info["without_cloud_product"] == [plots.index_of("20190629")]
    assert composite.info["scenes"] == 3 and plots.index_of("20190629") not in composite.info["ids"]


def test_a_period_that_the_cloud_product_does_not_know_says_so(skies):
    radar = SimpleNamespace(used=("a scene",), info={"dropped": {}})
    unknown = Period.parse("2019-06-28..2019-06-30")
    with pytest.raises(NoScenes, match=r"1 more have no partner in GOOGLE/CLOUD_SCORE_PLUS.*try --clouds scl"):
        composite._check_scenes(plots.REGION, unknown, {"sentinel2": sensed(unknown), "sentinel1": radar})


@pytest.mark.parametrize("text", ["2022-01", "2024-02", "2023", "2021-12-01..2022-01-25", "2024-02-28..2024-03-31"])
def test_qa60_is_refused_while_it_is_masked(text):
    """S2_SR catalog page: QA60 is masked from 2022-01-25 to 2024-02-28, so every cloud would count as clear."""
    with pytest.raises(ValueError, match=r"no QA60 from 2022-01-25 to 2024-02-28.*choose cloud_score_plus"):
        sensed(Period.parse(text), clouds="qa60")


@pytest.mark.parametrize("text", ["2021-12-01..2022-01-24", "2024-02-29..2024-03-31"])
def test_qa60_is_not_refused_on_the_days_around(skies, text):
    assert sensed(Period.parse(text), clouds="qa60").used == ()


def scores(name: str, bands: dict[str, np.ndarray]) -> np.ndarray:
    if name == "cloud_score_plus":
        return bands["cs_cdf"].astype(float)
    if name == "s2cloudless":
        return 1 - bands["probability"] / 100
    if name == "none":
        red, nir = bands["B4"].astype(float), bands["B8"].astype(float)
        return ((nir - red) / (nir + red) + 1) / 2
    factor = {"qa60": 6, "scl": 2}[name]
    away = ndimage.distance_transform_edt(clear_of(name, bands)[::factor, ::factor])
    return coarse(np.minimum(away * factor * 10, 1500) / 1500, factor)


@pytest.mark.long
@pytest.mark.parametrize("name", ["cloud_score_plus", "s2cloudless", "scl", "qa60", "none"])
def test_the_best_pixel_has_all_bands_and_the_day_of_one_observation(skies, name):
    """Of equal scores the observation nearest to the middle of the month, 16 June 00:00 UTC."""
    linked = name in ("cloud_score_plus", "s2cloudless")
    scenes = matched(skies) if linked else {index: skies.scenes[index] for index in skies.of("201906")}
    days = np.array([date.fromisoformat(f"{index[:4]}-{index[4:6]}-{index[6:8]}").day for index in scenes])
    near = np.abs(days - 1 + (2 + 55 / 60 + 51 / 3600) / 24 - 15) / 15 * 1e-3
    rank = np.ma.stack(
        [masked(scores(name, bands) - n, clear_of(name, bands)) for bands, n in zip(scenes.values(), near, strict=True)]
    )
    composite = sensed(clouds=name, reducer="best", extras=("day", "count"))
    values = fetched(composite.packed, ["B2", "B4", "s2_day", "s2_observations"])
    best, nothing = np.ma.argmax(rank, axis=0), rank.mask.all(axis=0)
    for number, band in ((0, "B2"), (1, "B4")):
        stack = np.stack([bands[band] for bands in scenes.values()]).astype(float)
        equal(values[number], np.ma.MaskedArray(np.take_along_axis(stack, best[None], 0)[0], nothing))
    equal(values[2], np.ma.MaskedArray(days[best] + 151.0, nothing))  # 31 + 28 + 31 + 30 + 31 days before June
    np.testing.assert_array_equal(values[3], rank.count(axis=0))
    assert composite.info["ranked_by"] and composite.info["day_1"] == "2019-01-01"


@pytest.mark.long
@pytest.mark.parametrize(("reducer", "reduce"), [("mean", np.ma.mean), ("median", np.ma.median)])
def test_the_day_of_a_mean_or_median_is_that_of_the_clear_days(skies, reducer, reduce):
    days = {index: date.fromisoformat(f"{index[:4]}-{index[4:6]}-{index[6:8]}") for index in matched(skies)}
    stack = np.ma.stack(
        [
            masked(np.full((plots.SIDE, plots.SIDE), days[index].timetuple().tm_yday), bands["cs_cdf"] >= 0.6)
            for index, bands in matched(skies).items()
        ]
    )
    found = fetched(sensed(reducer=reducer, extras=("day",)).packed, ["s2_day"])[0]
    equal(found, reduce(stack, axis=0))


def test_days_of_a_winter_go_on_after_new_year(skies):
    """A mean of day 354 and day 5 must lie between them: days count from 1 January of the period's first day."""
    winter = sensed(Period.parse("2020-DJF"), reducer="best", extras=("day",))
    days = fetched(winter.packed, ["s2_day"])[0]
    assert set(np.unique(days.compressed())) == {354, 365 + 5, 365 + 50}
    assert winter.info["day_1"] == "2019-01-01" and winter.info["scenes"] == 3


def test_the_bands_of_extras_have_unit_and_scale():
    stored = Optical(bands=("B2",), extras=("count", "day")).stored
    assert [(band.name, band.unit, band.scale) for band in stored] == [
        ("B2", "reflectance", 1e-4),
        ("s2_observations", "count", 1.0),
        ("s2_day", "day", 1.0),
    ]


def test_physical_values_are_stored_ones_times_their_scales(skies):
    composite = sensed(extras=("count", "day"))
    names = ["B2", "B8", "s2_observations", "s2_day"]
    stored, physical = fetched(composite.packed, names), fetched(composite.image, names)
    for index, scale in enumerate((1e-4, 1e-4, 1, 1)):
        np.testing.assert_allclose(physical[index].compressed(), stored[index].compressed() * scale, rtol=1e-6)


def bilinear(values: np.ndarray, factor: int) -> np.ndarray:
    """Values at the centres of factor x factor parts of each pixel; the outermost pixels go on unchanged."""
    at = (np.arange(len(values) * factor) + 0.5) / factor - 0.5
    rows, cols = np.meshgrid(at, at, indexing="ij")
    return ndimage.map_coordinates(values.astype(float), [rows, cols], order=1, mode="nearest")


@pytest.mark.parametrize(("band", "factor"), [("B11", 2), ("B1", 6)])
def test_coarse_bands_are_interpolated_before_they_are_masked(skies, band, factor):
    """A mask set first would be judged on 20- or 60-m pixels, and its edges would bleed into the interpolation."""
    scenes = matched(skies).values()
    stack = np.ma.stack([masked(bilinear(bands[band], factor), bands["cs_cdf"] >= np.float32(0.6)) for bands in scenes])
    actual = fetched(sensed(bands=("B2", band)).packed, ["B2", band])
    np.testing.assert_array_equal(actual.mask[0], actual.mask[1])
    equal(actual[1][6:-6, 6:-6], stack.mean(axis=0)[6:-6, 6:-6], rtol=1e-5)


def test_coarse_bands_can_be_taken_nearest(skies):
    scenes = matched(skies).values()
    stack = np.ma.stack([masked(coarse(bands["B11"], 2), bands["cs_cdf"] >= np.float32(0.6)) for bands in scenes])
    equal(fetched(sensed(bands=("B11",), resample="nearest").packed, ["B11"])[0], stack.mean(axis=0))


def test_bicubic_is_another_interpolation(skies):
    smooth, sharp = (
        fetched(sensed(bands=("B11",), clouds="none", resample=mode).packed, ["B11"])[0][8:-8, 8:-8]
        for mode in ("bilinear", "bicubic")
    )
    assert abs(smooth.mean() - sharp.mean()) < 5 < np.abs(smooth - sharp).mean() and sharp.std() > smooth.std()


@pytest.mark.long
@pytest.mark.parametrize(
    "settings",
    [
        {"clouds": "s2cloudless", "reducer": "best"},
        {"clouds": "scl", "reducer": "best", "bands": ("B2", "B11")},
        {"clouds": "cloud_score_plus", "reducer": "median", "extras": ("day",)},
    ],
    ids=["s2cloudless", "distance", "median"],
)
def test_a_pixel_does_not_depend_on_the_window(skies, settings):
    """docs/reference/performance.md, "P3": blocks must join without seams, so shadows, buffers and distances lie on
    fixed lattices.
    """
    composite = sensed(**settings)
    names = [band.name for band in Optical(**settings).stored]
    full = fetched(composite.packed, names)
    for row, col, height, width in ((0, 0, 97, 61), (97, 61, 80, 131), (33, 7, 5, 3)):
        window = fetched(composite.packed, names, plots.GRID[row : row + height, col : col + width])
        here = full[:, row : row + height, col : col + width]
        np.testing.assert_array_equal(window.mask, here.mask)
        np.testing.assert_array_equal(window.filled(-1), here.filled(-1))


JUNE_2018 = Period.parse("2018-06")


def test_l1c_stands_in_where_l2a_lacks_acquisitions(skies):
    """docs/reference/earth-engine.md, "Sentinel-2": 2017 and 2018 are not global; the level is told, and no composite
    mixes two.
    """
    composite = sensed(JUNE_2018, clouds="s2cloudless")
    assert composite.info["level"] == "L1C" and composite.info["collection"] == plots.L1C
    assert composite.info["acquisitions"] == {"L2A": 1, "L1C": 3} and composite.info["scenes"] == 3
    scenes = [bands for index, bands in skies.scenes.items() if index.startswith("L1C")]
    clear = [~shaded(bands, reach_m=2000, buffer_m=50, water=False) for bands in scenes]
    stack = np.ma.stack([masked(bands["B2"], seen) for bands, seen in zip(scenes, clear, strict=True)])
    equal(fetched(composite.packed, ["B2"])[0], stack.mean(axis=0))


def test_a_level_can_be_asked_for(skies):
    assert sensed(JUNE_2018, level="l2a").info["level"] == "L2A"
    assert sensed(JUNE_2018, level="l2a").info["scenes"] == 1
    assert sensed(JUNE_2018, level="l1c").info["level"] == "L1C"
    assert sensed().info["level"] == "L2A" and "acquisitions" not in sensed().info


def test_scl_cannot_mask_l1c(skies):
    with pytest.raises(ValueError, match="scl needs Sentinel-2 L2A, and L1C has no such band"):
        sensed(JUNE_2018, clouds="scl")


def test_a_scene_without_the_masks_own_band_is_refused(skies):
    """Planetary Computer's scenes have no cloud probability; masked in silence they would count as clear."""
    with pytest.raises(ValueError, match=r"20180614.* has no band MSK_CLDPRB.*choose another mask"):
        clouds.check_scene(Scene("20180614T", ("B2", "B8", "SCL"), {}), CLOUDS["cldprb"])


def test_a_collection_of_both_levels_is_refused(skies, monkeypatch):
    monkeypatch.setitem(level.COLLECTIONS, "L2A", plots.L1C)
    with pytest.raises(ValueError, match=r"holds L1C scenes such as 20180604.*among L2A"):
        level.choose("l2a", plots.L1C, BOX, JUNE_2018)


def test_a_collection_that_is_nowhere_is_a_fault(skies):
    with pytest.raises(Fault, match="'users/me/none' not found"):
        sensed(sentinel2="users/me/none")


ASKED = {"region": plots.REGION, "label": "none", "size": 120, "stride": 120, "speckle": "none", "progress": False}


@pytest.fixture
def export(skies, tmp_path):
    def call(**changes):
        return export_patches(**(ASKED | changes), out=tmp_path / "data", session=current())

    return call


def test_the_manifest_owns_up_to_l1c_and_the_export_goes_on(export, tmp_path):
    """docs/reference/earth-engine.md, "Sentinel-2": a patch must tell its level. A second run finds the same and
    fetches nothing.
    """
    export(month="2018-06", settings={"extras": ("day",)})
    dataset = Dataset.open(tmp_path / "data")
    assert dataset.manifest.level == "L1C" and dataset.manifest.image["product"]["sentinel2"] == plots.L1C
    assert dataset.manifest.settings["level"] == "auto"
    facts = dataset.manifest.scenes["skies"]["201806"]["sentinel2"]
    assert facts["level"] == "L1C" and facts["acquisitions"] == {"L2A": 1, "L1C": 3}
    day = dataset.read_image(dataset.patches[0])[dataset.manifest.band_names.index("s2_day")]
    assert set(np.unique(day)) <= {-32768, *range(154, 177)} and (day > 0).any()
    assert export(month="2018-06", settings={"extras": ("day",)}).notes[0] == "already complete"


def test_an_export_by_qa60_is_refused_before_anything_is_asked(export):
    with pytest.raises(ValueError, match="no QA60 from 2022-01-25"):
        export(month="2023-06", clouds="qa60", dry_run=True)


def test_an_export_of_both_levels_is_refused(export):
    with pytest.raises(ValueError, match=r"needs one Sentinel-2 level.*L1C.*L2A"):
        export(month=["2018-06", "2019-06"])


def test_parts_of_a_period_have_its_level(skies):
    """Frames are made day by day: on 14 June 2018 alone L2A is complete, in that month it is not."""
    day = Period.parse("2018-06-14..2018-06-14")
    assert sensed(day).info["level"] == "L2A"
    pinned = sentinel2.pinned(BOX, JUNE_2018, Optical())
    assert sentinel2.sensed(BOX, day, pinned).info["level"] == "L1C"
    assert sentinel2.pinned(BOX, JUNE, Optical()).level == "l2a"


def test_the_level_of_a_dataset_is_its_composites():
    provenance = {"wuhan": {"201806": {"sentinel2": {"level": "L1C"}}}}
    assert replace(head(), scenes=provenance).level == "L1C"
