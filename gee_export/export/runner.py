"""Runs an export job: each block fetched once, cut into patches locally, resumable at any moment."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, replace
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.gee_export.base.revision import revision
from isamap.gee_export.base.storage import Storage, crc32c, is_remote, open_storage
from isamap.gee_export.datasets import dataset, geotiff
from isamap.gee_export.datasets.dataset import Entry, Sample
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.gee_export.datasets.progress_log import ProgressLog, run_folder
from isamap.gee_export.export import run_lock
from isamap.gee_export.export.blocks import Block, BlockStore, Observed, cut, pooled
from isamap.gee_export.export.extra_images import frames_counted, with_minimum_unit, worth_keeping
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.label_notes import label_notes
from isamap.gee_export.export.label_survey import Survey
from isamap.gee_export.export.layers import COUNTS
from isamap.gee_export.export.open_part import OpenPart
from isamap.gee_export.export.opening import open_parts
from isamap.gee_export.export.pixel_source import Cell, PixelSource
from isamap.gee_export.export.plan import ExportPlan, LayerRequest
from isamap.gee_export.export.report import ExportReport
from isamap.gee_export.export.request import EXPORT_FILE
from isamap.gee_export.export.run_header import whole
from isamap.gee_export.requests.meter import Meter

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

INCOMPLETE = "choose --image or --fine that cover the region"
CUTTERS, REMOTE_CUTTERS = 2, 32  # as many as a bucket gains from (docs/batch.md)
# Ours: a slow disk then slows the requests, instead of filling the memory.
WAITING_GROUPS = 4  # groups of finished patches that may wait for the disk before the next block is taken


def run(
    job: ExportJob, out: str | Path, connect: Callable[[], Session], *,
    supply: Callable[[Session, ProgressLog], PixelSource], progress: bool, options_file: bytes,
) -> ExportReport:  # fmt: skip
    """Exports the job into a folder or gs:// prefix, going on where an earlier run stopped.

    supply: makes the way to get pixels, once there is something to get. options_file: what EXPORT_FILE holds. Parts
    without scenes are skipped and named in the report. ValueError where `out` holds something else or no part has
    scenes, Fault where a server or disk fails; nothing is lost by either.
    """
    started = monotonic()
    progress_log = ProgressLog(run_folder(out))
    survey = Survey.of(job) if job.surveys_labels else None
    plan = ExportPlan.of(job)  # of all positions, where the labels are to choose among them
    session = connect() if is_remote(out) else None
    storage = open_storage(out, session)
    # Claimed before anything is asked: two runs of one folder would fetch all pixels twice.
    with run_lock.claimed(storage, progress_log, job.head()):
        if done := run_lock.finished(storage, progress_log):
            return ExportReport.written(job, done.manifest, str(out), "already complete", *label_notes(done))
        session = session or connect()
        geotiff.load()  # before the threads that open, label and cut
        pixels = supply(session, progress_log)  # first: it may make the composites that are read
        opened, skipped = open_parts(job)
        if survey is not None:
            plan = ExportPlan.of(job, survey.shares(opened, progress_log, pixels))
        head = whole(job, plan, opened, skipped)
        run_lock.begin(storage, progress_log, head)
        warnings = _revised(progress_log)
        export = _Export(plan, storage, progress_log, head, opened)
        progress_log.log(f"begins with {export.to_do}")
        export.complete(pixels, job.name, progress)
        computing = str(pixels.meter)
        written = export.finish(options_file)
        seconds, counts = monotonic() - started, ", ".join(f"{n} {noun}" for noun, n in pixels.counts.items())
        progress_log.log(f"complete after {seconds:.0f} s, {counts} and {computing}")
        report = ExportReport.written(job, written.manifest, str(out), *warnings, *label_notes(written))
        return replace(report.after(plan, len(export.missing), pixels.counts, seconds), computing=computing)


def _revised(progress_log: ProgressLog) -> tuple[str, ...]:
    """A warning where another isamap began this export: what it made stays as it is."""
    before = progress_log.note_revision(now := revision())
    if before is None:
        return ()
    warning = f"begun by isamap {before}, continued by {now}: what the first one finished was not made again"
    progress_log.log(warning)
    return (warning,)


class _Export:
    """One run: what is done already, what is missing, and how it is brought together."""

    def __init__(
        self,
        plan: ExportPlan,
        storage: Storage,
        progress_log: ProgressLog,
        head: DatasetManifest,
        opened: Mapping[int, OpenPart],
    ) -> None:
        self.plan, self.storage, self.progress_log, self.head, self.opened = plan, storage, progress_log, head, opened
        self.store = BlockStore(progress_log.blocks)
        self.expected = [
            n for n, planned_patch in enumerate(plan.patches) if planned_patch.region_period.index in opened
        ]
        self.entries, self.observed = _recall(rows := progress_log.rows(), storage, plan)
        # Patches that showed too little are noted too, or each run would cut them again.
        self.incomplete = {row["incomplete"] for row in rows if "incomplete" in row}
        done = self.entries.keys() | self.incomplete
        self.todo = [patch_index for patch_index in self.expected if plan.patches[patch_index].id not in done]
        self.waiting = _users(plan, self.todo)
        self.missing = [r.index for r in plan.requests if self._gives(r) and not self._has(r)]

    @property
    def to_do(self) -> str:
        """How much of it is missing, for the log."""
        return f"{len(self.todo)} of {len(self.expected)} patches and {len(self.missing)} blocks to do"

    def complete(self, supply: PixelSource, name: str, progress: bool) -> None:
        """Fetches the missing blocks and writes every patch that is still to do."""
        ready = self.waiting.keys() - set(self.missing)
        left = set(self.todo)
        done = len(self.expected) - len(left)
        bar = ProgressBar(total=len(self.expected), initial=done, unit="patch", desc=name, disable=not progress)
        cutters = REMOTE_CUTTERS if is_remote(self.storage.url) else CUTTERS
        with bar, ThreadPoolExecutor(cutters, thread_name_prefix="cut") as pool:
            groups = [self._submit(pool, ready, left, list(left))]
            with closing(self._arriving(supply)) as fetched, self._noting(supply.meter):
                for cell, pixels in fetched:
                    self._keep(self.plan.requests[cell.index], pixels, supply.meter)
                    ready.add(cell.index)
                    groups.append(self._submit(pool, ready, left, self.waiting.get(cell.index, ())))
                    while len(groups) > WAITING_GROUPS:
                        self._collect(groups.pop(0), bar)
            for group in groups:
                self._collect(group, bar)

    def finish(self, options_file: bytes) -> dataset.Dataset:
        """The whole dataset, with its manifest and the file of its options."""
        # Before the manifest, whose presence says that all other files are there.
        self.storage.write(EXPORT_FILE, options_file)
        written = dataset.finish(self.storage, self.finished_head(), self.ordered())
        # After the dataset is whole: until then a killed run goes on from its blocks.
        self.store.clear()
        return written

    def finished_head(self) -> DatasetManifest:
        """The head with how many clear observations the pixels have, over all blocks of each part."""
        rows: dict[tuple[str, str, str], list[Mapping[str, int]]] = {}
        for request_index in sorted(self.observed):
            region_period = self.plan.requests[request_index].region_period
            for count, seen in self.observed[request_index].items():
                rows.setdefault((region_period.region_grid.name, region_period.period.label, COUNTS[count]), []).append(
                    seen
                )
        scenes = {r: {p: dict(sensors) for p, sensors in periods.items()} for r, periods in self.head.scenes.items()}
        for (region, period, sensor), pixels in rows.items():
            facts = scenes[region][period]
            facts[sensor] = dict(facts[sensor]) | {"observations_per_pixel": pooled(pixels)}
        counts = {"incomplete": len(self.incomplete)} if self.incomplete else {}
        layers = frames_counted(self.head.layers, [entry.patch for entry in self.entries.values()])
        return replace(self.head, scenes=scenes, counts=counts, layers=layers)

    def ordered(self) -> list[Entry]:
        """The entries of the plan's patches; ValueError where every one is incomplete."""
        ids = [self.plan.patches[patch_index].id for patch_index in self.expected]
        if self.expected and not self.incomplete.isdisjoint(ids) and not self.entries:
            raise ValueError(
                f"not one of {len(ids)} patches shows half of its ground in the images asked: {INCOMPLETE}"
            )
        return [self.entries[id_] for id_ in ids if id_ not in self.incomplete]

    def _gives(self, request: LayerRequest) -> bool:
        """Whether the part has something of the layer: not every part has scenes, or as many frames as others."""
        opened = self.opened.get(request.region_period.index)
        return opened is not None and request.layer.name in opened.images

    def _arriving(self, supply: PixelSource) -> Generator[tuple[Cell, np.ndarray], None, None]:
        """Cells with their pixels; those that ask nothing of the server first."""
        cells = [self._cell(request_index) for request_index in self.missing]
        # Cells without channels are there at once, and patches that need them alone need not wait.
        for cell in cells:
            if not cell.channels:
                yield cell, np.empty(tuple(cell.geobox.shape), np.dtype([]))
        with closing(supply([cell for cell in cells if cell.channels])) as fetched:
            yield from fetched

    def _cell(self, request_index: int) -> Cell:
        request = self.plan.requests[request_index]
        image = self.opened[request.region_period.index].images[request.layer.name]
        name = f"{request.key} r{request.window.row} c{request.window.col}"
        stored = "composite_asset" in self.head.asked and request.layer.name == "image"
        months = (
            0.0 if stored else request.region_period.period.mean_months * self.plan.cost
        )  # nothing is composed there
        return Cell(request_index, name, image, request.geobox, request.layer.channels, months)

    def _has(self, request: LayerRequest) -> bool:
        """Whether the block need not be fetched: its patches are done, or its file is whole."""
        request_index = request.index
        if request_index not in self.waiting and request_index in self.observed:
            self.store.remove(request_index)
            return True
        counts = self.store.observed(request_index, request.key, request.window)
        if counts is None:
            return False
        self.observed[request_index] = counts
        return True

    @contextmanager
    def _noting(self, meter: Meter) -> Iterator[None]:
        """Notes what was computed for blocks that never came, too; the log has the sum of all runs."""
        try:
            yield
        finally:
            if spent := meter.unnoted():
                self.progress_log.add([spent])
            self.progress_log.log(f"computing so far: {meter}")

    def _keep(self, request: LayerRequest, pixels: np.ndarray, meter: Meter) -> None:
        """Stores a block's pixels and notes it, with what was computed meanwhile."""
        region_grid, layer, window = request.region_period.region_grid, request.layer, request.window
        inside = region_grid.inside(window, layer.ratio)
        arrays, observed = layer.settle(pixels, request.geobox, inside, self.opened[request.region_period.index])
        self.store.write(request.index, request.key, Block(window, arrays, observed))
        self.observed[request.index] = observed
        row = {"block": request.key, "window": astuple(window), "observed": observed}
        self.progress_log.add([row | meter.unnoted()])

    def _submit(
        self, pool: ThreadPoolExecutor, ready: set[int], left: set[int], candidates: Iterable[int]
    ) -> list[Any]:
        """Starts those of the candidates whose blocks are all there."""
        patches = self.plan.patches
        # Candidates may be a set: sorted, so that every run starts patches in the plan's order.
        able = sorted(n for n in candidates if n in left and all(block in ready for block in patches[n].needs))
        left.difference_update(able)
        return [(patch_index, pool.submit(self._write_patch, patch_index)) for patch_index in able]

    def _write_patch(self, patch_index: int) -> Entry | None:
        """The patch's entry once its files are stored; None where it shows too little (views.worth_keeping)."""
        planned_patch = self.plan.patches[patch_index]
        arrays: dict[str, np.ndarray] = {}
        for layer, blocks in self._blocks(planned_patch.needs).items():
            window = planned_patch.window.times(layer.ratio)
            arrays |= cut(window, [self.store.open(block) for block in blocks])
        grid = planned_patch.region_period.region_grid.lattice
        layers = worth_keeping(with_minimum_unit(arrays, self.head, grid), self.head)
        if layers is None:
            return None
        image, label = layers.pop("image"), layers.pop("label", None)
        sample = Sample(
            region=planned_patch.region_period.region_grid.name,
            period=planned_patch.region_period.period.label,
            row=planned_patch.window.row,
            col=planned_patch.window.col,
            split=planned_patch.split,
            image_BHW=image,
            label_HW=None if label is None else label[0],
            layers=layers,
        )
        entry, files = dataset.encode(sample, self.head)
        for name, data in files:
            # Loose: settled with its group, as each sync waits for the disk.
            self.storage.write_loose(name, data)
        return entry

    def _blocks(self, needs: Iterable[int]) -> dict[Any, list[int]]:
        """A patch's blocks by layer."""
        requests_of: dict[Any, list[int]] = {}
        for request_index in needs:
            if self._gives(request := self.plan.requests[request_index]):
                requests_of.setdefault(request.layer, []).append(request_index)
        return requests_of

    def _collect(self, group: list[Any], bar: ProgressBar) -> None:
        """Notes a group's patches once they are stored; blocks that no patch waits for are removed."""
        entries = [(patch_index, future.result()) for patch_index, future in group]
        ids = {patch_index: self.plan.patches[patch_index].id for patch_index, _ in entries}
        # On the disk before they are noted: a note outlives a power cut, a file in a cache does not.
        self.storage.settle(name for _, entry in entries if entry for name, _ in entry.patch.files)
        self.progress_log.add(
            [entry.to_json() if entry else {"incomplete": ids[patch_index]} for patch_index, entry in entries]
        )
        for patch_index, entry in entries:
            if entry is None:
                self.incomplete.add(ids[patch_index])
            else:
                self.entries[entry.patch.id] = entry
            for block in self.plan.patches[patch_index].needs:
                self.waiting[block].discard(patch_index)
                if not self.waiting[block]:
                    self.store.remove(block)
        bar.update(len(entries))


