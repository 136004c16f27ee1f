"""The engine's HTTP server: on 127.0.0.1 only, in a thread of the process that needs it, gone with that process."""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import uvicorn
from rasterio.errors import NotGeoreferencedWarning
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp

from local_ee.catalog import Catalog
from local_ee.catalogs import open_catalog
from local_ee.compiling import announce
from local_ee.errors import EngineFault
from local_ee.faults import Faults
from local_ee.home import Home, default_home, private_folder, write_secret, write_whole
from local_ee.idle import Rest
from local_ee.injector import Injector
from local_ee.leftovers import resident
from local_ee.limits import Limits
from local_ee.platform.machine import share_heaps
from local_ee.rest.application import Application
from local_ee.rest.bodies import BoundedBodies
from local_ee.rest.connections import BoundedConnection
from local_ee.rest.door import Door
from local_ee.rest.faulty import REPORT, FaultyHttp, connections
from local_ee.token import checked, client_url, credentials, fresh_token, usage

ADDRESS = "127.0.0.1"
START_SECONDS = 120.0  # a busy machine needs some; where the thread has ended, that is told at once
SWITCH_SECONDS = 0.001  # between two Python threads: a request that only computes numbers passes those of pixels sooner
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
        self.limits = limits or Limits.of_environment()
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
        """http://127.0.0.1:PORT/t/TOKEN, all that a client needs; EngineFault where the engine does not run."""
        return client_url(self.origin, self.token)

    @property
    def origin(self) -> str:
        """http://127.0.0.1:PORT, no secret, for clients that send the token as a header; EngineFault as for `url`."""
        if self._server is None:
            raise EngineFault("the local engine is not running: call start() first")
        return f"http://{ADDRESS}:{self._port}"

    @property
    def cpu_seconds(self) -> dict[str, float]:
        """Processor seconds by workload tag ("" without one) since the start; nothing before it."""
        return {} if self._app is None else self._app.usage.cpu_seconds

    @property
    def port(self) -> int:
        """The port it listens on; 0 before its start."""
        return self._port

    def start(self, port: int = 0) -> LocalEngine:
        """Serves on the port (0: any free one); OSError where it is taken or the home cannot be written."""
        if self._server is not None:
            return self
        announce()
        share_heaps()
        with ExitStack() as stack:
            _move_in(self.home, stack)
            listening = _listen(port)
            stack.callback(Rest().end)
            self._stay = stack.pop_all()
        self._port = listening.getsockname()[1]
        self._app = Application(self._catalog, self.home, self.limits, self._workers, self.injector)
        self._app.storage.expire()
        app, protocol = _wrapped(self._app.starlette, self.injector, self.token)
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            log_config=None,  # uvicorn's own would close the log handlers of the program that starts an engine
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
        self._stay.close()
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
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def serve(
    port: int = 0,
    catalog: str = "world",
    home: Path | None = None,
    *,
    faults: Faults | None = None,
    token: str | None = None,
    offline: bool = False,
) -> None:
    """Runs an engine until Ctrl-C, after printing its address and how clients connect to it; token as LocalEngine's.

    offline: the catalog of public archives fetches nothing.
    """
    sys.setswitchinterval(SWITCH_SECONDS)  # here and not in LocalEngine, which runs in other programs' processes too
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # of shapes that are drawn in pixels
    home = home or default_home()
    served = open_catalog(catalog, home=home, offline=offline)
    engine = LocalEngine(served, home, faults=faults, token=token).start(port)
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
    protocol: type[BoundedConnection] = BoundedConnection
    if injector is not None:
        protocol, opened = connections()
        app = FaultyHttp(app, injector, opened)
    # Pages of the web cannot reach the engine by pointing a name of theirs at this machine. Behind the door, because
    # strangers are kept no connection.
    trusted = TrustedHostMiddleware(app, allowed_hosts=[ADDRESS, "localhost"])
    return BoundedBodies(Door(trusted, token)), protocol


def _move_in(home: Home, stack: ExitStack) -> None:
    """Fault where the home cannot be written."""
    try:
        private_folder(home.engine)
        stack.enter_context(resident(home))
        write_whole(home.engine / "probe", b"")
    except OSError as error:
        remedy = "set ISAMAP_HOME to a folder that can be written"
        raise EngineFault(f"the local engine cannot write to {home.root} ({error.strerror}): {remedy}") from error


def _listen(port: int) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only on such sockets: 40 ms a request otherwise.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    # Connections of an engine that has just ended keep its port for a minute (TIME_WAIT).
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((ADDRESS, port))
    except OSError as error:
        listening.close()
        message = f"port {port} of {ADDRESS} cannot be used ({error.strerror}): choose another with --port"
        raise OSError(message) from error
    return listening
