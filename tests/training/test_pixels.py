"""Random forest and SVM through train, evaluate and map: the pixels that are drawn, the run's folder, the seed."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from sklearn.ensemble import RandomForestClassifier

from isamap import inference, training
from isamap.gee_export.base.scheme import SEVEN, UNKNOWN
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.datasets.manifest import NODATA
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.fitting.pixels import sample_pixels
from isamap.training.fitting.plan import FitPlan
from isamap.training.recipes import recipe
from isamap.training.samples.data import open_source
from tests.support.map_files import read_map
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import BANDS, spread

FAST = {"model.trees": "5", "model.pixels": "3000", "batch": "4"}
EDGE = 30  # rows of the map: not a whole window


def batches(count: int):
    generator = torch.Generator().manual_seed(0)
    for index in range(count):
        x = torch.full((2, 3, 4, 4), float(index))
        label = torch.randint(0, 2, (2, 4, 4), generator=generator).to(torch.uint8)
        label[:, 0] = 255
        yield x, label


def test_a_sample_holds_only_known_pixels_each_batch_alike():
    x_NB, y_N = sample_pixels(batches(50), 600, seed=1)
    assert x_NB.shape == (600, 3) and set(y_N) == {0, 1}
    counts = np.bincount(x_NB[:, 0].astype(int), minlength=50)
    assert counts.sum() == 600 and counts.max() <= 24
    # hypergeometric: mean 12 and standard deviation 2.4 of the 24 known pixels of each batch
    assert abs(counts - 12).max() < 10 and abs(counts.std() - 2.4) < 1.0


def test_a_sample_larger_than_the_data_is_all_of_it_and_repeats():
    x_NB, y_N = sample_pixels(batches(3), 10_000)
    assert len(x_NB) == 3 * 24
    again = sample_pixels(batches(3), 10_000)
    np.testing.assert_array_equal(x_NB, again[0])
    np.testing.assert_array_equal(y_N, again[1])


def test_nothing_known_is_nothing_to_fit_on():
    nothing = [(torch.zeros(1, 2, 3, 3), torch.full((1, 3, 3), 255, dtype=torch.uint8))]
    with pytest.raises(ValueError, match="no pixel of the data has a known label"):
        sample_pixels(nothing, 10)


@pytest.fixture(scope="module")
def run(town, tmp_path_factory):
    return training.train(town, "random_forest-tiny", tmp_path_factory.mktemp("pixels") / "forest", settings=FAST)


@pytest.fixture(scope="module")
def machine(town, tmp_path_factory):
    settings = {"model.pixels": "400", "batch": "4"}
    return training.train(town, "svm-tiny", tmp_path_factory.mktemp("pixels") / "svm", settings=settings)


@pytest.mark.long
def test_a_forest_and_a_machine_learn_the_town(run, machine, town):
    """RandomForest and SVM behind the same train and evaluate commands."""
    for report in (run, machine):
        outcome = training.evaluate(report.folder, town)
        assert outcome.scores.miou > 0.75, report.recipe
        assert "miou" in ck.load(report.folder).metrics and report.epochs == 1


def test_validation_in_the_report_is_what_evaluate_finds(run, town):
    assert training.evaluate(run.folder, town, "val").scores.miou == pytest.approx(run.best_miou, abs=1e-6)


def test_the_folder_holds_both_checkpoints_a_history_and_a_picture(run):
    from matplotlib.image import imread

    for name in (ck.BEST, ck.LAST):
        assert {path.name for path in (run.folder / name).iterdir()} == {ck.WEIGHTS, ck.DESCRIPTION, "card.md"}
    (entry,) = json.loads((run.folder / "history.json").read_text())
    assert entry["epoch"] == 1 and entry["val_miou"] == run.best_miou and entry["train_loss"] < entry["val_loss"]
    assert imread(run.folder / "pictures" / "epoch_0001.png").shape[1] == 4 * 64 + 3 * 4


@pytest.mark.long
def test_a_fit_on_all_pixels_is_scikit_learns(make, tmp_path):
    """The oracle reads the dataset's files and standardises them with numpy."""
    dataset = make(spread(2, 1, 1), size=16)
    settings = {"model.trees": "8", "model.leaf": "1", "batch": "1", "seed": "3"}
    report = training.train(dataset.storage.url, "random_forest-tiny", tmp_path / "run", settings=settings)
    head = dataset.manifest
    scale, mean, std = (
        np.array(numbers)
        for numbers in (
            [band.scale for band in head.bands],
            [head.statistics[name].mean for name in head.band_names],
            [head.statistics[name].std for name in head.band_names],
        )
    )

    def pixels(split: str) -> tuple[np.ndarray, np.ndarray]:
        patches = dataset.in_split(split)
        image = np.concatenate([dataset.read_image(patch).reshape(len(head.bands), -1).T for patch in patches]) * scale
        optical = np.array([band.unit == "reflectance" for band in head.bands])
        image = np.where(optical, image.clip(0, 1), image)
        return (image - mean) / std, np.concatenate([dataset.read_label(patch).ravel() for patch in patches])

    theirs = RandomForestClassifier(8, random_state=3)
    x_NB, y_N = pixels("train")
    right = (theirs.fit(x_NB, y_N).predict(pixels("test")[0]) == pixels("test")[1]).mean()
    # another order of the same pixels draws other bootstraps: alike, not equal
    assert training.evaluate(report.folder, dataset.storage.url).scores.oa == pytest.approx(right, abs=0.08)
    assert right > 0.8
    outcome = training.train(
        dataset.storage.url, "random_forest-tiny", tmp_path / "other", settings=settings | {"seed": "4"}
    )
    assert weights(outcome) != weights(report)  # of the same pixels: the trees' own chance


