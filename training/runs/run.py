"""`isamap.training.train`: from datasets and a recipe to a run's folder; all is checked before anything is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import ground_step_m
from isamap.gee_export.base.revision import revision
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.evaluation import counted
from isamap.training.accuracy.predictions import predicted
from isamap.training.accuracy.uncalled import validation_notes
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.checkpoints.atomic_folder import recover
from isamap.training.fitting.dead_units import say_dead_units
from isamap.training.fitting.duration import say_hours
from isamap.training.fitting.loggers import DEFAULT as LOGGERS
from isamap.training.fitting.loggers import check_loggers
from isamap.training.fitting.plan import FitPlan, Fitted, nothing
from isamap.training.fitting.ranks import is_follower
from isamap.training.memory import memory_for
from isamap.training.models import parameter_count
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe
from isamap.training.recipes.settings import pairs
from isamap.training.runs.backbone import Backbone
from isamap.training.runs.beginning import Beginning, Prepared
from isamap.training.runs.fitness import check_splits, former_rules, unlike_splits
from isamap.training.runs.origins import MIN_AGREEMENT, Origins, foreign_code, say
from isamap.training.runs.remote import RunHome, run_home
from isamap.training.runs.run_lock import DONE, LOCK, NOTE, RESUME, alone_in, claim, finished
from isamap.training.samples.arguments import check_address, dataset_addresses
from isamap.training.samples.data import SampleSource
from isamap.training.samples.folds import Fold
from isamap.training.samples.patches import Patches

Data = str | Path | Sequence[str | Path]
BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class TrainReport:
    """What `train` did: the run's folder, epochs run, the best epoch and its validation scores.

    address: where the run lies for the user, where that is not its folder (gs://). notes: what a fine-tuned network
    took over and what to mind, sentence by sentence. waiting_share: of the training time, passed between steps.
    """

    folder: Path
    recipe: str
    parameters: int
    epochs: int
    best_epoch: int
    best_miou: float
    samples_per_s: float
    simulated: bool
    address: str = ""
    notes: tuple[str, ...] = ()
    waiting_share: float = 0.0

    def __str__(self) -> str:
        note = " The data are simulated." if self.simulated else ""
        waiting = f", {self.waiting_share:.1%} of the time waiting for data" if self.waiting_share else ""
        size = f" ({self.parameters:,} parameters)" if self.parameters else ""  # classifiers of pixels have none
        lines = (
            f"{self.recipe}{size}: {self.epochs} epochs, best MIoU on validation "
            f"{self.best_miou:.4f} in epoch {self.best_epoch}, {self.samples_per_s:,.0f} samples/s{waiting}.{note}",
            *self.notes,
            f"checkpoint: {self.address or self.folder}/{ck.BEST}",
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class Watch:
    """What looks on while a run is trained and does not change what it is: see `train`."""

    after_epoch: Callable[[Network, int], None] = nothing
    loggers: tuple[str, ...] = LOGGERS


def train(
    data: Data, recipe: str | Recipe | None = None, out: str | Path = "", *,
    settings: Mapping[str, Any] | Sequence[str] | None = None, start: str | Path | None = None,
    backbone: str | Path | Backbone | None = None, chips: str | Path | None = None, answers: str | Path | None = None,
    label_weight: float = 0.0, loggers: Sequence[str] = (), fold: Fold | None = None,
    after_epoch: Callable[[Network, int], None] = nothing, session: Any = None,
) -> TrainReport:  # fmt: skip
    """A run: a recipe trained on patch datasets, with the checkpoints best/ and last/ in the run's folder.

    A run that was interrupted (Ctrl-C, a kill) continues from its last finished epoch; a finished one is only reported.
    Without a GPU it says first about how many hours it takes.

    data: one dataset or several, each a folder or gs://bucket/prefix.
    recipe: a name of `isamap models`, a .toml file, or a Recipe; crofusenet-tiny if not given, with start its own.
    out: the run's folder or gs://bucket/prefix; must be given.
    settings: changes of the recipe, {"epochs": 3} or ["epochs=3"].
    start: a checkpoint whose weights are taken over by band name (docs/training.md).
    backbone: a file of published weights for the network's encoder (docs/pretrained.md).
    chips: what `isamap agreement` wrote; the training patches that it names are left out.
    answers: the filled-in sheet of `isamap ask`; only its pixels are learned from (docs/active-sampling.md).
    label_weight: of the mean loss over the data's own labels, beside 1 of that over the answers; 0: answers alone.
    loggers: names of fitting.loggers.LOGGERS; TensorBoard if none is given.
    fold: which patches train, validate and test instead of the datasets' own splits (docs/training.md).
    after_epoch: called with the network and the number of the epoch (from 1) when its steps are over, before
    validation; it may change weights.
    session: an open connection, for gs://.
    ValueError: data that cannot train this network, arguments of another form, unknown settings, a folder that holds
    another run. Fault: damaged data, full disk.
    """
    addresses = _asked(data, recipe, out, start)
    check_loggers(loggers)
    beginning = Beginning(start, backbone, chips, answers, label_weight, fold)
    prepared = beginning.prepared(addresses, recipe, pairs(settings), session)
    if loggers and isinstance(prepared.network, PixelClassifier):
        raise ValueError(f"{prepared.recipe.model} is fitted at once and has no epochs to log: leave --logger out")
    with run_home(out, session) as home:
        return _in_home(home, prepared, Watch(after_epoch, tuple(loggers) or LOGGERS))


def _asked(data: Any, recipe: Any, out: Any, start: Any) -> list[str | Path]:
    """The datasets' addresses; ValueError where an argument is of another form."""
    if recipe is not None and not isinstance(recipe, (str, Recipe)):
        raise ValueError(f"recipe={recipe!r}: expected a recipe's name, such as 'unet-tiny', or a Recipe")
    if out == "":
        raise ValueError("out is missing: name the run's folder, such as out='runs/wuhan'")
    check_address("out", out, "runs/wuhan")
    if start is not None:
        check_address("start", start, "runs/wuhan")
    return dataset_addresses(data)


def _in_home(home: RunHome, prepared: Prepared, watch: Watch) -> TrainReport:
    """Claim the folder, or go on with the run in it, or only report it if it is over."""
    source, network, recipe, origins = prepared.source, prepared.network, prepared.recipe, prepared.origins
    folder = home.folder
    splits = source.split("train"), source.split("val")
    if not (folder / NOTE).exists():  # no folder is claimed for settings that cannot train
        _check(splits, recipe, source, origins)
    identity: dict[str, Any] = {"data": source.fingerprint, "recipe": recipe.to_json(), "start": None, "chips": None}
    # A run may go on on another machine, and what computed is no part of what is trained.
    del identity["recipe"]["device"]
    claim(folder, identity | origins.to_json(), shown=home.shown)
    with alone_in(folder / LOCK, home.shown):
        _recover(folder)
        if (done := finished(folder)) is not None:
            return _reported(home, done)
        _check(splits, recipe, source, origins)
        home.keep()
        _check_room(home, network)
        description = about_run(source, network, recipe) | {"origin": origins.to_json() | foreign_code(recipe)}
        plan = FitPlan(
            network, source, *splits, recipe, folder, description, watch.after_epoch, home.keep, watch.loggers
        )
        if not is_follower():
            say(origins.without_image)
            say(former_rules(source))
            say_hours(plan)
            say_dead_units(plan)
        fitted = _fit(plan, home)
        report = _report(plan, fitted, (*origins.sentences, *_warnings(plan)))
        write_json(folder / DONE, report)
        home.keep()
        return _reported(home, report)


def _recover(folder: Path) -> None:
    """Puts right what a stopped process left: checkpoints that it was about to replace, and files half written."""
    if is_follower():
        return
    for name in (ck.BEST, ck.LAST):
        recover(folder / name)
    for path in [*folder.rglob(".*.part"), *folder.glob("resume.tmp")]:
        path.unlink(missing_ok=True)


def _check(splits: tuple[Patches, Patches], recipe: Recipe, source: SampleSource, origins: Origins) -> None:
    """ValueError where the splits cannot train; where chips were left out, the limit is a remedy too."""
    try:
        check_splits(*splits, batch=recipe.batch, classes=source.classes)
    except ValueError as error:
        if origins.answers is not None:
            raise ValueError(f"of the answered pixels alone, {error}; or answer more points of every class") from error
        if origins.chips is None:
            raise
        raise ValueError(f"with the chips left out, {error}; or set a lower {MIN_AGREEMENT}") from error


def _check_room(home: RunHome, network: Network) -> None:
    """Fault where the disk cannot take what the first epoch writes: best/, last/ and resume.ckpt hold all weights."""
    if is_follower():
        return
    try:
        check_writable(home.folder / RESUME, max(1 << 16, 3 * BYTES_PER_WEIGHT * parameter_count(network)))
    except Fault:
        home.give_up()
        raise


def _fit(plan: FitPlan, home: RunHome) -> Fitted:
    try:
        with memory_for(plan.network, plan.recipe, plan.source.datasets[0].manifest.size):
            return _fitter(plan.network)(plan)
    except ValueError:  # too little memory, a loss that is no number: the folder is free for the remedy
        home.give_up()
        raise
    except OSError as error:
        raise Fault(f"{plan.folder}: {error.strerror or error}; correct that, then the same command goes on") from error


def _warnings(plan: FitPlan) -> tuple[str, ...]:
    """What is wrong with the validation that chose the best epoch; writes the intervals of its scores."""
    notes = validation_notes(_say_how_sure(plan), plan.source.classes)
    if plan.recipe.target == "share" or plan.source.answers is not None:  # percents; a few chosen pixels
        return notes
    return (*notes, *unlike_splits(plan.train, plan.validation, plan.source.classes))


def _say_how_sure(plan: FitPlan) -> np.ndarray:
    """95 % intervals of the validation scores, into the best checkpoint and its card; its confusion counts."""
    best = ck.load(plan.folder / ck.BEST)
    # no more at once than was validated in every epoch: memory must not run out after the last one
    at_once = plan.validated_at_once // plan.recipe.devices
    batches = predicted(best, plan.source, plan.validation, batch=max(1, at_once), device=plan.recipe.device)
    by_block, _ = counted(best, batches, plan.source.blocks("val"))
    bounds = bootstrap.rounded(bootstrap.intervals(by_block, best.classes))
    ck.rewrite(replace(best, metrics={**best.metrics, "intervals": bounds}), plan.folder / ck.BEST)
    confusion: np.ndarray = by_block.sum(axis=0)
    return confusion


def _fitter(network: Network) -> Callable[[FitPlan], Fitted]:
    if isinstance(network, PixelClassifier):
        from isamap.training.fitting.pixels import fit
    else:
        from isamap.training.fitting.loop import fit
    return fit


def _report(plan: FitPlan, fitted: Fitted, notes: Sequence[str]) -> dict[str, Any]:
    """What report.json holds: TrainReport but for places."""
    return {
        "recipe": plan.recipe.name,
        "parameters": parameter_count(plan.network),
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "best_miou": fitted.best_miou,
        "samples_per_s": round(fitted.samples_per_s, 1),
        "simulated": plan.source.simulated,
        "notes": list(notes),
        "waiting_share": round(fitted.waiting_share, 4),
    }


def _reported(home: RunHome, values: Mapping[str, Any]) -> TrainReport:
    address = home.shown if home.storage is not None else ""
    try:
        return TrainReport(folder=home.folder, address=address, **{**values, "notes": tuple(values.get("notes", ()))})
    except TypeError as error:
        raise Fault(f"{home.folder / DONE} is damaged; remove {home.shown} and train again") from error


def about_run(source: SampleSource, network: Network, recipe: Recipe) -> dict[str, Any]:
    """What every checkpoint of the run says beside its weights and scores."""
    first, window = source.datasets[0].manifest, recipe.crop or source.datasets[0].manifest.size
    dataset = {
        "name": ", ".join(dataset.manifest.name for dataset in source.datasets),
        "fingerprint": source.fingerprint,
        "split": first.split.get("kind"),
        "periods": [dict(period) for dataset in source.datasets for period in dataset.manifest.periods],
        "label": first.label,
        "step_m": _step_m(first),
    }
    return {
        "classes": source.classes,
        "window": window,
        "lattice": _lattice(window, network),
        "thresholds": {"impervious": 0.5},
        "composite": _composite(source),
        "backscatter": first.backscatter if ck.see_radar(source.bands) else None,
        "simulated": source.simulated,
        "dataset": dataset,
        "recipe": recipe.to_json(),
        "revision": revision(),
        "frames": recipe.frames,
        "target": recipe.target,
    }


def _composite(source: SampleSource) -> dict[str, Any]:
    """The settings of the composites that its maps ask for: without radar where the network sees none."""
    head = source.datasets[0].manifest
    settings = dict(head.settings) | ({"level": head.level.lower()} if head.level else {})
    if "sentinel1" in head.sensors and not ck.see_radar(source.bands):
        settings["sensors"] = [sensor for sensor in head.sensors if sensor != "sentinel1"]
    return settings


def _lattice(window: int, network: Network) -> int:
    """Pixels between the windows of a map: three quarters of one, or all of it where no pixel sees its neighbours."""
    if network.halo == 0:
        return window
    return max(1, round(window * 3 / 4 / network.multiple)) * network.multiple


def _step_m(head: DatasetManifest) -> float:
    """Ground size of the patches' pixels in metres, to three digits."""
    down_m, right_m = ground_step_m(next(iter(head.grids.values())).geobox)
    return float(f"{math.sqrt(down_m * right_m):.3g}")
