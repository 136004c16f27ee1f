"""What a map holds and how it was made, as the few lines that `isamap map` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gee_export.base.scheme import UNKNOWN
from inference.checks import step_m
from inference.cog import MapInfo
from inference.map_file import probability_of

NOTHING_REAL = "this map says nothing about the real place"
# simulated parts -> what is printed
SIMULATED = {
    (): "",
    ("input",): f"simulated input: {NOTHING_REAL}",
    ("training",): f"simulated training: the network learned from simulated images, so {NOTHING_REAL}",
    ("input", "training"): f"simulated input and training: {NOTHING_REAL}",
}


@dataclass(frozen=True)
class MapReport:
    """What a map holds and how it was made; printed as a few lines.

    simulated_parts: input, training, both or none.
    """

    path: Path
    shape: tuple[int, int]
    step_m: float
    counts: Mapping[str, int]
    known_share: float
    impervious_share: float
    seconds: float
    resumed_rows: int
    simulated_parts: tuple[str, ...]
    already_there: bool
    warnings: tuple[str, ...] = ()

    @property
    def probability(self) -> Path:
        """The file of the probabilities."""
        return probability_of(self.path)

    @property
    def simulated(self) -> bool:
        """Whether the input or the training was simulated."""
        return bool(self.simulated_parts)

    def __str__(self) -> str:
        height, width = self.shape
        km2 = self.counts["impervious"] * self.step_m**2 / 1e6
        how = "already there" if self.already_there else f"{self.seconds:.1f} s"
        if self.resumed_rows:
            how += f", {self.resumed_rows} rows were there from before"
        lines = [
            f"{self.path}: {height} x {width} px of {self.step_m:.4g} m, {self.known_share:.1%} mapped ({how})",
            f"impervious: {self.impervious_share:.1%} of the mapped area, {km2:.2f} km2",
            f"probabilities: {self.probability}",
        ]
        if self.simulated:
            lines.append(SIMULATED[self.simulated_parts])
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def report_of(info: MapInfo, out: Path, counts: np.ndarray) -> MapReport:
    """The report of a map whose classes have these numbers of pixels by value; the caller adds how the run went."""
    known = int(counts.sum() - counts[UNKNOWN])
    parts = info.tags.get("simulated_parts", "")
    return MapReport(
        path=out,
        shape=(info.geobox.shape[0], info.geobox.shape[1]),
        step_m=step_m(info.geobox),
        counts={name: int(counts[value]) for value, name in enumerate(info.legend.names)},
        known_share=known / max(int(counts.sum()), 1),
        impervious_share=int(counts[info.legend.impervious]) / max(known, 1),
        seconds=0.0,
        resumed_rows=0,
        simulated_parts=tuple(parts.split(", ")) if parts else (),
        already_there=False,
    )
