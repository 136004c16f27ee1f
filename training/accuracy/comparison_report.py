"""`compare`: which of several checkpoints is better on the same patches, and which cannot be distinguished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from isamap.gee_export.base.atomic import check_writable, local_path, write_json
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.bootstrap import Interval
from isamap.training.accuracy.comparison import MethodCounts, difference, holm, least_probability, probability
from isamap.training.accuracy.contrast import contrast
from isamap.training.accuracy.evaluation import Data, EvaluationReport, evaluate
from isamap.training.checkpoints import checkpoint as ck
from isamap.training.samples.arguments import check_address, dataset_addresses

VERSION = 1
LEVEL = 0.05
MEASURES = {"miou": "MIoU", "f1_impervious": "F1 of impervious", "oa": "OA"}
Runs = Sequence[str | Path] | Mapping[str, str | Path | Sequence[str | Path]]


@dataclass(frozen=True, eq=False)
class Method:
    """One thing compared: a checkpoint, or several of one recipe that differ in their seeds."""

    name: str
    reports: tuple[EvaluationReport, ...]

    @property
    def sample(self) -> MethodCounts:
        """Confusion counts by seed and block."""
        return MethodCounts(np.stack([report.by_block for report in self.reports]), self.reports[0].classes)

    def value(self, key: str) -> float | None:
        """The measure, a mean over seeds; None where one of them does not define it."""
        values = [report.scores.to_json(report.classes)[key] for report in self.reports]
        defined = [value for value in values if value is not None]
        return fmean(defined) if len(defined) == len(values) else None

    def to_json(self) -> dict[str, Any]:
        """Checkpoints, and each measure over them."""
        return {
            "name": self.name,
            "checkpoints": [report.checkpoint for report in self.reports],
            "fingerprints": [report.fingerprint for report in self.reports],
            "values": {key: _rounded(self.value(key)) for key in MEASURES},
        }


@dataclass(frozen=True)
class Difference:
    """left minus right by one measure: its 95 % interval, p, p adjusted for all that are compared, and the verdict.

    verdict: of left, "better", "worse" or "not distinguishable". None where too few blocks or pixels define it.
    """

    left: str
    right: str
    measure: str
    value: float | None
    interval: Interval | None
    p: float | None
    p_adjusted: float | None
    verdict: str

    def __str__(self) -> str:
        words = {
            "better": f"{self.left} is better than {self.right}",
            "worse": f"{self.left} is worse than {self.right}",
        }.get(self.verdict, f"{self.left} and {self.right} are not distinguishable")
        if self.value is None:
            return f"{MEASURES[self.measure]}: not defined for both; {words}"
        bounds = f" [{self.interval[0]:+.4f}, {self.interval[1]:+.4f}]" if self.interval else ""
        chance = f", p {self.p_adjusted:.3f}" if self.p_adjusted is not None else ""
        return f"{MEASURES[self.measure]} {self.value:+.4f}{bounds}{chance}: {words}"


@dataclass(frozen=True, eq=False)
class ComparisonReport:
    """What `compare` found, best printed: each method's measures, then each pair's differences in words."""

    methods: tuple[Method, ...]
    differences: tuple[Difference, ...]

    @property
    def blocks(self) -> int:
        """Spatial blocks that were drawn."""
        return len(self.methods[0].reports[0].by_block)

    def to_json(self) -> dict[str, Any]:
        """All figures and sentences as JSON holds them."""
        first = self.methods[0].reports[0]
        return {
            "version": VERSION,
            "dataset": first.dataset,
            "split": first.split,
            "simulated": first.simulated,
            "patches": first.patches,
            "blocks": self.blocks,
            "runs": [method.to_json() for method in self.methods],
            "differences": [_plain(compared) for compared in self.differences],
            "notes": self.notes(),
        }

    def write(self, path: str | Path) -> None:
        """All figures as a JSON file, complete or not there. Fault: it cannot be written."""
        write_json(local_path(path), self.to_json())

    @staticmethod
    def check_target(path: str | Path) -> None:
        """ValueError or Fault where `write` could not write there; asked before the figures are computed."""
        check_writable(local_path(path))

    def __str__(self) -> str:
        first = self.methods[0].reports[0]
        title = f"The {first.split} split: {first.patches:,} patches in {self.blocks} spatial blocks."
        pairs = dict.fromkeys((compared.left, compared.right) for compared in self.differences)
        lines = [title, "", *self._table(), ""]
        for pair in pairs:
            lines.append(f"{pair[0]} - {pair[1]}")
            lines += [f"  {compared}" for compared in self.differences if (compared.left, compared.right) == pair]
        return "\n".join([*lines, "", *self.notes()])

    def _table(self) -> list[str]:
        rows = [("", *MEASURES.values())]
        for method in self.methods:
            values = [method.value(key) for key in MEASURES]
            rows.append((method.name, *("-" if value is None else f"{value:.4f}" for value in values)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def notes(self) -> list[str]:
        """What the figures do not say by themselves, one sentence or two each."""
        count = len(self.differences)
        notes = [
            f"In brackets 95 % intervals of the difference over {self.blocks} spatial blocks, the same for both, each "
            f"for itself. p is adjusted for {count} comparisons (Holm); one below {LEVEL:g} is named."
        ]
        if self.blocks < 2:
            notes = ["One spatial block only: no difference can be told from chance. Evaluate on more ground."]
        elif least_probability(self.blocks) * count >= LEVEL:
            notes.append(
                f"With {self.blocks} blocks and {count} comparisons no single difference, however large, can be told "
                "from chance: evaluate on more ground, or compare fewer runs."
            )
        elif self.blocks < bootstrap.FEW_BLOCKS:
            notes.append(f"{self.blocks} blocks are few: the intervals are too narrow.")
        if alone := [method.name for method in self.methods if len(method.reports) == 1]:
            notes.append(
                f"Only one run of {', '.join(alone)}: this compares these checkpoints, not their recipes; another seed "
                "may turn the order round."
            )
        if self.methods[0].reports[0].simulated:
            notes.append("The data are simulated: this says nothing about real imagery.")
        return notes


def compare(
    runs: Runs, data: Data, split: str = "test", *, layer: str = "", device: str = "auto", session: Any = None
) -> ComparisonReport:
    """Differences of MIoU, F1 of impervious and OA between checkpoints on the same patches, pair by pair.

    runs: two or more runs' folders or checkpoints; or by name, each one of these or several that differ in seed. layer:
    the labels compared with, "label" or "fine", as in `evaluate`. ValueError: fewer than two, other classes, labels
    of another resolution, and what `evaluate` refuses.
    """
    addresses, data = named(runs), dataset_addresses(data)
    _check_classes([run for of_name in addresses.values() for run in of_name], session)
    options = {"layer": layer, "device": device, "session": session}
    methods = tuple(
        Method(name, tuple(evaluate(run, data, split, **options) for run in of_name))
        for name, of_name in addresses.items()
    )
    _check_pixels([report for method in methods for report in method.reports])
    return ComparisonReport(methods, _adjusted(methods))


def named(runs: Runs, groups: Mapping[str, Sequence[str | Path]] | None = None) -> dict[str, tuple[str | Path, ...]]:
    """Addresses by name: the folder's, or the whole address where two folders have one name; groups beside them.

    ValueError: fewer than two, one twice, a group of none.
    """
    if isinstance(runs, (str, bytes, Path)) or not isinstance(runs, (Mapping, Sequence)):
        raise ValueError(f"runs={runs!r}: expected two or more runs, such as ['runs/unet', 'runs/crofusenet']")
    by_name = runs if isinstance(runs, Mapping) else _by_folder(runs)
    single = {name: _several(of_name) for name, of_name in by_name.items()}
    grouped = {name: _several(of_name) for name, of_name in (groups or {}).items()}
    every = [run for of_name in (*single.values(), *grouped.values()) for run in of_name]
    for run in every:
        check_address("runs", run, "runs/wuhan")
    _check_distinct([str(run) for run in every], single, grouped)
    return single | grouped


def _check_distinct(every: Sequence[str], single: Mapping[str, Sized], grouped: Mapping[str, Sized]) -> None:
    """ValueError for a run given twice, a group of a run's name or of none, and where there is nothing to compare."""
    if twice := sorted({run for run in every if every.count(run) > 1}):
        raise ValueError(f"{twice[0]} is given twice: name each run once")
    if both := sorted(set(single) & set(grouped)):
        raise ValueError(f"group {both[0]} has the name of a run: choose another name")
    either = {**single, **grouped}
    if empty := [name for name, of_name in either.items() if not of_name]:
        raise ValueError(f"group {empty[0]} names no run: expected NAME=RUN,RUN")
    if len(either) < 2:
        raise ValueError(f"nothing to compare {', '.join(every) or 'with'}: name two different runs or more")


