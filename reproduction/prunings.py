"""Runs that prune the network of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reproduction.runs import fingerprint
from reproduction.study import Run, StudyFolder


@dataclass(frozen=True)
class Pruning:
    """Another run's checkpoint pruned on a dataset of the study, as `isamap prune` does.

    scheme, ratio, round_to: of training.pruning. settings: changes of its recipe, as epochs.
    """

    of: Run
    scheme: str = "inner"
    ratio: float = 0.4
    round_to: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""

    @property
    def title(self) -> str:
        """The other run's name and the scheme."""
        return f"{self.of.title}-{self.scheme}"

    @property
    def needs(self) -> tuple[Run, ...]:
        """The run whose network is pruned."""
        return (self.of,)

    def facts(self, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        """The other run's, and how it is pruned."""
        how: dict[str, Any] = {
            "scheme": self.scheme,
            "ratio": self.ratio,
            "round_to": self.round_to,
            "settings": dict(self.settings),
        }
        other = {"data": [fingerprint(path) for path in place.data(self.data)]} if self.data else {}
        return {"of": self.of.facts(place, seed), "prune": how} | other

    def check(self, place: StudyFolder, seed: int) -> None:
        """The other run's needs are its own."""

    def make(self, folder: Path, place: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Prune, or go on; the parameters that are left."""
        from training.pruning.run import prune

        how: dict[str, Any] = {
            "scheme": self.scheme,
            "ratio": self.ratio,
            "round_to": self.round_to,
            "settings": self.settings,
        }
        report = prune(place.folder(self.of, seed), list(place.data(self.data)), folder, **how)
        return {"parameters": report.cost[1].parameters, "flop_cut": round(report.flop_cut, 4)}


def costs(folder: Path) -> Mapping[str, float]:
    """Of a run's network: parameters, megabytes of its weights, and of a pruned one what pruning gained.

    acceleration_percent: operations before by operations after less 1, LandCover3m's "theoretical acceleration";
    speed_up: measured times, one thread, side by side.
    """
    from training.checkpoints import checkpoint as ck
    from training.models.cost import cost
    from training.pruning.report import PruneReport

    found = ck.load(folder)
    now = cost(found.build(), found.window)
    values = {"parameters": now.parameters, "megabytes": now.weight_bytes / 1e6}
    if not _pruned(folder):
        return values
    report = PruneReport.from_json(folder, json.loads((folder / "report.json").read_text()))
    gain = {"acceleration_percent": 100 * (report.flop_ratio - 1), "cut_percent": 100 * report.flop_cut}
    return {**values, **gain, "speed_up": report.speed_up}


def _pruned(folder: Path) -> bool:
    note = folder / "run.json"
    return note.exists() and "prune" in json.loads(note.read_text())