def _recall(
    rows: Sequence[Mapping[str, Any]], storage: Storage, plan: ExportPlan
) -> tuple[dict[str, Entry], dict[int, Observed]]:
    """Entries whose files are there as noted, and the observation counts of the plan's blocks fetched before."""
    # By layer and window, not by number: another version may have cut the area in another way.
    number_of = {(request.key, astuple(request.window)): request.index for request in plan.requests}
    blocks = {(row["block"], tuple(row["window"])): row["observed"] for row in rows if "block" in row}
    observed = {number_of[window_key]: counts for window_key, counts in blocks.items() if window_key in number_of}
    # The last note of a patch counts: it may have been made again.
    noted = {row["patch"]["id"]: Entry.from_json(row) for row in rows if "patch" in row}
    present = set(storage.list()) if noted else set()
    with ThreadPoolExecutor(REMOTE_CUTTERS if is_remote(storage.url) else 1) as pool:
        stored_flags = pool.map(lambda entry: _is_stored(entry, storage, present), noted.values())
        return {id_: entry for (id_, entry), ok in zip(noted.items(), stored_flags, strict=True) if ok}, observed


def _is_stored(entry: Entry, storage: Storage, present: set[str]) -> bool:
    # Read again and not believed: a power cut may leave a file of the right name with other bytes.
    return all(name in present and crc32c(storage.read(name)) == crc for name, crc in entry.patch.files)


def _users(plan: ExportPlan, todo: Iterable[int]) -> dict[int, set[int]]:
    """For each block, the patches that still need it."""
    users: dict[int, set[int]] = {}
    for patch_index in todo:
        for block in plan.patches[patch_index].needs:
            users.setdefault(block, set()).add(patch_index)
    return users
