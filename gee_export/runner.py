"""Runs an export job: each block fetched once, cut into patches locally, resumable at any moment."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import astuple, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from gee_export import composite, dataset, manifest, throttle, transport
from gee_export.blocks import BlockStore, cut, quantise
from gee_export.composite import Composite
from gee_export.console import Fault
from gee_export.dataset import MANIFEST, Dataset, Entry, Sample
from gee_export.grid import Window, crop
from gee_export.job import COUNTS, Job
from gee_export.ledger import Ledger, run_folder
from gee_export.manifest import DatasetManifest
from gee_export.pixels import Fetcher
from gee_export.plan import Plan
from gee_export.report import ExportReport
from gee_export.retry import Patience
from gee_export.storage import FolderStorage, Storage, crc32c, is_remote, open_storage
from gee_export.throttle import DEFAULT_WORKERS, Throttle

if TYPE_CHECKING:
    from gee_export.session import Session

CUTTERS, REMOTE_CUTTERS = 2, 16
WAITING_GROUPS = 4  # groups of finished patches that may wait for the disk before the next block is taken


def run(
    job: Job, out: str | Path, connect: Callable[[], Session], *, workers: int | None, progress: bool
) -> ExportReport:
    """Exports the job into a folder or gs:// prefix, going on where an earlier run stopped.

    ValueError where `out` holds something else, Fault where a server or disk fails; nothing is lost by either.
    """
    started = monotonic()
    plan, ledger = Plan.of(job), Ledger(run_folder(out))
    session = connect() if is_remote(out) else None
    storage = open_storage(out, session)
    with _claimed(storage, ledger, job):
        if done := _finished(storage, ledger, job):
            return ExportReport.of(job, plan, out=str(out), manifest=done.manifest, note="already complete")
        session = session or connect()
        found = composite.build(job.region, job.period, job.settings, job.label)
        head = _head(job, found)
        _begin(storage, ledger, head)
        export = _Export(job, plan, storage, ledger, head)
        fetcher = Fetcher(Throttle(workers or default_workers(session)), _patience(session))
        ledger.log(
            f"begins with {len(export.todo)} of {len(plan.needs)} patches and {len(export.missing)} blocks to do"
        )
        export.complete(found, fetcher, progress)
        written = dataset.finish(storage, export.finished_head(), export.ordered())
        BlockStore(ledger.blocks).clear()
        ledger.log(f"complete after {monotonic() - started:.0f} s and {fetcher.requests} requests")
        return ExportReport.of(
            job,
            plan,
            out=str(out),
            manifest=written.manifest,
            fetched=len(export.missing),
            requests=fetcher.requests,
            seconds=monotonic() - started,
        )


def default_workers(session: Session) -> int:
    """Requests at a time: half of a project's quota on Google's servers, the machine's cores and one on its own."""
    return (os.cpu_count() or 1) + 1 if session.is_local else DEFAULT_WORKERS


def _patience(session: Session) -> Patience:
    """Long with Google's servers; the engine in this process either answers soon or is gone."""
    return Patience(attempts=3) if session.is_local else Patience()


