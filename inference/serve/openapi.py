"""The API's description (OpenAPI 3.0.3), made of the processes' own schemas, and the same as a page without scripts."""

from __future__ import annotations

import html
from typing import Any

from isamap.inference.serve.downloads import FORMATS
from isamap.inference.serve.job import STATES
from isamap.inference.serve.processes import PROCESSES
from isamap.inference.serve.tiles import LAYERS

Parameter = dict[str, Any]
_TEXT, _WHOLE, _NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}


def _path(name: str, schema: dict[str, Any] = _TEXT) -> Parameter:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: dict[str, Any], *, required: bool = False) -> Parameter:
    return {"name": name, "in": "query", "required": required, "schema": schema}


_ID = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
_MAP, _JOB = _path("map"), _path("job", _ID)
_BOX = _query("bbox", {"type": "string", "example": "114.2,30.5,114.4,30.7"})
_LIMIT = _query("limit", _WHOLE)
_LAYER = {"type": "string", "enum": list(LAYERS)}
# method and path -> summary, parameters, statuses besides 200, media type of the reply
_OPERATIONS: tuple[tuple[str, str, str, tuple[Parameter, ...], str], ...] = (
    ("get", "/", "The landing page", (), "application/json"),
    ("get", "/health", "Whether the service works", (), "application/json"),
    ("get", "/metrics", "Counts in Prometheus' format", (), "text/plain"),
    ("get", "/conformance", "The standards that are followed", (), "application/json"),
    ("get", "/openapi.json", "This description", (), "application/json"),
    ("get", "/regions", "Named regions", (_query("q", _TEXT), _LIMIT), "application/json"),
    ("get", "/regions/{name}", "A region's outline", (_path("name"),), "application/geo+json"),
    ("get", "/checkpoints", "Networks that may map", (), "application/json"),
    ("get", "/datasets", "Datasets that may train", (), "application/json"),
    ("get", "/processes", "The processes", (), "application/json"),
    ("get", "/processes/{process}", "A process with its inputs", (_path("process"),), "application/json"),
    ("post", "/processes/{process}/execution", "Start a job", (_path("process"),), "application/json"),
    ("post", "/processes/{process}/estimate", "What a job would take", (_path("process"),), "application/json"),
    ("post", "/processes/map/lack", "Which images a map would lack", (), "application/json"),
    ("get", "/jobs", "Jobs, the latest first", (
        _query("status", {"type": "string", "enum": list(STATES)}),
        _query("processID", {"type": "string", "enum": list(PROCESSES)}), _LIMIT), "application/json"),
    ("get", "/jobs/{job}", "How far a job is", (_JOB,), "application/json"),
    ("delete", "/jobs/{job}", "End a job", (_JOB,), "application/json"),
    ("get", "/jobs/{job}/results", "What a job made", (_JOB,), "application/json"),
    ("get", "/jobs/{job}/log", "What a job said", (_JOB, _query("offset", _WHOLE)), "text/plain"),
    ("get", "/jobs/{job}/files/{name}.zip", "Files of a job", (_JOB, _path("name")), "application/zip"),
    ("get", "/maps", "Finished maps", (), "application/json"),
    ("get", "/areas", "Areas of several maps on the ground that all know", (
        _query("maps", _TEXT, required=True), _BOX, _query("joined", {"type": "boolean"})), "application/json"),
    ("post", "/areas", "Areas by districts of several maps as one", (
        _query("maps", _TEXT, required=True),), "application/json"),
    ("patch", "/maps/{map}", "Give a map another name", (_MAP,), "application/json"),
    ("delete", "/maps/{map}", "Remove a map", (_MAP,), "application/json"),
    ("get", "/maps/{map}", "A map with its areas", (_MAP,), "application/json"),
    ("get", "/maps/{map}/tilejson.json", "TileJSON of a layer", (_MAP, _query("layer", _LAYER)), "application/json"),
    ("get", "/maps/{map}/tiles/{layer}/{z}/{x}/{y}.png", "A tile; 204 off the map", (
        _MAP, _path("layer", _LAYER), _path("z", _WHOLE), _path("x", _WHOLE), _path("y", _WHOLE)), "image/png"),
    ("get", "/maps/{map}/point", "Values at a point", (
        _MAP, _query("lon", _NUMBER, required=True), _query("lat", _NUMBER, required=True)), "application/json"),
    ("get", "/maps/{map}/area", "Areas in a box", (_MAP, _BOX), "application/json"),
    ("post", "/maps/{map}/area", "Areas in a GeoJSON polygon", (_MAP,), "application/json"),
    ("get", "/maps/{map}/download", "A map as a file", (
        _MAP, _query("format", {"type": "string", "enum": list(FORMATS)})), "application/octet-stream"),
    ("get", "/labels", "Sets of drawn labels", (), "application/json"),
    ("get", "/labels/{name}", "Drawn labels", (_path("name"),), "application/json"),
    ("put", "/labels/{name}", "Keep drawn labels", (_path("name"),), "application/json"),
    ("delete", "/labels/{name}", "Remove drawn labels", (_path("name"),), "application/json"),
    ("get", "/labels/{name}/download", "Drawn labels as a GeoPackage", (_path("name"),), "application/octet-stream"),
    ("get", "/sheets", "Answer sheets", (), "application/json"),
    ("post", "/sheets", "Keep an answer sheet", (), "application/json"),
    ("get", "/sheets/{sheet}", "Points and their answers", (_path("sheet"),), "application/json"),
    ("patch", "/sheets/{sheet}", "Answer points", (_path("sheet"),), "application/json"),
    ("delete", "/sheets/{sheet}", "Remove an answer sheet", (_path("sheet"),), "application/json"),
    ("get", "/sheets/{sheet}/download", "The sheet with its answers", (
        _path("sheet"), _query("format", {"type": "string", "enum": ["csv", "gpkg"]})), "application/octet-stream"),
    ("get", "/jobs/{job}/report", "Accuracies and areas of an assess job", (_JOB,), "application/json"),
    ("get", "/stac", "The STAC catalogue", (), "application/json"),
    ("get", "/collections", "STAC collections", (), "application/json"),
    ("get", "/collections/{collection}", "A STAC collection", (_path("collection"),), "application/json"),
    ("get", "/collections/{collection}/items", "STAC items", (
        _path("collection"), _BOX, _LIMIT, _query("offset", _WHOLE)), "application/geo+json"),
    ("get", "/collections/{collection}/items/{item}", "A STAC item", (
        _path("collection"), _path("item")), "application/geo+json"),
)  # fmt: skip
_PROBLEM = {
    "description": "A refusal (RFC 7807)",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/problem"}}},
}


