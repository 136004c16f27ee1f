"""`export_patches`: co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import notice
from isamap.gee_export.base.options import takes_options
from isamap.gee_export.base.regions import Period, Region
from isamap.gee_export.earth_engine.archives import is_open
from isamap.gee_export.export import modes
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.report import ExportReport
from isamap.gee_export.export.request import ExportRequest
from isamap.gee_export.labelling import archive_labels
from isamap.gee_export.sentinel import open_archives
from isamap.gee_export.sentinel.composite import Settings

if TYPE_CHECKING:
    from isamap.gee_export.datasets.progress_log import ProgressLog
    from isamap.gee_export.earth_engine.session import Session
    from isamap.gee_export.export.pixel_source import PixelSource


@takes_options(ExportRequest)
def export_patches(
    request: ExportRequest | None = None, *, progress: bool = True, session: Session | None = None, **options: Any
) -> ExportReport:
    """A dataset of patches in `out` (a folder or gs:// prefix; data/NAME by default), and a report of what was done.

    The same call goes on where an interrupted one stopped, and does nothing where it had finished.

    Give a request, or its options: the fields of request.ExportRequest by their names, each described by its help
    (`isamap export --help`). One value stands for several where several can be given; paths may be Path objects,
    regions also Region objects, sample also a Sampling, settings also a mapping. Every region is exported in every
    period, on the same patches. session: an open connection.

    ValueError for what cannot be asked, Fault where a server or a disk fails.
    """
    if request is not None and options:
        raise ValueError(f"a request and {', '.join(options)} are given: change the request by dataclasses.replace")
    request = request or ExportRequest.of(**options)
    if request.where.admin:  # the server knows where that is
        session = request.run.connect(session)
    request, places, periods = request.placed()
    run = request.run
    source = run.source(session)
    if request.images.asks_server:
        session = run.connect(session)
    job = job_of(request, places, periods, source)
    out = str(run.out if run.out is not None else _folder(request, job))
    if run.dry_run:
        from isamap.gee_export.export import dry_run

        return dry_run.planned(job, out, run.connect(session), request)
    from isamap.gee_export.export import runner

    return runner.run(
        job,
        out,
        lambda: run.connect(session),
        supply=partial(_supply, job, run),
        progress=progress,
        options_file=request.to_toml(source).encode(),
    )


def _supply(job: ExportJob, run: modes.RunOptions, session: Session, progress_log: ProgressLog) -> PixelSource:
    """The way to get pixels, once the composites that are to be read are there."""
    from isamap.gee_export.export.compose import complete

    meter = run.means.meter(progress_log)
    try:
        complete(job, session, meter)
    finally:
        if spent := meter.unnoted():  # in the ledger, from where the export's own meter goes on
            progress_log.add([spent])
    return modes.MODES[run.mode](session, progress_log, run.means)


def job_of(
    request: ExportRequest, places: Sequence[Region], periods: Sequence[Period], source: dict[str, str]
) -> ExportJob:
    """The export of a request on its lattices; looks at files, asks the server about its images."""
    label_request, is_composite = request.labels.request, request.images.image is None
    if is_open(source["catalog"]):
        archive_labels.check(label_request)
    region_grids, extra_images = request.images.open(places, periods, label_request)
    return ExportJob(
        region_grids=region_grids,
        periods=tuple(periods),
        settings=_settings(request, archives=is_composite and is_open(source["catalog"])),
        label_request=label_request,
        extra_images=extra_images,
        size=request.patches.size,
        stride=request.patches.stride,
        split=request.patches.split,
        rule=request.rule,
        sampling=request.sampling,
        **source,
    )


def _settings(request: ExportRequest, *, archives: bool) -> Settings:
    """The composite's settings; of the public archives a line says what was chosen for the user."""
    bands = request.images.bands if request.images.image is None else ()
    settings = request.composite.chosen(bands, archives=archives)
    if archives:
        open_archives.check_sources(settings)
    if archives and (line := open_archives.words(settings)):
        notice(line)
    return settings


def _folder(request: ExportRequest, job: ExportJob) -> Path:
    """data/NAME; with the box that cuts it out of a region, as two boxes of one region are two datasets."""
    where = request.where
    if where.bbox is None or where.is_box:
        return Path("data") / job.name
    box = "_".join(f"{degrees:g}" for degrees in where.bbox)
    return Path("data") / f"{job.name}-{box}"
