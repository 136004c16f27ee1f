"""What an export did, or would do: a report that prints well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from isamap.gee_export.base.regions import Period
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.gee_export.earth_engine.archives import is_open
from isamap.gee_export.export.archive_load import ArchiveLoad
from isamap.gee_export.export.eecu import ComputingCost
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.requests.pixels import REQUEST_LIMIT_BYTES
from isamap.gee_export.requests.quota import DEFAULT_WORKERS

# For the estimate of a dry run. Local: megapixels of one month's composite a second, as benchmarks/export_wuhan.py has
# it on two cores. Google: what the largest request of one month is taken to last, which nobody promises. Both grow with
# the scenes, and so with the length of the period; Google's also with the bytes of a request.
LOCAL_MPX_PER_S, GOOGLE_REQUEST_S = 0.27, 20
START_S = 5  # of an export beside its computing: Kumasi, 41 km2, took 6 s on two quiet cores, 2026-11-24
LEAST_REQUEST_S = 1.0  # of Google's, however small


@dataclass(frozen=True)
class ExportReport:
    """An export's outcome. parts are region x period; skipped says why some have nothing.

    blocks are requests of the plan; fetched of them were fetched by this run, by sending what `sent` counts.
    patches counts all and per split; positions are patch places on the grids; left_out touch two splits, passed are
    those that the sampling or --max-patches did not take. request_bytes is as the server counts, pixel_bytes what the
    patches hold uncompressed; estimate: of the time, by_part: of a dry run, in words. dry_run: nothing was done.
    places and periods: of a dry run, in words. computing: what it cost the server, in words; eecu: what a
    dry run expects.
    """

    name: str
    out: str
    dry_run: bool
    parts: int
    patches: Mapping[str, int]
    positions: int
    left_out: int
    passed: int
    blocks: int = 0
    fetched: int = 0
    sent: Mapping[str, int] = field(default_factory=dict)
    request_bytes: int = 0
    pixel_bytes: int = 0
    seconds: float = 0.0
    estimate: str = ""
    computing: str = ""
    eecu: ComputingCost | None = None
    simulated: bool | None = None
    by_part: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)
    scenes: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()

    @classmethod
    def planned(cls, job: ExportJob, plan: ExportPlan, out: str, workers: int | None = None) -> ExportReport:
        """The report of what an export would do."""
        return cls(
            name=job.name,
            out=out,
            dry_run=True,
            parts=len(job.parts),
            patches={"patches": len(plan.patches)} | {split: plan.patches.number_in(split) for split in SPLITS},
            **_found(plan.info),
            blocks=len(plan.requests),
            request_bytes=sum(request.bytes for request in plan.requests),
            pixel_bytes=len(plan.patches) * _patch_bytes(job),
            estimate=_estimate(job, plan, workers or DEFAULT_WORKERS),
            by_part=_by_part(plan) if len(job.parts) > 1 else {},
            eecu=ComputingCost(_effort(job, plan)),
            notes=(*_notes(plan.info), *_fewer(job, len(plan.patches), plan.info)),
        )

    @classmethod
    def written(cls, job: ExportJob, manifest: DatasetManifest, out: str, *notes: str) -> ExportReport:
        """The report of a complete dataset."""
        skipped = {f"{r}_{p}": why for r, periods in manifest.skipped.items() for p, why in periods.items()}
        return cls(
            name=job.name,
            out=out,
            dry_run=False,
            parts=len(job.parts),
            patches={key: manifest.counts[key] for key in ("patches", *SPLITS)},
            **_found(manifest.split),
            pixel_bytes=manifest.counts["patches"] * _patch_bytes(job),
            simulated=manifest.simulated,
            skipped=skipped,
            scenes=_scene_counts(manifest),
            notes=tuple(
                dict.fromkeys(
                    [
                        *notes,
                        *_notes(manifest.split),
                        *([] if skipped else _fewer(job, manifest.counts["patches"], manifest.split)),
                        *_incomplete(manifest),
                        *_emptiness(manifest),
                        *_unseen_days(manifest),
                    ]
                )
            ),
        )

    def after(self, plan: ExportPlan, fetched: int, sent: Mapping[str, int], seconds: float) -> ExportReport:
        """With what a run did for it."""
        requests = [request for request in plan.requests if request.region_period.name not in self.skipped]
        size = sum(request.bytes for request in requests)
        return replace(
            self, blocks=len(requests), request_bytes=size, fetched=fetched, sent=dict(sent), seconds=seconds
        )

    def over(self, *, places: Sequence[str], manifest: DatasetManifest) -> ExportReport:
        """Of a dry run, with a line about each place, and the scenes that the server has."""
        skipped = {f"{r}_{p}": why for r, periods in manifest.skipped.items() for p, why in periods.items()}
        return replace(
            self,
            places=tuple(places),
            periods=tuple(_days(period) for period in manifest.periods),
            scenes=_scene_counts(manifest),
            simulated=manifest.simulated,
            skipped=skipped,
        )

    @property
    def requests(self) -> int:
        """Sent by this run, repeated ones too."""
        return self.sent.get("requests", 0)

    def __str__(self) -> str:
        counts = ", ".join(f"{self.patches[split]} {split}" for split in SPLITS)
        verb = "would be" if self.dry_run else "are"
        parts = f" of {self.parts} regions and periods" if self.parts > 1 else ""
        passed = f", {self.passed} not taken" if self.passed else ""
        lines = [
            f"{self.name}: {_count(self.patches['patches'], 'patch')} ({counts}){parts} {verb} in {self.out}",
            f"  {self.positions} positions on the grid, {self.left_out} left out because they touch two splits{passed}",
        ]
        lines += [f"  {line}" for line in (*self._subject(), *self._cost(), *self._origin())]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _subject(self) -> Iterator[str]:
        """Where and when it is, and how large."""
        yield from (f"place {name}" for name in self.places)
        if self.periods:
            yield f"time: {', '.join(self.periods)}"
        if self.blocks:
            requests, pixels = (f"{size / 1e6:,.0f} MB" for size in (self.request_bytes, self.pixel_bytes))
            yield f"{_count(self.blocks, 'block')}, {requests} of requests, {pixels} of pixels"

    def _cost(self) -> Iterator[str]:
        """What it is expected to take, and what it took."""
        if self.estimate:
            yield str(self.estimate)
        if self.eecu is not None:
            yield from self.eecu.lines
        if self.fetched or self.requests:
            sent = ", ".join(f"{count:,} {noun}" for noun, count in self.sent.items())
            yield f"{_count(self.fetched, 'block')} fetched with {sent} in {self.seconds:.0f} s"
        if self.computing:
            yield f"computing: {self.computing}"

    def _origin(self) -> Iterator[str]:
        """Which scenes it is made of, part by part, and what had none."""
        if self.scenes:
            yield "scenes: " + ", ".join(f"{sensor} {count}" for sensor, count in self.scenes.items())
        if self.simulated:
            yield "simulated: images or labels come from the local engine's world, not from satellites"
        yield from (f"{part_name}: {words}" for part_name, words in self.by_part.items())
        yield from (f"skipped {part_name}: {reason}" for part_name, reason in self.skipped.items())


def _found(info: Mapping[str, Any]) -> dict[str, Any]:
    """Positions of all regions, and why not all of them are patches."""
    regions = info["regions"].values()
    passed = sum(facts.get("not_taken", 0) + facts.get("not_sampled", 0) for facts in regions)
    return {"positions": info["positions"], "left_out": info["left_out"], "passed": passed}


def _by_part(plan: ExportPlan) -> dict[str, str]:
    """Patches and blocks of each part, in words."""
    patches = {of_part.region_period.name: len(of_part.patches) for of_part in plan.patches.of_parts}
    blocks = Counter(request.region_period.name for request in plan.requests)
    names = dict.fromkeys(request.region_period.name for request in plan.requests)
    return {name: f"{_count(patches[name], 'patch')} from {_count(blocks[name], 'block')}" for name in names}


def _count(number: int, noun: str) -> str:
    """`1 block`, `2 blocks`, `2 patches`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"


