"""A run of many tiles: each is made or listed as failed, then maps are finished; the same call continues."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gee_export.base.errors import Fault
from gee_export.base.options import from_options, takes_options
from gee_export.base.progress_bar import ProgressBar
from gee_export.earth_engine.session import is_world
from inference.arguments import checked_argument
from inference.catalog import stac
from inference.postprocess import threshold_of
from inference.tiles import status as states
from inference.tiles.executors import Executor, Outcome
from inference.tiles.jobs import MapJob, RunRequest
from inference.tiles.product import ZoneMap, finish
from inference.tiles.receipt import Failure, Receipt
from inference.tiles.spending import Spending
from inference.tiles.stall import Stall
from inference.tiles.status import MapStatus, Status
from inference.tiles.store import TILES, TileStore, open_store
from inference.tiles.tile import Tile
from inference.tiles.work import Work, checkpoint_at
from inference.tiles.zone_sieve import least_px, sieved_zone
from training.runtimes import check_forward

STATUS_EVERY_S = 15.0


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
    run.tell(states.RUNNING)
    try:
        spending = Spending.continued(request.who.share_hours, run.earlier())
        run.make_tiles(spending, progress=progress)
        status = run.finish(request, progress=progress)
    except BaseException as error:
        with suppress(Exception):  # of a full disk, which the error itself is about
            run.tell(states.FAILED if isinstance(error, Exception) else states.INTERRUPTED)
        raise
    spending.check()
    return status


def status_of(request: RunRequest) -> Status:
    """What the run's `status.json` says, with the tiles that are there by now; ValueError where no run has begun."""
    store = open_store(request.maps.out, request.server.pixels)
    written = states.read_status(store.storage, request.maps.out)
    run = _Run.of(request)
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
            raise Fault(f"{name}: none of its {each.tiles} tiles has data, the receipts in {TILES} say why")


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
        work = Work(_absolute(store, request.maps.out), request.computing.workers, share=request.server.quota)
        executor, minutes = request.who.executor, request.who.silence
        run = cls(request.maps.out, store, executor, work, request.who.retries, 60 * minutes, jobs)
        run.look()
        return run

    @property
    def tiles(self) -> list[Tile]:
        """Every tile once: maps of one place and period may share some."""
        return list({tile.id: tile for _, tiles in self.jobs.values() for tile in tiles}.values())

    def look(self) -> None:
        """Notes which tiles have a receipt, of whatever run."""
        stored = set(self.store.storage.list(f"{TILES}/"))
        self.present = {tile.name for tile in self.tiles if f"{TILES}/{tile.name}.json" in stored}

    def earlier(self) -> Iterator[Receipt]:
        """The receipts that the tiles of this executor have already, whole or not."""
        for tile in self.executor.mine(self.tiles):
            if tile.name in self.present:
                receipt = Receipt.from_json(self.store.storage.read(f"{TILES}/{tile.name}.json"))
                if receipt is not None:
                    yield receipt

    def make_tiles(self, spending: Spending, *, progress: bool) -> None:
        """Every tile of this executor that it may spend on, made or found whole, or noted as failed."""
        tiles = self.executor.mine(self.tiles)
        outcomes = self.executor.run(self.tiles, self.work, retries=self.retries, spending=spending)
        bar = ProgressBar(total=len(tiles), unit="tile", desc="run", disable=not progress)
        written_s = time.monotonic()
        stall = Stall(lambda: f"{bar.n} of {len(tiles)} are there; {self.executor.words}", self.silence_s)
        with bar, stall, closing(outcomes):  # type: ignore[type-var]
            for outcome in outcomes:
                self.note(outcome)
                stall.heard()
                bar.update()
                if time.monotonic() - written_s > STATUS_EVERY_S:
                    self.tell(states.RUNNING)
                    written_s = time.monotonic()

    def note(self, outcome: Outcome) -> None:
        """Keeps what became of a tile."""
        if isinstance(outcome, Receipt):
            self.receipts[outcome.tile] = outcome
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
        for tile in tiles:
            receipt = self.receipts.get(tile.id) or self.store.receipt(tile)
            if receipt is None:
                self.present.discard(tile.name)
                return {}
            self.receipts[tile.id] = receipt
        return {tile.id: self.receipts[tile.id] for tile in tiles}

    def maps(self) -> dict[str, MapStatus]:
        """How far each map is."""
        return {
            name: MapStatus(
                tiles=len(tiles),
                made=sum(tile.name in self.present for tile in tiles),
                without_data=sum(bool(self.receipts[tile.id].empty) for tile in tiles if tile.id in self.receipts),
                files=self.files.get(name, ()),
                assets=self.assets.get(name, ()),
            )
            for name, (_, tiles) in self.jobs.items()
        }

    def tell(self, state: str) -> Status:
        """Writes status.json."""
        status = Status(self.out, state, self.executor.words, self.maps(), tuple(self.failures.values()))
        status.write(self.store.storage)
        return status


def _planned(request: RunRequest) -> dict[str, tuple[MapJob, tuple[Tile, ...]]]:
    """Each map with its tiles, its checkpoint loaded once and found fit for the runtime that is asked for."""
    jobs, computing = request.jobs(), request.computing
    catalog = request.server.catalog
    if not request.server.project and not is_world(catalog) and not Path(catalog).is_dir():
        raise ValueError(f"--catalog {catalog}: no such folder; give world, or a folder of images")
    loaded = {}
    for address in {job.checkpoint for job in jobs}:
        loaded[address] = checkpoint_at(address, request.server.pixels)
        check_forward(loaded[address], **computing.forward, device=computing.device)
        threshold_of(loaded[address], computing.post)
        least_px(computing.sieve, loaded[address].scale)
    return {job.name: (job, job.tiles(request, loaded[job.checkpoint])) for job in jobs}


def _zones(job: MapJob, tiles: Sequence[Tile], receipts: dict[str, Receipt]) -> Iterator[ZoneMap[Tile]]:
    """A map by UTM zone."""
    for epsg in sorted({tile.window.epsg for tile in tiles}):
        of_zone = [tile for tile in tiles if tile.window.epsg == epsg]
        yield ZoneMap(job, epsg, of_zone, {tile.id: receipts[tile.id] for tile in of_zone})


def _published(names: Sequence[str], request: RunRequest, store: TileStore) -> tuple[str, ...]:
    """The assets of a map's COGs; what is there with the same content stays."""
    from inference.asset import publish

    assets = []
    for name in (name for name in names if name.endswith(".tif") and not name.endswith("_prob.tif")):
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
