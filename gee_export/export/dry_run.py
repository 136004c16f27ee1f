"""What an export would do and would refuse, known without a pixel: files, server, scenes, the place it would go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gee_export.base.storage import is_remote, open_storage
from gee_export.datasets.progress_log import ProgressLog, run_folder
from gee_export.export import run_lock
from gee_export.export.job import Job
from gee_export.export.label_survey import Survey
from gee_export.export.opening import open_parts
from gee_export.export.place_options import Where, described
from gee_export.export.plan import Plan
from gee_export.export.report import ExportReport
from gee_export.export.request import ExportRequest
from gee_export.export.run_header import whole

if TYPE_CHECKING:
    from gee_export.earth_engine.session import Session


def planned(job: Job, out: str, session: Session, request: ExportRequest) -> ExportReport:
    """The report of a run that would be; asks the server for lists of scenes, reads the heads of files.

    Where the labels choose the patches it says what the run would do at most. ValueError and Fault as the run itself.
    """
    plan = Plan.of(job)
    without_frames = replace(job, extra_images=replace(job.extra_images, frames=None))  # they are chosen by pixels
    opened, skipped = open_parts(without_frames)
    head = whole(without_frames, plan, opened, skipped)
    progress_log = ProgressLog(run_folder(out))
    run_lock.refuse_others(open_storage(out, session if is_remote(out) else None), progress_log, job.head())
    report = ExportReport.planned(job, plan, out, request.run.workers).over(
        places=[described(region_grid.region) for region_grid in job.region_grids], manifest=head
    )
    for note in _notes(job, request.where):
        report = report.noting(note)
    return report


def _notes(job: Job, where: Where) -> Iterator[str]:
    if job.sampling.method.needs_share:
        count = len(Survey.of(job).windows)
        yield f"{count} blocks of labels are asked for first; of all positions they choose the patches"
    if name := where.swapped_inside:
        yield f"with latitude and longitude swapped the box would lie in {name}: --bbox takes W S E N"
