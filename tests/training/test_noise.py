"""Chips whose labels a preliminary model does not agree with: the count, the file, the filter, the run without them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import isamap
from isamap import training
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.dataset import Dataset, Patch
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.imperfect.agreement import agreement
from isamap.training.imperfect.noise import Agreement, Chip, described, keeper, read
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread

FOREST = {"model.trees": "5", "model.pixels": "3000", "batch": "4"}
WRONG = 4  # the first chips' labels are coded the wrong way round


def chips(*counts: tuple[int, int]) -> Agreement:
    """An agreement whose chips have these (known, same) pixels."""
    made = tuple(Chip(f"p{at}", at, 100 + at, listed, same) for at, (listed, same) in enumerate(counts))
    return Agreement("c" * 64, "d" * 16, True, made)


def patch(at: int, **changes) -> Patch:
    return replace(Patch(f"p{at}", "town", "201906", 0, 0, "train", 0.3, 1.0, at, 100 + at), **changes)


@pytest.mark.long
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), min_size=1), st.floats(0, 1))
def test_what_stays_is_known_to_agree_by_the_limit_or_not_known_at_all(tmp_path_factory, counts, least):
    """LandCover3m section 2.3: chips below the limit are dropped, here over known pixels (docs/reference/networks.md,
    "HRNet: training").
    """
    made = chips(*((listed, same) for same, listed in counts))
    stays = [listed == 0 or same / listed >= least for same, listed in counts]
    assert made.below(least) == stays.count(False)
    path = tmp_path_factory.mktemp("noise") / "chips.json"
    made.write(path)
    if not any(stays):
        with pytest.raises(ValueError, match="lower min_agreement"):
            keeper(path, least)
        return
    keep = keeper(path, least)
    assert [keep(patch(at)) for at in range(len(counts))] == stays


def test_the_limit_is_the_papers_where_none_is_given(tmp_path):
    """LandCover3m section 2.3: below 20 %."""
    chips((100, 19), (100, 20)).write(tmp_path / "chips.json")
    keep = keeper(tmp_path / "chips.json")
    assert (keep(patch(0)), keep(patch(1))) == (False, True)


def test_a_file_reads_back_as_it_was_written(tmp_path):
    chips((100, 19), (0, 0)).write(tmp_path / "chips.json")
    assert read(tmp_path / "chips.json") == chips((100, 19), (0, 0))
    assert [path.name for path in tmp_path.iterdir()] == ["chips.json"]


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("{", "is not what `isamap agreement` writes", ValueError),
        ("[]", "is not what `isamap agreement` writes", ValueError),
        ('{"version": 2}', "is of version 2, this isamap reads 1", ValueError),
        ('{"version": 1, "chips": []}', "is damaged", Fault),
        (
            '{"version": 1, "checkpoint": "", "dataset": "", "simulated": true, "chips": [{"id": "a", '
            '"image_crc32c": 1, "label_crc32c": 1, "known": 1, "same": 2}]}',
            "is damaged",
            Fault,
        ),
    ],
)
def test_other_files_are_refused(tmp_path, text, words, kind):
    (tmp_path / "chips.json").write_text(text)
    with pytest.raises(kind, match=words):
        read(tmp_path / "chips.json")


def test_no_file_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(ValueError, match="no such file; make one with `isamap agreement`"):
        keeper(tmp_path / "none.json")


@pytest.mark.parametrize("changes", [{"id": "p9"}, {"image_crc32c": 7}, {"label_crc32c": 7}])
def test_patches_of_other_data_are_refused(tmp_path, changes):
    chips((100, 90)).write(tmp_path / "chips.json")
    with pytest.raises(ValueError, match="was made with other data"):
        keeper(tmp_path / "chips.json")(patch(0, **changes))


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_limit_is_a_share(tmp_path, least):
    chips((100, 90)).write(tmp_path / "chips.json")
    with pytest.raises(ValueError, match="expected a share of 0 to 1"):
        keeper(tmp_path / "chips.json", least)


def test_a_histogram_counts_every_chip_with_known_pixels_once():
    made = chips((100, 0), (100, 9), (100, 10), (100, 99), (100, 100), (0, 0))
    assert made.histogram().tolist() == [2, 1, 0, 0, 0, 0, 0, 0, 0, 2]


def test_another_limit_or_file_is_described_otherwise(tmp_path):
    chips((100, 10), (100, 90)).write(tmp_path / "a.json")
    chips((100, 10), (100, 91)).write(tmp_path / "b.json")
    requests = [("a.json", 0.2), ("b.json", 0.2), ("a.json", 0.95)]
    sentences = [described(tmp_path / name, least) for name, least in requests]
    assert len(set(sentences)) == 3 and "1 of 2 training patches left out" in sentences[0]


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory, training_home) -> Dataset:
    """A town of which the labels of the first WRONG training patches are coded the wrong way round."""
    from isamap.gee_export.datasets.dataset import write
    from tests.support.towns import BANDS, manifest, samples

    splits = spread(16, 3, 3)
    at = iter(range(len(splits)))

    def change(image, label):
        label[:4] = UNKNOWN
        return image, np.where(label == UNKNOWN, label, 1 - label) if next(at) < WRONG else label

    folder = tmp_path_factory.mktemp("spoiled") / "data"
    return write(folder, manifest(tuple(BANDS), 32, len(splits)), samples(tuple(BANDS), 32, splits, change=change))


@pytest.fixture(scope="module")
def preliminary(spoiled, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("noise") / "preliminary"
    return training.train(spoiled.storage.url, "random_forest-tiny", folder, settings=FOREST).folder


@pytest.fixture(scope="module")
def found(spoiled, preliminary, tmp_path_factory):
    return agreement(preliminary, spoiled.storage.url, tmp_path_factory.mktemp("noise") / "chips.json")


@pytest.mark.long
def test_similarity_is_the_accuracy_on_each_training_patch(spoiled, preliminary, found):
    """The oracle classifies every patch through the checkpoint's network itself."""
    from isamap.training.samples.data import open_source

    source, network = open_source([spoiled.storage.url]), ck.load(preliminary).build()
    for at, (chip, place) in enumerate(zip(found.found.chips, spoiled.in_split("train"), strict=True)):
        batch = source.split("train").__getitems__([at])
        label = spoiled.read_label(place)
        called = network(source.prepare(batch).image_BCHW).logits_BKHW[0].argmax(dim=0).numpy()
        assert (chip.id, chip.label_crc32c, chip.image_crc32c) == (place.id, place.label_crc32c, place.image_crc32c)
        assert chip.known == 28 * 32 and chip.same == ((called == label) & (label != UNKNOWN)).sum()