def _days(period: Mapping[str, str]) -> str:
    """A month, or the first and last day; the last one included."""
    return str(Period(date.fromisoformat(period["start"]), date.fromisoformat(period["end"])))


def _notes(info: Mapping[str, Any]) -> tuple[str, ...]:
    """What the division has to say, once for all regions that it says it of."""
    notes = [facts["note"] for facts in info["regions"].values() if "note" in facts]
    for region, facts in info["regions"].items():
        if facts.get("overlapping"):
            notes.append(
                f"{facts['overlapping']} patches of {region} are left out: they lie on another region's patches of "
                "another split"
            )
    return tuple(dict.fromkeys(notes))


def _fewer(job: ExportJob, patches: int, info: Mapping[str, Any]) -> Iterator[str]:
    """Why there are fewer patches than --max-patches allows, though not all are taken."""
    most = job.rule.max_patches
    if most is not None and patches < most and _found(info)["passed"]:
        periods = f" and the same ones of {len(job.periods)} periods" if len(job.periods) > 1 else ""
        yield f"{patches} patches of at most {most}: --max-patches takes whole blocks{periods}"


def _patch_bytes(job: ExportJob) -> int:
    return sum(layer.stored_bytes * (job.size * layer.ratio) ** 2 for layer in job.layers)


