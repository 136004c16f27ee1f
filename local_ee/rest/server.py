"""The engine's HTTP server: on 127.0.0.1 only, in a thread of the process that needs it, gone with that process."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn
from gee_export.base.errors import Fault
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path_
from starlette.types import ASGIApp

from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import TaskStore
from local_ee.catalog import Catalog
from local_ee.catalog.stack import CatalogStack
from local_ee.catalogs import open_catalog
from local_ee.errors import EngineError
from local_ee.faults import Faults
from local_ee.home import Home, default_home, temporary_beside, write_whole
from local_ee.injector import Injector
from local_ee.leftovers import resident
from local_ee.limits import Limits
from local_ee.rest import discovery
from local_ee.rest.asset_routes import AssetRoutes
from local_ee.rest.faulty import REPORT, FaultyHttp, connections
from local_ee.rest.pixel_routes import ComputeApi
from local_ee.rest.task_routes import TaskRoutes
from local_ee.storage.buckets import PREFIXES, StorageApi
from local_ee.threads import Closed, DaemonThreads
from local_ee.wire import Call, FileSlice, Reply, Route

ADDRESS = "127.0.0.1"
VERSIONS = ("v1", "v1alpha")  # REST calls take their path from the discovery document, thumbnails and tiles use v1
IO_THREADS = 16
PIECE = 1 << 20
SEND_AT_ONCE = 4 << 20
START_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 600

log = logging.getLogger(__name__)


class LocalEngine:
    """An Earth Engine and a Cloud Storage over a catalog and a home folder.

    `with LocalEngine(catalog, home) as engine:` serves at engine.url until the block ends; pixel work runs in as
    many threads as there are processors, so that small requests are answered meanwhile. With `faults` (an empty plan
    will do) every call is logged, in engine.injector, at GET /faults and in the home's engine/calls.jsonl.
    """

    def __init__(
        self,
        catalog: Catalog,
        home: Path,
        *,
        limits: Limits | None = None,
        workers: int | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.home = Home(Path(home))
        self.limits = limits or Limits()
        self.injector = Injector(faults, self.home.engine) if faults is not None else None
        self._catalog = catalog
        self._workers = workers or os.cpu_count() or 1
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._app: Application | None = None
        self._port = 0
        self._stay = ExitStack()  # in the home

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT; Fault where the engine does not run."""
        if self._server is None:
            raise Fault("the local engine is not running: call start() first")
        return f"http://{ADDRESS}:{self._port}"

    def start(self, port: int = 0) -> LocalEngine:
        """Serves on the port (0: any free one); OSError where it is taken, Fault where the home cannot be written."""
        if self._server is not None:
            return self
        with ExitStack() as stack:
            _move_in(self.home, stack)
            listening = _listen(port)
            self._stay = stack.pop_all()
        self._port = listening.getsockname()[1]
        self._app = Application(self._catalog, self.home, self.limits, self._workers, self.injector)
        self._app.storage.expire()
        app, protocol = _wrapped(self._app.starlette, self.injector)
        config = uvicorn.Config(
            app,
            http=protocol,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=5,
        )
        logging.getLogger("uvicorn.error").addFilter(_worth_saying)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="isamap-engine", daemon=True
        )
        self._thread.start()
        self._wait_until_started()
        return self

    def stop(self) -> None:
        """Ends the server and its threads; what was under way is recorded as failed."""
        if self._server is None or self._thread is None or self._app is None:
            return
        self._server.should_exit = True
        self._app.close()  # first, so that requests waiting for a thread are answered and not waited for
        self._thread.join(timeout=10)
        self._stay.close()
        self._server = self._thread = self._app = None

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._server is not None and not self._server.started:
            if time.monotonic() > deadline or self._thread is None or not self._thread.is_alive():
                raise Fault(f"the local engine did not start within {START_SECONDS:.0f} s")
            time.sleep(0.005)

    def __enter__(self) -> LocalEngine:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Application:
    """The routes of one engine, and the threads that answer them."""

    def __init__(
        self, catalog: Catalog, home: Home, limits: Limits, workers: int, injector: Injector | None = None
    ) -> None:
        self._home = home
        self._limits = limits
        self._computing = 0  # requests under way; only the event loop's thread touches it
        self._pixel_threads = DaemonThreads(workers, "isamap-pixels")
        self._io_threads = DaemonThreads(IO_THREADS, "isamap-io")
        self.storage = StorageApi(home, injector.visible if injector else None)
        assets = AssetStore(home)
        stack = CatalogStack([assets, catalog])
        compute = ComputeApi(stack, limits)
        self._tasks = TaskStore(home, limits)
        tasks = TaskRoutes(
            self._tasks,
            assets,
            self.storage.store,
            evaluate_image=compute.evaluate_image,
            threads=self._pixel_threads,
            injector=injector,
        )
        routes = [Path_("/$discovery/rest", _discovery, methods=["GET"])]
        for route in (*compute.routes, *tasks.routes, *AssetRoutes(assets, stack).routes):
            endpoint = self._endpoint(route)
            routes += [Path_(f"/{version}/{route.path}", endpoint, methods=[route.method]) for version in VERSIONS]
        every_method = ["GET", "POST", "PUT", "PATCH", "DELETE"]
        routes += [Path_(f"/{first}/{{rest:path}}", self._to_storage, methods=every_method) for first in PREFIXES]
        routes.append(Path_("/{rest:path}", _not_found, methods=every_method))
        # Pages of the web cannot reach the engine by pointing a name of theirs at this machine.
        trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[ADDRESS, "localhost"])
        self.starlette = Starlette(routes=routes, middleware=[trusted])

    def close(self) -> None:
        """Ends the threads; what waits in them is dropped."""
        self._tasks.close()
        self._pixel_threads.shutdown()
        self._io_threads.shutdown()

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
        if not route.computes:
            return _response(await self._in_thread(self._io_threads, route, call, request))
        self._limits.check_concurrency(self._computing)
        self._computing += 1
        try:
            return _response(await self._in_thread(self._pixel_threads, route, call, request))
        finally:
            self._computing -= 1

    async def _in_thread(self, threads: Executor, route: Route, call: Call, request: Request) -> Reply:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(threads, _answered, route, call, dict(request.path_params))
        except (asyncio.CancelledError, Closed):
            return Reply.error(503, "The local engine is stopping.")

    async def _to_storage(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        spooled = None
        try:
            if request.method == "PUT":
                spooled = await self._spool(request)
                call = _call(request, b"", spooled)
            else:
                call = _call(request, await request.body())
            return _response(await loop.run_in_executor(self._io_threads, _storage_answered, self.storage, call))
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            if spooled is not None:
                spooled.unlink(missing_ok=True)

    async def _spool(self, request: Request) -> Path:
        """The request's body in a file, whatever its size."""
        path = temporary_beside(self._home.uploads / "body")
        try:
            with path.open("wb") as file:
                async for piece in request.stream():
                    file.write(piece)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path


def serve(port: int = 0, catalog: str = "world", home: Path | None = None, *, faults: Faults | None = None) -> None:
    """Runs an engine until Ctrl-C, after printing its address and how clients connect to it."""
    engine = LocalEngine(open_catalog(catalog), home or default_home(), faults=faults).start(port)
    print(f"local Earth Engine at {engine.url} (catalog {catalog}, files in {engine.home.root}); Ctrl-C ends it")
    if faults is not None:
        print(f"  faults on demand: {len(faults.rules)} rules; what was struck is told at {engine.url}{REPORT}")
    print(
        "  from google.auth.credentials import AnonymousCredentials\n"
        f"  ee.Initialize(credentials=AnonymousCredentials(), project='local', url='{engine.url}')\n"
        f"  STORAGE_EMULATOR_HOST={engine.url}    (for google-cloud-storage)",
        flush=True,
    )
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped")
    finally:
        engine.stop()


def _worth_saying(record: logging.LogRecord) -> bool:
    """Not that a request was cut off at the end: who ends the engine (Ctrl-C) wants that."""
    return "graceful shutdown" not in record.getMessage()


def _wrapped(app: ASGIApp, injector: Injector | None) -> tuple[ASGIApp, Any]:
    """The application and uvicorn's protocol, faulty ones where faults are asked for."""
    if injector is None:
        return app, "auto"
    protocol, opened = connections()
    return FaultyHttp(app, injector, opened), protocol


def _answered(route: Route, call: Call, params: dict[str, str]) -> Reply:
    """The reply, faults included: as 400 and never 500, since the same request would fail again for minutes."""
    try:
        return route.answer(call, params)
    except EngineError as error:
        return Reply.error(error.status, str(error), error.reason)
    except MemoryError:
        return Reply.error(400, "User memory limit exceeded.", "INVALID_ARGUMENT")
    except (ValueError, Fault) as error:
        log.debug("refused", exc_info=True)
        return Reply.error(400, str(error), "INVALID_ARGUMENT")
    except OSError as error:
        log.exception("%s %s", call.method, call.path)
        return Reply.error(400, f"The local engine cannot use its files: {error}", "FAILED_PRECONDITION")
    except Exception as error:
        log.exception("%s %s", call.method, call.path)
        return Reply.error(400, f"Internal error of the local engine: {type(error).__name__}: {error}", "INTERNAL")


def _storage_answered(storage: StorageApi, call: Call) -> Reply:
    try:
        return storage.answer(call)
    except OSError as error:
        log.exception("%s %s", call.method, call.path)
        return Reply.error(507, f"The local engine cannot use its files: {error}", reason="insufficientStorage")


async def _discovery(request: Request) -> Response:
    return _response(Reply.of(discovery.document(f"http://{request.headers['host']}")))


async def _not_found(request: Request) -> Response:
    message = f"The local engine has no method {request.method} {request.url.path}."
    return _response(Reply.error(404, message, "NOT_FOUND"))


def _call(request: Request, body: bytes, spooled: Path | None = None) -> Call:
    path = request.scope.get("raw_path") or request.url.path.encode()
    headers = {key.lower(): value for key, value in request.headers.items()}
    return Call(request.method, path.decode("latin-1"), dict(request.query_params), headers, body, spooled)


def _response(reply: Reply) -> Response:
    headers = dict(reply.headers)
    if isinstance(reply.body, FileSlice):
        return _file_response(reply.status, reply.body, headers)
    return Response(reply.body, reply.status, headers)


def _file_response(status: int, part: FileSlice, headers: dict[str, str]) -> Response:
    part.file.seek(part.start)
    if part.length <= SEND_AT_ONCE:
        with part.file:
            return Response(part.file.read(part.length), status, headers)
    headers["content-length"] = str(part.length)
    return StreamingResponse(_pieces(part), status, headers)


async def _pieces(part: FileSlice) -> AsyncIterator[bytes]:
    left = part.length
    with part.file:
        while left and (piece := part.file.read(min(PIECE, left))):
            left -= len(piece)
            yield piece


def _move_in(home: Home, stack: ExitStack) -> None:
    """Fault where the home cannot be written."""
    try:
        stack.enter_context(resident(home))
        write_whole(home.engine / "probe", b"")
    except OSError as error:
        remedy = "set ISAMAP_HOME to a folder that can be written"
        raise Fault(f"the local engine cannot write to {home.root} ({error.strerror}): {remedy}") from error


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only on such sockets: 40 ms a request otherwise.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
    except OSError as error:
        listening.close()
        message = f"port {port} of {ADDRESS} cannot be used ({error.strerror}): choose another with --port"
        raise OSError(message) from error
    return listening
