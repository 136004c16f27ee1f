"""`isamap compare`: differences of checkpoints on the same patches, as numbers, as words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import isamap
from isamap import training
from isamap.gee_export.base.scheme import CLASSES, SEVEN
from isamap.training.accuracy.comparison_report import ComparisonReport, Method, _adjusted, named
from isamap.training.accuracy.evaluation import EvaluationReport
from tests.support.checkpoints import for_dataset
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.pairs import write_pairs
from tests.support.towns import spread


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> Path:
    """A dataset of 24 test patches in several blocks, three untrained networks, and one of seven classes."""
    folder = tmp_path_factory.mktemp("shelf")
    data = write_pairs(folder / "data", spread(2, 1, 24)).storage.url
    for seed in range(3):
        for_dataset(folder / f"unet-{seed}", data, seed=seed)
    for_dataset(folder / "jointseg", data, "jointseg")
    for_dataset(folder / "seven", data, classes=SEVEN)
    return folder


def report_of(by_block: np.ndarray, name: str = "run") -> EvaluationReport:
    return EvaluationReport(by_block, CLASSES, "test", "blocks", len(by_block), 0.0, False, name)


def hits(*rates: float, pixels: int = 1000) -> np.ndarray:
    """Blocks of as many pixels of each class, seen right by these rates."""
    return (
        np.array([[[r * pixels, (1 - r) * pixels], [(1 - r) * pixels, r * pixels]] for r in rates])
        .round()
        .astype(np.int64)
    )


def compared(*blocks: np.ndarray) -> ComparisonReport:
    methods = tuple(Method(f"m{at}", (report_of(of),)) for at, of in enumerate(blocks))
    return ComparisonReport(methods, _adjusted(methods))


@pytest.mark.long
def test_differences_are_those_of_two_evaluations(shelf):
    reports = [training.evaluate(shelf / name, shelf / "data") for name in ("unet-0", "unet-1")]
    one, two = (report.scores.to_json(CLASSES) for report in reports)
    outcome = training.compare([shelf / "unet-0", shelf / "unet-1"], shelf / "data")
    by_measure = {difference.measure: difference.value for difference in outcome.differences}
    assert by_measure == pytest.approx({key: one[key] - two[key] for key in ("miou", "f1_impervious", "oa")}, abs=2e-5)


@pytest.mark.long
def test_a_group_counts_by_the_mean_of_its_runs(shelf):
    each = [training.evaluate(shelf / f"unet-{seed}", shelf / "data").scores.miou for seed in range(3)]
    runs = {"two seeds": [shelf / "unet-0", shelf / "unet-1"], "one": shelf / "unet-2"}
    report = training.compare(runs, shelf / "data")
    assert report.differences[0].value == pytest.approx((each[0] + each[1]) / 2 - each[2])


def test_every_pair_is_compared_by_every_measure():
    report = compared(hits(0.7, 0.8), hits(0.6, 0.8), hits(0.6, 0.7))
    assert len(report.differences) == 9
    assert len({(d.left, d.right, d.measure) for d in report.differences}) == 9


def test_what_wins_in_all_of_twelve_blocks_is_better():
    rates = np.linspace(0.6, 0.9, 12)
    report = compared(hits(*rates), hits(*(rates - 0.05)))
    assert {d.verdict for d in report.differences} == {"better"}
    assert "m0 is better than m1" in str(report)


def test_recipes_whose_seeds_differ_as_much_as_they_do_are_not_distinguishable():
    """One wins in all of 20 blocks by the means of two seeds, but the other's second seed wins over its first."""
    rates = np.linspace(0.6, 0.8, 20)
    left, right = (
        Method(name, tuple(report_of(hits(*(rates + step))) for step in steps))
        for name, steps in (("left", (0.0, 0.08)), ("right", (0.02, 0.02 - 0.05)))
    )
    assert {actual.verdict for actual in ComparisonReport((left, right), _adjusted((left, right))).differences} == {
        "not distinguishable"
    }


