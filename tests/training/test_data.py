"""Datasets opened for training, and the batches read from them."""

from __future__ import annotations

import time

import numpy as np
import pytest

from isamap.training.checkpoints.checkpoint import normalise
from isamap.training.samples.data import EpochOrder, loader, of_both_levels, open_source
from tests.support.towns import spread

MISSING = -32768


def test_a_batch_is_the_patches_asked_for_in_their_order(make):
    dataset = make(spread(5, 1, 1))
    patches = open_source([dataset.storage.url]).split("train")
    batch = patches.__getitems__([4, 0, 2])
    for at, index in enumerate((4, 0, 2)):
        np.testing.assert_array_equal(
            batch.image_BCHW[at].numpy(), dataset.read_image(dataset.in_split("train")[index])
        )
    assert batch.patch_B.tolist() == [4, 0, 2]


def test_splits_are_kept_apart(make):
    dataset = make(["val", "train", "test", "train"])
    source = open_source([dataset.storage.url])
    assert [len(source.split(name)) for name in ("train", "val", "test")] == [2, 1, 1]
    np.testing.assert_array_equal(
        source.split("test").__getitems__([0]).image_BCHW[0].numpy(), dataset.read_image(dataset.in_split("test")[0])
    )


@pytest.mark.long
def test_four_datasets_are_one_and_bands_are_matched_by_name(make):
    """The second holds the bands in another order, and one more."""
    first = make(spread(3, 1, 1), bands=("B4", "VV"))
    second = make(spread(2, 1, 1), bands=("VV", "B2", "B4"), seed=1, name="second", settings=first.manifest.settings)
    third = make(spread(1, 1, 1), bands=("B4", "VV"), seed=2, name="third")
    fourth = make(spread(1, 1, 1), bands=("B4", "VV"), seed=3, name="fourth", settings=first.manifest.settings)
    addresses = [d.storage.url for d in (first, second, third, fourth)]
    patches = open_source(addresses).split("train")
    assert len(patches) == 7
    owned = [(first, None), (second, [2, 0]), (third, None), (fourth, None)]
    pairs = [(d, p, channels or slice(None)) for d, channels in owned for p in d.in_split("train")]
    expected = [4, 6, 1, 3, 0, 5, 2]
    batch = patches.__getitems__(expected)
    for image, label, at in zip(batch.image_BCHW.numpy(), batch.label_BHW.numpy(), expected, strict=True):
        dataset, patch, channels = pairs[at]
        np.testing.assert_array_equal(image, dataset.read_image(patch)[channels])
        np.testing.assert_array_equal(label, dataset.read_label(patch))


def test_statistics_of_two_datasets_are_those_of_all_their_training_pixels(make):
    first = make(spread(3, 1, 1))
    second = make(spread(5, 1, 1), seed=1, name="second")
    source = open_source([first.storage.url, second.storage.url])
    for at, norm in enumerate(source.bands):
        stored = [d.read_image(p)[at] for d in (first, second) for p in d.in_split("train")]
        values = np.stack(stored).astype(np.float64) * source.stored[at].scale
        assert norm.mean == pytest.approx(values.mean(), rel=1e-9)
        assert norm.std == pytest.approx(values.std(), rel=1e-6)


def test_a_prepared_batch_is_what_inference_would_feed(make):
    """Stored values to physical ones to `normalise`, missing pixels masked; reflectance clipped, dB not."""
    dataset = make(spread(2, 1, 1))
    source = open_source([dataset.storage.url])
    batch = source.split("train").__getitems__([0, 1])
    batch.image_BCHW[0, :, :3] = MISSING
    batch.image_BCHW[1, 0, 0, 0] = 12_000
    prepared = source.prepare(batch)
    stored = batch.image_BCHW.numpy()
    scale = np.array([band.scale for band in source.stored], dtype=np.float32)[:, None, None]
    expected = normalise(stored.astype(np.float32) * scale, stored != MISSING, source.bands)
    np.testing.assert_array_equal(prepared.image_BCHW.numpy(), expected)
    assert (prepared.image_BCHW[0, :, :3] == 0).all() and not prepared.valid_BCHW[0, :, :3].any()
    assert prepared.image_BCHW[1, 0, 0, 0].item() == pytest.approx(
        (1 - source.bands[0].mean) / source.bands[0].std, rel=1e-5
    )
    assert source.bands[0].clip_max == 1.0 and source.bands[4].clip_max is None


def test_the_order_is_a_permutation_of_seed_and_epoch():
    order, second = EpochOrder(50, seed=1), EpochOrder(50, seed=1)
    first = list(order)
    second.set_epoch(1)
    assert sorted(first) == list(range(50)) and first == list(EpochOrder(50, 1)) != list(second) != list(
        EpochOrder(50, 2)
    )


