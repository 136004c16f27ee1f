"""The engine's HTTP server: on 127.0.0.1 only, in a thread of the process that needs it, gone with that process."""

from __future__ import annotations

import asyncio
import faulthandler
import json
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route as Path_
from starlette.types import ASGIApp

from local_ee.assets.store import AssetStore
from local_ee.assets.tasks import TaskStore
from local_ee.budget import TOO_DEEP, Budget
from local_ee.catalog import Catalog
from local_ee.catalog.stack import CatalogStack
from local_ee.catalogs import open_catalog
from local_ee.errors import EngineError, EngineFault
from local_ee.faults import Faults
from local_ee.home import Home, default_home, private_folder, write_secret, write_whole
from local_ee.injector import Injector
from local_ee.limits import Limits
from local_ee.rest import discovery
from local_ee.rest.asset_routes import AssetRoutes
from local_ee.rest.bodies import BoundedBodies, received
from local_ee.rest.connections import BoundedConnection
from local_ee.rest.door import BASE, Door
from local_ee.rest.faulty import REPORT, FaultyHttp, connections
from local_ee.rest.pixel_routes import ComputeApi
from local_ee.rest.task_routes import TaskRoutes
from local_ee.storage.buckets import PREFIXES, StorageApi
from local_ee.threads import Closed, DaemonThreads, join
from local_ee.token import checked, client_url, credentials, fresh_token, usage
from local_ee.wire import Call, FileSlice, Reply, Route

ADDRESS = "127.0.0.1"
VERSIONS = ("v1", "v1alpha")  # REST calls take their path from the discovery document, thumbnails and tiles use v1
STORAGE_THREADS = METADATA_THREADS = 16
PIECE = 1 << 20
SEND_AT_ONCE = 4 << 20
START_SECONDS = 30.0
STOP_SECONDS = 10.0  # after a signal; then the process ends, whatever still runs
KEEP_ALIVE_SECONDS = 600

log = logging.getLogger(__name__)


