"""Ways to get an export's pixels, by name: the dataset is the same whichever is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.project import PROJECT
from isamap.gee_export.base.storage import bucket_of, check_bucket, provide
from isamap.gee_export.datasets.progress_log import ProgressLog
from isamap.gee_export.earth_engine.workload_tag import check_tag, set_tag
from isamap.gee_export.export.measured import rate_of
from isamap.gee_export.export.pixel_source import PixelSource
from isamap.gee_export.requests.client import Client
from isamap.gee_export.requests.meter import Meter

if TYPE_CHECKING:
    from isamap.gee_export.earth_engine.session import Session

# Options of every command that asks the server for composites.
Project = Annotated[str | None, replace(PROJECT, metavar="ID", group="Server", local=True)]
Catalog = Annotated[
    str,
    Option(
        "The local engine's images: world (simulated), open (public archives), a folder, or a class map.",
        metavar="FOLDER",
        group="Server",
    ),
]
WorkloadTag = Annotated[
    str | None,
    Option("Google counts the computing under it; isamap by default.", metavar="TAG", group="Server", local=True),
]
Measured = Annotated[
    str | None,
    Option("EECU as Google counted them, such as measured.toml of `isamap prove`.", metavar="FILE", group="Server",
           local=True),
]  # fmt: skip


@dataclass(frozen=True)
class Means:
    """What a way may use.

    workers: requests at a time (None or 0: its own default); bucket: for files on their way; keep: leaves them there;
    eecu_hours: of computing at most, all runs of the export together; measured_s: as of Meter.
    """

    workers: int | None = None
    bucket: str | None = None
    keep: bool = False
    eecu_hours: float | None = None
    measured_s: float | None = None

    def __post_init__(self) -> None:
        # 40 are a project's published quota (docs/reference/earth-engine.md, "Quotas"): more would only be refused.
        if self.workers is not None and not 0 <= self.workers <= 40:
            raise ValueError(
                f"--workers {self.workers}: expected 1 to 40, the requests that a project may have under way, "
                "or 0 for the default"
            )
        if self.eecu_hours is not None and not 0 < self.eecu_hours < math.inf:
            raise ValueError(
                f"--eecu-hours {self.eecu_hours:g}: expected hours above 0, such as 10, or leave it out for no limit"
            )

    def meter(self, progress_log: ProgressLog) -> Meter:
        """Goes on counting what the runs of this export cost."""
        return Meter.continued(progress_log.rows(), self.eecu_hours, self.measured_s)


def stream(session: Session, progress_log: ProgressLog, means: Means) -> PixelSource:
    """Interactive requests, `workers` at a time: by default half of a project's quota, or cores + 1."""
    return Client.of(session, means.workers, progress_log.log, means.meter(progress_log))


def batch(session: Session, progress_log: ProgressLog, means: Means) -> PixelSource:
    """Export tasks through a bucket: slower to begin with, but more memory and time for each pixel."""
    from isamap.gee_export.tasks.batch import batched

    meter = means.meter(progress_log)
    return batched(session, progress_log, str(means.bucket), keep=means.keep, meter=meter)


Way = Callable[["Session", ProgressLog, Means], PixelSource]
MODES: dict[str, Way] = {"stream": stream, "batch": batch}


@dataclass(frozen=True)
class RunOptions:
    """Where pixels come from, where the dataset goes, and how: nothing of it is in the dataset but the catalog."""

    GROUP: ClassVar[str] = "Server"
    out: Annotated[
        str | None,
        Option("Folder or gs://BUCKET/PREFIX; data/NAME-MONTH by default.", metavar="OUT", group="Output", local=True),
    ] = None
    dry_run: Annotated[
        bool,
        Option("Check everything, print place, blocks, bytes, patches; fetch no pixels.", group="Output", local=True),
    ] = False
    project: Project = None
    catalog: Catalog = "world"
    mode: Annotated[str, Option("How pixels are asked for; the dataset is the same.", choices=MODES, local=True)] = (
        "stream"
    )
    bucket: Annotated[
        str | None, Option("For the files of --mode batch; by default that of --out gs://.", metavar="NAME", local=True)
    ] = None
    keep_exports: Annotated[bool, Option("Leave the files of --mode batch in the bucket.", local=True)] = False
    workers: Annotated[
        int | None, Option("Requests at a time: 20 by default, on the local engine cores + 1.", metavar="N", local=True)
    ] = None
    workload_tag: WorkloadTag = None
    eecu_hours: Annotated[
        float | None,
        Option("Stop before the export's computing exceeds it (docs/plan.md); the same command continues.",
               metavar="HOURS", local=True),
    ] = None  # fmt: skip
    measured: Measured = None

    def __post_init__(self) -> None:
        if self.workload_tag is not None:
            check_tag(self.workload_tag)
        if self.out == "":
            raise ValueError("--out is empty: give a folder or gs://BUCKET/PREFIX, or leave it out for data/NAME")
        check(self.mode, self.means)

    @property
    def means(self) -> Means:
        """What a way to get pixels may use."""
        bucket = self.bucket or bucket_of(self.out or "")
        return Means(self.workers, bucket, self.keep_exports, self.eecu_hours, rate_of(self.measured))

    def source(self, session: Session | None) -> dict[str, str]:
        """Where pixels come from, for the manifest: as `session.source_of`."""
        from isamap.gee_export.earth_engine.session import source_of

        if session is not None:
            return source_of(session.server, session.catalog)
        if self.project not in (None, "", "local"):
            return source_of("earth-engine", "earth-engine")
        return source_of("local-engine", self.catalog)

    def connect(self, session: Session | None = None) -> Session:
        """A connection, the one given or a new one; the local engine has the bucket then."""
        if session is not None:
            if self.workload_tag is not None:
                set_tag(self.workload_tag)
            return session
        from isamap.gee_export.earth_engine.session import connect

        session = connect(self.project, catalog=self.catalog, workload_tag=self.workload_tag)
        if self.means.bucket is not None:
            provide(self.means.bucket, session)
        return session


def check(mode: str, means: Means) -> None:
    """ValueError for unknown ways, and for means that a way lacks or does not use."""
    if mode not in MODES:
        raise ValueError(f"--mode {mode!r}: expected one of {', '.join(MODES)}")
    if mode == "batch" and not means.bucket:
        raise ValueError("--mode batch needs a bucket to export to: give --bucket NAME, or --out gs://BUCKET/PREFIX")
    if mode == "batch":
        check_bucket(str(means.bucket))
    if mode != "batch" and means.keep:
        raise ValueError("--keep-exports is for --mode batch: other modes leave nothing in a bucket")
