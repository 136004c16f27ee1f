"""The service as one ASGI application."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from isamap.inference.serve.cache import Cache
from isamap.inference.serve.door import Door
from isamap.inference.serve.downloads import Downloads
from isamap.inference.serve.gate import FAILED, ROUTE, Gate
from isamap.inference.serve.imagery import MOST_BYTES as IMAGERY_BYTES
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.label_routes import LabelRoutes
from isamap.inference.serve.library import Library
from isamap.inference.serve.map_routes import MapRoutes
from isamap.inference.serve.metrics import Metrics
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.process_routes import ProcessRoutes
from isamap.inference.serve.rate import Rates
from isamap.inference.serve.settings import ServiceSettings
from isamap.inference.serve.site_routes import SiteRoutes
from isamap.inference.serve.stac_routes import StacRoutes


@dataclass(frozen=True)
class Service:
    """A service's parts over its folder, and the application that answers with them."""

    settings: ServiceSettings
    door: Door
    version: str = "unreleased"
    metrics: Metrics = field(default_factory=Metrics)

    @cached_property
    def imagery(self) -> ImageryTiles:
        """Pictures behind maps, which a server ends when it ends."""
        return ImageryTiles(self.settings.server, Cache(self.settings.folder / "imagery", IMAGERY_BYTES))

    def application(self) -> ASGIApp:
        """All routes behind the gate; the folder and the file of jobs are made where there are none."""
        settings, library = self.settings, Library(self.settings)
        settings.jobs.prepare()
        library.maps.prepare()
        downloads = Downloads(Cache(settings.folder / "downloads", settings.limits.cache_bytes))
        downloads.cache.sweep()
        imagery = self.imagery
        parts = (
            SiteRoutes(library, imagery, self.metrics, self.version, is_open=not self.door.tokens.tokens),
            ProcessRoutes(library, self.door, imagery),
            MapRoutes(library, imagery, downloads, self.door),
            LabelRoutes(library, self.door),
            StacRoutes(library),
        )
        routes: list[BaseRoute] = [_named(route) for routed in parts for route in routed.routes()]
        handlers = {Problem: _refused, HTTPException: _not_there, Exception: _failed}
        app = Starlette(routes=routes, exception_handlers=handlers)
        app.router.redirect_slashes = False
        limits = settings.limits
        rates = Rates(limits.requests_per_s, limits.burst, time.monotonic)
        return Gate(app, self.door, rates=rates, metrics=self.metrics, body_bytes=limits.body_bytes)


def _named(route: Route) -> Route:
    """The route, whose pattern is noted for the metrics."""
    answer, pattern = route.app, route.path

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        scope[ROUTE] = pattern
        await answer(scope, receive, send)

    route.app = noting
    return route


async def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response


async def _failed(request: Request, error: Exception) -> Response:
    """In place of Starlette's own words; the gate notes the error, which is raised on to it."""
    return FAILED.response


async def _not_there(request: Request, error: Exception) -> Response:
    """Starlette's own refusals as problems: no such path (404), no such method on it (405)."""
    assert isinstance(error, HTTPException)
    details = {404: "There is no such address: GET /api lists them.", 405: "This address does not take this method."}
    return Problem(error.status_code, details.get(error.status_code, error.detail), headers=error.headers).response
