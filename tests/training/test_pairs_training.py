"""Learning at ten times the pixels: from pairs of scales to a checkpoint, its scores at 1 m, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from isamap.training import evaluate, train
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints.checkpoint import load
from isamap.training.models import build
from isamap.training.samples.data import LearningTarget, open_source
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.pairs import DAYS, write_pairs
from tests.support.towns import spread

TINY = {"model.widths": "8,12", "model.blocks": "1", "model.middle": "6", "model.middle_blocks": "1"}
TINY |= {"model.fine": "4", "model.fine_blocks": "1", "batch": "4", "lr": "0.01", "epochs": "1", "ema": "0"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs") / "data", spread(8, 2, 2), days=(DAYS, DAYS[:1], ()))


@pytest.fixture(scope="module")
def dated(pairs, tmp_path_factory):
    """JointSeg of two dates, its image sharpened against the true one, after one epoch."""
    settings = TINY | {"frames": "2", "loss.sharp": "0.1", "loss.low": "0.1"}
    return train(pairs.storage.url, "jointseg-tiny", tmp_path_factory.mktemp("run") / "run", settings=settings).folder


@pytest.mark.long
def test_a_checkpoint_says_at_what_scale_and_of_how_many_dates_it_is(dated):
    checkpoint = load(dated)
    assert (checkpoint.scale, checkpoint.frames, checkpoint.target) == (10, 2, "fine")
    assert checkpoint.config["widths"] == [8, 12]


def test_scores_count_every_pixel_of_1_m(pairs, dated):
    report = evaluate(dated, pairs.storage.url, "test")
    assert report.confusion.sum() == 2 * 160 * 160
    truth = np.stack([pairs.read_fine_label(patch) for patch in pairs.in_split("test")])
    np.testing.assert_array_equal(report.confusion.sum(axis=1), np.bincount(truth.ravel(), minlength=2))


def test_what_a_network_is_given_in_evaluation_is_what_it_was_trained_on(pairs, dated):
    """Chances of `predicted` equal the network's own on the prepared dates."""
    checkpoint = load(dated)
    source = open_source([pairs.storage.url], checkpoint.band_names, target=LearningTarget(layer="fine", frames=2))
    patches = source.split("test")
    batch = next(iter(predicted(checkpoint, source, patches)))
    prepared = source.prepare(patches.__getitems__([0, 1]))
    assert prepared.image_BCHW.shape == (2, 2, 6, 16, 16)
    with torch.no_grad():
        probabilities = checkpoint.build()(prepared.image_BCHW).logits_BKHW.softmax(1)
    np.testing.assert_allclose(
        batch.probabilities_BKHW, probabilities[: len(batch.probabilities_BKHW)].numpy(), atol=1e-5
    )


@pytest.mark.parametrize(
    ("recipe", "settings", "words"),
    [
        ("unet-tiny", {"frames": "2"}, "frames=2: this network looks at one image a patch"),
        ("unet-tiny", {"target": "fine"}, "the network gives 1 output pixels per input pixel, the labels have 10"),
        ("jointseg-tiny", {"target": "label"}, "the network gives 10 output pixels per input pixel, the labels have 1"),
    ],
)
def test_networks_that_do_not_fit_the_target_are_refused_before_a_folder_is_made(
    pairs, tmp_path, recipe, settings, words
):
    with pytest.raises(ValueError, match=words):
        train(pairs.storage.url, recipe, tmp_path / "run", settings=settings | {"batch": "4"})
    assert not (tmp_path / "run").exists()


def test_a_network_of_1_m_is_not_evaluated_without_labels_of_1_m(make, dated):
    dataset = make(spread(2, 1, 1), size=16)
    with pytest.raises(ValueError, match="holds no fine_labels: export it again with --fine and a label"):
        evaluate(dated, dataset.storage.url, "test")


@pytest.mark.long
def test_jointseg_learns_shapes_finer_than_its_pixels(tmp_path):
    """A town whose borders cross 10-m pixels: above the best that whole 10-m pixels can do (the truth's majority)."""
    pairs = write_pairs(tmp_path / "data", spread(24, 4, 8), size=16)
    settings = TINY | {"epochs": "15", "model.fine": "8", "ema": "0.9"}
    run = train(pairs.storage.url, "jointseg-tiny", tmp_path / "run", settings=settings)
    counts = np.zeros((2, 2), int)
    for patch in pairs.in_split("test"):
        truth, majority = pairs.read_fine_label(patch), pairs.read_label(patch).repeat(10, 0).repeat(10, 1)
        counts += np.bincount(2 * truth.ravel() + majority.ravel(), minlength=4).reshape(2, 2)
    best_of_pixels = 2 * counts[1, 1] / (counts[1].sum() + counts[:, 1].sum())
    actual = evaluate(run.folder, pairs.storage.url, "test").scores.classes[1].f1
    assert actual > best_of_pixels


@pytest.mark.long
def test_the_bilinear_network_takes_the_mean_of_the_dates(pairs, tmp_path):
    settings = {"model.widths": "4,8", "batch": "4", "epochs": "1", "frames": "2", "ema": "0"}
    run = train(pairs.storage.url, "bilinear-unet-tiny", tmp_path / "run", settings=settings)
    assert load(run.folder).frames == 2 and evaluate(run.folder, pairs.storage.url, "val").confusion.sum() == 2 * 25600
    assert build("bilinear_unet", ("B2", "B4"), {"widths": (4, 8)}).dates
