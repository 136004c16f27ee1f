"""What is learned of a dataset: finer labels, shares, dates, the true image, seven classes; and blocks of patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isamap.gee_export.base.scheme import SEVEN, UNKNOWN
from isamap.gee_export.datasets.manifest import NODATA, Band
from isamap.training.checkpoints.checkpoint import normalise
from isamap.training.samples.cache import dated, open_layer
from isamap.training.samples.data import LearningTarget, label_shares, open_source
from isamap.training.samples.target import VISIBLE, visible
from tests.support.pairs import DAYS, RATIO, write_pairs
from tests.support.towns import spread

CLASSES = {str(number): name for number, name in enumerate(SEVEN)} | {"255": "unknown"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Four patches of 16 px to train: with three dates, one, none, two; one to validate and one to test."""
    days = (DAYS, DAYS[1:2], (), DAYS[:2], DAYS, DAYS)
    return write_pairs(tmp_path_factory.mktemp("pairs") / "data", spread(4, 1, 1), days=days)


def opened(dataset, **target):
    return open_source([dataset.storage.url], target=LearningTarget(**target))


@pytest.mark.long
def test_finer_labels_come_beside_their_image(pairs):
    """docs/reference/formats.md, "Patch dataset": exactly ten times the pixels."""
    source = opened(pairs, layer="fine")
    batch = source.split("train").__getitems__([2, 0])
    assert source.ratio == RATIO and batch.label_BHW.shape == (2, 160, 160)
    for at, index in enumerate((2, 0)):
        patch = pairs.in_split("train")[index]
        np.testing.assert_array_equal(batch.label_BHW[at].numpy(), pairs.read_fine_label(patch))
        np.testing.assert_array_equal(batch.image_BCHW[at].numpy(), pairs.read_image(patch))


def test_shares_are_numbers_from_0_to_1_and_unknown_stays(pairs):
    source = opened(pairs, layer="share")
    batch = source.split("train").__getitems__([1])
    batch.label_BHW[0, 0, 0] = UNKNOWN
    label = source.prepare(batch).label_BHW
    expected = pairs.read_share(pairs.in_split("train")[1]) / np.float32(100)
    expected[0, 0] = UNKNOWN
    assert label.dtype == torch.float32
    np.testing.assert_allclose(label[0].numpy(), expected, rtol=1e-6)


def test_class_shares_of_a_share_count_its_larger_half(pairs):
    train = pairs.in_split("train")
    impervious = np.mean([pairs.read_share(patch) >= 50 for patch in train])
    assert label_shares(opened(pairs, layer="share").split("train")) == pytest.approx((1 - impervious, impervious, 0))
    fine = np.mean([pairs.read_fine_label(patch) for patch in train])
    assert label_shares(opened(pairs, layer="fine").split("train")) == pytest.approx((1 - fine, fine, 0))


def test_dates_take_the_place_of_the_composite(pairs):
    """Of three dates those with most pixels, in order of time; fewer are repeated; without any, the composite is."""
    batch = opened(pairs, frames=2).split("train").__getitems__([0, 1, 2, 3])
    assert batch.image_BCHW.shape == (4, 2, 6, 16, 16)
    three, single, none, two = pairs.in_split("train")
    frames = pairs.read_frames(three)[1]
    gaps = (frames == NODATA).sum(axis=(1, 2, 3))
    best = sorted(np.lexsort((np.arange(3), gaps))[:2])
    actual = batch.image_BCHW.numpy()
    np.testing.assert_array_equal(actual[0], frames[best])
    np.testing.assert_array_equal(actual[1], np.repeat(pairs.read_frames(single)[1], 2, axis=0))
    np.testing.assert_array_equal(actual[2], np.stack([pairs.read_image(none)] * 2))
    np.testing.assert_array_equal(actual[3], pairs.read_frames(two)[1])


def test_the_dates_of_a_patch():
    frames = np.zeros((3, 1, 2, 2), np.int16) + np.arange(3, dtype=np.int16)[:, None, None, None]
    frames[1, 0, 0] = NODATA
    image = np.full((1, 2, 2), 9, np.int16)
    assert dated(frames, image, 2)[:, 0, 1, 1].tolist() == [0, 2]
    assert dated(frames, image, 7)[:, 0, 1, 1].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert dated(frames[:1], image, 1)[:, 0, 1, 1].tolist() == [0]
    assert dated(frames[2:] * 0, image, 3).shape == (3, 1, 2, 2)
    assert (dated(np.empty((0, 1, 2, 2), np.int16), image, 3) == 9).all()


