"""Where a run's curves go, by name: TensorBoard, a CSV table, MLflow, Weights & Biases; an interrupted run goes on."""

from __future__ import annotations

import csv
import io
import json
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from isamap.gee_export.base.atomic import write_json, write_whole
from isamap.training.fitting.ranks import is_follower

DEFAULT = ("tensorboard",)
TENSORBOARD, TABLE, TRACKING = "tensorboard", "metrics.csv", "tracking.json"
DATABASE, OFFLINE = "mlflow.db", "wandb"
FILES = (TENSORBOARD, TABLE, TRACKING, DATABASE, OFFLINE)  # what loggers write into a run's folder
PROJECT = "isamap"


class EpochTable(Logger):
    """metrics.csv: one row an epoch with its optimiser step; rows of an epoch that is repeated are replaced."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.file = folder / TABLE
        text = self.file.read_text(encoding="utf-8") if self.file.exists() else ""
        self.rows: dict[int, dict[str, Any]] = {int(row["step"]): row for row in csv.DictReader(io.StringIO(text))}

    @property
    def name(self) -> str:
        return "csv"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The recipe lies in run.json."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Takes figures of a step; later steps are of epochs that are trained again, and go."""
        if is_follower() or step is None:
            return
        self.rows = {at: row for at, row in self.rows.items() if at <= step}
        self.rows[step] = self.rows.get(step, {}) | {"step": step} | dict(metrics)

    def save(self) -> None:
        """The table as a whole file."""
        if is_follower() or not self.rows:
            return
        columns = sorted({name for row in self.rows.values() for name in row} - {"step", "epoch"})
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", "step", *columns], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows[step] for step in sorted(self.rows))
        write_whole(self.file, text.getvalue().encode())


def check_loggers(names: Sequence[str]) -> None:
    """ValueError: a name that is not known, or one whose package is not installed."""
    for name in names:
        if name not in LOGGERS:
            raise ValueError(f"logger {name!r}: expected one of {', '.join(LOGGERS)}")
        if name in PACKAGES and find_spec(name) is None:
            raise ValueError(f"logger {name} needs the package {name}: pip install {name}, or take csv or tensorboard")


def loggers_for(names: Sequence[str], folder: Path) -> list[Logger]:
    """The loggers of a run's folder; other processes of the run have those of this machine alone.

    ValueError: a tracking server that refuses or cannot be reached.
    """
    return [LOGGERS[name](folder) for name in dict.fromkeys(names) if name not in PACKAGES or not is_follower()]


def _tensorboard(folder: Path) -> Logger:
    return TensorBoardLogger(folder, name="", version=TENSORBOARD)


def _mlflow(folder: Path) -> Logger:
    import os

    # A run without a tracking server keeps its own, as a database in its folder.
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / DATABASE).absolute().as_posix()}"
    begun = _tracked(folder).get("mlflow")
    return _started("mlflow", folder, lambda: MLFlowLogger(PROJECT, folder.name, tracking_uri=uri, run_id=begun),
                    lambda logger: logger.run_id)  # fmt: skip


def _wandb(folder: Path) -> Logger:
    begun = _tracked(folder).get("wandb")
    options: dict[str, Any] = {
        "project": PROJECT,
        "name": folder.name,
        "save_dir": folder,
        "id": begun,
        "resume": "allow",
    }
    return _started("wandb", folder, lambda: WandbLogger(**options), lambda logger: logger.experiment.id)


def _started(name: str, folder: Path, make: Callable[[], Any], identity_of: Callable[[Any], str | None]) -> Logger:
    """The logger with its run begun, which tracking.json names, so that the same command goes on with it."""
    try:
        logger = make()
        identity = identity_of(logger)
    except Exception as error:  # each service has errors of its own
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"logger {name} cannot start ({reason}): log in there first, or leave it out") from error
    if identity is not None:
        write_json(folder / TRACKING, _tracked(folder) | {name: identity})
    return logger


def _tracked(folder: Path) -> dict[str, str]:
    file = folder / TRACKING
    tracked: dict[str, str] = json.loads(file.read_bytes()) if file.exists() else {}
    return tracked


# name -> the logger of a run's folder
LOGGERS: dict[str, Callable[[Path], Logger]] = {
    "tensorboard": _tensorboard,
    "csv": EpochTable,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
PACKAGES = ("mlflow", "wandb")
