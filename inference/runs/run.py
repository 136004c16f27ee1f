"""A run of many tiles: each is made or listed as failed, then maps are finished; the same call continues."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.options import from_options, takes_options
from isamap.gee_export.base.progress_bar import ProgressBar
from isamap.gee_export.base.vigil import Vigil
from isamap.gee_export.earth_engine.archives import is_open
from isamap.gee_export.earth_engine.session import is_world
from isamap.inference.catalog import stac
from isamap.inference.cutting.arguments import checked_argument
from isamap.inference.postprocessing.postprocess import threshold_of
from isamap.inference.tiles import status as states
from isamap.inference.tiles.executors import Executor, Outcome
from isamap.inference.tiles.jobs import MapJob, RunRequest
from isamap.inference.tiles.product import ZoneMap, finish
from isamap.inference.tiles.receipt import Failure, Receipt
from isamap.inference.tiles.spending import Spending
from isamap.inference.tiles.status import MapStatus, Status
from isamap.inference.tiles.store import TileStore, open_store
from isamap.inference.tiles.tile import Tile
from isamap.inference.tiles.work import Work, checkpoint_at
from isamap.inference.tiles.zone_sieve import least_px, sieved_zone
from isamap.training.runtimes import check_forward

# Ours: people look at it now and then, and a bucket counts each write.
STATUS_EVERY_S = 15.0
STATUS_SHARE = 20  # of the time between two writings of the status one part, where it is long


@takes_options(RunRequest)
def run_jobs(*, progress: bool = True, **options: Any) -> Status:
    """The maps of places, periods and checkpoints as tiles in a store; a COG and an index a zone (docs/scale-out.md).

    Every tile is made by `workers` processes, by the Dask cluster at `scheduler`, or here; `part` k/n makes only every
    n-th. What is there is checked by its checksums and not made again, so an interrupted or failed run goes on with
    the same call. A tile that fails is tried again and at last listed in the status, which is returned.

    ValueError: the user's mistakes. Fault: a server, disk or scheduler, most tiles fail one after another, or
    `eecu_hours` are spent.
    """
    return run_requested(from_options(RunRequest, options), progress=checked_argument("progress", progress, bool))


def run_requested(request: RunRequest, *, progress: bool = True) -> Status:
    """The run that a request asks for, or with `status` how far it is; as `run_jobs`."""
    if request.who.status:
        return status_of(request)
    run = _Run.of(request)
    try:
        run.tell_of_others()
        spending = Spending.continued(request.who.share_hours, run.earlier(), request.who.measured_s)
        run.tell(states.RUNNING)
        run.make_tiles(spending, progress=progress)
        status = run.finish(request, progress=progress)
    except BaseException as error:
        with suppress(Exception):  # of a full disk, which the error itself is about
            run.tell(states.FAILED if isinstance(error, Exception) else states.INTERRUPTED)
        raise
    # Last, so that maps whose tiles are all there are finished before the limit is told.
    spending.check()
    return status


def status_of(request: RunRequest) -> Status:
    """What the run's `status.json` says, with the tiles that are there by now; ValueError where no run has begun."""
    store = open_store(request.maps.out, request.server.pixels)
    written = states.read_status(store.storage, request.maps.out)
    run = _Run.of(request)
    run.present = store.names(run.tiles)
    return Status(written.out, written.state, written.workers, run.maps(), written.failures, written.updated)


def check_complete(status: Status) -> None:
    """ValueError where every failure is the user's mistake and nothing was made, Fault where some tiles failed."""
    if not status.failures:
        _check_data(status)
        return
    first = status.failures[0]
    if status.made == 0 and all(failed.final for failed in status.failures):
        raise ValueError(first.reason)
    raise Fault(
        f"{len(status.failures)} of {status.tiles} tiles failed, the first, {first.name}: {first.reason}; the others "
        f"are kept, {states.STATUS} lists all failures: run the same command again to repeat them"
    )


def _check_data(status: Status) -> None:
    """Fault where no tile of a map has data, as clouds or a wrong period leave it."""
    for name, each in status.maps.items():
        if each.without_data == each.tiles:
            raise Fault(f"{name}: none of its tiles has data ({each.tiles} tried): {each.reason}")