class _Export:
    """One run: what is done already, what is missing, and how it is brought together."""

    def __init__(self, job: Job, plan: Plan, storage: Storage, ledger: Ledger, head: DatasetManifest) -> None:
        self.job, self.plan, self.storage, self.ledger, self.head = job, plan, storage, ledger, head
        self.store = BlockStore(ledger.blocks)
        self.entries, self.observed = _recall(ledger, storage, plan)
        ids = [job.patch_id(window) for window, _ in job.division.patches]
        self.todo = [number for number, id_ in enumerate(ids) if id_ not in self.entries]
        self.waiting = _users(plan, self.todo)
        self.missing = [number for number, window in enumerate(plan.requests) if not self._has(number, window)]

    def complete(self, found: Composite, fetcher: Fetcher, progress: bool) -> None:
        """Fetches the missing blocks and writes every patch that is still to do."""
        image = found.packed.addBands(found.counts)
        ready = {number for number in self.waiting if number not in set(self.missing)}
        left = set(self.todo)
        cutters = REMOTE_CUTTERS if is_remote(self.storage.url) else CUTTERS
        bar = tqdm(
            total=len(self.plan.needs),
            initial=len(self.plan.needs) - len(left),
            unit="patch",
            desc=self.job.name,
            disable=not progress,
        )
        fetching = partial(self._fetch, image, fetcher)
        with bar, transport.single_attempts(), ThreadPoolExecutor(cutters, thread_name_prefix="cut") as pool:
            groups = [self._submit(pool, ready, left, list(left))]
            with closing(throttle.stream(self.missing, fetching, fetcher.throttle.most)) as fetched:
                for number, counts in fetched:
                    self._note_block(number, counts)
                    ready.add(number)
                    groups.append(self._submit(pool, ready, left, self.waiting.get(number, ())))
                    while len(groups) > WAITING_GROUPS:
                        self._collect(groups.pop(0), bar)
            for group in groups:
                self._collect(group, bar)

    def finished_head(self) -> DatasetManifest:
        """The head with how many clear observations the pixels have, over all blocks."""
        scenes = {
            region: {period: dict(facts) for period, facts in periods.items()}
            for region, periods in self.head.scenes.items()
        }
        facts = scenes[self.job.region.name][self.job.period.label]
        for name, sensor in zip(COUNTS, ("sentinel2", "sentinel1"), strict=True):
            rows = [self.observed[number][name] for number in sorted(self.observed)]
            facts[sensor] = facts[sensor] | {"observations_per_pixel": _pooled(rows)}
        return replace(self.head, scenes=scenes)

    def ordered(self) -> list[Entry]:
        """The entries of the plan's patches."""
        return [self.entries[self.job.patch_id(window)] for window, _ in self.job.division.patches]

    def _has(self, number: int, window: Window) -> bool:
        """Whether the block need not be fetched: its patches are done, or its file is whole."""
        if number not in self.waiting and number in self.observed:
            self.store.remove(number)
            return True
        counts = self.store.observed(number, window)
        if counts is None:
            return False
        self.observed[number] = counts
        return True

    def _fetch(self, image: Any, fetcher: Fetcher, number: int) -> dict[str, dict[str, int]]:
        window = self.plan.requests[number]
        read = fetcher.read(image, crop(self.job.lattice, window), self.job.channels)
        block = quantise(read, window, self.head.band_names, COUNTS, self.job.inside(window))
        self.store.write(number, block)
        return block.observed

    def _note_block(self, number: int, counts: dict[str, dict[str, int]]) -> None:
        self.observed[number] = counts
        self.ledger.add([{"block": number, "window": astuple(self.plan.requests[number]), "observed": counts}])

    def _submit(
        self, pool: ThreadPoolExecutor, ready: set[int], left: set[int], candidates: Iterable[int]
    ) -> list[Any]:
        """Starts those of the candidates whose blocks are all there."""
        needs = self.plan.needs
        able = sorted(n for n in candidates if n in left and all(block in ready for block in needs[n]))
        left.difference_update(able)
        return [(number, pool.submit(self._write_patch, number)) for number in able]

    def _write_patch(self, number: int) -> Entry:
        window, split = self.job.division.patches[number]
        image, label = cut(window, [self.store.open(block) for block in self.plan.needs[number]])
        region, period = self.job.region.name, self.job.period.label
        entry, files = dataset.encode(Sample(region, period, window.row, window.col, split, image, label), self.head)
        for name, data in files:
            self.storage.write(name, data)
        return entry

    def _collect(self, group: list[Any], bar: tqdm) -> None:
        """Notes a group's patches once they are stored; blocks that no patch waits for are removed."""
        entries = [(number, future.result()) for number, future in group]
        self.ledger.add([entry.to_json() for _, entry in entries])
        for number, entry in entries:
            self.entries[entry.patch.id] = entry
            for block in self.plan.needs[number]:
                self.waiting[block].discard(number)
                if not self.waiting[block]:
                    self.store.remove(block)
        bar.update(len(entries))


@contextmanager
def _claimed(storage: Storage, ledger: Ledger, job: Job) -> Iterator[None]:
    """Holds the place for this run; ValueError where it has other contents, Fault where another run holds it."""
    with ledger.locked():
        held = _held(storage, ledger)
        if held is None and storage.list():
            raise ValueError(
                f"{storage.url} holds files that no export of this machine has begun: choose another --out, or empty it"
            )
        if held is not None:
            _refuse_others(storage, job.head(), held, without=manifest.FROM_SERVER)
        if isinstance(storage, FolderStorage):
            storage.sweep()
        yield


