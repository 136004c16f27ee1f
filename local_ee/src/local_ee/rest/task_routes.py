"""The REST methods that start long-running operations (image export, ingestion) and tell of them.

Reference: https://developers.google.com/earth-engine/reference/rest/v1/projects.image and .../projects.operations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from typing import Any

from local_ee.assets import exports, map_exports, patch_exports
from local_ee.assets.ingest import ingest
from local_ee.assets.manifest import parse
from local_ee.assets.registration import register
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import Job, Progress, Submission, TaskStore
from local_ee.errors import EngineError
from local_ee.evaluation.values import Image
from local_ee.injector import Injector
from local_ee.rest.mishaps import Mishaps
from local_ee.storage.objects import ObjectStore
from local_ee.usage import checked_tag
from local_ee.wire import Call, Params, Reply, Route

PAGE = 500
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{1,60}")


class TaskRoutes:
    """Answers that put jobs into the queue, and the states of those jobs."""

    def __init__(
        self,
        tasks: TaskStore,
        assets: AssetStore,
        buckets: ObjectStore,
        *,
        evaluate_image: Callable[[Any], Image],
        threads: Executor,
        injector: Injector | None = None,
    ) -> None:
        self._tasks = tasks
        self._assets = assets
        self._buckets = buckets
        self._evaluate_image = evaluate_image
        self._threads = threads
        self._mishaps = Mishaps(injector, buckets) if injector else None

    @property
    def routes(self) -> tuple[Route, ...]:
        project = "projects/{project}"
        operation = f"{project}/operations/{{operation}}"
        return (
            Route("POST", f"{project}/image:export", self._export),
            Route("POST", f"{project}/map:export", self._export_map),
            Route("POST", f"{project}/video:export", self._export_video),
            Route("POST", f"{project}/image:import", self._import),
            Route("POST", f"{project}/image:importExternal", self._import_external),
            Route("GET", f"{project}/operations", self._list),
            Route("POST", f"{operation}:cancel", self._cancel),
            Route("POST", f"{operation}:wait", self._wait),
            Route("GET", operation, self._get),
            Route("DELETE", operation, self._delete),
        )

    def _export(self, call: Call, params: Params) -> Reply:
        body = call.json()
        expression = body.get("expression")
        most = exports.max_pixels(body)
        write = self._to_bucket(body) if "fileExportOptions" in body else self._to_asset(body)

        def job(progress: Progress) -> list[str]:
            image = self._evaluate_image(expression)
            return write(image, exports.export_grid(image, most), exports.Work(self._threads, progress))

        return Reply.of(self.submit(submission_of(body, params, "EXPORT_IMAGE"), job))

    def _export_video(self, call: Call, params: Params) -> Reply:
        raise EngineError(
            "The local engine does not export videos: use ImageCollection.getVideoThumbURL for an animated GIF, or "
            "export the images."
        )

    def _export_map(self, call: Call, params: Params) -> Reply:
        body = call.json()
        expression, options = body.get("expression"), map_exports.TileOptions.of(body)

        def job(progress: Progress) -> list[str]:
            work = exports.Work(self._threads, progress)
            return map_exports.to_bucket(self._evaluate_image(expression), options, self._buckets, work)

        return Reply.of(self.submit(submission_of(body, params, "EXPORT_TILES"), job))

    def _to_bucket(self, body: Mapping[str, Any]) -> Callable[..., list[str]]:
        destination = body["fileExportOptions"]
        file_format = destination.get("fileFormat", "GEO_TIFF")
        if file_format == patch_exports.FORMAT:
            patches = patch_exports.PatchOptions.of(destination)
            return lambda image, grid, work: patch_exports.to_bucket(image, grid, patches, self._buckets, work)
        if file_format != "GEO_TIFF":
            raise EngineError(
                f"Unsupported file format '{file_format}' of an export: the local engine writes GEO_TIFF and "
                f"{patch_exports.FORMAT}."
            )
        options = exports.file_options(destination)
        return lambda image, grid, work: exports.to_bucket(image, grid, options, self._buckets, work)

    def _to_asset(self, body: Mapping[str, Any]) -> Callable[..., list[str]]:
        options = body.get("assetExportOptions")
        if not options:
            raise EngineError("An image export needs fileExportOptions or assetExportOptions.")
        name, overwrite, _ = exports.asset_destination(options, ())
        self._assets.check_target(name, "IMAGE", overwrite=overwrite)
        return lambda image, grid, work: exports.to_asset(image, grid, options, self._assets, work)

    def _import(self, call: Call, params: Params) -> Reply:
        body = call.json()
        overwrite = bool(body.get("overwrite"))
        manifest = parse(body.get("imageManifest") or {})
        manifest = replace(manifest, name=self._assets.check_target(manifest.name, "IMAGE", overwrite=overwrite))

        def job(progress: Progress) -> list[str]:
            return ingest(manifest, self._assets, self._buckets, overwrite=overwrite, progress=progress)

        described = {"description": f'Ingest image: "{manifest.name}"', **body}
        return Reply.of(self.submit(submission_of(described, params, "INGEST_IMAGE"), job))

    def submit(self, submission: Submission, job: Job) -> dict[str, Any]:
        """The operation of a new task, whose faults on demand are put around it."""
        return self._tasks.submit(submission, self._mishaps.around(submission, job) if self._mishaps else job)

    def _import_external(self, call: Call, params: Params) -> Reply:
        """Makes a COG-backed asset at once; the answer is empty
        (reference/rest/v1/projects.image/importExternal).
        """
        body = call.json()
        overwrite = bool(body.get("overwrite"))
        manifest = parse(body.get("imageManifest") or {})
        manifest = replace(manifest, name=self._assets.check_target(manifest.name, "IMAGE", overwrite=overwrite))
        register(manifest, self._assets, self._buckets, overwrite=overwrite)
        return Reply.of({})

    def _list(self, call: Call, params: Params) -> Reply:
        operations = self._tasks.list(params["project"])
        begin = int(call.query.get("pageToken") or 0)
        size = min(int(call.query.get("pageSize") or PAGE), PAGE)
        answer: dict[str, Any] = {"operations": operations[begin : begin + size]}
        if begin + size < len(operations):
            answer["nextPageToken"] = str(begin + size)
        return Reply.of(answer)

    def _get(self, call: Call, params: Params) -> Reply:
        return Reply.of(self._tasks.get(params["operation"]))

    def _cancel(self, call: Call, params: Params) -> Reply:
        self._tasks.cancel(params["operation"])
        return Reply.of({})

    def _wait(self, call: Call, params: Params) -> Reply:
        timeout = str(call.json().get("timeout") or "")
        seconds = (float(timeout.removesuffix("s")),) if timeout else ()
        return Reply.of(self._tasks.wait(params["operation"], *seconds))

    def _delete(self, call: Call, params: Params) -> Reply:
        self._tasks.delete(params["operation"])
        return Reply.of({})


def submission_of(body: Mapping[str, Any], params: Params, task_type: str) -> Submission:
    """What a request that starts a task says of it; EngineError for a malformed requestId or tag."""
    request_id = body.get("requestId")
    if request_id is not None and not REQUEST_ID.fullmatch(str(request_id)):
        raise EngineError(f"Invalid requestId '{request_id}': expected up to 60 characters of A-Z, a-z, 0-9 and -.")
    priority = body.get("priority", 100)
    priority = priority.get("value", 100) if isinstance(priority, Mapping) else priority
    return Submission(
        params["project"],
        task_type,
        str(body.get("description", "")),
        request_id,
        int(priority),
        checked_tag(body),
    )
