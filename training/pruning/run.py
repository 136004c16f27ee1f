"""`isamap.prune`: a trained network made smaller; filters are silenced while it trains, removed, and it trains on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from isamap.gee_export.base.atomic import write_json
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.datasets.dataset import SPLITS
from isamap.training.accuracy.evaluation import evaluate
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models import constructor_values
from isamap.training.models.cost import cost, seconds
from isamap.training.models.layers import check_choice
from isamap.training.models.slim import NEAREST, SCHEMES, Slim
from isamap.training.pruning.compact import compact
from isamap.training.pruning.fpgm import chosen, remaining, zeroise
from isamap.training.pruning.groups import Group, groups_of
from isamap.training.pruning.report import PruneReport, SplitAccuracy
from isamap.training.recipes import Recipe, override
from isamap.training.recipes.settings import pairs
from isamap.training.runs.finetune import recipe_of
from isamap.training.runs.run import train
from isamap.training.runs.run_lock import DONE, LOCK, alone_in, claim, finished, release
from isamap.training.samples.arguments import check_address, dataset_addresses

SOFT, COMPACT, TUNED = "soft", "compact", "tuned"
# A choice, like the tuning's: the paper prints no number.
EPOCHS = 10
SLOWER = 0.1  # He et al. 2019, section 4.1: a trained network is pruned at a tenth of its learning rate
# Rounded, it would miss the paper's number of parameters.
ROUND_TO = {"literal": 1}
# Convolutions are computed in groups of 8 or 16 channels: other widths cost as much as the next multiple.
MULTIPLE = 8
# Odd, so that the median is a time that was measured.
TIMED_ROUNDS = 5


@dataclass(frozen=True)
class _Work:
    """One pruning: what is pruned, on what, by which rule, where, and the split on which accuracy is measured."""

    checkpoint: str | Path
    trained: ck.Checkpoint
    data: str | Path | Sequence[str | Path]
    slim: Slim
    folder: Path
    split: str
    session: Any


def prune(
    checkpoint: str | Path, data: str | Path | Sequence[str | Path], out: str | Path, *, scheme: str = "inner",
    ratio: float = 0.4, round_to: int | None = None, tune_epochs: int | None = None, split: str = "test",
    settings: Mapping[str, Any] | Sequence[str] | None = None, session: Any = None,
) -> PruneReport:  # fmt: skip
    """A checkpoint with fewer filters as out/best, and what it costs and gains (LandCover3m section 3.4,
    docs/reference/networks.md, "Filter pruning").

    scheme: one of models.slim.SCHEMES. round_to: what is kept is the nearest multiple of it (None: 8, and 1
    for literal).
    The network trains on by the checkpoint's recipe for epochs=10 (settings={"lr": 1e-4} changes the recipe), the
    most redundant filters silenced after each; then they are removed, and the small network trains for tune_epochs
    more (None: as many; 0: none). split: where accuracy is measured. Interrupted, the same call goes on; done, it only
    reports. ValueError: a network that cannot be pruned, settings that fit nothing. Fault: damaged files, full disk.
    """
    addresses = _asked(checkpoint, data, out, scheme, split)
    trained = ck.load(checkpoint, session)
    multiple = ROUND_TO.get(scheme, MULTIPLE) if round_to is None else round_to
    slim = Slim(scheme, ratio, multiple, NEAREST)
    groups = groups_of(trained.build(), slim)
    soft = _recipe(trained, pairs(settings))
    if tune_epochs is not None and tune_epochs < 0:
        raise ValueError(f"tune {tune_epochs}: expected epochs of the small network, or 0 for none")
    tuned = None if tune_epochs == 0 else replace(soft, epochs=tune_epochs or soft.epochs)
    work = _Work(checkpoint, trained, addresses, slim, Path(out), split, session)
    identity = {"prune": vars(slim), "start": trained.fingerprint, "recipe": soft.to_json(), "tune_epochs": tune_epochs}
    claim(work.folder, identity)
    with alone_in(work.folder / LOCK, str(out)):
        if (done := finished(work.folder)) is not None:
            _silence(work, soft, groups)  # refuses other data; with these nothing is trained
            return _on_split(work, _reported(work.folder, done))
        before = _begun(work, soft, groups)
        _remove(work, groups)
        report = _report(work, _tune(work, tuned), before)
        write_json(work.folder / DONE, report.to_json())
        return report


def _asked(checkpoint: Any, data: Any, out: Any, scheme: str, split: str) -> list[str | Path]:
    """The datasets' addresses; ValueError where an argument is of another form."""
    check_address("checkpoint", checkpoint, "runs/wuhan")
    check_address("out", out, "runs/pruned")
    addresses = dataset_addresses(data)
    if str(out).startswith("gs://"):
        raise ValueError(f"out={out}: prune into a folder; a bucket can be copied to afterwards")
    check_choice("scheme", scheme, SCHEMES)
    check_choice("split", split, SPLITS)
    return addresses