def test_training_batches_are_whole_and_evaluation_batches_cover_all(make):
    dataset = make(spread(5, 1, 1))
    patches = open_source([dataset.storage.url]).split("train")
    assert [len(b.patch_B) for b in loader(patches, 2, EpochOrder(5, 0))] == [2, 2]
    assert [b.patch_B.tolist() for b in loader(patches, 2)] == [[0, 1], [2, 3], [4]]


@pytest.mark.long
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({}, {"bands": ("B4",)}, "dataset other lacks band B2 .it holds B4."),
        ({}, {"size": 64}, "differ in size: 32 and 64"),
        ({}, {"backscatter": "gamma0"}, "differ in backscatter: sigma0 and gamma0"),
        (
            {"scenes": {"town": {"201906": {"sentinel2": {"level": "L2A"}}}}},
            {"scenes": {"town": {"201806": {"sentinel2": {"level": "L1C"}}}}},
            "differ in level: L2A and L1C",
        ),
        ({"settings": {"reducer": "mean"}}, {"settings": {"reducer": "median"}}, "reducer: mean and median"),
    ],
)
def test_datasets_that_do_not_go_together_are_refused(make, first, second, words):
    left, right = make(spread(2, 1, 1), **first), make(spread(2, 1, 1), name="other", **second)
    with pytest.raises(ValueError, match=words):
        open_source([left.storage.url, right.storage.url])


def test_a_constant_band_is_refused(make):
    def flat(image, label):
        image[1] = -1200
        return image, label

    dataset = make(spread(2, 1, 1), bands=("B4", "VV"), change=flat)
    with pytest.raises(ValueError, match="band VV is -12 everywhere in the training patches: leave it out"):
        open_source([dataset.storage.url])


def test_a_band_without_a_valid_pixel_is_refused(make):
    def gone(image, label):
        image[0] = MISSING
        return image, label

    dataset = make(spread(2, 1, 1), bands=("B4", "VV"), change=gone)
    with pytest.raises(ValueError, match="band B4 has no valid pixel in any training patch"):
        open_source([dataset.storage.url])


def test_no_dataset_given():
    with pytest.raises(ValueError, match="name at least one"):
        open_source([])


@pytest.mark.long
def test_gathering_is_far_faster_than_reading_geotiffs(make):
    """docs/reference/performance.md, "P7" asks for >= 50 x a GeoTIFF a patch; 10 x here, on small patches and a noisy
    machine.
    """
    dataset = make(spread(64, 1, 1), size=64)
    patches = open_source([dataset.storage.url]).split("train")
    selection = dataset.in_split("train")
    start = time.process_time()
    for patch in selection[:16]:
        dataset.read_image(patch), dataset.read_label(patch)
    slow = (time.process_time() - start) / 16
    start = time.process_time()
    for _ in range(4):
        patches.__getitems__(range(64))
    assert (time.process_time() - start) / 256 < slow / 10


@pytest.mark.long
def test_levels_are_joined_and_standardised_over_all_their_training_pixels(make):
    def scenes(level: str) -> dict:
        return {"town": {"201906": {"sentinel2": {"level": level, "ids": []}}}}

    l2a = make(spread(3, 1, 1), scenes=scenes("L2A"))
    l1c = make(spread(5, 1, 1), seed=1, name="air", scenes=scenes("L1C"))
    with pytest.raises(ValueError, match="differ in level"):
        open_source([l2a.storage.url, l1c.storage.url])
    joined = of_both_levels([open_source([l2a.storage.url]), open_source([l1c.storage.url])])
    assert len(joined.split("train")) == 8
    for at, norm in enumerate(joined.bands):
        stored = [d.read_image(p)[at] for d in (l2a, l1c) for p in d.in_split("train")]
        values = np.stack(stored).astype(np.float64) * joined.stored[at].scale
        assert (norm.mean, norm.std) == (pytest.approx(values.mean(), rel=1e-9), pytest.approx(values.std(), rel=1e-6))


def test_levels_of_other_bands_are_not_joined(make):
    two, single = make(spread(3, 1, 1), bands=("B4", "VV")), make(spread(3, 1, 1), bands=("B4",), name="one")
    with pytest.raises(ValueError, match="differ in storage or target"):
        of_both_levels([open_source([two.storage.url]), open_source([single.storage.url])])


def test_levels_of_other_sizes_are_not_joined(make):
    small, large = make(spread(3, 1, 1)), make(spread(3, 1, 1), size=64, name="large")
    with pytest.raises(ValueError, match="patches of another size"):
        of_both_levels([open_source([small.storage.url]), open_source([large.storage.url])])