def _by_folder(runs: Sequence[str | Path]) -> dict[str, str | Path]:
    addresses = [str(run).rstrip("/") for run in runs]
    if twice := [address for address in addresses if addresses.count(address) > 1]:
        raise ValueError(f"{twice[0]} is given twice: name each run once")
    folders = [Path(address).name for address in addresses]
    names = [
        folder if folders.count(folder) == 1 else address for folder, address in zip(folders, addresses, strict=True)
    ]
    return dict(zip(names, runs, strict=True))


def _several(of_name: str | Path | Sequence[str | Path]) -> tuple[str | Path, ...]:
    return (of_name,) if isinstance(of_name, (str, Path)) else tuple(of_name)


def _check_classes(runs: Sequence[str | Path], session: Any) -> None:
    """ValueError where two checkpoints map other classes; asked before the first is measured."""
    first, *others = [(run, ck.load(run, session).classes) for run in runs]
    for run, classes in others:
        if classes != first[1]:
            raise ValueError(
                f"{first[0]} maps {', '.join(first[1])} and {run} maps {', '.join(classes)}: "
                "compare checkpoints of the same classes"
            )


def _check_pixels(reports: Sequence[EvaluationReport]) -> None:
    """ValueError where counts of two reports are not of the same pixels."""
    first = reports[0]
    for report in reports[1:]:
        if not np.array_equal(first.by_block.sum(axis=(1, 2)), report.by_block.sum(axis=(1, 2))):
            raise ValueError(
                f"{first.checkpoint} and {report.checkpoint} were measured on labels of different resolution: choose "
                "one for both with --layer label or --layer fine"
            )


