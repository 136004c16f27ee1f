"""Every fault that is put into a sound dataset is found by its check, and by no other that it does not concern."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import Transformer

from isamap.gee_export.base.storage import crc32c
from isamap.gee_export.card import checks
from isamap.gee_export.card.survey import survey
from isamap.gee_export.datasets import index, manifest
from isamap.gee_export.datasets.composite_rules import CHANGES, COMPOSITE_VERSION
from isamap.gee_export.datasets.dataset import INDEX, MANIFEST, Dataset, Grid
from tests.support import sound


def findings(data: Dataset):
    return {finding.name: finding for finding in checks.run(data, survey(data))}


def verdicts(data: Dataset) -> dict[str, str]:
    """Of the checks that did not pass."""
    return {name: finding.verdict for name, finding in findings(data).items() if finding.verdict != "pass"}


def reindexed(data: Dataset, **columns) -> Dataset:
    """The dataset with another first row in its index."""
    rows = [replace(data.patches[0], **columns), *data.patches[1:]]
    outlines = [data.geobox(patch).extent.to_crs("EPSG:4326").geom for patch in rows]
    content = index.encode(rows, outlines)
    data.storage.write(INDEX, content)
    data.storage.write(MANIFEST, manifest.encode(data.manifest, content))
    return Dataset.open(data.storage)


def rewritten(data: Dataset, name: str, **profile) -> Dataset:
    """The first patch's image or label written again with another profile, checksum and all."""
    path = data.storage.path(name)
    with rasterio.open(path) as source:
        values, stored, bands = source.read(), source.profile, source.descriptions
    path.unlink()
    with rasterio.open(path, "w", **stored | profile) as target:
        target.write(values)
        target.descriptions = bands
    column = "label_crc32c" if name.startswith("labels") else "image_crc32c"
    return reindexed(data, **{column: crc32c(path.read_bytes())})


def test_a_sound_dataset_passes_every_check(tmp_path):
    assert verdicts(sound.stored(tmp_path)) == {}


def of_settings(data: Dataset, **settings) -> Dataset:
    """The dataset whose manifest says that its composites were made by these settings."""
    document = replace(data.manifest, settings=settings)
    data.storage.write(MANIFEST, manifest.encode(document, data.storage.read(INDEX)))
    return Dataset.open(data.storage)


@pytest.mark.parametrize(
    ("settings", "version", "told"),
    [
        ({}, 1, "noisy edges of Sentinel-2 left out"),
        ({"composite_version": 2}, 2, "(Sentinel-1's power of 0 missing)"),
    ],
)
def test_composites_of_earlier_rules_are_told_with_what_changed(tmp_path, settings, version, told):
    data = of_settings(sound.stored(tmp_path), clouds="scl", **settings)
    finding = findings(data)["composite rules"]
    assert finding.verdict == "warn" and told in finding.detail
    assert finding.detail.startswith(f"version {version}, the present one is {COMPOSITE_VERSION}")


@pytest.mark.parametrize(
    "settings", [{"bands": ["B2"]}, {"clouds": "scl", "composite_version": COMPOSITE_VERSION}], ids=["chips", "present"]
)
def test_other_images_and_present_rules_pass(tmp_path, settings):
    assert findings(of_settings(sound.stored(tmp_path), **settings))["composite rules"].verdict == "pass"


def test_every_later_version_has_its_words():
    assert set(CHANGES) == set(range(2, COMPOSITE_VERSION + 1))


def test_one_flipped_byte_fails(tmp_path):
    data = sound.stored(tmp_path)
    path = data.storage.path(data.patches[3].image_name)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    finding = findings(data)["files"]
    assert finding.verdict == "fail" and data.patches[3].image_name in finding.detail


def test_a_whole_file_of_another_patch_fails(tmp_path):
    data = sound.stored(tmp_path)
    single, second = (data.storage.path(patch.label_name) for patch in data.patches[:2])
    single.write_bytes(second.read_bytes())
    assert findings(data)["files"].numbers == {"files": 20, "broken": 1}