def document(version: str) -> dict[str, Any]:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for method, path, summary, parameters, media in _OPERATIONS:
        paths.setdefault(path, {})[method] = _operation(method, path, summary, parameters, media)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "isamap",
            "description": "Maps of impervious surface and land cover, and the jobs that make them.",
            "version": version,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def page(version: str) -> str:
    """The operations as one HTML page."""
    rows = "".join(
        f"<tr><td><code>{method.upper()}</code></td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(summary)}</td></tr>"
        for method, path, summary, _, _ in _OPERATIONS
    )
    processes = "".join(
        f"<h3>{html.escape(process.id)}</h3><p>{html.escape(process.description)}</p><dl>"
        + "".join(
            f"<dt><code>{html.escape(name)}</code></dt><dd>{html.escape(field['title'])}</dd>"
            for name, field in process.inputs.items()
        )
        + "</dl>"
        for process in PROCESSES.values()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>isamap: API</title>'
        '<meta name="viewport" content="width=device-width"></head><body><h1>The API of isamap</h1>'
        f'<p>Version {html.escape(version)}. For programs: <a href="/openapi.json">OpenAPI 3.0</a>.</p>'
        "<table><caption>Requests</caption><tr><th>Method</th><th>Path</th><th>Answer</th></tr>"
        f"{rows}</table><h2>Processes and their inputs</h2>{processes}</body></html>"
    )


def _operation(method: str, path: str, summary: str, parameters: tuple[Parameter, ...], media: str) -> dict[str, Any]:
    words = [word.strip("{}").split(".")[0].strip("{}") for word in path.split("/") if word]
    operation: dict[str, Any] = {
        "summary": summary,
        "operationId": "_".join((method, *words)) if words else method,
        "parameters": list(parameters),
        "responses": {
            "200": {"description": summary, "content": {media: {"schema": _reply(path, media)}}},
            "default": _PROBLEM,
        },
    }
    if path.endswith("/execution"):
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/statusInfo"}}}
        operation["responses"]["201"] = {"description": "The job waits", "content": content}
    if method in ("post", "patch", "put"):
        executes = path.startswith("/processes/")
        schema = {"$ref": "#/components/schemas/execute"} if executes else {"type": "object"}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _reply(path: str, media: str) -> dict[str, Any]:
    if path in ("/jobs/{job}", "/processes/{process}/execution"):
        return {"$ref": "#/components/schemas/statusInfo"}
    if "json" in media:
        return {"type": "object"}
    return {"type": "string"} if media.startswith("text/") else {"type": "string", "format": "binary"}


def _schemas() -> dict[str, Any]:
    inputs = {
        f"inputs_{process.id}": {
            "type": "object",
            "required": [name for name, field in process.inputs.items() if field.get("minOccurs", 1)],
            "properties": {name: {"title": f["title"]} | dict(f["schema"]) for name, f in process.inputs.items()},
            "additionalProperties": False,
        }
        for process in PROCESSES.values()
    }
    choices = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in inputs]}
    times = {name: {"type": "string", "format": "date-time"} for name in ("created", "started", "finished", "updated")}
    status = {
        "type": "object",
        "required": ["jobID", "status", "type"],
        "properties": {
            "jobID": _ID,
            "processID": _TEXT,
            "type": {"type": "string", "enum": ["process"]},
            "status": {"type": "string", "enum": list(STATES)},
            "message": _TEXT,
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            **times,
            "inputs": {"type": "object"},
            "mayDismiss": {"type": "boolean"},
            "links": {"type": "array", "items": {"type": "object"}},
        },
    }
    problem = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": _TEXT, "title": _TEXT, "status": _WHOLE, "detail": _TEXT},
    }
    execute = {"type": "object", "required": ["inputs"], "properties": {"inputs": choices}}
    return {**inputs, "execute": execute, "statusInfo": status, "problem": problem}