def test_dates_are_standardised_like_the_composite_and_gaps_stay_a_mask(pairs):
    source = opened(pairs, frames=3)
    batch = source.split("train").__getitems__([0])
    prepared = source.prepare(batch)
    stored = batch.image_BCHW[0].numpy()
    scale = np.array([band.scale for band in source.stored], np.float32)[:, None, None]
    expected = normalise(stored * scale, stored != NODATA, source.bands)
    np.testing.assert_array_equal(prepared.image_BCHW[0].numpy(), expected)
    np.testing.assert_array_equal(prepared.valid_BCHW[0].numpy(), stored != NODATA)
    assert (stored == NODATA).any()


def test_the_true_image_is_standardised_as_the_coarse_one(pairs):
    """So that its 10 x 10 means and the coarse pixels are the same numbers (docs/reference/networks.md, "JointSeg", low
    frequencies).
    """
    source = opened(pairs, layer="fine", sharp=VISIBLE)
    batch = source.split("train").__getitems__([0, 1])
    batch.sharp_BCHW[0, 1, :3] = NODATA
    prepared = source.prepare(batch)
    names = ("B4", "B3", "B2")
    norms = [source.bands[source.band_names.index(name)] for name in names]
    physical = pairs.read_fine(pairs.in_split("train")[1]) * 1e-4
    for at, norm in enumerate(norms):
        expected = (np.clip(physical[at], 0, 1) - norm.mean) / norm.std
        np.testing.assert_allclose(prepared.sharp_BCHW[1, at].numpy(), expected, atol=1e-4)
    assert (prepared.sharp_BCHW[0, 1, :3] == 0).all() and not prepared.sharp_valid_BCHW[0, 1, :3].any()
    assert prepared.sharp_valid_BCHW[0, 0].all() and prepared.sharp_valid_BCHW[1].all()


def test_bands_of_the_true_image_by_name(pairs):
    source = opened(pairs, sharp=("B", "R", "G"))
    batch = source.split("val").__getitems__([0])
    np.testing.assert_array_equal(batch.sharp_BCHW[0].numpy(), pairs.read_fine(pairs.in_split("val")[0])[[2, 0, 1]])
    assert visible(("N", "b", "g", "r")) == ("r", "g", "b") and visible(("B2", "B3", "B4")) == ("B4", "B3", "B2")
    with pytest.raises(ValueError, match="do not tell red, green and blue"):
        visible(("pan",))


@pytest.mark.long
def test_two_datasets_of_pairs_are_one(tmp_path):
    both = [
        write_pairs(tmp_path / name, spread(2, 1, 1), size=8, seed=seed, name=name) for seed, name in enumerate("ab")
    ]
    source = open_source([d.storage.url for d in both], target=LearningTarget(layer="fine", frames=2, sharp=VISIBLE))
    batch = source.split("train").__getitems__([3, 0])
    for at, (dataset, patch) in enumerate(source.patches("train")[index] for index in (3, 0)):
        np.testing.assert_array_equal(batch.label_BHW[at].numpy(), dataset.read_fine_label(patch))
        np.testing.assert_array_equal(batch.sharp_BCHW[at].numpy(), dataset.read_fine(patch))
    assert batch.image_BCHW.shape == (2, 2, 6, 8, 8)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"scheme": "s004"}, "scheme 's004' is not known: choose one of isa, landcover3m"),
        ({"layer": "labels"}, "layer 'labels' is not known: choose one of label, fine, share"),
        ({"frames": -1}, "frames=-1: expected 0"),
        ({"scheme": "landcover3m", "layer": "share"}, "shares are of impervious ground"),
    ],
)
def test_targets_that_mean_nothing_are_refused(target, words):
    with pytest.raises(ValueError, match=words):
        LearningTarget(**target)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"layer": "fine"}, "holds no fine_labels: export it again with --fine and a label"),
        ({"layer": "share"}, "holds no shares: export it again with --share"),
        ({"frames": 4}, "holds no frames: export it again with --frames"),
        ({"sharp": VISIBLE}, "holds no fine: export it again with --fine"),
        (
            {"scheme": "landcover3m"},
            "does not hold the seven classes of scheme landcover3m: export it with --scheme landcover3m",
        ),
    ],
)
def test_a_dataset_that_lacks_what_is_learned_is_refused(make, target, words):
    dataset = make(spread(2, 1, 1))
    with pytest.raises(ValueError, match=words):
        opened(dataset, **target)


@pytest.mark.parametrize(
    ("bands", "target", "words"),
    [
        (("B8", "VV"), {"sharp": VISIBLE}, "band B4, B3, B2 is not among the input's .B8, VV."),
        ((), {"sharp": ("R", "X", "B")}, "the finer image lacks band X .it holds R, G, B."),
        (
            (),
            {"sharp": ("R", "G", "B"), "sharp_as": ("B4", "VV", "B2")},
            "band G is in reflectance, the input's VV in dB",
        ),
    ],
)
def test_a_true_image_that_does_not_fit_is_refused(pairs, bands, target, words):
    with pytest.raises(ValueError, match=words):
        open_source([pairs.storage.url], bands, target=LearningTarget(**target))


