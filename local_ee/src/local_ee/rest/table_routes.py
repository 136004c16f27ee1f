"""The REST methods of tables: computed and stored features page by page, downloads, exports, ingestion.

Reference: https://developers.google.com/earth-engine/reference/rest/v1/projects.table and .../projects.assets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from local_ee.assets import table_exports, table_ingest
from local_ee.assets.store import AssetStore, canonical, missing
from local_ee.assets.tasks import Job, Progress, Submission
from local_ee.catalog.stack import CatalogStack
from local_ee.errors import EngineError
from local_ee.evaluation.features import Collection
from local_ee.rest.asset_routes import region_of
from local_ee.rest.pixel_routes import PLAIN_NAME, finite
from local_ee.rest.remembered import Remembered
from local_ee.rest.task_routes import submission_of
from local_ee.storage.objects import ObjectStore
from local_ee.table_formats import Row, format_of, packed, row_of, rows_of
from local_ee.wire import Call, Params, Reply, Route

# reference/rest/v1/projects.table/computeFeatures: 1000 results a page by default, and "may return fewer"
PAGE = 1000
CONDITION = re.compile(r'\s*"?([\w:.]+)"?\s*(>=|<=|!=|>|<|=)\s*(?:"([^"]*)"|(-?[\d.]+(?:[eE][+-]?\d+)?))\s*')
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": lambda own, value: own >= value,
    "<=": lambda own, value: own <= value,
    "!=": lambda own, value: own != value,
    ">": lambda own, value: own > value,
    "<": lambda own, value: own < value,
    "=": lambda own, value: own == value,
}


class TableRoutes:
    """Answers over the tables of the catalogs and over computed collections."""

    def __init__(
        self,
        catalog: CatalogStack,
        assets: AssetStore,
        buckets: ObjectStore,
        evaluate: Callable[[Any], Collection],
        submit: Callable[[Submission, Job], dict[str, Any]],
    ) -> None:
        self._catalog = catalog
        self._assets = assets
        self._buckets = buckets
        self._evaluate = evaluate
        self._submit = submit
        self._downloads = Remembered()

    @property
    def routes(self) -> tuple[Route, ...]:
        project = "projects/{project}"
        return (
            Route("POST", f"{project}/table:computeFeatures", self._compute, lane="values"),
            Route("GET", f"{project}/assets/{{asset:path}}:listFeatures", self._list, lane="values"),
            Route("POST", f"{project}/tables", self._create, lane="values"),
            Route("GET", f"{project}/tables/{{name}}:getFeatures", self._download, lane="values"),
            Route("POST", f"{project}/table:export", self._export),
            Route("POST", f"{project}/table:import", self._import),
        )

    def _compute(self, call: Call, params: Params) -> Reply:
        body = call.json()
        elements = self._evaluate(body.get("expression")).elements
        return _page(elements, body, row_of)

    def _list(self, call: Call, params: Params) -> Reply:
        asset_id = canonical(f"projects/{params['project']}/assets/{params['asset']}")
        if self._catalog.describe(asset_id) is None:
            raise missing(asset_id)
        if self._catalog.table(asset_id) is None:
            raise EngineError(f"Asset '{asset_id}' is not a table: its features cannot be listed.")
        passes = conditions(call.query.get("filter", ""))
        region = call.query.get("region")
        area = region_of(region) if region else None
        rows = [
            row
            for row in rows_of(self._evaluate(load_expression(asset_id)))
            if passes(row) and (area is None or (row.geometry is not None and row.geometry.intersects(area)))
        ]
        return _page(rows, call.query, lambda row: row)

    def _create(self, call: Call, params: Params) -> Reply:
        body = call.json()
        format_of(str(body.get("fileFormat") or "CSV"))
        self._evaluate(body.get("expression"))
        return self._downloads.name(f"projects/{params['project']}/tables", body)

    def _download(self, call: Call, params: Params) -> Reply:
        body = self._downloads.body(params["name"])
        table_format = format_of(str(body.get("fileFormat") or "CSV"))
        files = table_format.encode(rows_of(self._evaluate(body.get("expression"))), selectors_of(body))
        stem = str(body.get("filename") or "table")
        stem = stem if PLAIN_NAME.fullmatch(stem) else "table"
        content, ending = packed(files, stem)
        content_type = "application/zip" if ending == ".zip" else table_format.content_type
        disposition = f'attachment; filename="{stem}{ending}"'
        return Reply(200, content, {"content-type": content_type, "content-disposition": disposition})

    def _export(self, call: Call, params: Params) -> Reply:
        body = call.json()
        table_exports.check_destination(body)
        most, expression = table_exports.most_vertices(body), body.get("expression")
        write = self._to_bucket(body) if body.get("fileExportOptions") else self._to_asset(body)

        def job(progress: Progress) -> list[str]:
            collection = self._evaluate(expression)
            table_exports.check_vertices(collection, most)
            return write(collection, progress)

        return Reply.of(self._submit(submission_of(body, params, "EXPORT_FEATURES"), job))

    def _to_bucket(self, body: Mapping[str, Any]) -> Callable[[Collection, Progress], list[str]]:
        target, selectors = table_exports.file_target(body["fileExportOptions"]), selectors_of(body)
        return lambda collection, progress: table_exports.to_bucket(
            collection, target, selectors, self._buckets, progress
        )

    def _to_asset(self, body: Mapping[str, Any]) -> Callable[[Collection, Progress], list[str]]:
        destination = body["assetExportOptions"].get("earthEngineDestination") or {}
        name, overwrite = str(destination.get("name", "")), bool(destination.get("overwrite"))
        self._assets.check_target(name, "TABLE", overwrite=overwrite)
        return lambda collection, progress: table_exports.to_asset(
            collection, name, self._assets, overwrite=overwrite, progress=progress
        )

    def _import(self, call: Call, params: Params) -> Reply:
        body = call.json()
        overwrite = bool(body.get("overwrite"))
        manifest = table_ingest.parse(body.get("tableManifest") or {})
        manifest = replace(manifest, name=self._assets.check_target(manifest.name, "TABLE", overwrite=overwrite))

        def job(progress: Progress) -> list[str]:
            return table_ingest.ingest(manifest, self._assets, self._buckets, overwrite=overwrite, progress=progress)

        described = {"description": f'Ingest table: "{manifest.name}"', **body}
        return Reply.of(self._submit(submission_of(described, params, "INGEST_TABLE"), job))


def load_expression(table_id: str) -> dict[str, Any]:
    """The graph of ee.FeatureCollection(table_id)."""
    load = {"functionName": "Collection.loadTable", "arguments": {"tableId": {"constantValue": table_id}}}
    return {"result": "0", "values": {"0": {"functionInvocationValue": load}}}


def selectors_of(body: Mapping[str, Any]) -> list[str] | None:
    """The properties that a download or an export names, None where it names none."""
    selectors = body.get("selectors")
    if selectors is None or selectors == []:
        return None
    if not isinstance(selectors, list) or not all(isinstance(name, str) for name in selectors):
        raise EngineError(f"Invalid selectors {selectors!r}: expected a list of property names.")
    return selectors


def conditions(text: str) -> Callable[[Row], bool]:
    """Whether a row passes a filter of comparisons joined by AND (https://google.aip.dev/160); EngineError else."""
    checks: list[tuple[str, Callable[[Any, Any], bool], Any]] = []
    for condition in filter(None, re.split(r"\s+AND\s+", text)):
        match = CONDITION.fullmatch(condition)
        if match is None:
            raise EngineError(f"Unsupported condition of a filter: {condition}")
        name, sign, words, literal = match.groups()
        checks.append(
            (name.removeprefix("properties."), COMPARISONS[sign], words if literal is None else float(literal))
        )
    return lambda row: all(_holds(row.properties.get(name), compare, value) for name, compare, value in checks)


def _holds(own: Any, compare: Callable[[Any, Any], bool], value: Any) -> bool:
    return isinstance(own, str) is isinstance(value, str) and own is not None and compare(own, value)


def _page(elements: Sequence[Any], query: Mapping[str, Any], to_row: Callable[[Any], Row]) -> Reply:
    begin, size = _whole(query, "pageToken", 0), min(_whole(query, "pageSize", 0) or PAGE, PAGE)
    features = [finite(to_row(element).geojson()) for element in elements[begin : begin + size]]
    answer: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if begin + size < len(elements):
        answer["nextPageToken"] = str(begin + size)
    return Reply.of(answer)


def _whole(query: Mapping[str, Any], name: str, default: int) -> int:
    text = str(query.get(name) or default)
    if not re.fullmatch(r"\d{1,12}", text):
        raise EngineError(f"Invalid {name} '{text}'.")
    return int(text)
