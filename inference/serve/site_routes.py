"""Routes of the service itself: the page and its files, the API's description, health, metrics, regions, networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from isamap.gee_export.base import regions
from isamap.inference.serve import openapi, page_files
from isamap.inference.serve.answer import GEOJSON, answer_of, as_json, computed, whole, within
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.job import ACCEPTED, RUNNING
from isamap.inference.serve.library import Library
from isamap.inference.serve.metrics import MEDIA_TYPE, Metrics
from isamap.inference.serve.place import Place
from isamap.inference.serve.problem import Problem

# OGC 18-062r2, Annex A, and OGC 19-072, Annex A
_PROCESSES = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
CONFORMANCE = (
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/core",
    *(f"{_PROCESSES}/{name}" for name in ("core", "ogc-process-description", "json", "oas30", "job-list", "dismiss")),
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
)
MOST_REGIONS = 200
PATIENCE_S = 0.3  # a page without first answers asks for them itself


@dataclass(frozen=True)
class SiteRoutes:
    """version: of isamap. imagery: says whether pixels are simulated. is_open: nobody is asked for a token."""

    library: Library
    imagery: ImageryTiles
    metrics: Metrics
    version: str
    is_open: bool = False

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/", self.home),
            Route("/static/{name}", self.static),
            Route("/health", self.health),
            Route("/metrics", self.metrics_page),
            Route("/conformance", self.conformance),
            Route("/openapi.json", self.openapi),
            Route("/api", self.api),
            Route("/regions", self.regions),
            Route("/regions/{name}", self.region),
            Route("/checkpoints", self.checkpoints),
            Route("/datasets", self.datasets),
        ]

    async def home(self, request: Request) -> Response:
        """The page, or the landing document for who asks for JSON."""
        if "application/json" in request.headers.get("accept", ""):
            return as_json(landing())
        return page_files.document(await within(PATIENCE_S, _first_answers(request), {}) if self.is_open else {})

    async def static(self, request: Request) -> Response:
        name = request.path_params["name"]
        reply = page_files.file(name, request.headers)
        if reply is None:
            raise Problem(404, f"File {name[:50]!r} is not there.")
        return reply

    async def health(self, request: Request) -> Response:
        counts = await computed(self.library.settings.jobs.counts)
        jobs = {status: counts[status] for status in (ACCEPTED, RUNNING)}
        source, simulated = self.imagery.source, self.imagery.is_simulated
        return as_json(
            {"status": "ok", "version": self.version, "source": source, "simulated": simulated, "jobs": jobs}
        )

    async def metrics_page(self, request: Request) -> Response:
        counts = await computed(self.library.settings.jobs.counts)
        maps = await computed(self.library.maps.maps)
        return Response(self.metrics.text(counts, len(maps)), media_type=MEDIA_TYPE)

    async def conformance(self, request: Request) -> Response:
        return as_json({"conformsTo": list(CONFORMANCE)})

    async def openapi(self, request: Request) -> Response:
        return as_json(openapi.document(self.version), media="application/vnd.oai.openapi+json;version=3.0")

    async def api(self, request: Request) -> Response:
        return Response(openapi.page(self.version), media_type="text/html")

    async def regions(self, request: Request) -> Response:
        """Named regions whose name or title holds the words of `q`."""
        words, limit = request.query_params.get("q", "").strip().lower(), whole(request, "limit", 20, MOST_REGIONS)
        rows = [row for row in regions.described() if words in f"{row['name']} {row.get('title', '')}".lower()]
        rows.sort(key=lambda row: (not row["name"].startswith(words), row["name"]))
        return as_json({"regions": [_region(row) for row in rows[:limit]]})

    async def region(self, request: Request) -> Response:
        name = request.path_params["name"].lower()
        row = next((row for row in regions.described() if row["name"] == name), None)
        if row is None:
            raise Problem(404, f"Region {name[:50]!r} is not there: GET /regions lists them.")
        return as_json(await computed(_outline, row), media=GEOJSON)

    async def checkpoints(self, request: Request) -> Response:
        return as_json({"checkpoints": await computed(self.library.descriptions)})

    async def datasets(self, request: Request) -> Response:
        names = await computed(self.library.datasets)
        return as_json({"datasets": [{"name": name} for name in names]})


async def _first_answers(request: Request) -> dict[str, Any]:
    """What the page asks for before tiles of the latest map, by address; what is refused is left out."""
    answers = {path: await answer_of(request, path) for path in ("/health", "/maps")}
    maps = (answers["/maps"] or {"maps": []})["maps"]
    if maps:
        latest = f"/maps/{max(maps, key=lambda each: str(each['created']))['id']}"
        answers[latest] = await answer_of(request, latest)
    return {path: answer for path, answer in answers.items() if answer is not None}


def landing() -> dict[str, Any]:
    """landingPage of OGC API - Common, which is a STAC catalogue too."""
    links = [
        ("self", "/", "application/json", "This document"),
        ("root", "/", "application/json", "This document"),
        ("service-desc", "/openapi.json", "application/vnd.oai.openapi+json;version=3.0", "The API's description"),
        ("service-doc", "/api", "text/html", "The API for people"),
        ("http://www.opengis.net/def/rel/ogc/1.0/conformance", "/conformance", "application/json", "Conformance"),
        ("conformance", "/conformance", "application/json", "Conformance"),
        ("http://www.opengis.net/def/rel/ogc/1.0/processes", "/processes", "application/json", "Processes"),
        ("http://www.opengis.net/def/rel/ogc/1.0/job-list", "/jobs", "application/json", "Jobs"),
        ("data", "/collections", "application/json", "Collections of maps"),
    ]
    return {
        "type": "Catalog",
        "stac_version": "1.0.0",
        "id": "isamap",
        "title": "isamap",
        "description": "Maps of impervious surface and land cover, and the jobs that make them.",
        "conformsTo": list(CONFORMANCE),
        "links": [{"rel": rel, "href": href, "type": media, "title": title} for rel, href, media, title in links],
    }


def _region(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "title": row.get("title", row["name"]),
        "bbox": [round(side, 6) for side in row["bounds_wsen"]],
        "area_km2": round(Place(region=row["name"]).area_km2, 1),
    }


def _outline(row: dict[str, Any]) -> dict[str, Any]:
    import shapely

    geometry = shapely.geometry.mapping(Place(region=row["name"]).outline)
    return {"type": "Feature", "id": row["name"], "geometry": geometry, "properties": _region(row)}