def seven(image, label):
    """LandCover3m's numbers: 4 where impervious, the others in turn elsewhere, one unknown."""
    label = np.where(label == 1, 4, np.arange(label.size).reshape(label.shape) % 7).astype(np.uint8)
    label[0, 0] = UNKNOWN
    return image, label


def test_of_seven_classes_only_impervious_ground_is_impervious(make):
    """docs/reference/formats.md, "Patch dataset": 4 is impervious in LandCover3m's classes, and 1 is woodland."""
    dataset = make(
        spread(2, 1, 1), label={"product": "test", "scheme": "landcover3m", "classes": CLASSES}, change=seven
    )
    label = opened(dataset).split("train").__getitems__([0, 1]).label_BHW.numpy()
    stored = np.stack([dataset.read_label(patch) for patch in dataset.in_split("train")])
    assert {*range(7), 255} == set(np.unique(stored))
    np.testing.assert_array_equal(label == 1, stored == 4)
    np.testing.assert_array_equal(label == 255, stored == 255)
    np.testing.assert_array_equal(label == 0, (stored != 4) & (stored != 255))


def test_seven_classes_are_learned_as_they_are_stored(make):
    dataset = make(
        spread(2, 1, 1), label={"product": "test", "scheme": "landcover3m", "classes": CLASSES}, change=seven
    )
    source = opened(dataset, scheme="landcover3m")
    patches = source.split("train")
    stored = np.stack([dataset.read_label(patch) for patch in dataset.in_split("train")])
    np.testing.assert_array_equal(patches.__getitems__([0, 1]).label_BHW.numpy(), stored)
    assert source.classes == SEVEN
    counted = [(stored == index).mean() for index in (*range(7), 255)]
    assert label_shares(patches) == pytest.approx(counted)


def test_the_cache_holds_labels_as_stored_so_that_both_schemes_share_it(make, tmp_path):
    dataset = make(
        spread(2, 1, 1), label={"product": "test", "scheme": "landcover3m", "classes": CLASSES}, change=seven
    )
    labels = open_layer(dataset, "labels", tmp_path)
    np.testing.assert_array_equal(labels[1], dataset.read_label(dataset.patches[1]))


def test_only_training_patches_are_left_out(make):
    dataset = make(spread(4, 2, 2))
    left_out = {dataset.in_split("train")[1].id, dataset.in_split("val")[0].id}
    source = open_source([dataset.storage.url], keep=lambda patch: patch.id not in left_out)
    assert [len(source.split(name)) for name in ("train", "val", "test")] == [3, 2, 2]
    stored = [patch.id for _, patch in source.patches("train")]
    assert stored == [patch.id for patch in dataset.in_split("train") if patch.id not in left_out]
    image = source.split("train").__getitems__([1]).image_BCHW[0].numpy()
    np.testing.assert_array_equal(image, dataset.read_image(dataset.in_split("train")[2]))


def test_blocks_are_squares_of_the_ground(make):
    """32-px patches of 10 m down a column: four of them lie in each square of 1,280 m (one patch of CroFuseNet)."""
    dataset = make(spread(12, 0, 0))
    blocks = open_source([dataset.storage.url]).blocks("train")
    tops = np.array([dataset.geobox(patch).boundingbox.top for patch in dataset.in_split("train")])
    squares = np.floor((tops - 160) / 1280)
    assert [len(set(blocks[squares == square])) for square in np.unique(squares)] == [1] * len(np.unique(squares))
    assert len(set(blocks)) == len(set(squares)) and np.bincount(blocks).max() == 4


def test_patches_of_one_place_are_one_block_in_any_dataset(make):
    first, second = make(spread(3, 0, 0)), make(spread(3, 0, 0), name="second", seed=1)
    blocks = open_source([first.storage.url, second.storage.url]).blocks("train")
    np.testing.assert_array_equal(blocks[:3], blocks[3:])


def test_overlapping_patches_are_in_one_block_or_in_neighbours(make):
    """Squares of two sides where patches overlap: what shares pixels is at most one square apart."""
    dataset = make(spread(20, 0, 0), size=128, stride=80, bands=("B4", "VV"))
    blocks = open_source([dataset.storage.url]).blocks("train")
    assert np.abs(np.diff(blocks)).max() == 1 and np.bincount(blocks).max() == 2


def test_bands_of_frames_must_be_the_images(tmp_path):
    dataset = write_pairs(tmp_path / "data", spread(2, 1, 1), size=8)
    layers = dict(dataset.manifest.layers)
    odd = tuple(Band(band.name, band.unit, band.scale * 2) for band in dataset.manifest.bands)
    object.__setattr__(layers["frames"], "bands", odd)
    with pytest.raises(ValueError, match="its frames hold other bands than its images"):
        open_layer(dataset, "frames-2", tmp_path)