class LocalEngine:
    """An Earth Engine and a Cloud Storage over a catalog and a home folder.

    `with LocalEngine(catalog, home) as engine:` serves at engine.url until the block ends. Pixels are computed in as
    many threads as there are processors; values, metadata and storage have threads of their own and never wait for
    pixels. A computation ends at its deadline, at its memory limit and when its client is gone (Limits). With
    `faults` (an empty plan will do) every call is logged, in engine.injector, at GET /faults and in the home's
    engine/calls.jsonl.

    Requests need the token (docs/engine.md, What the engine trusts): by default that of ISAMAP_ENGINE_TOKEN, or a
    random one; an empty one lets every program of this machine in.
    """

    def __init__(
        self,
        catalog: Catalog,
        home: Path,
        *,
        limits: Limits | None = None,
        workers: int | None = None,
        faults: Faults | None = None,
        token: str | None = None,
    ) -> None:
        self.home = Home(Path(home))
        self.token = fresh_token() if token is None else checked(token)
        self.limits = limits or Limits()
        self.injector = Injector(faults, self.home.engine) if faults is not None else None
        self._catalog = catalog
        self._workers = workers or os.cpu_count() or 1
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._app: Application | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT/t/TOKEN, all that a client needs; EngineFault where the engine does not run."""
        return client_url(self.origin, self.token)

    @property
    def origin(self) -> str:
        """http://127.0.0.1:PORT, no secret, for clients that send the token as a header; EngineFault as for `url`."""
        if self._server is None:
            raise EngineFault("the local engine is not running: call start() first")
        return f"http://{ADDRESS}:{self._port}"

    @property
    def port(self) -> int:
        """The port it listens on; 0 before its start."""
        return self._port

    def start(self, port: int = 0) -> LocalEngine:
        """Serves on the port (0: any free one); OSError where it is taken or the home cannot be written."""
        if self._server is not None:
            return self
        _writable(self.home)
        listening = _listen(port)
        self._port = listening.getsockname()[1]
        self._app = Application(self._catalog, self.home, self.limits, self._workers, self.injector)
        self._app.storage.expire()
        app, protocol = _wrapped(self._app.starlette, self.injector, self.token)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            proxy_headers=False,  # no program of this machine may say that it is another
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=2,
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
        self._server = self._thread = self._app = None

    def _wait_until_started(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while self._server is not None and not self._server.started:
            if time.monotonic() > deadline or self._thread is None or not self._thread.is_alive():
                raise EngineFault(f"the local engine did not start within {START_SECONDS:.0f} s")
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
        self._budgets: set[Budget] = set()  # of the requests under way; only the event loop's thread changes it
        self._closing = False
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
            return _response(await self._in_thread(route, lambda: _answered(route, call, request)))
        self._limits.check_concurrency(len(self._budgets))
        turns = self._turns if route.lane == "values" else None
        budget = Budget(self._limits.computation_seconds, self._limits.memory_bytes, turns)
        self._budgets.add(budget)
        gone = asyncio.ensure_future(_cancelled_when_gone(request, budget))
        try:
            return _response(await self._in_thread(route, lambda: _computed(route, call, request, budget)))
        finally:
            gone.cancel()
            self._budgets.discard(budget)

    async def _in_thread(self, route: Route, answer: Callable[[], Reply]) -> Reply:
        stopping = Reply.error(503, "The local engine is stopping.")
        try:
            reply = await asyncio.get_running_loop().run_in_executor(self._lanes[route.lane], answer)
        except (asyncio.CancelledError, Closed):
            return stopping
        return stopping if self._closing and reply.status == 499 else reply

    async def _to_storage(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        try:
            async with received(request, self._home.uploads) as (body, spooled):
                call = _call(request, body, spooled)
                return _response(
                    await loop.run_in_executor(self._storage_threads, _storage_answered, self.storage, call)
                )
        except ClientDisconnect:
            return Response(status_code=400)
        except OSError as error:  # of the spool; those of the store are answered where they are raised
            log.exception("%s", request.method)
            return _response(_files_unusable(error))


def serve(
    port: int = 0,
    catalog: str = "world",
    home: Path | None = None,
    *,
    faults: Faults | None = None,
    token: str | None = None,
) -> None:
    """Runs an engine until Ctrl-C, after printing its address and how clients connect to it; token as LocalEngine's."""
    engine = LocalEngine(open_catalog(catalog), home or default_home(), faults=faults, token=token).start(port)
    file = engine.home.credentials(engine.port)
    try:
        write_secret(file, json.dumps(credentials(engine.url)).encode())
        print(f"local Earth Engine at {engine.url} (catalog {catalog}, files in {engine.home.root}); Ctrl-C ends it")
        if faults is not None:
            print(f"  faults on demand: {len(faults.rules)} rules; what was struck is told at {engine.url}{REPORT}")
        print("\n".join(f"  {line}" for line in usage(engine.origin, engine.token, file)), flush=True)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:  # a command line may have its own exit code for it
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        threading.Event().wait()
    except KeyboardInterrupt:
        print("stopped", flush=True)
    finally:
        file.unlink(missing_ok=True)
        with open(os.devnull, "w") as nowhere:
            faulthandler.dump_traceback_later(STOP_SECONDS, exit=True, file=nowhere)  # also where a library hangs
            engine.stop()
            faulthandler.cancel_dump_traceback_later()


def _worth_saying(record: logging.LogRecord) -> bool:
    """Not that a request was cut off at the end: who ends the engine (Ctrl-C) wants that."""
    return "graceful shutdown" not in record.getMessage()


def _wrapped(app: ASGIApp, injector: Injector | None, token: str) -> tuple[ASGIApp, type[BoundedConnection]]:
    """The application behind its door, and uvicorn's protocol; faulty ones where faults are asked for."""
    protocol = BoundedConnection
    if injector is not None:
        protocol, opened = connections()
        app = FaultyHttp(app, injector, opened)
    # Pages of the web cannot reach the engine by pointing a name of theirs at this machine. Behind the door, because
    # strangers are kept no connection.
    trusted = TrustedHostMiddleware(app, allowed_hosts=[ADDRESS, "localhost"])
    return BoundedBodies(Door(trusted, token)), protocol


async def _cancelled_when_gone(request: Request, budget: Budget) -> None:
    """Ends the computation of a request whose client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    budget.cancel()


def _computed(route: Route, call: Call, request: Request, budget: Budget) -> Reply:
    try:
        with budget.running():
            return _answered(route, call, request)
    except EngineError as error:  # of a request that ended before it began
        return Reply.error(error.status, str(error), error.reason)


def _answered(route: Route, call: Call, request: Request) -> Reply:
    """The reply, faults included: as 400 and never 500, since the same request would fail again for minutes."""
    try:
        return route.answer(call, dict(request.path_params))
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


def _storage_answered(storage: StorageApi, call: Call) -> Reply:
    try:
        return storage.answer(call)
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
    path = request.scope.get("raw_path") or request.url.path.encode()
    headers = {key.lower(): value for key, value in request.headers.items()}
    base = request.scope.get(BASE, "")
    return Call(request.method, path.decode("latin-1"), dict(request.query_params), headers, body, spooled, base)


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


def _writable(home: Home) -> None:
    try:
        private_folder(home.engine)
        write_whole(home.engine / "probe", b"")
    except OSError as error:
        remedy = "set ISAMAP_HOME to a folder that can be written"
        raise EngineFault(f"the local engine cannot write to {home.root} ({error.strerror}): {remedy}") from error


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
