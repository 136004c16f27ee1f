"""`export_patches`: co-registered Sentinel-1, Sentinel-2 and label patches of regions and periods."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gee_export.base.options import takes_options
from gee_export.base.regions import Period, Region
from gee_export.export import modes
from gee_export.export.job import Job
from gee_export.export.place_options import FORMER_NAME, former_remedy
from gee_export.export.report import ExportReport
from gee_export.export.request import ExportRequest

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session


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
        from gee_export.export import dry_run

        return dry_run.planned(job, out, run.connect(session), request)
    from gee_export.export import runner

    return runner.run(
        job,
        out,
        lambda: run.connect(session),
        supply=lambda opened, progress_log: modes.MODES[run.mode](opened, progress_log, run.means),
        progress=progress,
        options_file=request.to_toml(source).encode(),
    )


def job_of(request: ExportRequest, places: Sequence[Region], periods: Sequence[Period], source: dict[str, str]) -> Job:
    """The export of a request on its lattices; looks at files, asks the server about its images."""
    label_request, is_composite = request.labels.request, request.images.image is None
    region_grids, extra_images = request.images.open(places, periods, label_request)
    return Job(
        region_grids=region_grids,
        periods=tuple(periods),
        settings=request.composite.chosen(request.images.bands if is_composite else ()),
        label_request=label_request,
        extra_images=extra_images,
        size=request.patches.size,
        stride=request.patches.stride,
        split=request.patches.split,
        rule=request.rule,
        sampling=request.sampling,
        **source,
    )


def _folder(request: ExportRequest, job: Job) -> Path:
    """data/NAME; with the box that cuts it out of a region, as two boxes of one region are two datasets.

    ValueError where isamap 0.1 began a dataset of this box in the folder that it would have made of it.
    """
    where = request.where
    if where.bbox is None:
        return Path("data") / job.name
    box = "_".join(f"{degrees:g}" for degrees in where.bbox)
    if not where.is_box:
        return Path("data") / f"{job.name}-{box}"
    name = job.region_grids[0].name
    former = Path("data") / f"{FORMER_NAME}{job.name.removeprefix(name)}-{box}"
    if name != FORMER_NAME and former.is_dir():
        raise ValueError(f"{former} holds an export of this box: {former_remedy(name)}, such as data/{job.name}")
    return former if name == FORMER_NAME else Path("data") / job.name