@pytest.mark.long
@pytest.mark.parametrize("layer", ["images", "labels"])
@pytest.mark.parametrize("moved_px", [0.5, 1.0, 10.0])
def test_a_file_off_its_place_fails(tmp_path, layer, moved_px):
    """docs/reference/wishes.md, "Wish 11" and "Wish 12": image and mask misaligned."""
    data = sound.stored(tmp_path)
    affine = data.geobox(data.patches[0]).affine * Affine.translation(moved_px, 0)
    data = rewritten(data, f"{layer}/{data.patches[0].id}.tif", transform=affine)
    finding = findings(data)["alignment"]
    assert finding.verdict == "fail" and f"{moved_px:g} px" in finding.detail


@pytest.mark.long
def test_another_crs_fails(tmp_path):
    data = sound.stored(tmp_path)
    data = rewritten(data, data.patches[0].image_name, crs="EPSG:32649")
    assert "EPSG:32649" in findings(data)["alignment"].detail


@pytest.mark.long
def test_shares_of_the_index_must_follow_from_the_pixels(tmp_path):
    data = reindexed(sound.stored(tmp_path), impervious_share=0.123)
    assert verdicts(data) == {"index": "fail"}


def test_statistics_must_follow_from_the_train_pixels(tmp_path):
    """docs/reference/wishes.md, "Wish 15": statistics of other data."""
    data = sound.stored(tmp_path)
    wrong = {name: replace(stated, mean=stated.mean * 2) for name, stated in data.manifest.statistics.items()}
    data = Dataset(data.storage, replace(data.manifest, statistics=wrong), data.patches)
    assert verdicts(data) == {"index": "fail"}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "verdict"), [("blocks", "fail"), ("random", "warn")])
def test_one_shared_column_of_pixels_leaks(tmp_path, kind, verdict):
    """docs/reference/wishes.md, "Wish 17"; the paper's random split leaks on purpose, which is a warning."""
    patches = sound.patches()
    patches[-1] = replace(patches[-1], split="val", row=sound.SIZE - 1, col=patches[0].col)  # under a train patch
    data = sound.stored(tmp_path, patches, split={"kind": kind})
    finding = findings(data)["leakage"]
    assert finding.verdict == verdict and finding.numbers["tainted"] == {"val": 1, "test": 0}


def test_patches_that_touch_do_not_leak(tmp_path):
    numbers = findings(sound.stored(tmp_path))["leakage"].numbers
    assert numbers["pairs"] == 0 and numbers["nearest_m"]["train-val"] == 0.0
    assert numbers["nearest_m"]["train-test"] == pytest.approx(2 * sound.SIZE * 10)


def test_the_same_ground_in_another_period_leaks(tmp_path):
    patches = sound.patches()
    patches.append(replace(patches[0], period="202006", split="test"))
    months = [{"label": "201906", "start": "2019-06-01", "end": "2019-07-01"}]
    months.append({"label": "202006", "start": "2020-06-01", "end": "2020-07-01"})
    data = sound.stored(tmp_path, patches, periods=tuple(months))
    assert verdicts(data)["leakage"] == "fail"


@pytest.mark.long
def test_the_same_ground_in_two_regions_of_two_zones_leaks(tmp_path):
    """Zone 49 sees zone 50's ground turned by a degree or so: the outlines are compared, not the rows and columns."""
    first = sound.head().grids["wuhan"]
    x, y = first.geobox.affine * (24, 24)
    east, north = Transformer.from_crs(32650, 32649, always_xy=True).transform(x, y)
    corner = round(east, -1) - 240, round(north, -1) + 240
    second = Grid("EPSG:32649", (10.0, 0.0, corner[0], 0.0, -10.0, corner[1]), (48, 48))
    actual = [*sound.patches(), replace(sound.patches()[9], region="other", row=0, col=0, split="test")]
    data = sound.stored(tmp_path, actual, grids={"wuhan": first, "other": second})
    leak, double = findings(data)["leakage"], findings(data)["duplicates"]
    assert leak.verdict == "fail" and leak.numbers["tainted"]["test"] == 1
    assert double.numbers["ground"] == 1


