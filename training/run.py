"""`training.train`: from datasets and a recipe to a run's folder; all is checked before anything is written."""

from __future__ import annotations

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gee_export.console import Fault
from gee_export.datasets.manifest import DatasetManifest
from gee_export.grid import ground_step_m
from gee_export.revision import revision
from training import checkpoint as ck
from training.data import CLASSES, Patches, Source, label_shares, open_source
from training.ground import check_apart
from training.models import build, parameter_count
from training.plan import Fitted, Plan
from training.recipes import Recipe, override, recipe

VERSION = 1
_NOTE, _DONE, _LOCK = "run.json", "report.json", ".lock"
Data = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class TrainReport:
    """What `train` did: the run's folder, epochs run, the best epoch and its validation scores."""

    folder: Path
    recipe: str
    parameters: int
    epochs: int
    best_epoch: int
    best_miou: float
    samples_per_s: float
    simulated: bool

    def __str__(self) -> str:
        note = " The data are simulated." if self.simulated else ""
        return (
            f"{self.recipe} ({self.parameters:,} parameters): {self.epochs} epochs, best MIoU on validation "
            f"{self.best_miou:.4f} in epoch {self.best_epoch}, {self.samples_per_s:,.0f} samples/s.{note}\n"
            f"checkpoint: {self.folder / ck.BEST}"
        )


def train(
    data: Data,
    recipe: str | Recipe = "crofusenet",
    out: str | Path = "runs/run",
    *,
    settings: Mapping[str, Any] | None = None,
    session: Any = None,
) -> TrainReport:
    """Train a recipe on one or more patch datasets (folders or gs://); the run's folder holds best/ and last/.

    A run that was interrupted goes on from its last finished epoch; a finished one is only reported. `settings`
    changes the recipe as --set does. ValueError: data that cannot train this network, unknown settings, a folder
    that holds another run. Fault: damaged data, full disk.
    """
    chosen = _recipe(recipe, settings)
    _check_device(chosen)
    source = open_source(_listed(data), chosen.bands, session=session)
    check_apart(source.datasets)
    torch.manual_seed(chosen.seed)
    network = build(chosen.model, source.band_names, chosen.config)
    _check_size(source, network)
    folder = Path(out)
    if not (folder / _NOTE).exists():  # no folder is claimed for settings that cannot train
        _check_splits(source.split("train"), source.split("val"), chosen)
    claim(folder, source, chosen)
    with _alone_in(folder):
        if (done := _finished(folder)) is not None:
            return done
        train_patches, validation = source.split("train"), source.split("val")
        _check_splits(train_patches, validation, chosen)
        return _run(network, source, (train_patches, validation), chosen, folder)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Refuse to train where another process is training; the lock goes with its process."""
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"another process is training in {folder}: wait for it or choose another --out") from error
        yield


def _recipe(named: str | Recipe, settings: Mapping[str, Any] | None) -> Recipe:
    if isinstance(named, Recipe):
        return override(named, settings or {})
    return recipe(named, settings)


def _listed(data: Data) -> Sequence[str | Path]:
    return [data] if isinstance(data, (str, Path)) else list(data)


def _run(
    network: nn.Module, source: Source, splits: tuple[Patches, Patches], chosen: Recipe, folder: Path
) -> TrainReport:
    plan = Plan(network, source, *splits, chosen, folder, _about(source, network, chosen))
    try:
        fitted = _fitter(network)(plan)
    except torch.OutOfMemoryError as error:
        raise Fault(f"out of memory with batch={chosen.batch}: try --set batch={max(1, chosen.batch // 2)}") from error
    except OSError as error:
        raise Fault(f"{folder}: {error.strerror or error}; mend that, then the same command goes on") from error
    report = TrainReport(
        folder=folder,
        recipe=chosen.name,
        parameters=parameter_count(network),
        epochs=len(fitted.history),
        best_epoch=fitted.best_epoch,
        best_miou=fitted.best_miou,
        samples_per_s=round(fitted.samples_per_s, 1),
        simulated=source.simulated,
    )
    _write_json(folder / _DONE, {key: value for key, value in vars(report).items() if key != "folder"})
    return report


def _fitter(network: nn.Module) -> Callable[[Plan], Fitted]:
    """What teaches this kind of network."""
    from training.models.classical import PixelClassifier

    if isinstance(network, PixelClassifier):
        from training.pixels import fit
    else:
        from training.loop import fit
    return fit


def _about(source: Source, network: nn.Module, chosen: Recipe) -> dict[str, Any]:
    """What every checkpoint of the run says beside its weights and scores."""
    first, window = source.datasets[0].manifest, source.datasets[0].manifest.size
    dataset = {
        "name": ", ".join(dataset.manifest.name for dataset in source.datasets),
        "fingerprint": source.fingerprint,
        "split": first.split.get("kind"),
        "periods": [dict(period) for dataset in source.datasets for period in dataset.manifest.periods],
        "label": first.label,
        "step_m": _step_m(first),
    }
    return {
        "classes": CLASSES,
        "window": window,
        "lattice": max(1, round(window * 3 / 4 / network.multiple)) * network.multiple,
        "thresholds": {"impervious": 0.5},
        "composite": dict(first.settings) | ({"level": first.level.lower()} if first.level else {}),
        "backscatter": first.backscatter,
        "simulated": source.simulated,
        "dataset": dataset,
        "recipe": chosen.to_json(),
        "revision": revision(),
    }


def _step_m(head: DatasetManifest) -> float:
    """Ground size of the patches' pixels in metres, to three digits."""
    down_m, right_m = ground_step_m(next(iter(head.grids.values())).geobox)
    return float(f"{math.sqrt(down_m * right_m):.3g}")