def _adjusted(methods: Sequence[Method]) -> tuple[Difference, ...]:
    """Every pair by every measure, with p adjusted over all of them."""
    comparisons = [(left, right, key) for left, right in combinations(methods, 2) for key in MEASURES]
    chances = [_chance(left, right, key) for left, right, key in comparisons]
    adjusted = iter(holm([p for p in chances if p is not None]))
    return tuple(
        _difference(left, right, key, p, None if p is None else next(adjusted))
        for (left, right, key), p in zip(comparisons, chances, strict=True)
    )


def _of_recipes(left: Method, right: Method) -> bool:
    """Whether each was trained several times, so that recipes are compared and not checkpoints."""
    return min(len(left.reports), len(right.reports)) > 1


def _chance(left: Method, right: Method, key: str) -> float | None:
    if not _of_recipes(left, right):
        return probability(left.sample, right.sample, key)
    outcome = contrast(left.sample, right.sample, key)
    return None if outcome is None else outcome.p


def _interval(left: Method, right: Method, key: str) -> Interval | None:
    if not _of_recipes(left, right):
        return difference(left.sample, right.sample, key)
    outcome = contrast(left.sample, right.sample, key)
    return None if outcome is None else (outcome.low, outcome.high)


def _difference(left: Method, right: Method, key: str, p: float | None, p_adjusted: float | None) -> Difference:
    a, b = left.value(key), right.value(key)
    value = None if a is None or b is None else a - b
    verdict = "not distinguishable"
    if value and p_adjusted is not None and p_adjusted < LEVEL:
        verdict = "better" if value > 0 else "worse"
    interval = _interval(left, right, key)
    return Difference(left.name, right.name, key, value, interval, p, p_adjusted, verdict)


def _plain(found: Difference) -> dict[str, Any]:
    interval = None if found.interval is None else [_rounded(bound) for bound in found.interval]
    numbers = {name: _rounded(getattr(found, name)) for name in ("value", "p", "p_adjusted")}
    return asdict(found) | numbers | {"interval": interval}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)
