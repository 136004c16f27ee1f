"""What an export did, or would do: a report that prints well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gee_export.index import SPLITS
from gee_export.job import Job
from gee_export.manifest import DatasetManifest
from gee_export.plan import Plan


@dataclass(frozen=True)
class ExportReport:
    """An export's outcome. blocks are requests of the plan; fetched of them were fetched by this run.

    patches counts all and per split; positions are patch places on the grid, of which left_out touch two splits;
    request_bytes is as the server counts, pixel_bytes what the patches hold uncompressed. dry_run: nothing was done.
    """

    name: str
    out: str
    dry_run: bool
    patches: Mapping[str, int]
    positions: int
    left_out: int
    blocks: int
    fetched: int
    requests: int
    request_bytes: int
    pixel_bytes: int
    seconds: float
    simulated: bool | None
    scenes: Mapping[str, int]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        job: Job,
        plan: Plan,
        *,
        out: str,
        manifest: DatasetManifest | None = None,
        fetched: int = 0,
        requests: int = 0,
        seconds: float = 0.0,
        note: str | None = None,
    ) -> ExportReport:
        """The report of a job; without a manifest, of a dry run."""
        division = job.division
        splits = [split for _, split in division.patches]
        pixel_bytes = 2 * len(job.settings.stored_bands) + (job.label != "none")
        return cls(
            name=job.name,
            out=out,
            dry_run=manifest is None,
            patches={"patches": len(splits)} | {split: splits.count(split) for split in SPLITS},
            positions=division.info["positions"],
            left_out=division.info["left_out"],
            blocks=len(plan.requests),
            fetched=fetched,
            requests=requests,
            request_bytes=plan.bytes_counted,
            pixel_bytes=len(splits) * job.size**2 * pixel_bytes,
            seconds=seconds,
            simulated=manifest.simulated if manifest else None,
            scenes=_scene_counts(manifest) if manifest else {},
            notes=tuple(text for text in (note, division.info.get("note"), _emptiness(manifest)) if text),
        )

    def __str__(self) -> str:
        counts = ", ".join(f"{self.patches[split]} {split}" for split in SPLITS)
        verb = "would be" if self.dry_run else "are"
        lines = [
            f"{self.name}: {self.patches['patches']} patches ({counts}) {verb} in {self.out}",
            f"  {self.positions} positions on the grid, {self.left_out} left out because they touch two splits",
            f"  {self.blocks} blocks, {self.request_bytes / 1e6:,.0f} MB of requests, "
            f"{self.pixel_bytes / 1e6:,.0f} MB of pixels",
        ]
        if self.fetched or self.requests:
            lines.append(f"  {self.fetched} blocks fetched with {self.requests} requests in {self.seconds:.0f} s")
        if self.scenes:
            lines.append("  scenes: " + ", ".join(f"{sensor} {count}" for sensor, count in self.scenes.items()))
        if self.simulated:
            lines.append("  simulated: these pixels come from the local engine's world, not from satellites")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _emptiness(manifest: DatasetManifest | None) -> str | None:
    """Says which bands have not one valid pixel to train on: scenes there were, but clouds or gaps cover them."""
    empty = [name for name in manifest.band_names if name not in manifest.statistics] if manifest else []
    if not empty or not manifest.counts.get("train"):
        return None
    return f"no valid pixel of {' '.join(empty)} in the train split: choose another month or a longer --period"


def _scene_counts(manifest: DatasetManifest) -> dict[str, Any]:
    totals: dict[str, int] = {}
    for periods in manifest.scenes.values():
        for sensors in periods.values():
            for sensor, facts in sensors.items():
                totals[sensor] = totals.get(sensor, 0) + facts["scenes"]
    return totals