def test_the_filter_finds_the_chips_with_wrong_labels(spoiled, found):
    """Chips whose labels are spoiled are found by their agreement with a model."""
    keep = keeper(found.path, 0.5)
    assert [keep(location) for location in spoiled.in_split("train")] == [False] * WRONG + [True] * (16 - WRONG)


def test_training_without_them_says_so_and_learns_better(spoiled, preliminary, found, tmp_path):
    location, settings = spoiled.storage.url, FOREST | {"min_agreement": "0.5"}
    report = training.train(location, "random_forest-tiny", tmp_path / "run", settings=settings, chips=found.path)
    assert f"{WRONG} of 16 training patches left out" in str(report)
    assert "left out" in ck.load(report.folder).origin["chips"]
    before, after = (training.evaluate(run, location).scores.miou for run in (preliminary, report.folder))
    assert after > before + 0.05
    with pytest.raises(ValueError, match="holds another run: chips is"):
        training.train(location, "random_forest-tiny", report.folder, settings=FOREST, chips=found.path)


def test_a_file_of_other_data_does_not_filter(town, found, tmp_path):
    with pytest.raises(ValueError, match="was made with other data"):
        training.train(town, "random_forest-tiny", tmp_path / "run", settings=FOREST, chips=found.path)
    assert not (tmp_path / "run").exists()


def test_too_few_patches_left_name_the_limit_as_a_remedy(spoiled, found, tmp_path):
    settings = {"batch": "16", "min_agreement": "0.5"}
    with pytest.raises(ValueError, match=r"with the chips left out, batch=16 .*; or set a lower min_agreement"):
        training.train(spoiled.storage.url, "unet-tiny", tmp_path / "run", settings=settings, chips=found.path)
    assert not (tmp_path / "run").exists()


def test_the_command_prints_a_histogram_and_what_would_go(spoiled, preliminary, tmp_path, capsys):
    words = ["agreement", "--checkpoint", str(preliminary), "--data", spoiled.storage.url]
    assert isamap.main([*words, "--out", str(tmp_path / "chips.json")]) == 0
    printed = capsys.readouterr().out
    assert "90-100 %" in printed and "of 16 patches lie below 20%" in printed and "simulated" in printed
    assert json.loads((tmp_path / "chips.json").read_text())["version"] == 1
    assert isamap.main([*words, "--out", str(tmp_path / "chips.json" / "chips.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_dataset_given_twice_is_refused(spoiled, preliminary, tmp_path):
    with pytest.raises(ValueError, match="the same patch is in two of the datasets"):
        agreement(preliminary, [spoiled.storage.url] * 2, tmp_path / "chips.json")
