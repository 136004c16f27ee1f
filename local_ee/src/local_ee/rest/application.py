"""The engine's web application: routes to answers, each in the pool of threads of its kind of work."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path_

from local_ee.assets.cloud_objects import CloudObjects
from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import TaskStore
from local_ee.budget import TOO_DEEP, Budget
from local_ee.catalog import Catalog
from local_ee.catalog.stack import CatalogStack
from local_ee.errors import EngineError, EngineFault
from local_ee.evaluation.profile import profiled
from local_ee.home import Home
from local_ee.injector import Injector
from local_ee.limits import Limits
from local_ee.rest import discovery
from local_ee.rest.animation_routes import AnimationRoutes
from local_ee.rest.asset_routes import AssetRoutes
from local_ee.rest.bodies import received
from local_ee.rest.classifier_routes import ClassifierRoutes
from local_ee.rest.door import BASE
from local_ee.rest.pixel_routes import ComputeApi
from local_ee.rest.table_routes import TableRoutes
from local_ee.rest.task_routes import TaskRoutes
from local_ee.storage.buckets import PREFIXES, StorageApi
from local_ee.storage.xml_uploads import is_xml_upload
from local_ee.threads import Closed, DaemonThreads, join
from local_ee.usage import CPU_HEADER, Usage, checked_tag
from local_ee.wire import Call, FileSlice, Reply, Route

VERSIONS = ("v1", "v1alpha")  # REST calls take their path from the discovery document, thumbnails and tiles use v1
STORAGE_THREADS = METADATA_THREADS = 16
PIECE = 1 << 20
SEND_AT_ONCE = 4 << 20

_PROFILE_WANTED, _PROFILE_HEADER = "x-earth-engine-computation-profiling", "x-earth-engine-computation-profile"

log = logging.getLogger(__name__)


class Application:
    """The routes of one engine, and the threads that answer them."""

    def __init__(
        self, catalog: Catalog, home: Home, limits: Limits, workers: int, injector: Injector | None = None
    ) -> None:
        self._home = home
        self._limits = limits
        self._budgets: set[Budget] = set()  # of the requests under way; only the event loop's thread changes it
        self._closing = False
        self.usage = Usage()
        self._turns = threading.BoundedSemaphore(workers)  # of values that read pixels: other values pass them
        self._pixel_threads = DaemonThreads(workers, "isamap-pixels")
        self._storage_threads = DaemonThreads(STORAGE_THREADS, "isamap-storage")
        self._lanes = {
            "pixels": self._pixel_threads,
            "values": DaemonThreads(limits.concurrent_requests, "isamap-values"),
            "metadata": DaemonThreads(METADATA_THREADS, "isamap-metadata"),
        }
        self.storage = StorageApi(home, injector.visible if injector else None)
        assets = AssetStore(home)
        stack = CatalogStack([assets, catalog, CloudObjects(self.storage.store)])
        compute = ComputeApi(stack, limits)
        self._tasks = TaskStore(home, limits, self.usage)
        tasks = TaskRoutes(
            self._tasks,
            assets,
            self.storage.store,
            evaluate_image=compute.evaluate_image,
            threads=self._pixel_threads,
            injector=injector,
        )
        routes = [Path_("/$discovery/rest", _discovery, methods=["GET"])]
        tables = TableRoutes(stack, assets, self.storage.store, compute.evaluate_table, tasks.submit)
        animations = AnimationRoutes(compute.evaluate_images, limits)
        classifiers = ClassifierRoutes(assets, compute.evaluate_classifier, tasks.submit)
        earth_engine = (compute, animations, tasks, tables, classifiers, AssetRoutes(assets, stack))
        for route in (route for group in earth_engine for route in group.routes):
            endpoint = self._endpoint(route)
            routes += [Path_(f"/{version}/{route.path}", endpoint, methods=[route.method]) for version in VERSIONS]
        every_method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        routes += [Path_(f"/{first}/{{rest:path}}", self._to_storage, methods=every_method) for first in PREFIXES]
        # Last: it takes every path that no route before it took.
        routes.append(Path_("/{rest:path}", self._elsewhere, methods=every_method))
        self.starlette = Starlette(routes=routes)

    def close(self) -> None:
        """Ends the threads; what waits in them is dropped, and what runs ends at its next check."""
        self._closing = True
        for budget in list(self._budgets):
            budget.cancel()
        self._tasks.close()
        join([*self._lanes.values(), self._storage_threads])

    def _endpoint(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                call = await self._earth_engine_call(request)
                return await self._run(route, call, request)
            except EngineError as error:
                return _response(Reply.error(error.status, str(error), error.reason))
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it

        return endpoint

    async def _earth_engine_call(self, request: Request) -> Call:
        body = bytearray()
        size = 0
        async for piece in request.stream():  # read to the end even when too large, so that the client hears why
            size += len(piece)
            if size <= self._limits.payload_bytes:
                body += piece
        self._limits.check_payload(size)
        return _call(request, bytes(body))

    async def _run(self, route: Route, call: Call, request: Request) -> Response:
        if route.lane == "metadata":
            return _response(await self._in_thread(route, lambda: answered(route, call, dict(request.path_params))))
        self._limits.check_concurrency(len(self._budgets))
        turns = self._turns if route.lane == "values" else None
        budget = Budget(self._limits.computation_seconds, self._limits.memory_bytes, turns)
        self._budgets.add(budget)
        gone = asyncio.ensure_future(_cancelled_when_gone(request, budget))
        try:
            return _response(await self._in_thread(route, lambda: self._computed(route, call, request, budget)))
        finally:
            gone.cancel()
            self._budgets.discard(budget)

    def _computed(self, route: Route, call: Call, request: Request, budget: Budget) -> Reply:
        """The reply with the processor time that it took, which counts for its workload tag."""
        try:
            tag = checked_tag({**call.query, **(call.json() if call.method == "POST" else {})})
            with budget.running(), _profiling(call) as profile:
                reply = answered(route, call, dict(request.path_params))
        except EngineError as error:  # of a request that ended before it began
            return Reply.error(error.status, str(error), error.reason)
        except ValueError as error:  # no JSON
            return Reply.error(400, str(error), "INVALID_ARGUMENT")
        self.usage.add(tag, budget.cpu_seconds)
        return replace(reply, headers={**reply.headers, **profile, CPU_HEADER: f"{budget.cpu_seconds:.6f}"})

    async def _in_thread(self, route: Route, answer: Callable[[], Reply]) -> Reply:
        stopping = Reply.error(503, "The local engine is stopping.")
        try:
            reply = await asyncio.get_running_loop().run_in_executor(self._lanes[route.lane], answer)
        except (asyncio.CancelledError, Closed):
            return stopping
        # What the engine's end has cut off is not what its client gave up.
        return stopping if self._closing and reply.status == 499 else reply

    async def _elsewhere(self, request: Request) -> Response:
        """Uploads in parts have the paths of their objects, which begin with a bucket."""
        xml = is_xml_upload(request.url.path, request.url.query)
        return await (self._answered_by(self.storage.answer_xml, request) if xml else _not_found(request))

    async def _to_storage(self, request: Request) -> Response:
        return await self._answered_by(self.storage.answer, request)

    async def _answered_by(self, answer: Callable[[Call], Reply], request: Request) -> Response:
        loop = asyncio.get_running_loop()
        try:
            async with received(request, self._home.uploads) as (body, spooled):
                call = _call(request, body, spooled)
                return _response(await loop.run_in_executor(self._storage_threads, _storage_answered, answer, call))
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as error:  # of the spool; those of the store are answered where they are raised
            log.exception("%s", request.method)
            return _response(_files_unusable(error))


@contextmanager
def _profiling(call: Call) -> Iterator[dict[str, str]]:
    """The header of the reply that names its profile, where the client asks for one."""
    if _PROFILE_WANTED not in call.headers:
        yield {}
        return
    with profiled() as profile_id:
        yield {_PROFILE_HEADER: profile_id}


async def _cancelled_when_gone(request: Request, budget: Budget) -> None:
    """Ends the computation of a request whose client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    budget.cancel()


