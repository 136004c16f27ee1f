"""`compose`: composites of regions and periods as assets, made once and read by exports and maps afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from isamap.gee_export.base.errors import notice
from isamap.gee_export.base.options import Option, from_options, takes_options
from isamap.gee_export.base.regions import STEP_M, Period, Region
from isamap.gee_export.composites.reading import NotHeld, composed
from isamap.gee_export.composites.stored import StoredComposite
from isamap.gee_export.composites.writing import CompositePart, Writer, is_there, part_of
from isamap.gee_export.earth_engine.archives import is_open
from isamap.gee_export.earth_engine.assets import check_asset_name, check_server, make_collection
from isamap.gee_export.earth_engine.workload_tag import check_tag
from isamap.gee_export.export import measured
from isamap.gee_export.export.eecu import ComputingCost, number
from isamap.gee_export.export.job import ExportJob, RegionPeriod
from isamap.gee_export.export.modes import Catalog, Measured, Project, WorkloadTag
from isamap.gee_export.export.opening import OPENERS
from isamap.gee_export.export.place_options import ExportPlaces, ExportTimes
from isamap.gee_export.export.settings import CompositeOptions
from isamap.gee_export.requests.meter import HOUR_S, PUBLISHED_SECONDS, Meter
from isamap.gee_export.sentinel import open_archives
from isamap.gee_export.sentinel.composite import Settings

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

MARGIN_M = 2560.0  # twice a window of 128 pixels: maps of the region read so far beyond its edges


@dataclass(frozen=True)
class Store:
    """Where the composites go, and what makes them."""

    GROUP: ClassVar[str] = "Output"
    asset: Annotated[
        str,
        Option("Image collection of the composites; made if it is not there.", metavar="projects/P/assets/NAME",
               local=True),
    ] = ""  # fmt: skip
    margin: Annotated[float, Option("Ground around the region, which maps read too.", metavar="METRES")] = MARGIN_M
    dry_run: Annotated[bool, Option("Say what would be made and what it costs.", local=True)] = False
    project: Project = None
    catalog: Catalog = "world"
    workload_tag: WorkloadTag = None
    eecu_hours: Annotated[
        float | None, Option("Start no task that might exceed it.", metavar="HOURS", group="Server")
    ] = None
    measured: Measured = None

    def __post_init__(self) -> None:
        if self.asset:
            check_asset_name(self.asset)
            check_server(self.asset, self.project, "")
        if not (0 <= self.margin <= 100_000 and self.margin % STEP_M == 0):
            raise ValueError(f"--margin {self.margin:g}: expected metres of 0 to 100,000, a multiple of {STEP_M}")
        _ = measured.rate_of(self.measured)
        if self.workload_tag is not None:
            check_tag(self.workload_tag)
        if self.eecu_hours is not None and not 0 < self.eecu_hours < math.inf:
            raise ValueError(f"--eecu-hours {self.eecu_hours:g}: expected hours above 0, or leave it out for no limit")


@dataclass(frozen=True)
class ComposeRequest:
    """Composites as they are asked for; every field is an option of `isamap composite` and of `compose`."""

    GROUP: ClassVar[str] = "Composite"
    where: ExportPlaces = field(default_factory=ExportPlaces)
    when: ExportTimes = field(default_factory=ExportTimes)
    composite: CompositeOptions = field(default_factory=CompositeOptions)
    bands: Annotated[tuple[str, ...], Option("Sentinel-2 bands, B2 B3 B4 B8 by default.", metavar="NAME")] = ()
    store: Store = field(default_factory=Store)

    def __post_init__(self) -> None:
        if not self.store.asset:
            raise ValueError("--asset is missing: give --asset projects/PROJECT/assets/NAME, a collection")

    def settings(self) -> Settings:
        """The composites' settings; of the public archives what they can give."""
        archives = is_open(self.store.catalog) and self.store.project is None
        settings = self.composite.chosen(self.bands, archives=archives)
        if archives:
            open_archives.check_sources(settings)
        return settings


@dataclass(frozen=True)
class ComposeReport:
    """The assets, in order. made: of this run; eecu_s: of those whose tasks say it; effort: of what was not there.

    computing: what that was expected to cost.
    """

    asset: str
    names: tuple[str, ...]
    made: tuple[str, ...]
    dry_run: bool
    effort: float
    bytes: int
    eecu_s: dict[str, float]
    computing: ComputingCost

    def __str__(self) -> str:
        new, verb = set(self.made), "would be made" if self.dry_run else "made"
        lines = [f"{name}: {verb if name in new else 'already there'}" for name in self.names]
        if self.made and self.dry_run:
            lines += [f"{number(self.effort)} megapixels x months, {number(self.bytes / 1e9)} GB before compression"]
            lines += self.computing.lines
        if self.eecu_s:
            lines.append(f"{number(sum(self.eecu_s.values()) / HOUR_S)} EECU-hours, as the tasks say")
        return "\n".join([*lines, f"read them by --composite-asset {self.asset}"])