def test_what_loses_in_all_of_twelve_blocks_is_worse():
    rates = np.linspace(0.6, 0.9, 12)
    report = compared(hits(*(rates - 0.05)), hits(*rates))
    assert {d.verdict for d in report.differences} == {"worse"}


def test_of_four_blocks_nothing_is_called_different():
    """All four speak for one, yet one exchange in eight does as much: p 0.125."""
    report = compared(hits(0.9, 0.9, 0.9, 0.9), hits(0.5, 0.5, 0.5, 0.5))
    assert {d.p for d in report.differences} == {0.125}
    assert {d.verdict for d in report.differences} == {"not distinguishable"}
    assert "no single difference, however large, can be told from chance" in str(report)


def test_eight_blocks_are_called_few():
    rates = np.linspace(0.6, 0.9, 8)
    text = str(compared(hits(*rates), hits(*(rates - 0.05))))
    assert "8 blocks are few: the intervals are too narrow" in text and "is better than" in text


def test_one_block_has_no_interval():
    report = compared(hits(0.9), hits(0.5))
    assert report.differences[0].interval is None and report.differences[0].p is None
    assert "One spatial block only" in str(report)


def test_p_is_adjusted_for_all_that_are_compared():
    """Seven blocks: p 1/64 of one difference is below 5 %, of the nine among three methods not."""
    rates = np.linspace(0.6, 0.9, 7)
    assert {d.verdict for d in compared(hits(*rates), hits(*(rates - 0.05))).differences} == {"better"}
    three = compared(hits(*rates), hits(*(rates - 0.05)), hits(*(rates - 0.1)))
    assert {d.verdict for d in three.differences} == {"not distinguishable"}


def test_the_command_prints_differences_and_writes_them(shelf, tmp_path, capsys):
    words = ["compare", str(shelf / "unet-0"), str(shelf / "unet-1"), "--data", str(shelf / "data")]
    assert isamap.main([*words, "--json", str(tmp_path / "found.json")]) == 0
    text = capsys.readouterr().out
    assert "unet-0 - unet-1" in text and "MIoU" in text and "not distinguishable" in text
    document = json.loads((tmp_path / "found.json").read_text())
    expected = training.compare([shelf / "unet-0", shelf / "unet-1"], shelf / "data").to_json()
    assert document == expected and document["differences"][0]["interval"] is not None


def test_the_command_takes_groups_of_seeds(shelf, capsys):
    group = f"unets={shelf / 'unet-0'},{shelf / 'unet-1'}"
    words = ["compare", str(shelf / "unet-2"), "--group", group, "--data", str(shelf / "data")]
    assert isamap.main(words) == 0
    text = capsys.readouterr().out
    assert "unet-2 - unets" in text and "Only one run of unet-2:" in text


@pytest.mark.long
@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (["unet-0"], "name two different runs or more"),
        (["unet-0", "unet-0"], "unet-0 is given twice"),
        (["unet-0", "seven"], "compare checkpoints of the same classes"),
        (["unet-0", "jointseg"], "choose one for both with --layer"),
        (["unet-0", "absent"], "no checkpoint there"),
        (["unet-0", "--group", "unet-1"], "--group unet-1: expected NAME=RUN,RUN"),
        (["unet-0", "--group", "unet-0=unet-1"], "group unet-0 has the name of a run"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(shelf, capsys, monkeypatch, runs, sentence):
    monkeypatch.chdir(shelf)
    assert isamap.main(["compare", *runs, "--data", "data"]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.long
def test_networks_of_two_scales_are_compared_on_one_layer(shelf):
    report = training.compare([shelf / "unet-0", shelf / "jointseg"], shelf / "data", layer="fine")
    assert report.differences[0].value is not None


def test_a_text_is_no_list_of_runs(shelf):
    with pytest.raises(ValueError, match="runs='runs/a': expected two or more runs"):
        training.compare("runs/a", shelf / "data")


def test_folders_of_one_name_go_by_their_addresses():
    assert list(named(["a/run", "b/run", "c/other"])) == ["a/run", "b/run", "other"]