def answered(route: Route, call: Call, params: dict[str, str]) -> Reply:
    """The reply, faults included: as 400 and never 500, since the same request would fail again for minutes."""
    try:
        return route.answer(call, params)
    except EngineError as error:
        return Reply.error(error.status, str(error), error.reason)
    except MemoryError:
        return Reply.error(400, "User memory limit exceeded.", "INVALID_ARGUMENT")
    except RecursionError:
        return Reply.error(400, TOO_DEEP, "INVALID_ARGUMENT")
    except (ValueError, EngineFault) as error:
        log.debug("refused", exc_info=True)
        return Reply.error(400, str(error), "INVALID_ARGUMENT")
    except OSError as error:
        log.exception("%s %s", call.method, call.path)
        return Reply.error(400, f"The local engine cannot use its files: {error}", "FAILED_PRECONDITION")
    except Exception as error:
        log.exception("%s %s", call.method, call.path)
        return Reply.error(400, f"Internal error of the local engine: {type(error).__name__}: {error}", "INTERNAL")


def _storage_answered(answer: Callable[[Call], Reply], call: Call) -> Reply:
    try:
        return answer(call)
    except OSError as error:
        log.exception("%s %s", call.method, call.path)
        return _files_unusable(error)


def _files_unusable(error: OSError) -> Reply:
    return Reply.error(507, f"The local engine cannot use its files: {error}", reason="insufficientStorage")


async def _discovery(request: Request) -> Response:
    return _response(Reply.of(discovery.document(f"http://{request.headers['host']}{request.scope.get(BASE, '')}")))


async def _not_found(request: Request) -> Response:
    message = f"The local engine has no method {request.method} {request.url.path}."
    return _response(Reply.error(404, message, "NOT_FOUND"))


def _call(request: Request, body: bytes, spooled: Path | None = None) -> Call:
    # Escaped as it was sent: a slash of an object's name is no slash of the path.
    path = request.scope.get("raw_path") or request.url.path.encode()
    headers = {key.lower(): value for key, value in request.headers.items()}
    base = request.scope.get(BASE, "")
    query = request.query_params
    pairs = tuple(query.multi_items())
    return Call(request.method, path.decode("latin-1"), dict(query), headers, body, spooled, base, pairs)


def _response(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if isinstance(reply.body, FileSlice):
        return _file_response(reply.status, reply.body, headers)
    return Response(reply.body, reply.status, headers)


def _file_response(status: int, file_slice: FileSlice, headers: dict[str, str]) -> Response:
    file_slice.file.seek(file_slice.start)
    # One message for what is small; of a large file only a piece is in memory.
    if file_slice.length <= SEND_AT_ONCE:
        with file_slice.file:
            return Response(file_slice.file.read(file_slice.length), status, headers)
    headers["content-length"] = str(file_slice.length)
    return StreamingResponse(_pieces(file_slice), status, headers)


async def _pieces(file_slice: FileSlice) -> AsyncIterator[bytes]:
    left = file_slice.length
    with file_slice.file:
        while left and (piece := file_slice.file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece
