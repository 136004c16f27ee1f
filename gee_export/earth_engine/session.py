"""Which server evaluates the Earth Engine graphs: Google's, or the local engine; decided here and nowhere else.

The `ee` client keeps one connection per process: the latest `connect` wins for every thread. Closing a session leads
the client back to where it was before, be that another session or a connection that the user made by `ee.Initialize`.
"""

from __future__ import annotations

import atexit
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gee_export.base.errors import Fault, notice
from gee_export.base.retry import Patience
from gee_export.earth_engine.former_client import ClientState
from gee_export.earth_engine.workload_tag import set_tag

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import storage

    from local_ee import LocalEngine
    from local_ee.catalog import Catalog
    from local_ee.faults import Faults

LOCAL = "local"
HIGH_VOLUME_URL = "https://earthengine-highvolume.googleapis.com"  # guides/processing_environments
EMULATOR = "STORAGE_EMULATOR_HOST"
ONCE, BACK_S = Patience(attempts=1), 10.0  # whoever closes a session does not wait long for the server before it

_lock = threading.Lock()
_engines: dict[tuple[object, Path, Faults | None], LocalEngine] = {}
_current: Session | None = None
_open: list[Session] = []  # one of each server, the latest last: the first that was connected to it, not closed yet
_ours: ClientState | None = None  # the connection that the latest session made
_foreign: ClientState | None = None  # the user's own, of before the first of them


