"""`isamap.train` and `isamap.evaluate` end to end on data that can be learnt, and refused."""

from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
import torch

import isamap
from isamap import training
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.scheme import SEVEN, UNKNOWN
from isamap.gee_export.datasets.composite_rules import CHANGES, COMPOSITE_VERSION
from isamap.gee_export.datasets.dataset import Dataset
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.runs import run as run_module
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread

FAST = {"model.widths": "4,8,16", "batch": "4", "epochs": "4", "lr": "5e-3"}


@pytest.fixture(scope="module")
def run(town, tmp_path_factory):
    """A run of the small network that CPUs get, and its report."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return training.train(town, "crofusenet-tiny", folder, settings={"epochs": "3", "batch": "4"})


@pytest.mark.long
def test_few_patches_and_epochs_map_both_classes(run, town):
    """The demo at a size for tests: 24 patches of 64 px and 3 epochs here."""
    report = training.evaluate(run.folder, town)
    assert [name for name, c in zip(report.classes, report.scores.classes, strict=True) if c.iou > 0.3] == list(
        report.classes
    )


def test_the_run_folder_holds_what_the_format_says(run):
    """docs/reference/formats.md, "Checkpoint"."""
    for name in ("best", "last"):
        files = sorted(path.name for path in (run.folder / name).iterdir())
        assert files == ["card.md", "checkpoint.json", "weights.safetensors"]
    assert {"resume.ckpt", "history.json", "tensorboard"} <= {path.name for path in run.folder.iterdir()}
    assert list((run.folder / "tensorboard").glob("events.*"))


def test_a_picture_of_input_label_and_prediction_at_each_validation(run):
    from matplotlib.image import imread

    pictures = sorted((run.folder / "pictures").iterdir())
    assert [path.name for path in pictures] == [f"epoch_{epoch:04d}.png" for epoch in (1, 2, 3)]
    assert imread(pictures[0]).shape[:2] == (4 * 64 + 3 * 4, 4 * 64 + 3 * 4)  # four patches; optical, SAR, label, map


def test_resume_is_loaded_without_pickle(run):
    state = torch.load(run.folder / "resume.ckpt", weights_only=True)
    assert state["epoch"] == 3 - 1


def test_the_checkpoint_says_where_it_comes_from(run, town):
    actual, head = ck.load(run.folder), Dataset.open(town).manifest
    assert actual.band_names == head.band_names and actual.simulated and actual.backscatter == "sigma0"
    assert (actual.window, actual.lattice, actual.scale) == (64, 48, 1)
    assert actual.composite == head.settings and actual.dataset["fingerprint"] == Dataset.open(town).fingerprint
    assert actual.recipe["epochs"] == 3 and actual.revision
    for band in actual.bands:
        assert (band.mean, band.std) == pytest.approx((head.statistics[band.name].mean, head.statistics[band.name].std))


def test_the_best_checkpoint_is_that_of_the_best_epoch(run):
    history = json.loads((run.folder / "history.json").read_text())
    best = max(history, key=lambda entry: entry["val_miou"])
    assert (run.best_epoch, run.best_miou) == (best["epoch"], best["val_miou"])
    assert ck.load(run.folder).metrics["miou"] == pytest.approx(best["val_miou"], abs=1e-5)


def test_the_report_of_validation_is_what_evaluate_finds(run, town):
    report = training.evaluate(run.folder, town, "val")
    assert report.scores.miou == pytest.approx(run.best_miou, abs=1e-6)


def test_evaluation_counts_every_known_pixel_once(run, town):
    actual, dataset = training.evaluate(run.folder, town, batch=3), Dataset.open(town)
    labels = np.stack([dataset.read_label(patch) for patch in dataset.in_split("test")])
    assert actual.confusion.sum() == (labels != UNKNOWN).sum()
    assert actual.confusion.sum(axis=1).tolist() == [(labels == 0).sum(), (labels == 1).sum()]


def test_reports_print_well(run, town):
    assert "2,269,630 parameters" in str(run) and "simulated" in str(run)
    words = str(training.evaluate(run.folder, town))
    for word in ("IoU", "PA", "UA", "F1", "OA", "MIoU", "kappa", "4 patches", "0.0% unknown", "simulated"):
        assert word in words, word


def test_a_finished_run_is_reported_again_not_trained(run, town, monkeypatch):
    monkeypatch.setattr("isamap.training.fitting.loop.fit", lambda _: pytest.fail("trained again"))
    again = training.train(town, "crofusenet-tiny", run.folder, settings={"epochs": "3", "batch": "4"})
    assert again == run


def test_a_folder_with_other_things_is_refused(town, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        training.train(town, "unet-tiny", tmp_path)


def test_a_run_needs_a_folder(town):
    with pytest.raises(ValueError, match="out is missing: name the run's folder, such as out='runs/wuhan'"):
        isamap.train(town, "unet-tiny")


def test_hours_are_told_before_the_first_epoch(town, tmp_path, monkeypatch, capsys):
    from isamap.training.fitting import duration
    from isamap.training.runs import run

    class Begun(Exception):
        pass

    def begin(*_):
        raise Begun

    monkeypatch.setattr(duration, "training_hours", lambda *_: 61.0)
    monkeypatch.setattr(run, "_fit", begin)
    with pytest.raises(Begun):
        isamap.train(town, "unet-tiny", tmp_path / "run", settings=FAST | {"device": "cpu"})
    assert "note: no GPU is used: 4 epochs of unet-tiny take about 61 hours here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"clouds": "scl"}, "note: composites of version 1, the present one is"),
        ({"clouds": "scl", "composite_version": COMPOSITE_VERSION - 1}, f"({CHANGES[COMPOSITE_VERSION]}): the network"),
        ({"clouds": "scl", "composite_version": COMPOSITE_VERSION}, ""),
        ({"bands": ["B2"]}, ""),
    ],
    ids=["first", "former", "present", "chips"],
)
def test_composites_of_earlier_rules_are_told_before_the_first_epoch(
    make, tmp_path, monkeypatch, capsys, settings, told
):
    class Begun(Exception):
        pass

    def begin(*_):
        raise Begun

    monkeypatch.setattr(run_module, "_fit", begin)
    data = make(spread(8, 2, 0), settings=settings).storage.url
    with pytest.raises(Begun):
        isamap.train(data, "unet-tiny", tmp_path / "run", settings=FAST | {"device": "cpu"})
    written = capsys.readouterr().err
    assert told in written and ("composites of version" in written) == bool(told)


def test_a_full_disk_is_told_before_the_first_epoch(town, tmp_path, monkeypatch):
    """What the first epoch writes must fit: three times the weights at least."""
    from isamap.training.fitting.task import Task

    requests = []

    def full(_, offset, size):
        requests.append(size)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    monkeypatch.setattr(Task, "training_step", lambda *_: pytest.fail("trained"))
    with pytest.raises(Fault, match=r"the disk of .* is full: free some space"):
        training.train(town, "crofusenet-tiny", tmp_path / "run", settings={"epochs": "3", "batch": "4"})
    assert requests == [3 * 4 * 2_269_630]
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_training_stops_when_validation_gets_no_better(town, tmp_path):
    """With next to no learning rate the first epoch stays the best: stopped after `patience` more."""
    settings = FAST | {"lr": "1e-12", "epochs": "30", "patience": "2"}
    report = training.train(town, "unet", tmp_path / "run", settings=settings)
    assert report.epochs == report.best_epoch + 2 < 30
    assert (ck.load(report.folder / "best").metrics["epoch"], ck.load(report.folder / "last").metrics["epoch"]) == (
        report.best_epoch,
        report.epochs,
    )


@pytest.mark.long
def test_a_run_that_stopped_early_stays_stopped(town, tmp_path, monkeypatch):
    from isamap.training.fitting.task import Task

    settings = FAST | {"lr": "1e-12", "epochs": "30", "patience": "1"}
    report = training.train(town, "unet", tmp_path / "run", settings=settings)
    (report.folder / "report.json").unlink()
    monkeypatch.setattr(Task, "training_step", lambda *_: pytest.fail("trained again"))
    assert training.train(town, "unet", tmp_path / "run", settings=settings).epochs == report.epochs < 30


@pytest.mark.long
def test_the_learning_rate_falls_as_poly(town, tmp_path, monkeypatch):
    """CroFuseNet section IV-A: lr x (1 - step / steps) ^ 0.9 at every step."""
    from isamap.training.fitting.task import Task

    seen, original = [], Task.training_step

    def noting(task, batch, at):
        seen.append(task.trainer.optimizers[0].param_groups[0]["lr"])
        return original(task, batch, at)

    monkeypatch.setattr(Task, "training_step", noting)
    training.train(town, "unet", tmp_path / "run", settings=FAST | {"epochs": "2"})
    expected = [5e-3 * (1 - step / 12) ** 0.9 for step in range(12)]
    assert seen == pytest.approx(expected)


@pytest.mark.long
def test_running_statistics_of_a_short_run_are_those_of_its_batches(town, tmp_path):
    """Without learning and augmentation, after one epoch: the mean of the first convolution over all patches."""
    settings = FAST | {"lr": "1e-12", "epochs": "1", "augment": "no"}
    run = training.train(town, "unet", tmp_path / "run", settings=settings)
    network, dataset = ck.load(run.folder).build(), Dataset.open(town)
    stored = np.stack([dataset.read_image(patch) for patch in dataset.in_split("train")])
    scale = np.array([band.scale for band in dataset.manifest.bands], np.float32)[:, None, None]
    image = ck.normalise(stored * scale, stored != -32768, ck.load(run.folder).bands)
    convolution, norm, _ = network.encoder.blocks[0][0]
    with torch.no_grad():
        expected = convolution(torch.from_numpy(image)).mean(dim=(0, 2, 3))
    torch.testing.assert_close(norm.running_mean, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.long
def test_only_training_patches_are_augmented(town, tmp_path, monkeypatch):
    from isamap.training.fitting import task

    seen, original = set(), task.augment

    def noting(batch, *words):
        seen.add(len(batch.image_BCHW))
        return original(batch, *words)

    monkeypatch.setattr(task, "augment", noting)
    training.train(town, "unet", tmp_path / "run", settings=FAST | {"epochs": "1", "batch": "3"})
    assert seen == {3}  # validation and pictures come as 1 and 4


@pytest.mark.long
def test_two_datasets_train_as_one(make, tmp_path):
    first, second = make(spread(4, 1, 1)), make(spread(4, 1, 1), seed=1, name="second")
    both = [first.storage.url, second.storage.url]
    report = training.train(both, "unet", tmp_path / "run", settings=FAST | {"epochs": "1", "batch": "8"})
    assert ck.load(report.folder).dataset["name"] == "town, second"
    assert training.evaluate(report.folder, both).patches == 2


@pytest.mark.long
def test_seven_classes_are_trained_and_judged_by_name(make, tmp_path):
    """Scheme landcover3m: also where five of the seven never occur."""
    classes = {str(index): name for index, name in enumerate(SEVEN)}
    data = make(spread(4, 1, 1), change=seven_classes, label={"product": "test", "classes": classes}).storage.url
    settings = FAST | {"epochs": "1", "scheme": "landcover3m"}
    report = training.train(data, "unet", tmp_path / "run", settings=settings)
    assert ck.load(report.folder).classes == SEVEN and ck.load(report.folder).config["classes"] == 7
    assert training.evaluate(report.folder, data).confusion.shape == (7, 7)
    with pytest.raises(ValueError, match=r"model.classes=2, but scheme landcover3m has 7 classes: set model.classes=7"):
        training.train(data, "unet", tmp_path / "other", settings=settings | {"model.classes": "2"})
    forest = make(spread(4, 1, 1), change=no_impervious, name="forest", label={"product": "test", "classes": classes})
    with pytest.raises(ValueError, match="the train split holds cropland only: a network needs two classes"):
        training.train(forest.storage.url, "unet", tmp_path / "other", settings=settings)


def unknown_labels(image, label):
    return image, np.full_like(label, UNKNOWN)


def no_impervious(image, label):
    return image, np.zeros_like(label)


def seven_classes(image, label):
    return image, label * 4


@pytest.mark.long
@pytest.mark.parametrize(
    ("dataset", "settings", "words"),
    [
        ({"splits": spread(3, 1, 1)}, {}, "batch=4 is larger than the train split of 3 patches: use --set batch=1"),
        ({"splits": spread(4, 0, 1)}, {}, "the validation split is empty"),
        ({"splits": spread(4, 1, 1), "change": unknown_labels}, {}, "all labels of the train split are unknown"),
        ({"splits": spread(4, 1, 1), "change": no_impervious}, {}, "the train split holds no impervious pixel"),
        ({"splits": spread(4, 1, 1), "bands": ("B2", "B3")}, {}, "needs at least one optical and one SAR band"),
        ({"splits": spread(4, 1, 1), "bands": ("B2", "VV")}, {"recipe": "crofusenet"}, "dataset town lacks band B3"),
        ({"splits": spread(4, 1, 1)}, {"bands": "B2,VV,B11"}, "dataset town lacks band B11 .it holds B2, B3"),
        ({"splits": spread(4, 1, 1), "size": 36}, {}, "patches of 36 px: .* export with --size 32"),
        ({"splits": spread(4, 1, 1)}, {"precision": "fp16", "device": "cpu"}, "precision=fp16 needs a GPU"),
        ({"splits": spread(4, 1, 1)}, {"epochs": "many"}, "epochs=many: expected a whole number"),
    ],
)
def test_data_that_cannot_train_are_refused_in_one_sentence(make, tmp_path, dataset, settings, words):
    made, words_typed = make(**dataset), {"batch": "4"} | settings
    recipe = words_typed.pop("recipe", "crofusenet-tiny")
    with pytest.raises(ValueError, match=words) as caught:
        training.train(made.storage.url, recipe, tmp_path / "run", settings=words_typed)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists(), "a folder is claimed, and the remedy would be refused"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_asked_for_and_absent(town, run, tmp_path):
    with pytest.raises(ValueError, match="device=gpu: this machine has no GPU that torch can use"):
        training.train(town, "unet-tiny", tmp_path / "run", settings={"device": "gpu"})
    with pytest.raises(ValueError, match="this machine has no GPU"):
        training.evaluate(run.folder, town, device="gpu")


@pytest.mark.long
@pytest.mark.parametrize(
    ("dataset", "split", "words"),
    [
        ({"splits": spread(1, 1, 0)}, "test", "the test split is empty"),
        ({"splits": spread(1, 1, 1)}, "holdout", "split 'holdout' is not known: choose one of train, val, test"),
        ({"splits": spread(1, 1, 1), "bands": ("B2", "VV")}, "test", "lacks band B3"),
        (
            {"splits": spread(1, 1, 1), "backscatter": "gamma0"},
            "test",
            "holds gamma0, the checkpoint was trained on sigma0",
        ),
        (
            {"splits": spread(1, 1, 1), "scenes": {"town": {"201806": {"sentinel2": {"level": "L1C"}}}}},
            "test",
            "holds Sentinel-2 L1C, the checkpoint was trained on L2A",
        ),
    ],
)
def test_evaluations_that_cannot_be_are_refused(make, run, dataset, split, words):
    made = make(**dataset)
    with pytest.raises(ValueError, match=words):
        training.evaluate(run.folder, made.storage.url, split)


@pytest.mark.long
def test_a_random_split_is_called_optimistic(make, run):
    """Also where it is that of the second dataset."""
    blocks, random = make(spread(1, 1, 1)), make(spread(1, 1, 1), name="other", split={"kind": "random"})
    assert "optimistic" not in str(training.evaluate(run.folder, blocks.storage.url))
    for data in ([random.storage.url], [blocks.storage.url, random.storage.url]):
        assert "optimistic" in str(training.evaluate(run.folder, data))


def test_a_validation_unlike_the_training_is_told(make, tmp_path):
    """Of the validation one row in 32 is impervious, of the training about a third."""
    numbers = iter(range(10))

    def change(image, label):
        return image, label if next(numbers) < 8 else np.eye(32, dtype=label.dtype)

    data = make(spread(8, 2, 0), change=change).storage.url
    report = training.train(data, "unet-tiny", tmp_path / "run", settings=FAST | {"epochs": "1"})
    (warning,) = [note for note in report.notes if "--split balanced" in note]
    assert "3.1% of val" in warning


def test_evaluation_does_not_depend_on_the_batch(run, town):
    """Up to rounding at the threshold: fewer than 1 in 10,000 pixels."""
    left, right = (training.evaluate(run.folder, town, batch=batch).confusion for batch in (1, 4))
    assert np.abs(left - right).sum() <= 2 * 1e-4 * left.sum()


def test_a_network_of_no_radar_asks_for_none_and_judges_data_of_any(make, tmp_path):
    """So its maps need no Sentinel-1 scenes, and public archives, which hold gamma0, are as good as Earth Engine."""
    scenes = {"town": {"201906": {"sentinel2": {"level": "L2A"}, "sentinel1": {}}}}
    both, other = (
        make(spread(4, 2, 2), name=kind, backscatter=kind, scenes=scenes).storage.url for kind in ("sigma0", "gamma0")
    )
    networks = {}
    for name, bands in (("optical", ["B2", "B8"]), ("both", ["B2", "B8", "VV", "VH"])):
        settings = {"model.widths": "4,8", "batch": "4", "epochs": "1", "bands": bands, "device": "cpu"}
        training.train(both, "unet-tiny", tmp_path / name, settings=settings)
        networks[name] = ck.load(tmp_path / name)
    assert networks["optical"].backscatter is None and networks["optical"].composite["sensors"] == ["sentinel2"]
    assert networks["both"].backscatter == "sigma0" and "sensors" not in networks["both"].composite
    assert training.evaluate(checkpoint=tmp_path / "optical", data=other, split="test").confusion.sum() > 0
    with pytest.raises(ValueError, match="holds gamma0, the checkpoint was trained on sigma0"):
        training.evaluate(checkpoint=tmp_path / "both", data=other, split="test")
