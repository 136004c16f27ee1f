"""Runs that prune the network of another run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isamap.reproduction.runs import fingerprint
from isamap.reproduction.study import Run, StudyFolder


@dataclass(frozen=True)
class Pruning:
    """Another run's checkpoint pruned on a dataset of the study, as `isamap prune` does.

    scheme, ratio, round_to: of isamap.training.pruning. settings: changes of its recipe, as epochs.
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

    def facts(self, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """The other run's, and how it is pruned."""
        from isamap.training.models.slim import NEAREST

        options: dict[str, Any] = {
            "scheme": self.scheme,
            "ratio": self.ratio,
            "round_to": self.round_to,
            "rounding": NEAREST,
            "settings": dict(self.settings),
        }
        data_facts = {"data": [fingerprint(path) for path in study_folder.data(self.data)]} if self.data else {}
        return {"of": self.of.facts(study_folder, seed), "prune": options} | data_facts

    def check(self, study_folder: StudyFolder, seed: int) -> None:
        """The other run's needs are its own."""

    def make(self, folder: Path, study_folder: StudyFolder, seed: int) -> Mapping[str, Any]:
        """Prune, or go on; the parameters that are left."""
        from isamap.training.pruning.run import prune

        options: dict[str, Any] = {
            "scheme": self.scheme,
            "ratio": self.ratio,
            "round_to": self.round_to,
            "settings": self.settings,
        }
        report = prune(study_folder.folder(self.of, seed), list(study_folder.data(self.data)), folder, **options)
        return {"parameters": report.cost[1].parameters, "flop_cut": round(report.flop_cut, 4)}


def costs(folder: Path) -> Mapping[str, float]:
    """Parameters and megabytes of a run's network, and what pruning gained if it is pruned.

    acceleration_percent: operations before by operations after less 1, LandCover3m's "theoretical acceleration";
    speed_up: measured times, one thread, side by side.
    """
    from isamap.training.checkpoints import checkpoint as ck
    from isamap.training.models.cost import cost
    from isamap.training.pruning.report import PruneReport

    trained = ck.load(folder)
    now = cost(trained.build(), trained.window)
    values = {"parameters": now.parameters, "megabytes": now.weight_bytes / 1e6}
    if not _pruned(folder):
        return values
    report = PruneReport.from_json(folder, json.loads((folder / "report.json").read_text()))
    gain = {"acceleration_percent": 100 * (report.flop_ratio - 1), "cut_percent": 100 * report.flop_cut}
    return {**values, **gain, "speed_up": report.speed_up}


def _pruned(folder: Path) -> bool:
    note = folder / "run.json"
    return note.exists() and "prune" in json.loads(note.read_text())
