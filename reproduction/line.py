"""A row of a study's table and the data it was measured on, as report.json holds them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

import numpy as np

from isamap.reproduction.convergence import Rise
from isamap.training.accuracy import bootstrap
from isamap.training.accuracy.comparison import MethodCounts

Counts = tuple[tuple[tuple[tuple[int, ...], ...], ...], ...]


@dataclass(frozen=True)
class DataUsed:
    """A dataset of the study: the name rows use, its own name, patches by split, how it was split, its periods.

    valid: by split, the share of pixels at which every band is there.
    """

    role: str
    name: str
    fingerprint: str
    simulated: bool
    split: str
    patches: Mapping[str, int]
    valid: Mapping[str, float]
    size: int
    step_m: float
    periods: tuple[str, ...]
    label: str

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {split}" for split, count in self.patches.items())
        seen = ", ".join(f"{self.valid[split]:.0%}" for split in self.patches)
        origin = "simulated" if self.simulated else "real"
        return (
            f"`{self.name}` ({origin}; {', '.join(self.periods)}; {counts} patches of {self.size} px of "
            f"{self.step_m:g} m, {seen} of pixels seen; labels {self.label}; split: {self.split})"
        )


@dataclass(frozen=True)
class ReportLine:
    """A row of the table: per measure one value a seed; what they come from; the paper's numbers.

    blocks: confusion counts by seed and spatial block, rows reference, columns what is seen; () where there are none.
    made: what the run noted (epochs, steps, parameters, cpu_s, late_rise, ...), averaged over seeds by who reads it;
    empty of a row that trains nothing.
    """

    label: str
    values: Mapping[str, tuple[float | None, ...]]
    paper: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    data: str = ""
    blocks: Counts = ()
    classes: tuple[str, ...] = ()
    made: tuple[Mapping[str, Any], ...] = ()

    def known(self, key: str) -> list[float]:
        """Values of the seeds that have one."""
        return [value for value in self.values.get(key, ()) if value is not None]

    def mean(self, key: str) -> float | None:
        """The mean over the seeds."""
        values = self.known(key)
        return fmean(values) if values else None

    def spread(self, key: str) -> float | None:
        """Standard deviation over two or more seeds (n - 1)."""
        values = self.known(key)
        return stdev(values) if len(values) > 1 else None

    @property
    def trained(self) -> bool:
        """Whether other seeds would give other values."""
        return any(self.made)

    @property
    def late_rise(self) -> Rise | None:
        """How much validation still rose at the end of training; None of what has no epochs."""
        rises = [made["late_rise"] for made in self.made if made.get("late_rise") is not None]
        return Rise(rises) if rises else None

    @property
    def sample(self) -> MethodCounts | None:
        """Confusion counts, for comparisons; None where there are none."""
        return MethodCounts(np.array(self.blocks), self.classes) if self.blocks else None

    @cached_property
    def intervals(self) -> Mapping[str, bootstrap.Interval]:
        """95 % intervals of the first seed by measure, over blocks, as far as they are defined."""
        if not self.blocks:
            return {}
        interval_of = bootstrap.intervals(np.array(self.blocks[0]), self.classes)
        return {key: pair for key, pair in interval_of.items() if pair is not None and key in self.values}


def line_of(document: Mapping[str, Any]) -> ReportLine:
    """A line of report.json."""
    values = {name: document[name] for name in ReportLine.__dataclass_fields__}
    values["values"] = {key: tuple(seeds) for key, seeds in document["values"].items()}
    counts = counts_of(document["blocks"])
    return ReportLine(
        **values | {"made": tuple(document["made"]), "blocks": counts, "classes": tuple(document["classes"])}
    )


def counts_of(by_seed: Any) -> Counts:
    """Nested lists, [seed][block][reference][seen], as a Line holds them."""
    return tuple(
        tuple(tuple(tuple(int(count) for count in row) for row in block) for block in blocks) for blocks in by_seed
    )
