"""What an export would do and would refuse, known without a pixel: files, server, scenes, the place it would go to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from isamap.gee_export.base.storage import is_remote, open_storage
from isamap.gee_export.datasets.progress_log import ProgressLog, run_folder
from isamap.gee_export.export import measured, run_lock
from isamap.gee_export.export.compose import lacking
from isamap.gee_export.export.eecu import ComputingCost
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.label_survey import Survey
from isamap.gee_export.export.opening import open_parts
from isamap.gee_export.export.place_options import ExportPlaces, described
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.export.report import ExportReport
from isamap.gee_export.export.request import ExportRequest
from isamap.gee_export.export.run_header import whole

if TYPE_CHECKING:
    from isamap.gee_export.composites.writing import CompositePart
    from isamap.gee_export.earth_engine.session import Session


def planned(job: ExportJob, out: str, session: Session, request: ExportRequest) -> ExportReport:
    """The report of a run that would be; asks the server for lists of scenes, reads the heads of files.

    Where the labels choose the patches it says what the run would do at most. ValueError and Fault as the run itself.
    """
    plan = ExportPlan.of(job)
    without_frames = replace(job, extra_images=replace(job.extra_images, frames=None))  # they are chosen by pixels
    missing = lacking(job, session)
    # Of what is to be made first, the lists of scenes alone are asked for.
    readable = replace(without_frames.extra_images, composite_asset=None) if missing else without_frames.extra_images
    opened, skipped = open_parts(replace(without_frames, extra_images=readable))
    head = whole(without_frames, plan, opened, skipped)
    progress_log = ProgressLog(run_folder(out))
    # Looks and locks nothing: a dry run beside a running export is allowed.
    run_lock.refuse_others(open_storage(out, session if is_remote(out) else None), progress_log, job.head())
    report = ExportReport.planned(job, plan, out, request.run.workers).over(
        places=[described(region_grid.region) for region_grid in job.region_grids], manifest=head
    )
    return replace(
        report, eecu=_computing(report, request, missing), notes=(*report.notes, *_notes(job, request.where, missing))
    )


def _computing(report: ExportReport, request: ExportRequest, missing: Sequence[CompositePart]) -> ComputingCost | None:
    """What composing costs, at the measured rate where there is one; None where a stored composite is read."""
    if report.eecu is None or (request.images.composite_asset is not None and not missing):
        return None
    settings = request.composite.chosen(request.images.bands if request.images.image is None else ())
    effort = sum(part.effort for part in missing) or report.eecu.effort
    return ComputingCost(effort, *measured.rates(request.run.measured, settings))


def _notes(job: ExportJob, where: ExportPlaces, missing: Sequence[CompositePart]) -> Iterator[str]:
    if missing:
        yield f"{job.extra_images.composite_asset} lacks {len(missing)} of the composites: they are made first"
    if job.surveys_labels:
        count = len(Survey.of(job).windows)
        yield f"{count} blocks of labels are asked for first; by them patches are chosen and divided"
    if name := where.swapped_inside:
        yield f"with latitude and longitude swapped the box would lie in {name}: --bbox takes W S E N"
