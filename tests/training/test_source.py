"""A JointSeg recipe on datasets with and without an image at 1 m."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from isamap.gee_export.datasets.dataset import write
from isamap.training import train
from isamap.training.checkpoints.checkpoint import load
from isamap.training.recipes import recipe
from isamap.training.runs.source import source_for, target_of
from isamap.training.samples.data import open_source
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.pairs import paired_manifest, paired_samples
from tests.support.towns import spread

TINY = {"model.widths": "4,6", "model.blocks": "1", "model.middle": "4", "model.fine": "4"}
TINY |= {"batch": "4", "epochs": "1"}


@pytest.fixture(scope="module")
def labels_alone(tmp_path_factory) -> Path:
    """Pairs of labels at 1 m without an image at 1 m."""
    folder, splits = tmp_path_factory.mktemp("labels") / "data", spread(8, 2, 1)
    head = paired_manifest(8, len(splits))
    layers = {name: layer for name, layer in head.layers.items() if name != "fine"}
    samples = (
        replace(sample, layers={name: values for name, values in sample.layers.items() if name != "fine"})
        for sample in paired_samples(8, splits)
    )
    write(folder, paired_manifest(8, len(splits), layers=layers), samples)
    return folder


def opened(folder):
    return lambda target: open_source([folder], target=target)


def test_the_true_image_is_learned_from_where_there_is_one(pairs):
    source, settled, sentence = source_for(recipe("jointseg-tiny"), (), opened(pairs))
    assert [band.name for band in source.sharp] == ["R", "G", "B"]
    assert settled == recipe("jointseg-tiny") and sentence is None


def test_without_it_its_weights_fall_away_and_the_sentence_says_why(labels_alone):
    source, settled, sentence = source_for(recipe("jointseg-tiny"), (), opened(labels_alone))
    assert source.sharp == () and dict(settled.loss_values) == {"sharp": 0.0, "low": 0.1}
    assert "loss.sharp of recipe jointseg-tiny set to 0, because" in str(sentence) and "fine" in str(sentence)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("jointseg-tiny", {"loss.sharp": "0.2"}),
        ("jointseg-tiny", {"loss.adversarial": "0.1"}),
        ("progesrgan-tiny", {"loss.adversarial": "0"}),
    ],
)
def test_what_was_asked_for_or_belongs_to_the_method_is_refused(labels_alone, name, settings):
    with pytest.raises(ValueError, match="fine"):
        source_for(recipe(name, settings), settings, opened(labels_alone))


def test_other_faults_of_the_data_are_refused_as_ever(hamlet):
    with pytest.raises(ValueError, match="fine_labels"):
        source_for(recipe("jointseg-tiny"), (), opened(hamlet))


@pytest.mark.long
def test_a_training_without_it_says_so_at_start_in_its_report_and_in_its_checkpoint(labels_alone, tmp_path, capsys):
    report = train(labels_alone, "jointseg-tiny", tmp_path / "run", settings=TINY)
    assert "note: without a true image" in capsys.readouterr().err
    assert any("without a true image" in note for note in report.notes)
    assert load(report.folder).recipe["loss_values"] == {"sharp": 0.0, "low": 0.1}
    again = train(labels_alone, "jointseg-tiny", tmp_path / "run", settings=TINY)  # the same run, over already
    assert again.epochs == 1 and json.loads((report.folder / "report.json").read_text())["notes"]


def test_the_target_holds_the_image_only_where_a_weight_is_set():
    assert target_of(recipe("jointseg")).sharp and not target_of(recipe("bilinear-unet")).sharp