def claim(folder: Path, source: Source, chosen: Recipe) -> None:
    """Make the folder this run's, or refuse with the first setting in which the run it holds differs."""
    wanted = {"version": VERSION, "data": source.fingerprint, "recipe": chosen.to_json()}
    del wanted["recipe"]["device"]
    wanted = json.loads(json.dumps(wanted))
    note = folder / _NOTE
    if note.exists():
        try:
            held = json.loads(note.read_text())
        except ValueError as error:
            raise Fault(f"{note} is damaged; remove {folder} and train again") from error
        if difference := _difference(wanted, held):
            raise ValueError(f"{folder} holds another run: {difference}; choose another --out or remove that folder")
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise ValueError(f"{folder} is not empty and holds no run: choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(note, wanted)
    except OSError as error:
        raise Fault(f"{folder} cannot be written ({error.strerror}); choose another --out") from error


def _difference(wanted: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    """The first setting that differs, in words, or an empty text."""
    left, right = (dict(run) | run.get("recipe", {}) for run in (wanted, held))
    for key in left:
        if key != "recipe" and left[key] != right.get(key):
            return f"{key} is {right.get(key)} there, {left[key]} asked"
    return ""


def _finished(folder: Path) -> TrainReport | None:
    """The report of a run that is over, if its best checkpoint is still there."""
    done = folder / _DONE
    if not done.exists() or not (folder / ck.BEST / ck.DESCRIPTION).exists():
        return None
    try:
        return TrainReport(folder=folder, **json.loads(done.read_text()))
    except (ValueError, TypeError) as error:
        raise Fault(f"{done} is damaged; remove {folder} and train again") from error


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    fresh = path.with_name(f".{path.name}.tmp")
    fresh.write_text(json.dumps(values, indent=1) + "\n")
    os.replace(fresh, path)


def _check_device(chosen: Recipe) -> None:
    if chosen.device == "gpu" and not torch.cuda.is_available():
        raise ValueError("device=gpu: this machine has no GPU that torch can use; leave device out or set device=cpu")
    gpu = torch.cuda.is_available() and chosen.device != "cpu"
    if chosen.precision == "fp16" and not gpu:
        raise ValueError("precision=fp16 needs a GPU; on the CPU use fp32, or bf16 where the CPU has it")


def _check_size(source: Source, network: nn.Module) -> None:
    size, multiple = source.datasets[0].manifest.size, network.multiple
    if size % multiple:
        raise ValueError(
            f"patches of {size} px: this network halves its input down to a {multiple}th; "
            f"export with --size {max(1, size // multiple) * multiple}"
        )


def _check_splits(training: Patches, validation: Patches, chosen: Recipe) -> None:
    if len(training) < chosen.batch:
        raise ValueError(
            f"batch={chosen.batch} is larger than the train split of {len(training)} patches: "
            f"use --set batch={max(1, len(training) // 2)} or export a larger region"
        )
    if not len(validation):
        raise ValueError("the validation split is empty: export a larger region, or with --split random")
    for name, patches in (("train", training), ("validation", validation)):
        *shares, unknown = label_shares(patches)
        if unknown == 1:
            raise ValueError(f"all labels of the {name} split are unknown: export with a label product of that place")
        missing = [label for label, share in zip(CLASSES, shares, strict=True) if not share]
        if missing and name == "train":
            raise ValueError(
                f"the train split holds no {missing[0]} pixel: a network needs both, export another region"
            )
