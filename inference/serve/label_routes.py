"""Routes of what people know of the ground: drawn labels, and answer sheets that are filled in point by point."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from isamap.gee_export.base.atomic import write_json
from isamap.inference.assessment.answer_sheet import ANSWERS, SHEET
from isamap.inference.assessment.report import JSON as REPORT_JSON
from isamap.inference.assessment.sample import read_key
from isamap.inference.serve import request_fields
from isamap.inference.serve.answer import as_json, body_of, choice, computed
from isamap.inference.serve.assess_request import REPORT, SAMPLE
from isamap.inference.serve.door import Door
from isamap.inference.serve.gate import owner_of
from isamap.inference.serve.job import ID, SUCCESSFUL
from isamap.inference.serve.label_sets import LabelSets, labels_of
from isamap.inference.serve.library import Library
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.sheets import SheetHead, Sheets, sheet_id

GEOPACKAGE, CSV = "application/geopackage+sqlite3", "text/csv; charset=utf-8"
OWNER = ".owner"  # beside a set of labels
MOST_CLASSES = 20
SHEET_BODY = 'Send {"job": "ID of an assess job"}, or {"name": "...", "classes": [...], "csv": "..."}.'


@dataclass(frozen=True)
class LabelRoutes:
    """What a library's drawn labels and answer sheets answer. door: says who may remove which."""

    library: Library
    door: Door

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/labels", self.label_sets),
            Route("/labels/{name}", self.labels),
            Route("/labels/{name}", self.keep_labels, methods=["PUT"]),
            Route("/labels/{name}", self.delete_labels, methods=["DELETE"]),
            Route("/labels/{name}/download", self.download_labels),
            Route("/sheets", self.sheets),
            Route("/sheets", self.open_sheet, methods=["POST"]),
            Route("/sheets/{sheet}", self.sheet),
            Route("/sheets/{sheet}", self.answer, methods=["PATCH"]),
            Route("/sheets/{sheet}", self.delete_sheet, methods=["DELETE"]),
            Route("/sheets/{sheet}/download", self.download_sheet),
            Route("/jobs/{job}/report", self.report),
        ]

    @property
    def _sets(self) -> LabelSets:
        return LabelSets(self.library.settings.folder / "labels")

    @property
    def _sheets(self) -> Sheets:
        return Sheets(self.library.settings.folder / "sheets")

    async def label_sets(self, request: Request) -> Response:
        return as_json({"labels": await computed(self._sets.names)})

    async def labels(self, request: Request) -> Response:
        path = await self._path(request)
        return as_json(await computed(lambda: self._sets.read(path).document()))

    async def keep_labels(self, request: Request) -> Response:
        """Keeps a GeoJSON FeatureCollection of polygons with a property `class`, in place of the set of that name."""
        document = await body_of(request)
        name = await computed(request_fields.name, request.path_params, "name")
        labels = await computed(labels_of, document, self.library.settings.limits)
        await self._check_owner(request, name)
        await computed(self._sets.write, name, labels)
        await computed(write_json, self._owner_file(name), {"owner": owner_of(request)})
        return as_json({"name": name, "polygons": len(labels.classes)})

    async def delete_labels(self, request: Request) -> Response:
        path = await self._path(request)
        await self._check_owner(request, path.stem)
        for each in (path, self._owner_file(path.stem)):
            each.unlink(missing_ok=True)
        return Response(status_code=204)

    async def download_labels(self, request: Request) -> Response:
        path = await self._path(request)
        return FileResponse(path, media_type=GEOPACKAGE, filename=path.name)

    async def sheets(self, request: Request) -> Response:
        heads = await computed(self._sheets.heads)
        return as_json({"sheets": [{"id": each.id, "name": each.name, "map": each.map} for each in heads]})

    async def open_sheet(self, request: Request) -> Response:
        """Keeps the sheet of an assess job, or one that is sent; that which is there already goes on."""
        document = await body_of(request)
        if isinstance(document, Mapping) and set(document) == {"job"}:
            head, text = await computed(self._of_job, document["job"], owner_of(request))
        elif isinstance(document, Mapping) and set(document) == {"name", "classes", "csv"}:
            head, text = await computed(_sent, document, owner_of(request))
        else:
            raise Problem(400, SHEET_BODY)
        await computed(self._sheets.open, head, text)
        return as_json(await computed(self._sheets.document, head), 201)

    async def sheet(self, request: Request) -> Response:
        return as_json(await computed(self._sheets.document, await self._head(request)))

    async def answer(self, request: Request) -> Response:
        """Takes answers of points by their ids: {"answers": {"17": "impervious"}}."""
        head, document = await self._head(request), await body_of(request)
        answers = document.get("answers") if isinstance(document, dict) else None
        if not isinstance(answers, dict) or set(document) != {"answers"}:
            raise Problem(400, 'Send {"answers": {"ID": "CLASS"}}.')
        await computed(self._sheets.answer, head, answers)
        return Response(status_code=204)

    async def delete_sheet(self, request: Request) -> Response:
        head = await self._head(request)
        self._refuse_others(request, head.owner, "sheet")
        await computed(self._sheets.delete, head)
        return Response(status_code=204)

    async def download_sheet(self, request: Request) -> Response:
        head = await self._head(request)
        format = choice(request, "format", ("csv", "gpkg"), "csv")
        content = await computed(self._sheets.text if format == "csv" else self._sheets.geopackage, head)
        headers = {"content-disposition": f'attachment; filename="{head.id}.{format}"'}
        return Response(content, 200, headers, CSV if format == "csv" else GEOPACKAGE)

    async def report(self, request: Request) -> Response:
        """The figures of an assess job with answers."""
        id = request.path_params["job"]
        path = self.library.settings.work(id) / REPORT / REPORT_JSON
        if not ID.fullmatch(id) or not path.is_file():
            raise Problem(404, "This job has no report: it is one of an assess job with answers, when it is done.")
        return Response(await computed(path.read_bytes), media_type="application/json")

    def _of_job(self, id: Any, owner: str) -> tuple[SheetHead, str]:
        job = self.library.settings.jobs.job(id) if isinstance(id, str) and ID.fullmatch(id) else None
        if job is None or job.process != "assess" or job.status != SUCCESSFUL:
            raise ValueError("job: expected the id of an assess job that is done")
        folder, map = self.library.settings.work(job.id) / SAMPLE, str(job.inputs["map"])
        stored = self.library.maps.map(map)
        name = f"{stored.document()['name'] if stored else map}, {job.inputs['points']} points"
        head = SheetHead(job.id, name, read_key(folder).classes, owner, map, job.id)
        return head, (folder / SHEET / ANSWERS).read_text(encoding="utf-8")

    async def _head(self, request: Request) -> SheetHead:
        id = request.path_params["sheet"]
        head = await computed(self._sheets.head, id)
        if head is None:
            raise Problem(404, f"Sheet {id[:50]!r} is not there: GET /sheets lists them.")
        return head

    async def _path(self, request: Request) -> Path:
        name = request.path_params["name"]
        path = await computed(self._sets.path, name)
        if path is None:
            raise Problem(404, f"Labels {name[:50]!r} are not there: GET /labels lists them.")
        return path

    def _owner_file(self, name: str) -> Path:
        return self._sets.folder / f"{name}{OWNER}"

    async def _check_owner(self, request: Request, name: str) -> None:
        """Problem 403 for a set that another token drew."""
        if name in await computed(self._sets.names):
            self._refuse_others(request, await computed(_owner_in, self._owner_file(name)), "set of labels")

    def _refuse_others(self, request: Request, owner: str, noun: str) -> None:
        if not self.door.may_end(owner_of(request), owner):
            raise Problem(403, f"Another token made this {noun}: only that one, or an operator's, may change it.")


def _owner_in(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["owner"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _sent(document: Mapping[str, Any], owner: str) -> tuple[SheetHead, str]:
    name, classes, text = request_fields.title(document), document["classes"], document["csv"]
    if not isinstance(text, str) or not name:
        raise ValueError("csv: expected the text of answers.csv; name: what people call the sheet")
    are_names = isinstance(classes, list) and all(isinstance(each, str) and 0 < len(each) <= 80 for each in classes)
    if not are_names or not 2 <= len(classes) <= MOST_CLASSES:
        raise ValueError(f"classes: expected 2 to {MOST_CLASSES} names of classes")
    return SheetHead(sheet_id(text), name, tuple(classes), owner), text
