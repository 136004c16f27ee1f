"""Evaluation by blocks, at 1 m, in seven classes; what it prints and writes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch

import isamap
from isamap import training
from isamap.gee_export.base.scheme import CLASSES, SEVEN
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.accuracy.evaluation import source_for
from isamap.training.accuracy.predictions import predicted
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models.output import Output
from tests.support.checkpoints import for_dataset
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.pairs import RATIO, write_pairs
from tests.support.towns import spread
from tests.training.test_bad_input import kept, town  # noqa: F401


@pytest.fixture
def of(tmp_path):
    """Writes an untrained network as a checkpoint for a dataset's bands: of(dataset, model, classes=...)."""

    def write(data: str, model: str = "unet", classes: tuple[str, ...] = CLASSES) -> str:
        # another dataset's means: an evaluation standardises as the checkpoint says, not by the data at hand
        return for_dataset(tmp_path / f"{model}-{len(classes)}", data, model, loud=True, shift=1, classes=classes)

    return write


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> str:
    return write_pairs(tmp_path_factory.mktemp("pairs") / "data", spread(2, 1, 3)).storage.url


def by_hand(run: str, data: str, truth_of, repeat: int = 1) -> np.ndarray:
    """Confusion of the test patches, one patch at a time by the network itself, in plain numpy."""
    actual, dataset = ck.load(run), Dataset.open(data)
    network, counts = actual.build(), np.zeros((len(actual.classes),) * 2, int)
    scale = np.array([band.scale for band in dataset.manifest.bands], np.float32)[:, None, None]
    for patch in dataset.in_split("test"):
        stored = dataset.read_image(patch)
        image = ck.normalise(stored * scale, stored != -32768, actual.bands)
        with torch.inference_mode():
            words = network(torch.from_numpy(image[None])).logits_BKHW[0].argmax(dim=0).numpy()
        assert len(np.unique(words)) > 1, "a network that says one thing tells nothing"
        np.add.at(counts, (truth_of(dataset, patch).ravel(), words.repeat(repeat, 0).repeat(repeat, 1).ravel()), 1)
    return counts


@pytest.mark.long
def test_a_network_of_one_metre_is_judged_at_one_metre(pairs, of):
    run = of(pairs, "jointseg")
    report = training.evaluate(run, pairs)
    expected = by_hand(run, pairs, lambda dataset, patch: dataset.read_fine_label(patch))
    assert report.confusion.sum() == 3 * (16 * RATIO) ** 2
    assert np.abs(report.confusion - expected).sum() <= 1e-4 * expected.sum()


def test_a_network_of_ten_metres_is_judged_at_one_metre_when_asked(pairs, of):
    """JointSeg: the 10-m map is what finer ones are compared with; each of its pixels covers ten by ten."""
    run = of(pairs)
    report = training.evaluate(run, pairs, layer="fine")
    expected = by_hand(run, pairs, lambda dataset, patch: dataset.read_fine_label(patch), RATIO)
    assert np.abs(report.confusion - expected).sum() <= 2 * RATIO**2
    assert training.evaluate(run, pairs).confusion.sum() == 3 * 16**2


def test_labels_coarser_than_the_network_are_refused(pairs, of):
    with pytest.raises(ValueError, match="labels of 16 x 16 pixels a patch, the network gives 160 x 160"):
        training.evaluate(of(pairs, "jointseg"), pairs, layer="label")


