"""What pruning did to a network: its size, its speed and its accuracy, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isamap.training.checkpoints import checkpoint as ck
from isamap.training.models.cost import Cost


@dataclass(frozen=True)
class SplitAccuracy:
    """Overall accuracy, mean IoU and F1 of impervious on one split (None where nothing defines it)."""

    oa: float
    miou: float
    f1: float | None

    def __str__(self) -> str:
        f1 = "-" if self.f1 is None else f"{self.f1:.4f}"
        return f"OA {self.oa:.4f}, MIoU {self.miou:.4f}, F1 of impervious {f1}"


@dataclass(frozen=True)
class PruneReport:
    """The pruned checkpoint's folder, what was removed, and pairs of (before, after); prints as a table.

    seconds: CPU time of one forward pass on one thread, both networks in turns. silenced: accuracy when the filters
    were silenced and gone, before the small network was trained on. simulated: the data are.
    """

    folder: Path
    scheme: str
    ratio: float
    round_to: int
    cost: tuple[Cost, Cost]
    seconds: tuple[float, float]
    split: str
    accuracy: tuple[SplitAccuracy, SplitAccuracy]
    silenced: SplitAccuracy
    simulated: bool

    @property
    def flop_cut(self) -> float:
        """Share of the operations that are gone."""
        return 1 - self.cost[1].flop / self.cost[0].flop

    @property
    def flop_ratio(self) -> float:
        """Operations before by operations after; LandCover3m prints this less 1 as its theoretical acceleration."""
        return self.cost[0].flop / self.cost[1].flop

    @property
    def speed_up(self) -> float:
        """Measured time before by measured time after."""
        return self.seconds[0] / self.seconds[1]

    def __str__(self) -> str:
        before, after = self.cost
        side, (slow, fast) = before.side_px, self.seconds
        lines = [
            f"pruned by {self.scheme}, ratio {self.ratio:g}, kept a multiple of {self.round_to}",
            f"parameters     {before.parameters:>13,} -> {after.parameters:>13,}   "
            f"({1 - after.parameters / before.parameters:.1%} fewer)",
            f"weights        {before.weight_bytes / 1e6:>10.1f} MB -> {after.weight_bytes / 1e6:>10.1f} MB",
            f"GFLOP, {side:>4} px {before.flop / 1e9:>13.3f} -> {after.flop / 1e9:>13.3f}   FLOP cut "
            f"{self.flop_cut:.1%}, FLOP ratio {self.flop_ratio:.2f} "
            f'("theoretical acceleration" {self.flop_ratio - 1:.1%})',
            f"CPU time       {slow * 1e3:>10.1f} ms -> {fast * 1e3:>10.1f} ms   measured speed-up {self.speed_up:.2f}",
            f"{self.split} split, before:   {self.accuracy[0]}",
            f"{self.split} split, removed:  {self.silenced}",
            f"{self.split} split, after:    {self.accuracy[1]}",
        ]
        if self.simulated:
            lines.append("The data are simulated: accuracies say nothing about real imagery.")
        return "\n".join([*lines, f"checkpoint: {self.folder / ck.BEST}"])

    def to_json(self) -> dict[str, Any]:
        """All but the folder, as report.json holds it."""
        values = {name: getattr(self, name) for name in ("scheme", "ratio", "round_to", "split", "simulated")}
        return values | {
            "cost": [vars(cost) for cost in self.cost],
            "seconds": list(self.seconds),
            "accuracy": [vars(accuracy) for accuracy in self.accuracy],
            "silenced": vars(self.silenced),
        }

    @classmethod
    def from_json(cls, folder: Path, values: Mapping[str, Any]) -> PruneReport:
        """What `to_json` gave; KeyError or TypeError where it is not that."""
        parts = {
            "cost": tuple(Cost(**cost) for cost in values["cost"]),
            "seconds": tuple(values["seconds"]),
            "accuracy": tuple(SplitAccuracy(**accuracy) for accuracy in values["accuracy"]),
            "silenced": SplitAccuracy(**values["silenced"]),
        }
        return cls(folder=folder, **dict(values) | parts)
