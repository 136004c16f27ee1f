"""`isamap train`, `evaluate` and `models` as commands."""

from __future__ import annotations

import pytest

import isamap
from tests.support.towns import spread

FAST = ["--set", "model.widths=4,8", "epochs=1", "batch=4"]


@pytest.fixture
def town_of_few(make) -> str:
    return make(spread(4, 1, 1)).storage.url


def test_train_then_evaluate(town_of_few, tmp_path, capfd):
    run = str(tmp_path / "run")
    assert isamap.main(["train", "--data", town_of_few, "--recipe", "unet-tiny", "--out", run, *FAST]) == 0
    trained = capfd.readouterr()
    assert "unet-tiny (" in trained.out and "samples/s" in trained.out
    assert isamap.main(["evaluate", "--checkpoint", run, "--data", town_of_few]) == 0
    assert "impervious" in capfd.readouterr().out


def test_training_is_quiet(town_of_few, tmp_path, capfd):
    """One line an epoch and the report, which says that so few patches have unlike splits; no advertising."""
    isamap.main(["train", "--data", town_of_few, "--recipe", "unet-tiny", "--out", str(tmp_path / "run"), *FAST])
    actual = capfd.readouterr()
    assert [line.split()[0] for line in actual.out.splitlines()] == ["epoch", "unet-tiny", "warning:", "checkpoint:"]
    bars = [line for line in actual.err.replace("\r", "\n").splitlines() if line.strip()]
    assert all(line.startswith("epoch 1/1") for line in bars), bars


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--set", "epochs"], "--set epochs: expected KEY=VALUE"),
        (["--set", "epoch=3"], "did you mean epochs?"),
        (["--recipe", "yolo"], "recipe 'yolo' is not known"),
    ],
)
def test_mistakes_are_one_sentence_and_exit_code_2(town_of_few, tmp_path, capsys, words, sentence):
    assert isamap.main(["train", "--data", town_of_few, "--out", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_no_dataset_there(tmp_path, capsys):
    assert isamap.main(["train", "--data", str(tmp_path / "none"), "--out", str(tmp_path / "run")]) == 2
    assert "holds no finished dataset" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_place_for_figures_that_cannot_be_written_is_told_before_they_are_computed(tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("isamap.training.evaluate", lambda *_, **__: pytest.fail("computed"))
    words = ["--checkpoint", "any", "--data", "any", "--json", str(tmp_path / "file" / "figures.json")]
    assert isamap.main(["evaluate", *words]) == 1
    assert "a file stands where a folder belongs" in capsys.readouterr().err
