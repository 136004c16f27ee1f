"""The `ee` client's connection of this process: led to a server for a while, and back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from local_ee import LocalEngine

GOOGLE = "https://earthengine.googleapis.com"


class Connection:
    """The client's state for one engine: made once, so that a test that returns to the engine asks it nothing."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._state: Any = None

    @contextmanager
    def active(self) -> Iterator[None]:
        """`ee` speaks to the engine inside the block; afterwards to what it spoke to before."""
        from ee import _state

        before, _state._state = _state._state, self._state
        try:
            if self._state is None:
                _initialise(self._engine)
                self._state = _state.get_state()
            yield
        finally:
            _state._state = before


def forget_algorithms() -> None:
    """Makes the client fetch the list of algorithms where it is connected next, unless it is connected already."""
    import ee

    if not ee.data.is_initialized():
        ee.Reset()


def _initialise(engine: LocalEngine) -> None:
    import ee
    from google.auth.credentials import AnonymousCredentials
    from google.oauth2.credentials import Credentials

    credentials = Credentials(engine.token) if engine.token else AnonymousCredentials()
    initialise = getattr(ee.Initialize, "direct", ee.Initialize)
    with without_network():
        initialise(credentials=credentials, project="local", url=engine.origin)


@contextmanager
def without_network() -> Iterator[None]:
    """The client does not fetch Google's list of deprecated data sets while it is initialised."""
    from ee import deprecation

    with mock.patch.object(deprecation, "_FetchDataCatalogStac", return_value={}):
        yield


Redirection = Callable[[dict[str, Any]], dict[str, Any]]


@contextmanager
def redirected(redirection: Redirection) -> Iterator[None]:
    """Inside the block ee.Initialize is called with what `redirection` makes of its arguments (by name)."""
    import ee

    direct = ee.Initialize

    def initialize(
        credentials: Any = "persistent",
        url: str | None = None,
        cloud_api_key: str | None = None,
        http_transport: Any = None,
        project: Any = None,
    ) -> None:
        options = {"credentials": credentials, "url": url, "cloud_api_key": cloud_api_key, "project": project}
        direct(**redirection({**options, "http_transport": http_transport}))

    initialize.direct = direct  # type: ignore[attr-defined]
    with mock.patch.object(ee, "Initialize", initialize):
        yield
