"""The rule by which a training counts as finished: validation no longer rises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

from scipy.stats import t as student

from isamap.gee_export.base.errors import Fault

HISTORY = "history.json"
# The best value so far would not do: one lucky epoch early hides a curve that rises, and noise alone lifts a maximum.
LATE, RISE, CHANCE = 0.2, 0.005, 0.05
RULE = (
    f"A network counts as converged when the mean validation MIoU of the last {LATE:.0%} of its epochs is less than "
    f"{RISE:g} above that of the {LATE:.0%} before, and a one-sided t test over seeds ({CHANCE:.0%}) shows no rise."
)


@dataclass(frozen=True)
class Rise:
    """By how much validation rose at the end, a value a seed."""

    by_seed: Sequence[float]

    @property
    def mean(self) -> float:
        return fmean(self.by_seed)

    @property
    def error(self) -> float:
        """The standard error of the mean; 0 of one seed, which cannot tell."""
        return stdev(self.by_seed) / len(self.by_seed) ** 0.5 if len(self.by_seed) > 1 else 0.0

    @property
    def has_ended(self) -> bool:
        """Whether the rise is small, and not shown to be one."""
        if len(self.by_seed) < 2:
            return self.mean < RISE
        limit = float(student.ppf(1 - CHANCE, len(self.by_seed) - 1)) * self.error
        return self.mean < RISE and self.mean <= limit

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ± {self.error:.3f}" if len(self.by_seed) > 1 else f"{self.mean:+.3f}"


def late_rise(folder: Path) -> float | None:
    """By how much the validation MIoU of a run rose from the fifth before the last of its epochs to the last.

    None without epochs. A run of fewer than two epochs rose by all it reached. Fault: a damaged history.
    """
    path = folder / HISTORY
    if not path.exists():
        return None
    try:
        values = [float(epoch["val_miou"]) for epoch in json.loads(path.read_text())]
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{path} is damaged: remove the run's folder, then the same command makes it again") from error
    if not values:
        return None
    late = max(1, round(LATE * len(values)))
    return fmean(values[-late:]) - (fmean(values[-2 * late : -late]) if len(values) > 1 else 0.0)