@dataclass(frozen=True)
class Session:
    """A connection. `server` is "earth-engine" or "local-engine"; `catalog` is "world", a folder, or "earth-engine"."""

    project: str
    server: str
    catalog: str
    url: str
    home: Path | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)  # a secret: of the local engine, for headers and never for files
    workload_tag: str | None = None

    @property
    def is_local(self) -> bool:
        return self.server == "local-engine"

    @property
    def simulated(self) -> bool:
        """True where pixels come from the simulated world."""
        return self.is_local and is_world(self.catalog)

    @property
    def client_url(self) -> str:
        """The address for clients that cannot be given the token: it lies in its path, so keep it out of files."""
        from local_ee.token import client_url

        return client_url(self.url, self.token)

    def storage_client(self) -> storage.Client:
        """A Cloud Storage client: of the engine's buckets (no account), or of Google's."""
        from google.cloud import storage

        if not self.is_local:
            return _google_storage(self.project)
        options = {"api_endpoint": self.url}
        return storage.Client(project=self.project, credentials=_credentials(self.token), client_options=options)

    def activate(self) -> Session:
        """Leads this process's `ee` client (back) to this server; Fault where the server refuses.

        Where the client is connected so already, the server is not asked again: a run of tiles connects for each.
        """
        _note_foreign()
        if self == _current and _is_ours():
            set_tag(self.workload_tag)
        else:
            self._connect()
        _open.append(_open.pop(_open.index(self)) if self in _open else self)
        return self

    def _connect(self, patience: Patience | None = None) -> None:
        """Connects `ee`; patience: other than usual."""
        global _current, _ours
        try:
            _initialise_locally(self, patience) if self.is_local else _initialise_google(self.project, patience)
            set_tag(self.workload_tag)
        finally:
            _ours = ClientState.now()  # where it fails, the client has let go of the former connection all the same
        _current = self

    def close(self) -> None:
        """Leads `ee` back to where it was before this session; where it was nowhere, it stays.

        Nothing happens where an equal session was there before and is open still, or `ee` has been connected elsewhere
        since. The engine runs on for others in this process and ends with it.
        """
        global _current
        if any(session == self and session is not self for session in _open):
            return
        _forget_emulator(self.client_url)
        was_latest = bool(_open) and _open[-1] is self
        if self in _open:
            _open.remove(self)
        if _current == self:
            _current = None
        if was_latest and _is_ours():
            _lead_back(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(
    project: str | None = None,
    *,
    catalog: str | Path | Catalog = "world",
    home: Path | None = None,
    faults: Faults | None = None,
    workload_tag: str | None = None,
) -> Session:
    """Initialises `ee` and says where it is connected to.

    workload_tag: what Google counts the computing of all requests under; "isamap" where neither it nor
    `ee.data.setDefaultWorkloadTag` has said another.

    No project (or "local"): an engine in this process over the catalog ("world", a folder of images, or a Catalog),
    started once for each catalog, home and plan of faults (docs/engine.md). Any other project: Google's servers,
    high-volume address. ValueError for a folder that is not there; Fault where Google refuses, with the remedy.
    """
    if project not in (None, "", LOCAL):
        session = Session(str(project), "earth-engine", "earth-engine", HIGH_VOLUME_URL, workload_tag=workload_tag)
        return session.activate()
    engine, name = _engine(catalog, Path(home) if home else None, faults)
    session = Session(LOCAL, "local-engine", name, engine.origin, engine.home.root, engine.token, workload_tag)
    return session.activate()


def current() -> Session | None:
    """The session that `ee` is connected to, or None."""
    return _current


def _note_foreign() -> None:
    """Remembers a connection that no session made, before it is left."""
    global _foreign
    state = ClientState.now()
    if state is not None and not state.is_same_connection(_ours):
        _foreign = state
        _open.clear()


def _is_ours() -> bool:
    """Whether `ee` is still where the latest session led it."""
    state = ClientState.now()
    return state is not None and state.is_same_connection(_ours)


def _lead_back(closed: Session) -> None:
    """Connects `ee` to the session that was open before, else as the user had; a notice where that fails."""
    from gee_export.earth_engine.handshake import initialise

    try:
        if _open:
            _open[-1]._connect(ONCE)
        elif _foreign is not None:
            server = urlsplit(_foreign.url or "").netloc
            subject = "Earth Engine as it was connected before"
            initialise(_foreign.restore, subject, server, patience=ONCE, limit_s=BACK_S)
    except Fault as error:
        notice(f"the connection from before {closed.server} was not made again: {error}")


def _initialise_locally(session: Session, patience: Patience | None) -> None:
    import ee

    from gee_export.earth_engine.handshake import LOCAL_PATIENCE, initialise

    def connect_client() -> None:
        ee.Initialize(credentials=_credentials(session.token), project=LOCAL, url=session.url)

    server = f"the local engine at {session.url}"
    initialise(connect_client, server, urlsplit(session.url).netloc, patience=patience or LOCAL_PATIENCE)
    # For clients that other code in this process makes; ours is given the address (Session.storage_client).
    os.environ[EMULATOR] = session.client_url


def _credentials(token: str) -> Credentials:
    """What sends the token with every request; nothing where there is none."""
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2 import credentials

    return credentials.Credentials(token) if token else AnonymousCredentials()


def _initialise_google(project: str, patience: Patience | None) -> None:
    import ee

    from gee_export.earth_engine.handshake import initialise

    for engine in _engines.values():
        _forget_emulator(engine.url)
    server = urlsplit(HIGH_VOLUME_URL).netloc
    subject = f"Earth Engine project {project!r}"
    initialise(lambda: ee.Initialize(project=project, url=HIGH_VOLUME_URL), subject, server, patience=patience)


def _google_storage(project: str) -> storage.Client:
    from google.auth.exceptions import DefaultCredentialsError
    from google.cloud import storage

    try:
        return storage.Client(project=project)
    except DefaultCredentialsError as error:
        raise Fault(
            "no Google login for Cloud Storage was found: run `gcloud auth application-default login` once, "
            "then the same command again"
        ) from error


def _forget_emulator(url: str) -> None:
    if os.environ.get(EMULATOR) == url:
        del os.environ[EMULATOR]


def _engine(catalog: str | Path | Catalog, home: Path | None, faults: Faults | None) -> tuple[LocalEngine, str]:
    from local_ee import LocalEngine
    from local_ee.catalogs import open_catalog
    from local_ee.home import default_home

    name = _name(catalog) if isinstance(catalog, str | Path) else type(catalog).__name__
    key = (
        name if isinstance(catalog, str | Path) else id(catalog),
        (home or default_home()).expanduser().absolute(),
        faults,
    )
    with _lock:
        if key not in _engines:
            opened = open_catalog(name) if isinstance(catalog, str | Path) else catalog
            _engines[key] = LocalEngine(opened, key[1], faults=faults).start()
            atexit.register(_engines[key].stop)
        return _engines[key], name


def is_world(catalog: str | Path) -> bool:
    """Whether a catalog is the simulated world, in one of its forms, and no folder."""
    from local_ee.catalogs import WORLDS

    return str(catalog) in WORLDS


def source_of(server: str, catalog: str | Path) -> dict[str, str]:
    """Where pixels come from, as what is made of them notes it: server, catalog, of the simulated world its version.

    A folder stands by its name, since bytes must not depend on the machine.
    """
    source = {"server": server, "catalog": Path(catalog).name}
    if server == "local-engine" and is_world(catalog):
        from local_ee.catalogs import WORLD_VERSION

        source["world"] = WORLD_VERSION
    return source


def _name(catalog: str | Path) -> str:
    return str(catalog) if is_world(catalog) else str(Path(catalog).expanduser().absolute())
