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
    """An export's outcome. parts are region x period; skipped says why some have nothing.

    blocks are requests of the plan; fetched of them were fetched by this run, by sending what `sent` counts.
    patches counts all and per split; positions are patch places on the grids, of which left_out touch two splits;
    request_bytes is as the server counts, pixel_bytes what the patches hold uncompressed. dry_run: nothing was done.
    """

    name: str
    out: str
    dry_run: bool
    parts: int
    skipped: Mapping[str, str]
    patches: Mapping[str, int]
    positions: int
    left_out: int
    blocks: int
    fetched: int
    sent: Mapping[str, int]
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
        sent: Mapping[str, int] | None = None,
        seconds: float = 0.0,
        note: str | None = None,
    ) -> ExportReport:
        """The report of a job; without a manifest, of a dry run."""
        skipped = _skipped(manifest)
        splits = [place.split for place in plan.patches if place.part.name not in skipped]
        requests = [request for request in plan.requests if request.part.name not in skipped]
        patch_bytes = sum(layer.stored_bytes * (job.size * layer.ratio) ** 2 for layer in job.layers)
        said = (note, *(info.get("note") for info in plan.info["regions"].values()), _emptiness(manifest))
        return cls(
            name=job.name,
            out=out,
            dry_run=manifest is None,
            parts=len(job.parts),
            skipped=skipped,
            patches={"patches": len(splits)} | {split: splits.count(split) for split in SPLITS},
            positions=plan.info["positions"],
            left_out=plan.info["left_out"],
            blocks=len(requests),
            fetched=fetched,
            sent=dict(sent or {}),
            request_bytes=sum(request.bytes for request in requests),
            pixel_bytes=len(splits) * patch_bytes,
            seconds=seconds,
            simulated=manifest.simulated if manifest else None,
            scenes=_scene_counts(manifest) if manifest else {},
            notes=tuple(dict.fromkeys(text for text in said if text)),
        )

    @property
    def requests(self) -> int:
        """Sent by this run, repeated ones too."""
        return self.sent.get("requests", 0)

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
            sent = ", ".join(f"{count:,} {what}" for what, count in self.sent.items())
            lines.append(f"  {self.fetched} blocks fetched with {sent} in {self.seconds:.0f} s")
        if self.scenes:
            lines.append("  scenes: " + ", ".join(f"{sensor} {count}" for sensor, count in self.scenes.items()))
        if self.simulated:
            lines.append("  simulated: these pixels come from the local engine's world, not from satellites")
        lines += [f"  skipped {part}: {reason}" for part, reason in self.skipped.items()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def _skipped(manifest: DatasetManifest | None) -> dict[str, str]:
    """Why parts have nothing, by their names."""
    rows = manifest.skipped.items() if manifest else ()
    return {f"{region}_{period}": reason for region, periods in rows for period, reason in periods.items()}


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
