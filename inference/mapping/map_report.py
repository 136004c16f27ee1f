"""What a map holds and how it was made, as the few lines that `isamap map` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.inputs.checks import step_m
from isamap.inference.map_files.cog import MapInfo
from isamap.inference.map_files.map_file import holds_shares, probability_of, share_of
from isamap.inference.map_files.one_class import one_class_note
from isamap.inference.map_files.share_layer import mean_share
from isamap.inference.map_files.simulation import SIMULATED
from isamap.inference.mapping.eight_bits import ClassChange
from isamap.inference.postprocessing.prediction_sets import set_of, undecided_share


@dataclass(frozen=True)
class MapReport:
    """What a map holds and how it was made; printed as a few lines.

    simulated_parts: input, training, both or none. shares: the file of percents of a network that learned shares, whose
    mean is then impervious_share. undecided: of the mapped pixels, the share whose prediction set is not one class;
    None without sets. change: of a map in 8 bits that this call made, what they change on its windows.
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
    shares: Path | None = None
    threshold: float = 0.5
    undecided: float | None = None
    change: ClassChange | None = None

    def _of_shares(self) -> list[str]:
        if self.shares is None:
            return []
        km2 = self.impervious_share * sum(self.counts.values()) * self.step_m**2 / 1e6
        half = self.counts["impervious"] * self.step_m**2 / 1e6
        return [
            f"impervious: {self.impervious_share:.1%} of the mapped area, {km2:.2f} km2, as the sum of the shares "
            f"({half:.2f} km2 are pixels of class impervious, from {self.threshold:.0%} on)",
            f"percent impervious: {self.shares}",
        ]

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
        ending = "already there" if self.already_there else f"{self.seconds:.1f} s"
        if self.resumed_rows:
            ending += f", {self.resumed_rows} rows were there from before"
        lines = [
            f"{self.path}: {height} x {width} px of {self.step_m:.4g} m, {self.known_share:.1%} mapped ({ending})",
            *(
                []
                if self.shares is not None
                else [
                    f"impervious: {self.impervious_share:.1%} of the mapped area, {km2:.2f} km2",
                    f"probabilities: {self.probability}",
                ]
            ),
            *self._of_shares(),
        ]
        if self.undecided is not None:
            lines.append(
                f"undecided: {self.undecided:.1%} of the mapped area may be either class ({set_of(self.path)})"
            )
        if self.change is not None:
            lines.append(str(self.change))
        if self.simulated:
            lines.append(SIMULATED[self.simulated_parts])
        return "\n".join([*lines, *(f"warning: {text}" for text in self.warnings)])


def report_of(info: MapInfo, out: Path, counts: np.ndarray) -> MapReport:
    """The report of a map whose classes have these numbers of pixels by value; the caller adds how the run went."""
    known_pixels = int(counts.sum() - counts[UNKNOWN])
    parts = info.tags.get("simulated_parts", "")
    by_class = {name: int(counts[value]) for value, name in enumerate(info.legend.names)}
    shares = share_of(out) if holds_shares(info.tags) and share_of(out).exists() else None
    note = None if shares else one_class_note(by_class)
    counted = int(counts[info.legend.impervious]) / max(known_pixels, 1)
    return MapReport(
        path=out,
        shape=(info.geobox.shape[0], info.geobox.shape[1]),
        step_m=step_m(info.geobox),
        counts=by_class,
        known_share=known_pixels / max(int(counts.sum()), 1),
        impervious_share=counted if shares is None else mean_share(out),
        seconds=0.0,
        resumed_rows=0,
        simulated_parts=tuple(parts.split(", ")) if parts else (),
        already_there=False,
        warnings=() if note is None else (note,),
        shares=shares,
        threshold=info.legend.threshold,
        undecided=undecided_share(out),
    )