@dataclass
class _Run:
    """A run under way: its maps with their tiles, and what has become of these."""

    out: str
    store: TileStore
    executor: Executor
    work: Work
    retries: int
    silence_s: float
    jobs: dict[str, tuple[MapJob, tuple[Tile, ...]]]
    present: set[str] = field(default_factory=set)  # names of tiles that have a receipt
    receipts: dict[str, Receipt] = field(default_factory=dict)
    shown: dict[str, Receipt] = field(default_factory=dict)  # of the tiles that finished maps are made of
    failures: dict[str, Failure] = field(default_factory=dict)
    files: dict[str, tuple[str, ...]] = field(default_factory=dict)
    assets: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: RunRequest) -> _Run:
        """Checks all that can be checked before a tile is made; ValueError as `run_jobs`."""
        jobs = _planned(request)
        store = open_store(request.maps.out, request.server.pixels)
        quota = request.server.quota
        share = quota and replace(quota, measured_s=request.who.measured_s)
        work = Work(_absolute(store, request.maps.out), request.computing.workers, share=share)
        executor, minutes = request.who.executor, request.who.silence
        return cls(request.maps.out, store, executor, work, request.who.retries, 60 * minutes, jobs)

    @property
    def tiles(self) -> list[Tile]:
        """Every tile once: maps of one place and period may share some."""
        return list({tile.id: tile for _, tiles in self.jobs.values() for tile in tiles}.values())

    def look(self) -> None:
        """Notes which tiles that are not known to be whole have a receipt, of whatever run."""
        unseen = [tile for tile in self.tiles if tile.id not in self.receipts]
        self.present = {receipt.name for receipt in self.receipts.values()} | self.store.names(unseen)

    def earlier(self) -> Iterator[Receipt]:
        """The receipts that the tiles of this executor have already, whole or not; those shown to be whole are kept."""
        mine = self.executor.mine(self.tiles)
        for receipt, is_whole in self.store.noted(mine):
            self.present.add(receipt.name)
            if is_whole:
                self.receipts[receipt.tile] = receipt.slim
            yield receipt
        if len(mine) < len(self.tiles):
            self.look()

    def make_tiles(self, spending: Spending, *, progress: bool) -> None:
        """Every tile of this executor that it may spend on, made or found whole, or noted as failed."""
        tiles = [tile for tile in self.executor.mine(self.tiles) if tile.id not in self.receipts]
        outcomes = self.executor.run(tiles, self.work, retries=self.retries, spending=spending)
        bar = ProgressBar(total=len(tiles), unit="tile", desc="run", disable=not progress)
        written_s, took_s = time.monotonic(), 0.0

        def words(silent_s: float) -> str:
            state = f"{bar.n} of {len(tiles)} are there; {self.executor.words}"
            return f"no tile was finished for {silent_s / 60:.0f} minutes: {state}"

        vigil = Vigil(words, self.silence_s)
        with bar, vigil, closing(outcomes):  # type: ignore[type-var]
            for outcome in outcomes:
                self.note(outcome)
                vigil.heard()
                bar.update()
                if time.monotonic() - written_s > max(STATUS_EVERY_S, STATUS_SHARE * took_s):
                    begun_s = time.monotonic()
                    self.tell(states.RUNNING)
                    written_s = time.monotonic()
                    took_s = written_s - begun_s

    def note(self, outcome: Outcome) -> None:
        """Keeps what became of a tile."""
        if isinstance(outcome, Receipt):
            self.receipts[outcome.tile] = outcome.slim
            self.present.add(outcome.name)
        else:
            self.failures[outcome.tile] = outcome
            self.present.discard(outcome.name)

    def finish(self, request: RunRequest, *, progress: bool) -> Status:
        """Writes the files of each map that has all its tiles, and uploads them where that is asked for."""
        sieve = request.computing.sieve
        self.look()  # what other parts of the run have made meanwhile
        for name, (job, tiles) in self.jobs.items():
            if all(tile.name in self.present for tile in tiles) and (receipts := self.verified(tiles)):
                self.files[name] = self.finished(_zones(job, tiles, receipts), sieve, progress=progress)
                if request.maps.asset:
                    self.assets[name] = _published(self.files[name], request, self.store)
        self.store.sweep()
        complete = all(each.is_done for each in self.maps().values())
        if complete and any(self.files.values()):
            self.write_catalogue()
        return self.tell(states.DONE if complete else states.FAILED if self.failures else states.PARTIAL)

    def write_catalogue(self) -> None:
        """The STAC of all tiles, unless it is there already."""
        self.tell(states.RUNNING)  # the catalogue is of the files that the status names
        # Compared first: a catalogue of a hundred thousand items takes minutes, and mostly nothing is new.
        if not stac.is_current(self.store, self.shown.values()):
            stac.write_catalogue(self.store)

    def finished(self, zones: Iterable[ZoneMap[Tile]], sieve: str, *, progress: bool) -> tuple[str, ...]:
        """The files of a map's zones, which are written; after the sieve where there is one."""
        names: list[str] = []
        for raw in zones:
            zone = sieved_zone(raw, sieve, self.store, progress=progress)
            self.shown |= zone.receipts
            names += finish(zone, self.store)
        return tuple(names)

    def verified(self, tiles: Sequence[Tile]) -> dict[str, Receipt]:
        """The receipt of every tile, by id; empty where one is missing or damaged."""
        for receipt in self.store.whole(tile for tile in tiles if tile.id not in self.receipts):
            self.receipts[receipt.tile] = receipt.slim
        for tile in tiles:
            if tile.id not in self.receipts:
                self.present.discard(tile.name)
                return {}
        return {tile.id: self.receipts[tile.id] for tile in tiles}

    def maps(self) -> dict[str, MapStatus]:
        """How far each map is."""
        empty = {
            name: [why for tile in tiles if tile.id in self.receipts and (why := self.receipts[tile.id].empty)]
            for name, (_, tiles) in self.jobs.items()
        }
        return {
            name: MapStatus(
                tiles=len(tiles),
                made=sum(tile.name in self.present for tile in tiles),
                without_data=len(empty[name]),
                reason=next(iter(empty[name]), ""),
                files=self.files.get(name, ()),
                assets=self.assets.get(name, ()),
            )
            for name, (_, tiles) in self.jobs.items()
        }

    def tell_of_others(self) -> None:
        """Warns of maps that the status names and this run does not make, as after a change of jobs.toml."""
        others: set[str] = set()
        with suppress(ValueError):  # there is no status yet, or it is damaged
            others = states.read_status(self.store.storage, self.out).maps.keys() - self.jobs.keys()
        if others:
            names = ", ".join(sorted(others))
            text = f"{self.out} holds maps of other jobs ({names}): they stay, but {states.STATUS} names them no longer"
            warnings.warn(text, stacklevel=3)

    def tell(self, state: str) -> Status:
        """Writes status.json."""
        status = Status(self.out, state, self.executor.words, self.maps(), tuple(self.failures.values()))
        status.write(self.store.storage)
        return status


