"""Calibration errors against their definitions pixel by pixel, intervals by drawing blocks, the diagram."""

from __future__ import annotations

import numpy as np
import pytest

import isamap
from isamap import training
from isamap.training.accuracy import bootstrap, reliability
from isamap.training.accuracy.predictions import BlockSums, Predicted
from isamap.training.accuracy.reliability import BINS, Reliability, sums
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_bad_input import kept  # noqa: F401


@pytest.fixture
def town(make) -> str:
    """Both classes in every split; for `kept` of test_bad_input too."""
    return make(spread(4, 4, 2), seed=3).storage.url


def pixels(seed: int, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are too sure of themselves, and labels of which some are unknown."""
    rng = np.random.default_rng(seed)
    truth = rng.beta(0.6, 0.9, count)
    label = (rng.random(count) < truth).astype(np.uint8)
    label[rng.random(count) < 0.1] = 255
    odds = (truth / (1 - truth)) ** 2
    return (odds / (1 + odds)).astype(np.float32), label


def ece(p: np.ndarray, label: np.ndarray) -> float:
    """Naeini et al. 2015: the mean gap between probability and frequency in 15 bins, by their shares."""
    p, hit = p[label != 255].astype(float), (label[label != 255] == 1).astype(float)
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    return sum(abs(p[bins == b].sum() - hit[bins == b].sum()) for b in range(BINS)) / len(p)


def adaptive_ece(p: np.ndarray, label: np.ndarray) -> float:
    p, hit = p[label != 255].astype(float), (label[label != 255] == 1).astype(float)
    order = np.argsort(p)
    return sum(abs(p[piece].sum() - hit[piece].sum()) for piece in np.array_split(order, BINS)) / len(p)


def test_the_measures_are_those_of_their_definitions():
    p, label = pixels(0)
    actual = Reliability(sums(p, label)[None]).values
    is_known = label != 255
    assert actual["ece"] == pytest.approx(ece(p, label), abs=1e-9)
    assert actual["brier"] == pytest.approx(np.mean((p[is_known].astype(float) - label[is_known]) ** 2), abs=1e-9)
    assert actual["adaptive_ece"] == pytest.approx(adaptive_ece(p, label), abs=3e-3)  # steps are not cut in two
    assert actual["ece"] > 0.03


def test_intervals_draw_whole_blocks(monkeypatch):
    monkeypatch.setattr(reliability, "DRAWS", 60)
    blocks = [pixels(seed, 600) for seed in range(5)]
    actual = Reliability(np.stack([sums(*block) for block in blocks])).intervals["ece"]
    times = np.random.default_rng(bootstrap.SEED).multinomial(5, np.full(5, 0.2), size=60)
    values = []
    for draw in times:
        drawn = [block for block, count in zip(blocks, draw, strict=True) for _ in range(count)]
        values.append(ece(*(np.concatenate(piece) for piece in zip(*drawn, strict=True))))
    assert actual == pytest.approx(tuple(np.quantile(values, (0.025, 0.975))), abs=1e-9)


def test_one_block_has_no_interval():
    assert set(Reliability(sums(*pixels(0))[None]).intervals.values()) == {None}


def test_a_batch_is_counted_in_its_patches_blocks():
    p, label = (array.reshape(4, 1, 1, 1000) for array in pixels(2))
    blocks = BlockSums(np.array([7, 3, 7, 3]), 1, sums)
    batch = Predicted(np.concatenate([1 - p, p], axis=1), label[:, 0], np.arange(4))
    assert list(blocks.watch([batch])) == [batch]
    for block, patches in enumerate(([1, 3], [0, 2])):
        expected = sum(sums(p[at, 0], label[at, 0]) for at in patches)
        np.testing.assert_array_equal(blocks.by_block[block], expected)


def test_evaluate_says_it_and_draws_it(kept, town, tmp_path, capsys):  # noqa: F811
    words = ["evaluate", "--checkpoint", str(kept), "--data", town, "--split", "val"]
    assert isamap.main([*words, "--diagram", str(tmp_path / "diagram.png")]) == 0
    report = training.evaluate(kept, town, "val")
    assert f"ECE {report.reliability.values['ece']:.4f}" in capsys.readouterr().out
    facts = report.to_json()["reliability"]
    assert sum(facts["bins"]["pixels"]) == report.by_block.sum()
    assert (tmp_path / "diagram.png").read_bytes().startswith(b"\x89PNG")


def test_a_diagram_that_cannot_be_written_is_told_first(kept, town, tmp_path, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr("isamap.training.accuracy.evaluation.predicted", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    words = ["evaluate", "--checkpoint", str(kept), "--data", town, "--diagram", str(tmp_path / "file" / "d.png")]
    assert isamap.main(words) == 1
    assert "a file stands where a folder belongs" in capsys.readouterr().err