@pytest.mark.long
@pytest.mark.parametrize(("place", "verdict"), [(1, "warn"), (9, "fail")])
def test_identical_images_are_found(tmp_path, place, verdict):
    patches = sound.patches()
    patches[place] = replace(patches[place], image_BHW=patches[0].image_BHW, label_HW=patches[0].label_HW)
    assert verdicts(sound.stored(tmp_path, patches))["duplicates"] == verdict


def test_a_band_without_pixels_fails(tmp_path):
    def without_radar(image):
        image = image.copy()
        image[3] = -32768
        return image

    finding = findings(sound.stored(tmp_path, sound.with_images(without_radar)))["missing data"]
    assert finding.verdict == "fail" and "VV" in finding.detail


def test_a_blank_patch_and_unknown_labels_warn(tmp_path):
    """docs/reference/wishes.md, "Wish 13"."""
    patches = sound.patches()
    patches[0] = replace(patches[0], image_BHW=np.full_like(patches[0].image_BHW, -32768))
    patches[1] = replace(patches[1], label_HW=np.full_like(patches[1].label_HW, 255))
    finding = findings(sound.stored(tmp_path, patches))["missing data"]
    assert finding.verdict == "warn"
    assert (finding.numbers["blank_patches"], finding.numbers["unlabelled_patches"]) == (1, 1)
    assert finding.numbers["unknown_labels"] == pytest.approx(0.1)
    assert finding.numbers["valid_share"]["B2"] == pytest.approx(0.9)


def tenfold(image):
    return np.where(np.arange(4)[:, None, None] < 3, image * 10, image)


def too_bright(image):
    return np.where(np.arange(4)[:, None, None] == 3, 3000, image)  # 30 dB


def negative(pixels):
    def change(image):
        image = image.copy()
        image[:3, 0, :pixels] = -20
        return image

    return change


@pytest.mark.long
@pytest.mark.parametrize(
    ("spoil", "verdict"), [(tenfold, "fail"), (too_bright, "fail"), (negative(1), "pass"), (negative(12), "warn")]
)
def test_numbers_that_no_ground_has(tmp_path, spoil, verdict):
    """docs/reference/wishes.md, "Wish 15"; a single negative reflectance in 2,304 is Sentinel-2's own noise."""
    assert findings(sound.stored(tmp_path, sound.with_images(spoil)))["value ranges"].verdict == verdict


def test_labels_outside_their_classes_fail(tmp_path):
    finding = findings(sound.stored(tmp_path, sound.with_labels(lambda label: label + 6)))["value ranges"]
    assert finding.verdict == "fail" and finding.numbers["strange_classes"] == [6, 7]


@pytest.mark.long
def test_an_offset_of_1000_in_one_period_fails(tmp_path):
    """docs/reference/wishes.md, "Wish 16": after 25 January 2022 darkness reads 0.1 where the offset is not
    subtracted.
    """

    def brighter(image):
        return np.where(np.arange(4)[:, None, None] < 3, image + 1000, image)

    late = [
        replace(sample, period="202206", row=200, image_BHW=brighter(sample.image_BHW).astype(np.int16))
        for sample in sound.patches()
    ]
    months = [{"label": "201906", "start": "2019-06-01", "end": "2019-07-01"}]
    months.append({"label": "202206", "start": "2022-06-01", "end": "2022-07-01"})
    data = sound.stored(tmp_path, [*sound.patches(), *late], periods=tuple(months))
    finding = findings(data)["offset"]
    assert finding.verdict == "fail" and finding.numbers["period"] == "202206"
    assert finding.numbers["bright_share"] == 1.0


