"""The service as one ASGI application."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from inference.serve.cache import Cache
from inference.serve.door import Door
from inference.serve.downloads import Downloads
from inference.serve.gate import ROUTE, Gate
from inference.serve.imagery import Imagery
from inference.serve.library import Library
from inference.serve.map_routes import MapRoutes
from inference.serve.metrics import Metrics
from inference.serve.problem import Problem
from inference.serve.process_routes import ProcessRoutes
from inference.serve.rate import Rates
from inference.serve.settings import Settings
from inference.serve.site_routes import SiteRoutes
from inference.serve.stac_routes import StacRoutes


@dataclass(frozen=True)
class Service:
    """A service's parts over its folder, and the application that answers with them."""

    settings: Settings
    door: Door
    version: str = "unreleased"
    metrics: Metrics = field(default_factory=Metrics)

    def application(self) -> ASGIApp:
        """All routes behind the gate; the folder and the file of jobs are made where there are none."""
        settings, library = self.settings, Library(self.settings)
        settings.jobs.prepare()
        library.maps.prepare()
        downloads = Downloads(Cache(settings.folder / "downloads", settings.limits.cache_bytes))
        downloads.cache.sweep()
        imagery = Imagery(settings.server)
        parts = (
            SiteRoutes(library, imagery, self.metrics, self.version),
            ProcessRoutes(library, self.door),
            MapRoutes(library, imagery, downloads),
            StacRoutes(library),
        )
        routes: list[BaseRoute] = [_named(route) for part in parts for route in part.routes()]
        handlers = {Problem: _refused, HTTPException: _not_there}
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


async def _not_there(request: Request, error: Exception) -> Response:
    """Starlette's own refusals as problems: no such path (404), no such method on it (405)."""
    assert isinstance(error, HTTPException)
    details = {404: "There is no such address: GET /api lists them.", 405: "This address does not take this method."}
    return Problem(error.status_code, details.get(error.status_code, error.detail), headers=error.headers).response
