"""The threshold that is chosen against trying every one of them, and what the command does with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isamap
from isamap import training
from isamap.training.accuracy.evaluation import classify
from isamap.training.accuracy.metrics import block_counts, scores
from isamap.training.accuracy.thresholds import best, calibrate, histogram
from isamap.training.checkpoints import checkpoint as ck
from tests.support.one_thread import one_thread  # noqa: F401
from tests.support.towns import spread
from tests.training.test_bad_input import kept, town  # noqa: F401


def scored(probabilities: np.ndarray, label: np.ndarray, threshold: float, measure: str) -> float:
    """The measure by the definitions of isamap.training.accuracy.metrics, pixel by pixel."""
    classes = classify(np.stack((1 - probabilities, probabilities))[None, :, None], threshold)
    measures = scores(block_counts(classes, label[None, None], np.zeros(1, int), (1, 2, 2))[0])
    return measures.miou if measure == "miou" else measures.classes[1].f1 or 0.0


@given(st.integers(0, 2**32 - 1), st.sampled_from(["f1", "miou"]))
@settings(max_examples=15, deadline=None)
def test_no_other_threshold_is_better(seed, measure):
    rng = np.random.default_rng(seed)
    label = rng.choice([0, 1, 255], 300, p=[0.5, 0.4, 0.1]).astype(np.uint8)
    probabilities = np.clip(0.3 * rng.standard_normal(300) + 0.2 + 0.3 * (label == 1), 0, 1).astype(np.float32)
    actual = calibrate(probabilities, label, measure)
    all_of_them = [scored(probabilities, label, step / 256, measure) for step in range(1, 256)]
    assert scored(probabilities, label, actual, measure) == pytest.approx(max(all_of_them), abs=1e-12)
    equal = [step / 256 for step, value in enumerate(all_of_them, 1) if value >= max(all_of_them) - 1e-12]
    assert abs(actual - 0.5) == min(abs(step - 0.5) for step in equal)


def test_probabilities_of_one_are_counted():
    assert histogram(np.array([0.0, 1.0], np.float32), np.array([0, 1], np.uint8))[1, 255] == 1


@pytest.mark.parametrize(
    ("counts", "measure", "words"),
    [
        (np.ones((2, 256), int), "accuracy", "measure 'accuracy' is not known: choose one of f1, miou"),
        (np.zeros((2, 256), int), "f1", "the labels hold one class only"),
    ],
)
def test_what_cannot_be_chosen_on_is_refused(counts, measure, words):
    with pytest.raises(ValueError, match=words):
        best(counts, measure)


@pytest.fixture
def mixed(make) -> str:
    """Patches of both classes in every split."""
    return make(spread(4, 4, 1), seed=3, name="mixed").storage.url


def test_a_copy_maps_with_the_better_threshold(kept, mixed, tmp_path, capsys):  # noqa: F811
    out = tmp_path / "calibrated"
    words = ["calibrate", "--checkpoint", str(kept), "--data", mixed, "--out", str(out)]
    assert isamap.main(words) == 0
    found, before = ck.load(out), ck.load(kept)
    threshold = found.thresholds["impervious"]
    assert f"impervious from {threshold:.4f} on: f1 " in capsys.readouterr().out
    assert threshold != 0.5 and found.fingerprint != before.fingerprint
    assert (
        found.weights_sha256 == before.weights_sha256 and "best by f1 on the val split" in (out / "card.md").read_text()
    )
    old, new = (training.evaluate(run, mixed, "val").scores.classes[1].f1 or 0 for run in (kept, out))
    assert new > old
    assert isamap.main(words) == 2 and "is not empty: choose another --out" in capsys.readouterr().err


def test_a_copy_that_cannot_be_written_is_a_sentence(kept, mixed, tmp_path, capsys, monkeypatch):  # noqa: F811
    """A read-only disk: told before anything is counted."""
    monkeypatch.setattr("isamap.training.accuracy.thresholds.predicted", lambda *_, **__: pytest.fail("computed"))
    (tmp_path / "file").write_text("")
    words = ["calibrate", "--checkpoint", str(kept), "--data", mixed, "--out", str(tmp_path / "file" / "copy")]
    assert isamap.main(words) == 1
    assert "cannot be written (Not a directory): a file stands where a folder belongs" in capsys.readouterr().err