def _held(storage: Storage, ledger: Ledger) -> DatasetManifest | None:
    """What the place was exported with; of a damaged manifest the run's own notes know the settings."""
    if not storage.exists(MANIFEST):
        return ledger.head()
    try:
        return manifest.decode(storage.read(MANIFEST), f"{storage.url}/{MANIFEST}")
    except Fault as error:
        if (noted := ledger.head()) is None:
            raise Fault(f"{error}; first remove {storage.url}, its settings are lost") from error
        return noted


def _finished(storage: Storage, ledger: Ledger, job: Job) -> Dataset | None:
    """The dataset where it is complete and every file whole; a damaged one is opened up again, to be mended."""
    if not storage.exists(MANIFEST):
        return None
    try:
        held = Dataset.open(storage)
        damaged = held.damaged()
    except Fault as error:
        held, damaged = None, [str(error)]
    if damaged:
        ledger.log(f"mends {len(damaged)} damaged files, such as {damaged[0]}")
        storage.delete(MANIFEST)
        return None
    BlockStore(ledger.blocks).clear()
    return held


def _begin(storage: Storage, ledger: Ledger, head: DatasetManifest) -> None:
    held = ledger.head()
    if held is None:
        ledger.begin(head)
    else:
        _refuse_others(storage, head, held, without=())


def _refuse_others(storage: Storage, wanted: DatasetManifest, held: DatasetManifest, *, without: Sequence[str]) -> None:
    found = manifest.differences(wanted, held, without=without)
    if found:
        more = f" (and {len(found) - 3} more)" if len(found) > 3 else ""
        raise ValueError(
            f"{storage.url} holds an export with other settings: {'; '.join(found[:3])}{more}; "
            "choose another --out, or remove it"
        )


def _recall(
    ledger: Ledger, storage: Storage, plan: Plan
) -> tuple[dict[str, Entry], dict[int, dict[str, dict[str, int]]]]:
    """Entries whose files are there as noted, and the observation counts of the plan's blocks fetched before."""
    rows = ledger.rows()
    number_of = {astuple(window): number for number, window in enumerate(plan.requests)}
    blocks = {tuple(row["window"]): row["observed"] for row in rows if "block" in row}
    # By window, not by number: another version may have cut the area in another way.
    observed = {number_of[window]: counts for window, counts in blocks.items() if window in number_of}
    noted = {row["patch"]["id"]: Entry.from_json(row) for row in rows if "patch" in row}
    present = set(storage.list()) if noted else set()
    with ThreadPoolExecutor(REMOTE_CUTTERS if is_remote(storage.url) else 1) as pool:
        whole = pool.map(lambda entry: _is_stored(entry, storage, present), noted.values())
        return {id_: entry for (id_, entry), ok in zip(noted.items(), whole, strict=True) if ok}, observed


def _is_stored(entry: Entry, storage: Storage, present: set[str]) -> bool:
    return all(name in present and crc32c(storage.read(name)) == crc for name, crc in dataset.files_of(entry.patch))


def _users(plan: Plan, todo: Iterable[int]) -> dict[int, set[int]]:
    """For each block, the patches that still need it."""
    users: dict[int, set[int]] = {}
    for number in todo:
        for block in plan.needs[number]:
            users.setdefault(block, set()).add(number)
    return users


def _pooled(rows: Sequence[dict[str, int]]) -> dict[str, float]:
    seen = [row for row in rows if row["pixels"]]
    count = sum(row["pixels"] for row in seen)
    if not count:
        return {"min": 0, "mean": 0.0, "max": 0}
    total = sum(row["total"] for row in seen)
    return {"min": min(r["min"] for r in seen), "mean": round(total / count, 4), "max": max(r["max"] for r in seen)}


def _head(job: Job, found: Composite) -> DatasetManifest:
    scenes = {job.region.name: {job.period.label: dict(found.info)}}
    return replace(job.head(), scenes=scenes, backscatter=found.backscatter, simulated=found.simulated)
