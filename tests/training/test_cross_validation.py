"""Folds by place: every patch is tested once, nothing that it touches is learned, and one table says how it went."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import isamap
from isamap.gee_export.datasets.dataset import SPLITS, write
from isamap.training.accuracy.metrics import scores
from isamap.training.runs import cross_validation
from isamap.training.samples.data import open_source
from isamap.training.samples.folds import Fold
from tests.support.towns import BANDS, manifest, samples, spread

SIZE, STRIDE, PATCHES, FOLDS = 32, 16, 80, 4
FAST = {"model.widths": "4,8", "batch": "4", "epochs": "1"}


@pytest.fixture(scope="module")
def strip(tmp_path_factory) -> str:
    """Patches in a column, each half on the next one: 13 km."""
    folder, splits = tmp_path_factory.mktemp("strip") / "data", spread(PATCHES, 0, 0)
    rows = (replace(each, row=at * STRIDE) for at, each in enumerate(samples(tuple(BANDS), SIZE, splits)))
    return write(folder, manifest(tuple(BANDS), SIZE, PATCHES, stride=STRIDE), rows).storage.url


@pytest.fixture(scope="module")
def folds(strip) -> list[dict[str, list[int]]]:
    """Rows of each fold's splits."""
    sources = [Fold(number, FOLDS).of(open_source([strip])) for number in range(1, FOLDS + 1)]
    return [{name: [patch.row for _, patch in source.patches(name)] for name in SPLITS} for source in sources]


def test_every_patch_is_tested_in_one_fold(folds):
    tested = sorted(row for fold in folds for row in fold["test"])
    assert tested == [at * STRIDE for at in range(PATCHES)]


def test_nothing_is_learned_or_chosen_by_that_a_test_patch_touches(folds):
    for fold in folds:
        test, val, train = (np.array(fold[name]) for name in ("test", "val", "train"))
        assert all(np.abs(test[:, None] - other).min() >= SIZE for other in (val, train))
        assert np.abs(val[:, None] - train).min() >= SIZE and len(train) > len(test)


def test_the_seed_divides(strip):
    def tested(seed: int) -> list[int]:
        return [patch.row for _, patch in Fold(1, FOLDS, seed).of(open_source([strip])).patches("test")]

    assert tested(1) == tested(1) != tested(2)


def test_more_folds_than_ground_are_refused(hamlet):
    with pytest.raises(ValueError, match="take fewer folds or more ground"):
        Fold(1, 20).of(open_source([hamlet]))


def test_the_table_is_of_all_folds_and_a_finished_fold_is_not_trained_again(strip, tmp_path, monkeypatch, capsys):
    report = isamap.cross_validate(strip, "unet-tiny", tmp_path / "cv", folds=3, settings=FAST)
    known = sum(int((sample.label_HW != 255).sum()) for sample in samples(tuple(BANDS), SIZE, spread(PATCHES, 0, 0)))
    assert report.by_block.sum() == known
    table = json.loads((tmp_path / "cv" / cross_validation.TABLE).read_text())
    assert table["together"]["miou"][0] == pytest.approx(scores(report.by_block.sum(axis=0)).miou, abs=1e-5)
    values = [fold["miou"] for fold in table["folds"]]
    assert table["mean"]["miou"][0] == pytest.approx(np.mean(values), abs=1e-5)
    assert table["mean"]["miou"][2] - np.mean(values) == pytest.approx(
        4.302653 * np.std(values, ddof=1) / 3**0.5, abs=1e-4
    )

    monkeypatch.setattr("isamap.training.fitting.loop.fit", lambda _: pytest.fail("trained again"))
    words = ["--folds", "3", "--set", *(f"{key}={value}" for key, value in FAST.items())]
    assert isamap.main(["cross-validate", "--data", strip, "--out", str(tmp_path / "cv"), *words]) == 0
    assert "mean" in capsys.readouterr().out
