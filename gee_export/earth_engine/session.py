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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from isamap.gee_export.base import endpoint as endpoints
from isamap.gee_export.base import exchanges, login
from isamap.gee_export.base.endpoint import HIGH_VOLUME_URL
from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.offline import is_offline
from isamap.gee_export.base.project import LOCAL, check_project
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.earth_engine.archives import is_open, left_out_of, show_traffic
from isamap.gee_export.earth_engine.former_client import ClientState
from isamap.gee_export.earth_engine.workload_tag import set_tag

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.cloud import storage
    from local_ee.catalog import Catalog
    from local_ee.faults import Faults

    from isamap.gee_export.base.regions import BoundsWSEN, Period
    from local_ee import LocalEngine

__all__ = ["HIGH_VOLUME_URL", "LOCAL", "Session", "connect", "current", "is_world", "source_of"]
GOOGLE_HOSTS = ".googleapis.com"  # a user's own credentials for other servers are not for Google
EMULATOR = "STORAGE_EMULATOR_HOST"
ONCE, BACK_S = Patience(attempts=1), 10.0  # whoever closes a session does not wait long for the server before it

# Of the table of engines: two threads that connect at once must not start two engines over one home.
_lock = threading.Lock()
_engines: dict[tuple[object, Path, Faults | None, bool], LocalEngine] = {}
_catalogs: dict[str, Catalog] = {}  # of the engines of this process, by address
_current: Session | None = None
_open: list[Session] = []  # one of each server, the latest last: the first that was connected to it, not closed yet
_ours: ClientState | None = None  # the connection that the latest session made
_foreign: ClientState | None = None  # the user's own, of before the first of them


@dataclass(frozen=True)
class Session:
    """A connection. `server` is "earth-engine" or "local-engine".

    `catalog` is "world", "open" (the public archives), a folder, or "earth-engine".
    """

    project: str
    server: str
    catalog: str
    url: str
    home: Path | None = field(default=None, repr=False)
    token: str = field(default="", repr=False)  # a secret: of the local engine, for headers and never for files
    workload_tag: str | None = None
    credentials: Any = field(default=None, repr=False)  # the user's own; None for those that this machine has
    pixel_url: str = ""  # where pixels are asked for; empty: at `url`

    @property
    def is_local(self) -> bool:
        return self.server == "local-engine"

    @property
    def simulated(self) -> bool:
        """True where pixels come from the simulated world."""
        return self.is_local and is_world(self.catalog)

    @property
    def is_open(self) -> bool:
        """True where pixels come from the public archives."""
        return self.is_local and is_open(self.catalog)

    def left_out(self, collection: str, period: Period, bounds_wsen: BoundsWSEN) -> list[str]:
        """Scenes of a box and period that the public archives list and do not give, those known so far, with why."""
        return left_out_of(_catalogs.get(self.url), collection, period, bounds_wsen)

    @property
    def client_url(self) -> str:
        """The address for clients that cannot be given the token: it lies in its path, so keep it out of files."""
        from local_ee.token import client_url

        return client_url(self.url, self.token)

    def storage_client(self) -> storage.Client:
        """A Cloud Storage client: of the engine's buckets (no account), or of Google's, as who `ee` is."""
        from google.cloud import storage

        if self.is_local:
            options = {"api_endpoint": self.url}
            client = storage.Client(self.project, _credentials(self.token), client_options=options)
        else:
            client = storage.Client(project=self.project, credentials=self.google_credentials())
        exchanges.watch(client._http)
        return client

    def google_credentials(self) -> Any:
        """Who all requests of this session to Google come from: the user's own credentials, else the stored login."""
        if self.credentials is not None:
            return login.with_quota_project(self.credentials, self.project)
        state = ClientState.now()
        # The client's own object, so that a token that it has refreshed is not asked for a second time.
        if self == _current and state is not None and state.credentials is not None:
            return login.with_quota_project(state.credentials, self.project)
        return login.stored_credentials(self.project)

    def activate(self) -> Session:
        """Leads this process's `ee` client (back) to this server; Fault where the server refuses.

        Where the client is connected so already, the server is not asked again: a run of tiles connects for each.
        """
        _note_foreign()
        if self == _current and _is_ours():
            set_tag(self.workload_tag)
        else:
            self._connect()
        show_traffic(_catalogs.get(self.url))
        _open.append(_open.pop(_open.index(self)) if self in _open else self)
        return self

    def _connect(self, patience: Patience | None = None) -> None:
        """Connects `ee`; patience: other than usual."""
        global _current, _ours
        try:
            _initialise_locally(self, patience) if self.is_local else _initialise_google(self, patience)
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
        # Equal sessions share one connection: the inner of two blocks must not close what the outer one works with.
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
    credentials: Any = None,
    offline: bool = False,
) -> Session:
    """Initialises `ee` and says where it is connected to.

    workload_tag: what Google counts the computing of all requests under; "isamap" where neither it nor
    `ee.data.setDefaultWorkloadTag` has said another.

    No project (or "local"): an engine in this process over the catalog ("world", "open" for the free public archives,
    a folder of images, or a Catalog), started once for each catalog, home and plan of faults. offline: of "open", what
    was fetched before is read and nothing else. Any other project: Google's servers, at the addresses of base.endpoint.
    credentials: of google-auth, such as a service account's; without them those of the user's own
    `ee.Initialize`, else the stored login (base.login). ValueError for a folder that is not there, and for what cannot
    be a project; Fault where Google refuses, with the remedy.
    """
    offline = offline or is_offline()
    if project not in (None, "", LOCAL):
        if isinstance(catalog, str | Path) and is_open(catalog):
            raise ValueError(
                f"--catalog open and --project {project}: the archives need no project, leave one of them out"
            )
        if offline:
            raise ValueError(f"--offline and --project {project}: Google's servers are on the network, leave one out")
        check_project(project)
        return _of_google(str(project), workload_tag, credentials).activate()
    if credentials is not None:
        raise ValueError("credentials are for Google's servers: give a project, or leave them out")
    engine, name = _engine(catalog, Path(home) if home else None, faults, offline=offline)
    session = Session(LOCAL, "local-engine", name, engine.origin, engine.home.root, engine.token, workload_tag)
    return session.activate()


