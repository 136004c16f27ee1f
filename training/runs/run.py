"""`training.train`: from datasets and a recipe to a run's folder; all is checked before anything is written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from gee_export.base.atomic import check_writable, write_json
from gee_export.base.errors import Fault
from gee_export.base.grid import ground_step_m
from gee_export.base.revision import revision
from gee_export.datasets.manifest import DatasetManifest
from training.accuracy import bootstrap
from training.accuracy.evaluation import counted
from training.accuracy.predictions import predicted
from training.checkpoints import checkpoint as ck
from training.checkpoints.atomic_folder import recover
from training.fitting.plan import Fitted, Plan, nothing
from training.fitting.ranks import is_follower
from training.memory import memory_for
from training.models import build, parameter_count
from training.models.classical import PixelClassifier
from training.models.output import Network
from training.recipes import Recipe, override, recipe
from training.recipes.settings import pairs
from training.runs.backbone import Backbone, Start
from training.runs.finetune import carry, recipe_of
from training.runs.fitness import check_device, check_recipe_layers, check_size, check_splits
from training.runs.origins import MIN_AGREEMENT, Origins, answered, foreign_code, kept_chips, left_out
from training.runs.remote import RunHome, run_home
from training.runs.run_lock import DONE, LOCK, NOTE, RESUME, alone_in, claim, finished
from training.samples.arguments import check_address, dataset_addresses
from training.samples.data import SampleSource, open_source
from training.samples.ground import check_apart
from training.samples.patches import Patches
from training.samples.target import VISIBLE, Target

Data = str | Path | Sequence[str | Path]
DEFAULT_RECIPE = "crofusenet"
BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class TrainReport:
    """What `train` did: the run's folder, epochs run, the best epoch and its validation scores.

    address: where the run lies for the user, where that is not its folder (gs://). notes: what a fine-tuned network
    took over, sentence by sentence. waiting_share: of the training time, passed between steps.
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


def train(
    data: Data,
    recipe: str | Recipe | None = None,
    out: str | Path = "runs/run",
    *,
    settings: Mapping[str, Any] | Sequence[str] | None = None,
    start: str | Path | None = None,
    backbone: str | Path | Backbone | None = None,
    chips: str | Path | None = None,
    answers: str | Path | None = None,
    after_epoch: Callable[[Network, int], None] = nothing,
    session: Any = None,
) -> TrainReport:
    """Train a recipe on one or more patch datasets (folders or gs://); the run's folder holds best/ and last/.

    A run that was interrupted goes on from its last finished epoch; a finished one is only reported. `settings`
    changes the recipe: {"epochs": 3} or ["epochs=3"]. out: a folder or gs://bucket/prefix. start: a checkpoint whose
    weights are taken over by band name (docs/training.md); its recipe is the default then. backbone: a file of
    published weights for the network's encoder (docs/pretrained.md). chips: an agreement file (imperfect/noise.py) that
    names the training patches to leave out. answers: the filled-in sheet of `isamap ask`: only its pixels are learned
    from (docs/active-sampling.md). after_epoch: as Plan's, for what changes weights while they are trained.
    ValueError: data that cannot train this network, arguments of another form, unknown settings, a folder that holds
    another run. Fault: damaged data, full disk.
    """
    if start is not None and backbone is not None:
        raise ValueError(f"--from {start} has weights of the whole network: leave --backbone out")
    addresses = _asked(data, recipe, out, start)
    settings = pairs(settings)
    begun = None if start is None else ck.load(start, session)
    settled, keep = _recipe(recipe, settings, begun), kept_chips(chips, settings)
    check_device(settled)
    source = open_source(addresses, settled.bands, target=target_of(settled), keep=keep, session=session)
    check_apart(source.datasets)
    source = answered(source, answers)
    torch.manual_seed(settled.seed)
    network = build(settled.model, source.band_names, config_for(settled, source))
    check_size(source, network, settled.crop)
    check_recipe_layers(settled, network)
    pretrained = _pretrained(backbone, network)
    taken = carry(begun, network) if begun is not None else None
    sentence = None if source.answers is None else source.answers.sentence
    origins = Origins(taken, left_out(chips, settings), pretrained, sentence)
    with run_home(out, session) as home:
        return _in_home(home, source, network, settled, origins, after_epoch)


def target_of(recipe: Recipe) -> Target:
    """What the recipe learns of a dataset."""
    sharp = VISIBLE if recipe.sharpens else ()
    return Target(recipe.scheme, recipe.target, recipe.frames, sharp, recipe.sharp_as)


def config_for(recipe: Recipe, source: SampleSource) -> dict[str, Any]:
    """The network's constructor values for the classes that are learned; ValueError where the recipe says others."""
    classes = len(source.classes)
    if (stated := recipe.config.get("classes", classes)) != classes:
        raise ValueError(
            f"model.classes={stated}, but scheme {recipe.scheme} has {classes} classes: set model.classes={classes}"
        )
    return {"classes": classes, **recipe.config}


def _recipe(named: str | Recipe | None, settings: Mapping[str, Any] | None, begun: ck.Checkpoint | None) -> Recipe:
    """The recipe with its settings; without a name that of the checkpoint to start from, and its network either way."""
    settings = {key: value for key, value in (settings or {}).items() if key != MIN_AGREEMENT}
    if isinstance(named, str):
        return recipe(named, settings)
    if named is not None or begun is None:
        return override(named, settings) if named is not None else recipe(DEFAULT_RECIPE, settings)
    return override(replace(recipe_of(begun), config=_config_of(begun)), settings)


def _pretrained(backbone: str | Path | Backbone | None, network: Network) -> Start | None:
    if backbone is None:
        return None
    return (backbone if isinstance(backbone, Backbone) else Backbone(backbone)).into(network)


def _config_of(begun: ck.Checkpoint) -> dict[str, Any]:
    """The checkpoint's constructor values but for the number of classes, which the data decide."""
    return {key: value for key, value in begun.config.items() if key != "classes"}


def _asked(data: Any, recipe: Any, out: Any, start: Any) -> list[str | Path]:
    """The datasets' addresses; ValueError where an argument is of another form."""
    if recipe is not None and not isinstance(recipe, (str, Recipe)):
        raise ValueError(f"recipe={recipe!r}: expected a recipe's name, such as 'unet-tiny', or a Recipe")
    check_address("out", out, "runs/wuhan")
    if start is not None:
        check_address("start", start, "runs/wuhan")
    return dataset_addresses(data)


def _in_home(
    home: RunHome,
    source: SampleSource,
    network: Network,
    recipe: Recipe,
    origins: Origins,
    after_epoch: Callable[[Network, int], None],
) -> TrainReport:
    """Claim the folder, or go on with the run in it, or only report it if it is over."""
    folder = home.folder
    splits = source.split("train"), source.split("val")
    if not (folder / NOTE).exists():  # no folder is claimed for settings that cannot train
        _check(splits, recipe, source, origins)
    identity: dict[str, Any] = {"data": source.fingerprint, "recipe": recipe.to_json(), "start": None, "chips": None}
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
        plan = Plan(network, source, *splits, recipe, folder, description, after_epoch, saved=home.keep)
        report = _report(plan, _fit(plan, home), origins)
        _say_how_sure(plan)
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


def _fit(plan: Plan, home: RunHome) -> Fitted:
    try:
        with memory_for(plan.network, plan.recipe, plan.source.datasets[0].manifest.size):
            return _fitter(plan.network)(plan)
    except ValueError:  # too little memory, a loss that is no number: the folder is free for the remedy
        home.give_up()
        raise
    except OSError as error:
        raise Fault(f"{plan.folder}: {error.strerror or error}; correct that, then the same command goes on") from error


def _say_how_sure(plan: Plan) -> None:
    """95 % intervals of the validation scores, into the best checkpoint and its card."""
    best = ck.load(plan.folder / ck.BEST)
    # no more at once than was validated in every epoch: memory must not run out after the last one
    at_once = plan.validated_at_once // plan.recipe.devices
    batches = predicted(best, plan.source, plan.validation, batch=max(1, at_once), device=plan.recipe.device)
    by_block, _ = counted(best, batches, plan.source.blocks("val"))
    bounds = bootstrap.rounded(bootstrap.intervals(by_block, best.classes))
    ck.rewrite(replace(best, metrics={**best.metrics, "intervals": bounds}), plan.folder / ck.BEST)


def _fitter(network: Network) -> Callable[[Plan], Fitted]:
    """What teaches this kind of network."""
    if isinstance(network, PixelClassifier):
        from training.fitting.pixels import fit
    else:
        from training.fitting.loop import fit
    return fit


def _report(plan: Plan, fitted: Fitted, origins: Origins) -> dict[str, Any]:
    """What report.json holds: TrainReport but for places."""
    return {
        "recipe": plan.recipe.name,
        "parameters": parameter_count(plan.network),
        "epochs": len(fitted.history),
        "best_epoch": fitted.best_epoch,
        "best_miou": fitted.best_miou,
        "samples_per_s": round(fitted.samples_per_s, 1),
        "simulated": plan.source.simulated,
        "notes": list(origins.sentences),
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
        "composite": dict(first.settings) | ({"level": first.level.lower()} if first.level else {}),
        "backscatter": first.backscatter,
        "simulated": source.simulated,
        "dataset": dataset,
        "recipe": recipe.to_json(),
        "revision": revision(),
        "frames": recipe.frames,
        "target": recipe.target,
    }


def _lattice(window: int, network: Network) -> int:
    """Pixels between the windows of a map: three quarters of one, or all of it where no pixel sees its neighbours."""
    if network.halo == 0:
        return window
    return max(1, round(window * 3 / 4 / network.multiple)) * network.multiple


def _step_m(head: DatasetManifest) -> float:
    """Ground size of the patches' pixels in metres, to three digits."""
    down_m, right_m = ground_step_m(next(iter(head.grids.values())).geobox)
    return float(f"{math.sqrt(down_m * right_m):.3g}")