@takes_options(ComposeRequest)
def compose(request: ComposeRequest | None = None, **options: Any) -> ComposeReport:
    """The composites of regions and periods as images of one collection, each by one Export task.

    What is there is not made again; a task of an interrupted call is found and waited for. Give a request, or its
    options by name. `export_patches`, `map_region` and `run_jobs` read the pixels by `composite_asset`.

    ValueError for what cannot be asked, Fault where a task fails, with the server's words.
    """
    if request is not None and options:
        raise ValueError(f"a request and {', '.join(options)} are given: change the request by dataclasses.replace")
    request = request or from_options(ComposeRequest, options)
    from isamap.gee_export.earth_engine.session import connect

    store = request.store
    with connect(store.project, catalog=store.catalog, workload_tag=store.workload_tag) as session:
        parts = _parts(request, session)
        if not store.dry_run:
            make_collection(store.asset)
        # Asked before the writer is made: what is there costs nothing, and the limit of EECU must not count it.
        missing = [piece for piece in parts if not is_there(piece)]
        writer = _writer(session, request)
        if not store.dry_run:
            writer.make(missing)
    effort = sum(piece.effort for piece in missing)
    return ComposeReport(
        store.asset,
        tuple(piece.name for piece in parts),
        tuple(piece.name for piece in missing),
        store.dry_run,
        effort,
        sum(piece.bytes for piece in missing),
        writer.eecu_s,
        ComputingCost(effort, *measured.rates(store.measured, request.settings())),
    )


def lacking(job: ExportJob, session: Session) -> list[CompositePart]:
    """The composites that an export is to read, and of whose ground and period its collection has nothing.

    Empty without such a collection, or where it is another project's, to which nothing is written. ValueError where it
    holds other composites of that ground.
    """
    from isamap.gee_export.earth_engine.session import source_of

    asset, source = job.extra_images.composite_asset, source_of(session.server, session.catalog)
    if asset is None or asset.split("/")[1] != session.project:
        return []

    def missing(part: RegionPeriod) -> CompositePart | None:
        try:
            composed(part.region, part.period, job.settings, asset)
        except NotHeld:
            stored = partial(_asked, period=part.period, settings=job.settings, source=source)
            return part_of(asset, part.region, MARGIN_M, stored)
        return None

    with ThreadPoolExecutor(OPENERS, thread_name_prefix="look") as pool:  # each waits for a few answers
        return [part for part in pool.map(missing, job.parts) if part is not None]


def complete(job: ExportJob, session: Session, meter: Meter) -> None:
    """Makes what an export's collection lacks, as `isamap composite` does; a line says so. meter: of the export."""
    if not (missing := lacking(job, session)):
        return
    asset = str(job.extra_images.composite_asset)
    lacks = ", ".join(f"{part.ground.name} in {part.stored.period}" for part in missing)
    notice(f"--composite-asset {asset} has no {lacks}: composed now, once, and read ever after")
    make_collection(asset)
    if not session.is_local:
        meter.seconds_per_effort = PUBLISHED_SECONDS[1]  # until a task is over, which says what it cost
    (Writer.local(meter) if session.is_local else Writer(meter=meter)).make(missing)


def _parts(request: ComposeRequest, session: Session) -> Sequence[CompositePart]:
    from isamap.gee_export.earth_engine.session import source_of

    settings, source = request.settings(), source_of(session.server, session.catalog)
    periods = request.when.periods()
    for period in periods:
        settings.check_period(period)
    return [
        part_of(
            request.store.asset,
            region,
            request.store.margin,
            partial(_asked, period=period, settings=settings, source=source),
        )
        for region in request.where.regions()
        for period in periods
    ]


def _asked(ground: Region, period: Period, settings: Settings, source: Mapping[str, str]) -> StoredComposite:
    return StoredComposite.of(ground, period, settings, source)


def _writer(session: Session, request: ComposeRequest) -> Writer:
    store = request.store
    if session.is_local:
        return Writer.local(Meter(store.eecu_hours))
    return Writer(
        meter=Meter(store.eecu_hours, PUBLISHED_SECONDS[1], measured.rate_of(store.measured, request.settings()))
    )