def _estimate(job: ExportJob, plan: ExportPlan, workers: int) -> str:
    if job.server == "local-engine":
        rate = f"the local engine composites {LOCAL_MPX_PER_S} Mpx of one month a second"
        load = ArchiveLoad.of(job.settings.read_bands, _mpx_months(plan)) if is_open(job.catalog) else None
        seconds = START_S + _effort(job, plan) / LOCAL_MPX_PER_S
        computing = f"about {_minutes(seconds)} ({START_S} s to start; {rate}{_dearer(job)})"
        return computing if load is None else f"{computing}, after {_minutes(load.hours * 3600)} for {load}"
    months = sum(google_seconds(request.bytes, request.region_period.period.mean_months) for request in plan.requests)
    seconds = job.settings.statistics.cost * months / workers
    return (
        f"about {_minutes(seconds)} at {workers} requests at a time, if the largest of one month takes "
        f"{GOOGLE_REQUEST_S} s and longer periods as much longer"
    )


def _dearer(job: ExportJob) -> str:
    """How much more a year's statistics cost, in words."""
    cost = job.settings.statistics.cost
    return "" if cost == 1 else f", {job.settings.statistics.composite} taken for {cost:g} times as much"


def _effort(job: ExportJob, plan: ExportPlan) -> float:
    """Megapixels x months of all requests, as many as a mean would cost as much."""
    return job.settings.statistics.cost * _mpx_months(plan)


def _mpx_months(plan: ExportPlan) -> float:
    return sum(r.window.height * r.window.width * r.region_period.period.mean_months for r in plan.requests) / 1e6


def google_seconds(size: float, months: float) -> float:
    """How long a request of so many bytes of a composite of so many months is taken to last on Google's servers."""
    return max(GOOGLE_REQUEST_S * size / REQUEST_LIMIT_BYTES * months, LEAST_REQUEST_S)


def _minutes(seconds: float) -> str:
    if seconds < 100:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _incomplete(manifest: DatasetManifest) -> tuple[str, ...]:
    count = manifest.counts.get("incomplete", 0)
    return (f"{count} patches are left out: the images asked show less than half of them",) if count else ()


def _emptiness(manifest: DatasetManifest) -> tuple[str, ...]:
    """Says which bands have not one valid pixel to train on: scenes there were, but clouds or gaps cover them."""
    empty = [name for name in manifest.band_names if name not in manifest.statistics]
    if not empty or not manifest.counts.get("train"):
        return ()
    return (f"no valid pixel of {' '.join(empty)} in the train split: choose another month or a longer --period",)


def _unseen_days(manifest: DatasetManifest) -> tuple[str, ...]:
    """Says which dates of frames no patch has a file of."""
    unseen = [f"{day[:4]}-{day[4:6]}-{day[6:]}" for day, facts in _frame_days(manifest) if not facts["patches"]]
    if not unseen:
        return ()
    days = ", ".join(dict.fromkeys(unseen))
    return (f"no patch shows half of itself on {days}: choose other days, or --frames scenes for the clearest",)


def _frame_days(manifest: DatasetManifest) -> list[tuple[str, Mapping[str, Any]]]:
    """The dates (YYYYMMDD) of frames in every region and period, with what the manifest says of each."""
    if (frames := manifest.layers.get("frames")) is None:
        return []
    return [day for periods in frames.dates.values() for days in periods.values() for day in days.items()]


def _scene_counts(manifest: DatasetManifest) -> dict[str, int]:
    totals: dict[str, int] = {}
    for periods in manifest.scenes.values():
        for sensors in periods.values():
            for sensor, facts in sensors.items():
                totals[sensor] = totals.get(sensor, 0) + facts["scenes"]
    if days := _frame_days(manifest):
        totals["dates of frames"] = len(days)
    return totals