def test_an_offset_subtracted_twice_fails(tmp_path):
    """Dark ground of .05 less .1; by these threads the flag of an item is sometimes wrong (earth-search#66, #71)."""

    def darker(image):
        return np.where(np.arange(4)[:, None, None] < 3, image - 1000, image)

    finding = findings(sound.stored(tmp_path, sound.with_images(darker)))["offset"]
    assert finding.verdict == "fail" and "subtracted twice" in finding.detail
    assert finding.numbers["dark_share"] == 1.0 and finding.numbers["bright_share"] == 0.0


def test_patches_of_0_in_all_bands_are_fill_and_no_duplicates(tmp_path):
    patches = sound.patches()
    patches[:2] = [replace(sample, image_BHW=np.zeros_like(sample.image_BHW)) for sample in patches[:2]]
    found = findings(sound.stored(tmp_path, patches))
    assert found["duplicates"].verdict == "pass"
    assert found["missing data"].verdict == "warn" and found["missing data"].numbers["fill_share"] == 0.2
    assert "0 in all bands" in found["missing data"].detail and patches[0].region in found["missing data"].detail


def test_fill_of_sentinel_2_beside_radar_is_told(tmp_path):
    def bordered(image):
        image = image.copy()
        image[:3, :, : sound.SIZE // 2] = 0
        return image

    finding = findings(sound.stored(tmp_path, sound.with_images(bordered)))["missing data"]
    assert finding.verdict == "warn" and finding.numbers["fill_share"] == 0.5


def test_one_class_only_fails(tmp_path):
    assert verdicts(sound.stored(tmp_path, sound.with_labels(np.zeros_like)))["class balance"] == "fail"


def test_an_empty_split_warns(tmp_path):
    actual = [sample for sample in sound.patches() if sample.split != "val"]
    finding = findings(sound.stored(tmp_path, actual))["class balance"]
    assert finding.verdict == "warn" and "val has no patches" in finding.detail


def test_splits_that_are_unlike_each_other_warn(tmp_path):
    actual = [
        replace(sample, label_HW=np.ones_like(sample.label_HW)) if sample.split == "test" else sample
        for sample in sound.patches()
    ]
    finding = findings(sound.stored(tmp_path, actual))["class balance"]
    assert finding.verdict == "warn" and "unlike each other" in finding.detail and "100% of test" in finding.detail


@pytest.mark.long
@pytest.mark.parametrize(("down", "right"), [(2, 0), (0, 3), (3, 2)])
def test_shifted_labels_are_measured(tmp_path, down, right):
    """docs/reference/wishes.md, "Wish 12": a mask that lies beside its image is seen, and by how much."""
    actual = [sound.shifted(sample, down, right) for sample in sound.patches()]
    finding = findings(sound.stored(tmp_path, actual))["label shift"]
    assert finding.verdict == "fail"
    assert finding.numbers["down_px"] == pytest.approx(down, abs=0.3)
    assert finding.numbers["right_px"] == pytest.approx(right, abs=0.3)


def test_labels_in_place_measure_no_shift(tmp_path):
    numbers = findings(sound.stored(tmp_path))["label shift"].numbers
    assert abs(numbers["down_px"]) < 0.2 and abs(numbers["right_px"]) < 0.2
    assert 0.001 < numbers["half_width_px"] < 0.5  # ten patches never agree wholly


def test_a_shift_without_evidence_is_not_claimed(tmp_path):
    """Images of noise have no edges in common with their labels."""
    rng = np.random.default_rng(1)
    noise = sound.with_images(
        lambda image: rng.integers(300, 2000, image.shape) * np.array([1, 1, 1, -1])[:, None, None]
    )
    finding = findings(sound.stored(tmp_path, noise))["label shift"]
    assert finding.verdict == "unclear"