@pytest.mark.long
def test_pixels_without_a_label_or_a_band_are_not_drawn(make, monkeypatch, tmp_path):
    def holed(image, label):
        image[2, :8], label[8:16] = NODATA, UNKNOWN
        return image, label

    drawn = []
    original = training.runs.run.PixelClassifier.fit
    monkeypatch.setattr(
        training.runs.run.PixelClassifier,
        "fit",
        lambda self, x, y, **how: drawn.append(x) or original(self, x, y, **how),
    )
    dataset = make(spread(4, 1, 1), change=holed)
    training.train(dataset.storage.url, "random_forest-tiny", tmp_path / "run", settings=FAST | {"batch": "1"})
    assert len(drawn[0]) == 4 * 16 * 32  # of 32 rows, 8 lack a band and 8 a label: fewer than the 3,000 allowed


@pytest.mark.long
def test_seven_classes_are_told_apart_too(make, tmp_path):
    """LandCover3m's classes, of which only two occur; the agreement is counted in them."""
    from isamap.training.imperfect.agreement import agreement

    named = {str(index): name for index, name in enumerate(SEVEN)} | {"255": "unknown"}
    label = {"product": "test", "scheme": "landcover3m", "classes": named}
    dataset = make(spread(4, 1, 1), label=label, change=lambda image, label: (image, (4 * label).astype(np.uint8)))
    settings = FAST | {"scheme": "landcover3m", "batch": "1"}
    report = training.train(dataset.storage.url, "random_forest-tiny", tmp_path / "run", settings=settings)
    confusion = training.evaluate(report.folder, dataset.storage.url).confusion
    assert confusion.shape == (7, 7) and confusion[[0, 4]][:, [0, 4]].sum() == confusion.sum() == 32 * 32
    chips = agreement(report.folder, dataset.storage.url, tmp_path / "chips.json").found.chips
    assert min(chip.similarity for chip in chips) > 0.9  # of the pixels that it learned from


def weights(report) -> bytes:
    return (report.folder / ck.LAST / ck.WEIGHTS).read_bytes()


def test_the_seed_decides_everything(run, town, tmp_path):
    again = training.train(town, "random_forest-tiny", tmp_path / "again", settings=FAST)
    report = training.train(town, "random_forest-tiny", tmp_path / "other", settings=FAST | {"seed": "1"})
    assert weights(again) == weights(run) != weights(report)


def test_an_interrupted_run_starts_over(run, town, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(
            "isamap.training.fitting.keeping.Records.draw", lambda *_: (_ for _ in ()).throw(RuntimeError("power cut"))
        )
        with pytest.raises(RuntimeError, match="power cut"):
            training.train(town, "random_forest-tiny", tmp_path / "run", settings=FAST)
    again = training.train(town, "random_forest-tiny", tmp_path / "run", settings=FAST)
    assert weights(again) == weights(run) and again.epochs == 1


def test_shares_and_dates_are_not_for_pixels(town, tmp_path):
    source = open_source([town])
    for changes in ({"target": "share", "loss": "soft_cross_entropy"}, {"frames": 2}):
        plan = FitPlan(None, source, None, None, recipe("random_forest-tiny", changes), tmp_path, {})
        with pytest.raises(ValueError, match="random_forest learns a composite's pixels from its labels"):
            from isamap.training.fitting.pixels import fit

            fit(plan)


def test_a_map_is_what_the_forest_says_of_each_pixel_without_overlap(run, town, tmp_path):
    """Behind the same map command; no pixel sees its neighbours, so windows need not overlap."""
    actual, dataset = ck.load(run.folder), Dataset.open(town)
    assert (actual.halo, actual.lattice) == (0, actual.window)
    image = np.concatenate([dataset.read_image(patch) for patch in dataset.in_split("test")], axis=1)[:, :EDGE]
    profile = {"driver": "GTiff", "dtype": "int16", "crs": "EPSG:32650", "transform": Affine(10, 0, 0, 0, -10, 0)}
    with rasterio.open(tmp_path / "scene.tif", "w", height=EDGE, width=64, count=6, nodata=NODATA, **profile) as target:
        target.write(image)
        target.descriptions = tuple(BANDS)
        target.scales = [band.scale for band in dataset.manifest.bands]
    inference.map_region(run.folder, input=tmp_path / "scene.tif", out=tmp_path / "map.tif", progress=False)
    source = open_source([town])
    batch = source.split("test").__getitems__([0])
    logits = actual.build()(source.prepare(batch).image_BCHW).logits_BKHW[0, :, :EDGE]
    mapped, prob = read_map(tmp_path / "map.tif")
    chance = logits.softmax(dim=0)[1].numpy()
    # a tree's threshold may lie exactly on a stored value, where the last bit of its conversion decides
    assert (abs(prob - 254 * chance) <= 0.51).mean() > 0.99
    assert (mapped == (chance >= 0.5)).mean() > 0.99