def _of_google(project: str, workload_tag: str | None, credentials: Any) -> Session:
    questions, pixels = endpoints.addresses(endpoints.chosen())
    return Session(
        project,
        "earth-engine",
        "earth-engine",
        questions,
        workload_tag=workload_tag,
        pixel_url=pixels,
        credentials=credentials if credentials is not None else users_own(project),
    )


def current() -> Session | None:
    """The session that `ee` is connected to, or None."""
    return _current


def _note_foreign() -> None:
    """Remembers a connection that no session made, before it is left."""
    global _foreign
    state = ClientState.now()
    if state is not None and not state.is_same_connection(_ours):
        _foreign = state
        # Sessions from before the user's own connection are no place to be led back to: it took their place.
        _open.clear()


def _is_ours() -> bool:
    """Whether `ee` is still where the latest session led it."""
    state = ClientState.now()
    return state is not None and state.is_same_connection(_ours)


def _lead_back(closed: Session) -> None:
    """Connects `ee` to the session that was open before, else as the user had; a notice where that fails."""
    from isamap.gee_export.earth_engine.handshake import initialise

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

    from isamap.gee_export.earth_engine.handshake import LOCAL_PATIENCE, initialise, without_googles_catalog

    def connect_client() -> None:
        with without_googles_catalog():
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


def _initialise_google(session: Session, patience: Patience | None) -> None:
    import ee

    from isamap.gee_export.earth_engine.handshake import initialise

    # Google's buckets are asked for now, and the variable would send every storage client to the local engine.
    for engine in _engines.values():
        _forget_emulator(engine.url)
    server = urlsplit(session.url).netloc
    subject = f"Earth Engine project {session.project!r}"

    def connect_client() -> None:
        ee.Initialize(credentials=_login(session), project=session.project, url=session.url)

    initialise(connect_client, subject, server, patience=patience)


def _login(session: Session) -> Any:
    """The session's credentials; in a notebook, where nobody is logged in, asked for."""
    if session.credentials is not None:
        return login.with_quota_project(session.credentials, session.project)
    try:
        return login.stored_credentials(session.project)
    except login.NoLogin:
        if not login.notebook_login():
            raise
    return login.stored_credentials(session.project)


def users_own(project: str) -> Any:
    """The credentials that the user gave for this project, or connected `ee` to Google with; None where there are none.

    Commands and functions connect again by the project's name alone, and are to stay whoever the user is.
    """
    state = ClientState.now()
    if state is not None and state.is_same_connection(_ours):
        if _current is not None and not _current.is_local and _current.project == project:
            return _current.credentials
        state = _foreign
    host = urlsplit(state.url or "").hostname or "" if state is not None else ""
    return state.credentials if state is not None and host.endswith(GOOGLE_HOSTS) else None


def _forget_emulator(url: str) -> None:
    if os.environ.get(EMULATOR) == url:
        del os.environ[EMULATOR]


def _engine(
    catalog: str | Path | Catalog, home: Path | None, faults: Faults | None, *, offline: bool
) -> tuple[LocalEngine, str]:
    from local_ee.catalogs import open_catalog
    from local_ee.home import default_home

    from local_ee import LocalEngine

    name = _name(catalog) if isinstance(catalog, str | Path) else type(catalog).__name__
    key = (
        # A Catalog object has no name; two of one class may hold different scenes.
        name if isinstance(catalog, str | Path) else id(catalog),
        (home or default_home()).expanduser().absolute(),
        faults,
        # Only the archives know "offline", so that other catalogs do not get a second engine by it.
        offline and isinstance(catalog, str | Path) and is_open(catalog),
    )
    with _lock:
        if key not in _engines:
            opened = open_catalog(name, home=key[1], offline=key[3]) if isinstance(catalog, str | Path) else catalog
            _engines[key] = LocalEngine(opened, key[1], faults=faults).start()
            # Stopped at the end of the process and not of a session: others may be connected to the same engine.
            atexit.register(_engines[key].stop)
            _catalogs[_engines[key].origin] = opened
        return _engines[key], name


def is_world(catalog: str | Path) -> bool:
    """Whether a catalog is the simulated world, in one of its forms, and no folder."""
    from local_ee import catalogs

    return catalogs.is_world(catalog)


def source_of(server: str, catalog: str | Path) -> dict[str, str]:
    """Where pixels come from, as what is made of them notes it: server, catalog, of the simulated world its version.

    A folder stands by its name, since bytes must not depend on the machine; with a slash where a catalog is called so.
    """
    source = {"server": server, "catalog": _portable(catalog)}
    if server == "local-engine" and is_world(catalog):
        from local_ee.catalogs import world_version

        source["world"] = world_version(catalog)
    return source


def _name(catalog: str | Path) -> str:
    return str(catalog) if _is_named(catalog) else str(Path(catalog).expanduser().absolute())


def _portable(catalog: str | Path) -> str:
    name = Path(catalog).name
    return f"{name}/" if _is_named(name) and not _is_named(catalog) else name


def _is_named(catalog: str | Path) -> bool:
    """Whether a catalog has a name of its own and is no path."""
    from local_ee.catalogs import NAMES

    return str(catalog) in NAMES