def _planned(request: RunRequest) -> dict[str, tuple[MapJob, tuple[Tile, ...]]]:
    """Each map with its tiles, its checkpoint loaded once and found fit for the runtime that is asked for."""
    jobs, computing = request.jobs(), request.computing
    catalog = request.server.catalog
    if not request.server.project and not (is_world(catalog) or is_open(catalog) or Path(catalog).is_dir()):
        raise ValueError(f"--catalog {catalog}: no such folder; give world, open, a folder of images or a class map")
    loaded = {}
    # Each once and before any tile: a wrong checkpoint must not be heard of from a worker an hour later.
    for address in {job.checkpoint for job in jobs}:
        loaded[address] = checkpoint_at(address, request.server.pixels)
        check_forward(loaded[address], **computing.forward, device=computing.device)
        threshold_of(loaded[address], computing.post)
        least_px(computing.sieve, loaded[address].scale)
    return {job.name: (job, job.tiles(request, loaded[job.checkpoint])) for job in jobs}


def _zones(job: MapJob, tiles: Sequence[Tile], receipts: dict[str, Receipt]) -> Iterator[ZoneMap[Tile]]:
    for epsg in sorted({tile.window.epsg for tile in tiles}):
        of_zone = [tile for tile in tiles if tile.window.epsg == epsg]
        yield ZoneMap(job, epsg, of_zone, {tile.id: receipts[tile.id] for tile in of_zone})


def _published(names: Sequence[str], request: RunRequest, store: TileStore) -> tuple[str, ...]:
    """The assets of a map's COGs; what is there with the same content stays."""
    from isamap.inference.publishing.asset import publish

    assets = []
    for name in (name for name in names if name.endswith(".tif") and not name.endswith(("_prob.tif", "_share.tif"))):
        with store.local(name) as path:
            asset = f"{request.maps.asset}/{Path(name).stem}"
            report = publish(
                path, asset=asset, project=request.server.project, bucket=request.maps.bucket, progress=False
            )
            assets.append(report.asset)
    return tuple(assets)


def _absolute(store: TileStore, out: str) -> str:
    """The store's address for other processes, which may run in another folder."""
    return out if out.startswith("gs://") else store.storage.url
