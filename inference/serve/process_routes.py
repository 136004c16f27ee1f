"""Routes of OGC API - Processes: processes, execution, estimates, jobs with their results and logs."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from isamap.inference.assessment.sample import KEY
from isamap.inference.serve.answer import as_json, body_of, choice, computed, whole
from isamap.inference.serve.assess_request import REPORT, SAMPLE
from isamap.inference.serve.door import Door
from isamap.inference.serve.gate import owner_of
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.job import ACCEPTED, DISMISSED, FAILED, ID, STATES, SUCCESSFUL, Job, job_id
from isamap.inference.serve.library import Library
from isamap.inference.serve.map_request import MapJobRequest
from isamap.inference.serve.problem import NO_SUCH_JOB, NO_SUCH_PROCESS, NOT_READY, Problem
from isamap.inference.serve.processes import PROCESSES, Process
from isamap.inference.serve.worker import LOG

MOST_JOBS = 1000
LOG_BYTES = 1 << 16  # in one reply
_LOOK_UP_THREAD = ThreadPoolExecutor(1, thread_name_prefix="isamap-look-up")  # it takes seconds at first
FOLDERS = (SAMPLE, REPORT)  # of a job, that may be taken away as archives


@dataclass(frozen=True)
class ProcessRoutes:
    """What a library's processes and jobs answer. door: says who may end which job. imagery: looks images up."""

    library: Library
    door: Door
    imagery: ImageryTiles

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/processes", self.processes),
            Route("/processes/{process}", self.process),
            Route("/processes/{process}/execution", self.execute, methods=["POST"]),
            Route("/processes/{process}/estimate", self.estimate, methods=["POST"]),
            Route("/processes/map/lack", self.lack, methods=["POST"]),
            Route("/jobs", self.jobs),
            Route("/jobs/{job}", self.job),
            Route("/jobs/{job}", self.dismiss, methods=["DELETE"]),
            Route("/jobs/{job}/results", self.results),
            Route("/jobs/{job}/log", self.log),
            Route("/jobs/{job}/files/{name}.zip", self.archive),
        ]

    async def processes(self, request: Request) -> Response:
        summaries = [process.summary() for process in PROCESSES.values()]
        return as_json({"processes": summaries, "links": [_own_link("/processes")]})

    async def process(self, request: Request) -> Response:
        return as_json(_process(request).document())

    async def execute(self, request: Request) -> Response:
        """201 for a job that begins now, 200 for one that is there."""
        process, inputs = _process(request), await _inputs(request)
        job, is_new = await computed(self._submitted, process, inputs, owner_of(request))
        headers = {"location": f"/jobs/{job.id}", "preference-applied": "respond-async"}
        return as_json(self._info(request, job), 201 if is_new else 200, headers=headers)

    async def estimate(self, request: Request) -> Response:
        process, inputs = _process(request), await _inputs(request)
        estimate = await computed(lambda: process.read(inputs, self.library).estimate())
        return as_json(estimate.document())

    async def lack(self, request: Request) -> Response:
        """Which images a map would lack, in a sentence with the remedy; "" where it lacks none."""
        inputs = await _inputs(request)
        map_request = await computed(MapJobRequest.of, inputs, self.library)
        return as_json({"lack": await computed(self.imagery.lack, map_request.composite, pool=_LOOK_UP_THREAD)})

    async def jobs(self, request: Request) -> Response:
        status = request.query_params.get("status") and choice(request, "status", STATES, ACCEPTED)
        process = request.query_params.get("processID") and choice(request, "processID", PROCESSES, "map")
        limit = max(1, whole(request, "limit", 100, MOST_JOBS))
        jobs = await computed(lambda: self.library.settings.jobs.jobs(status=status, process=process, limit=limit))
        return await computed(self._listed, request, jobs)

    async def job(self, request: Request) -> Response:
        return as_json(self._info(request, await self._job(request)))

    async def dismiss(self, request: Request) -> Response:
        """The job ends and keeps what it has made, to continue when it is asked for again.

        Of a job that has ended its folder is removed; finished maps stay. One that was dismissed is removed itself.
        Problem 403: another token's job.
        """
        job = await self._job(request)
        try:
            dismissed = await computed(self._dismissed, job, lambda each: self._may_end(request, each))
        except PermissionError as error:
            detail = "Another token started this job: only that one, or an operator's, may end it."
            raise Problem(403, detail) from error
        return as_json(self._info(request, dismissed))

    async def results(self, request: Request) -> Response:
        job = await self._job(request)
        if job.status == FAILED:
            raise Problem(500, f"The job failed: {job.message}")
        if job.status != SUCCESSFUL:
            raise Problem(404, f"The job is {job.status}: it has no results.", type=NOT_READY)
        return as_json(dict(job.results))

    async def log(self, request: Request) -> Response:
        """Its text from an offset on, and where the next piece begins."""
        job = await self._job(request)
        offset = whole(request, "offset", 0, 1 << 62)
        piece = await computed(_piece, self.library.settings.work(job.id) / LOG, offset)
        headers = {"x-next-offset": str(offset + len(piece)), "cache-control": "no-store"}
        return Response(piece.decode("utf-8", "replace"), 200, headers, "text/plain; charset=utf-8")

    async def archive(self, request: Request) -> Response:
        job, name = await self._job(request), request.path_params["name"]
        folder = self.library.settings.work(job.id) / name if name in FOLDERS else None
        if folder is None or job.status != SUCCESSFUL or not folder.is_dir():
            raise Problem(404, "This job has no such file.")
        headers = {"content-disposition": f'attachment; filename="{name}-{job.id[:8]}.zip"'}
        return Response(await computed(_zipped, folder), 200, headers, "application/zip")

    def _listed(self, request: Request, jobs: list[Job]) -> Response:
        """In a thread: a long list takes time to be written."""
        return as_json({"jobs": [self._info(request, job) for job in jobs], "links": [_own_link("/jobs")]})

    def _info(self, request: Request, job: Job) -> dict[str, Any]:
        """statusInfo, and whether who asks may end the job."""
        return job.info() | {"mayDismiss": self._may_end(request, job)}

    def _may_end(self, request: Request, job: Job) -> bool:
        return self.door.may_end(owner_of(request), job.owner)

    async def _job(self, request: Request) -> Job:
        id = request.path_params["job"]
        job = await computed(self.library.settings.jobs.job, id) if ID.fullmatch(id) else None
        if job is None:
            raise Problem(404, f"Job {id[:50]!r} is not there: GET /jobs lists them.", type=NO_SUCH_JOB)
        return job

    def _submitted(self, process: Process, inputs: Any, owner: str) -> tuple[Job, bool]:
        execution, settings = process.read(inputs, self.library), self.library.settings
        now = time.time()
        # Before the job is made: otherwise a full list would refuse what its oldest failures could make room for.
        self._make_room(owner)
        id = job_id(process.id, execution.identity)
        job = Job(id, process.id, execution.inputs, owner, ACCEPTED, "waits for a worker", 0, 0, now, now)
        try:
            return settings.jobs.submit(job, settings.limits.jobs)
        except OverflowError as error:
            raise Problem(
                429,
                f"{settings.limits.jobs} jobs are under way already: wait for one, or dismiss one.",
                headers={"Retry-After": "60"},
            ) from error

    def _dismissed(self, job: Job, may_end: Callable[[Job], bool]) -> Job:
        store = self.library.settings.jobs
        if job.status == DISMISSED and may_end(job):
            self._forget(job.id)
            return job
        with self._clearing(job.id) as clear:
            return store.dismiss(job.id, clear, may_end=may_end) or job

    def _make_room(self, owner: str) -> None:
        """Removes the oldest failed and dismissed jobs of an owner who has many; Problem 429 where others fill all."""
        store, most = self.library.settings.jobs, self.library.settings.limits.kept_jobs
        for id in store.spare(owner, most - 1):
            self._forget(id)
        if store.count(owner) >= most:
            detail = f"{most:,} jobs of this token are kept already: delete some that are done, each twice."
            raise Problem(429, detail, headers={"Retry-After": "60"})

    def _forget(self, id: str) -> None:
        with self._clearing(id) as clear:
            self.library.settings.jobs.forget(id, clear)

    @contextlib.contextmanager
    def _clearing(self, id: str) -> Iterator[Callable[[], None]]:
        """What takes a job's folder away at once; its files go afterwards."""
        folder = self.library.settings.work(id)
        waste = folder.with_name(f"{id}.waste")

        def clear() -> None:
            with contextlib.suppress(OSError):  # of a job that made nothing
                # Renamed within the transaction and removed after it: a folder of gigabytes must not hold the table's
                # lock.
                folder.rename(waste)

        yield clear
        shutil.rmtree(waste, ignore_errors=True)


def _process(request: Request) -> Process:
    id = request.path_params["process"]
    if id not in PROCESSES:
        raise Problem(404, f"Process {id[:50]!r} is not there: expected {', '.join(PROCESSES)}.", type=NO_SUCH_PROCESS)
    return PROCESSES[id]


async def _inputs(request: Request) -> Any:
    """The inputs of an execute request (OGC 18-062r2, execute.yaml); other members of it change nothing here."""
    document = await body_of(request)
    if not isinstance(document, dict):
        raise Problem(400, 'The body is no object: send {"inputs": {...}}.')
    if "subscriber" in document:  # its addresses would be asked by this machine
        raise Problem(400, "subscriber: this service calls no addresses; ask for /jobs/{jobID} now and then.")
    return document.get("inputs", {})


def _piece(path: Path, offset: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(min(offset, os.fstat(file.fileno()).st_size))
            return file.read(LOG_BYTES)
    except FileNotFoundError:
        return b""


def _zipped(folder: Path) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != KEY:  # which only the estimate may see
                archive.write(path, path.relative_to(folder).as_posix())
    return target.getvalue()


def _own_link(path: str) -> dict[str, str]:
    return {"rel": "self", "href": path, "type": "application/json"}