def _recipe(checkpoint: ck.Checkpoint, settings: Mapping[str, Any]) -> Recipe:
    """The checkpoint's own with a tenth of its learning rate and a few epochs; no averaging, which would blur zeros."""
    own = recipe_of(checkpoint)
    config = _but_classes(checkpoint.config)
    base = replace(own, name=f"{own.name}-pruned", config=config, epochs=EPOCHS, lr=own.lr * SLOWER, ema=0.0)
    changed = override(base, settings)
    if changed.ema:
        raise ValueError(f"ema={changed.ema:g}: averaged weights would never be 0, leave ema out when pruning")
    # Silenced filters make early epochs worse: patience must not end them.
    return replace(changed, patience=max(changed.patience, changed.epochs))


def _but_classes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor values without the number of classes, which the data decide."""
    return {key: value for key, value in config.items() if key != "classes"}


def _begun(work: _Work, soft: Recipe, groups: Sequence[Group]) -> SplitAccuracy:
    """Accuracy before, and the filters silenced; what cannot be trained leaves the folder free for better settings."""
    try:
        before = _accuracy(work, work.checkpoint)  # first, so that data that do not fit are refused at once
        _silence(work, soft, groups)
    except ValueError:
        if not (work.folder / SOFT).exists():
            release(work.folder)
        raise
    return before


def _silence(work: _Work, soft: Recipe, groups: Sequence[Group]) -> None:
    """Train with the most redundant filters silenced after every epoch, before it is validated and kept."""

    def after_epoch(network: nn.Module, _: int) -> None:
        zeroise(network, groups, chosen(network, groups))

    train(work.data, soft, work.folder / SOFT, start=work.checkpoint, after_epoch=after_epoch, session=work.session)


def _remove(work: _Work, groups: Sequence[Group]) -> None:
    soft = ck.load(work.folder / SOFT)
    network = soft.build()
    small = compact(network, soft.model, work.slim, groups, remaining(network, groups))
    config = constructor_values(small)
    recipe = dict(soft.recipe) | {"config": _but_classes(config)}
    ck.save(replace(soft, config=config, recipe=recipe), small, work.folder / COMPACT)


def _tune(work: _Work, tuned: Recipe | None) -> ck.Checkpoint:
    """The small network trained on, kept as best/ if validation finds it no worse than before."""
    small = ck.load(work.folder / COMPACT)
    better = small
    if tuned is not None:
        recipe = replace(tuned, config=small.recipe["config"])
        train(work.data, recipe, work.folder / TUNED, start=work.folder / COMPACT, session=work.session)
        after = ck.load(work.folder / TUNED)
        # An equal one counts as better: it has trained longer on its own shape.
        better = after if after.metrics["miou"] >= small.metrics["miou"] else small
    return ck.save(better, better.build(), work.folder / ck.BEST)


def _report(work: _Work, last: ck.Checkpoint, before: SplitAccuracy) -> PruneReport:
    large, small = work.trained.build(), last.build()
    # The size that maps are made with, so that both times are those of a map's windows.
    side = work.trained.window
    # A fixed image, so that both networks and every repetition compute the same.
    image = torch.randn(1, len(large.bands), side, side, generator=torch.Generator().manual_seed(0))
    before_s, after_s = seconds((large, small), image, rounds=TIMED_ROUNDS)
    return PruneReport(
        folder=work.folder,
        scheme=work.slim.scheme,
        ratio=work.slim.ratio,
        round_to=work.slim.round_to,
        cost=(cost(large, side), cost(small, side)),
        seconds=(before_s, after_s),
        split=work.split,
        accuracy=(before, _accuracy(work, work.folder)),
        silenced=_accuracy(work, work.folder / COMPACT),
        simulated=last.simulated,
    )


def _on_split(work: _Work, report: PruneReport) -> PruneReport:
    """The report with the requested split's accuracies; measured where it holds those of another split."""
    if report.split == work.split:
        return report
    before, after, silenced = (
        _accuracy(work, address) for address in (work.checkpoint, work.folder, work.folder / COMPACT)
    )
    return replace(report, split=work.split, accuracy=(before, after), silenced=silenced)


def _accuracy(work: _Work, checkpoint: str | Path) -> SplitAccuracy:
    report = evaluate(checkpoint, work.data, work.split, session=work.session)
    measures = report.scores
    return SplitAccuracy(measures.oa, measures.miou, measures.classes[report.classes.index("impervious")].f1)


def _reported(folder: Path, values: Mapping[str, Any]) -> PruneReport:
    try:
        return PruneReport.from_json(folder, values)
    except (KeyError, TypeError) as error:
        raise Fault(f"{folder / DONE} is damaged; remove {folder} and prune again") from error
