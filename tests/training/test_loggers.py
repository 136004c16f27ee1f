"""Loggers of a run by name: a table that grows over an interruption, refusals, and one run of a service ever after."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import pytest

from isamap import training
from isamap.training.fitting import loggers
from tests.support.towns import spread

FAST = {"model.widths": "4,8", "batch": "4"}


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / loggers.TABLE).open()))


class Interrupted(Exception):
    pass


def test_the_table_has_every_epoch_once_though_the_run_was_interrupted(make, tmp_path):
    url, folder = make(spread(4, 1, 1)).storage.url, tmp_path / "run"

    def stop(_, epoch: int) -> None:
        if epoch == 2:
            raise Interrupted

    options = {"settings": FAST | {"epochs": "2"}, "loggers": ["csv"]}
    with pytest.raises(Interrupted):
        training.train(url, "unet-tiny", folder, **options, after_epoch=stop)
    training.train(url, "unet-tiny", folder, **options)
    assert [row["epoch"] for row in rows(folder)] == ["0", "1"]
    assert all(float(row["lr"]) >= 0 and 0 <= float(row["val/iou_impervious"]) <= 1 for row in rows(folder))
    assert not (folder / loggers.TENSORBOARD).exists()


def test_rows_of_an_epoch_that_is_trained_again_are_replaced(tmp_path):
    first = loggers.EpochTable(tmp_path)
    for step in (4, 9, 14):
        first.log_metrics({"epoch": step // 5, "val/miou": 0.1}, step)
        first.save()
    again = loggers.EpochTable(tmp_path)
    again.log_metrics({"epoch": 1, "val/miou": 0.3}, 9)
    again.save()
    assert [(row["step"], row["val/miou"]) for row in rows(tmp_path)] == [("4", "0.1"), ("9", "0.3")]


@pytest.mark.parametrize("name", loggers.PACKAGES)
def test_a_logger_whose_package_is_absent_is_one_sentence(hamlet, tmp_path, monkeypatch, name):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    with pytest.raises(ValueError, match=f"pip install {name}"):
        training.train(hamlet, "unet-tiny", tmp_path / "run", loggers=[name])
    assert not (tmp_path / "run").exists()


def test_a_service_that_refuses_is_one_sentence(tmp_path):
    def refuse() -> None:
        raise RuntimeError("api_key not configured\nsee the page")

    with pytest.raises(ValueError, match=r"wandb cannot start \(api_key not configured\): log in"):
        loggers._started("wandb", tmp_path, refuse, str)


@pytest.mark.parametrize("name", loggers.PACKAGES)
def test_a_run_goes_on_in_the_same_run_of_the_service(tmp_path, monkeypatch, name):
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    identities = []
    for _ in range(2):
        logger = loggers.LOGGERS[name](tmp_path)
        logger.log_metrics({"val/miou": 0.5}, 1)
        logger.finalize("success")
        if name == "wandb":
            logger.experiment.finish()
        identities.append(loggers._tracked(tmp_path)[name])
    assert identities[0] == identities[1]


def test_a_classifier_of_pixels_has_no_epochs_to_log(hamlet, tmp_path):
    with pytest.raises(ValueError, match="leave --logger out"):
        training.train(hamlet, "random_forest-tiny", tmp_path / "run", loggers=["csv"])