def seven(image, label):
    """Left half cropland or impervious, right half water."""
    label = np.where(label == 1, 4, 0).astype(np.uint8)
    label[:, label.shape[1] // 2 :] = 3
    return image, label


@pytest.mark.long
def test_seven_classes_are_counted_by_their_names(make, of):
    product = {"product": "test", "classes": {str(index): name for index, name in enumerate(SEVEN)}}
    data = make(spread(2, 1, 2), change=seven, label=product).storage.url
    report = training.evaluate(of(data, classes=SEVEN), data)
    assert report.classes == SEVEN
    expected = by_hand(ck.load(report.checkpoint).location, data, lambda dataset, patch: dataset.read_label(patch))
    assert report.confusion.tolist() == expected.tolist()
    assert report.confusion.sum(axis=1)[[1, 2, 5, 6]].sum() == 0 and "snow_ice" in str(report)
    merged = training.evaluate(of(data), data)
    assert merged.confusion.sum(axis=1).tolist() == [expected.sum() - expected[4].sum(), expected[4].sum()]


def test_a_network_of_seven_classes_needs_labels_of_seven(town, of):  # noqa: F811
    with pytest.raises(ValueError, match="does not hold the seven classes"):
        training.evaluate(of(town, classes=SEVEN), town)


@pytest.fixture
def wide(make) -> str:
    """A dataset whose test patches of 64 px lie two to a block of 1.28 km."""
    return make(spread(2, 2, 24), size=64, name="wide").storage.url


@pytest.mark.long
def test_blocks_are_squares_on_the_ground_and_add_up(kept, wide):  # noqa: F811
    """24 patches of 640 m one below the other: 12 or 13 squares of 1.28 km, each with its patches' counts."""
    report = training.evaluate(kept, wide, batch=5)
    assert len(report.by_block) in (12, 13)
    assert report.by_block.sum(axis=(1, 2)).max() == 2 * 64 * 64
    assert (report.by_block.sum(axis=0) == report.confusion).all() and report.confusion.sum() == 24 * 64 * 64


@pytest.mark.long
def test_the_report_prints_and_writes_intervals(kept, wide, tmp_path, capsys):  # noqa: F811
    file = tmp_path / "scores.json"
    assert isamap.main(["evaluate", "--checkpoint", str(kept), "--data", wide, "--json", str(file)]) == 0
    printed, written = capsys.readouterr().out, json.loads(file.read_text())
    found = training.evaluate(kept, wide)
    assert written == json.loads(json.dumps(found.to_json()))
    assert written["confusion"] == found.confusion.tolist() and written["blocks"] == len(found.by_block)
    low, high = written["intervals"]["oa"]
    assert low < written["scores"]["oa"] < high
    assert f"OA {found.scores.oa:.4f} [{low:.2f}, {high:.2f}], MIoU" in printed
    row = next(line for line in printed.splitlines() if line.startswith("pervious"))
    assert len(re.findall(r"\d\.\d{4} \[\d\.\d\d, \d\.\d\d\]", row)) == 4
    assert f"by bootstrap over {len(found.by_block)} spatial blocks.\n" in printed


@pytest.mark.long
def test_few_blocks_are_called_so(kept, make):  # noqa: F811
    data = make(spread(1, 1, 5), size=64, name="few").storage.url
    assert re.search(r"over [234] spatial blocks, so few that they are too narrow", str(training.evaluate(kept, data)))


def test_a_json_file_that_cannot_be_written(kept, town, tmp_path, capsys):  # noqa: F811
    (tmp_path / "file").touch()
    words = ["evaluate", "--checkpoint", str(kept), "--data", town, "--json", str(tmp_path / "file" / "scores.json")]
    assert isamap.main(words) == 1
    assert "a file stands where a folder belongs" in capsys.readouterr().err


def test_what_is_written_on_this_machine_only_is_not_written_to_a_folder_named_gs(kept, town, monkeypatch, tmp_path):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    arguments = ["--checkpoint", str(kept), "--data", town]
    for command, option in (("evaluate", "--json"), ("agreement", "--out"), ("calibrate", "--out")):
        assert isamap.main([command, *arguments, option, "gs://bucket/x"]) == 2
    assert not (tmp_path / "gs:").exists()


def test_predictions_are_probabilities_beside_their_labels(kept, town):  # noqa: F811
    """By another forward pass too: here one that knows the label by the sign of the first band."""
    checkpoint = ck.load(kept)
    source = source_for(checkpoint, town)
    patches = source.split("train")

    def forward(image: torch.Tensor) -> Output:
        return Output(torch.stack((-image[:, 0], image[:, 0]), dim=1))

    parts = list(predicted(checkpoint, source, patches, forward=forward, batch=3, device="cpu"))
    assert np.concatenate([piece.patch_B for piece in parts]).tolist() == [0, 1, 2, 3]
    labels = np.stack([Dataset.open(town).read_label(patch) for patch in Dataset.open(town).in_split("train")])
    assert (np.concatenate([piece.label_BHW for piece in parts]) == labels).all()
    for piece in parts:
        assert piece.probabilities_BKHW.dtype == np.float32
        np.testing.assert_allclose(piece.probabilities_BKHW.sum(axis=1), 1, atol=1e-6)
    band = source.prepare(patches.__getitems__(range(4))).image_BCHW[:, 0].numpy()
    assert ((np.concatenate([piece.probabilities_BKHW for piece in parts])[:, 1] > 0.5) == (band > 0)).all()


def test_predicting_leaves_its_callers_gradients_alone(kept, town):  # noqa: F811
    """Between batches, and with two predictions side by side of which one is not read to its end."""
    checkpoint = ck.load(kept)
    source = source_for(checkpoint, town)
    two = [predicted(checkpoint, source, source.split("train"), batch=2, device="cpu") for _ in range(2)]
    for _ in zip(*two, strict=False):
        assert not torch.is_inference_mode_enabled()
    del two
    assert not torch.is_inference_mode_enabled()
