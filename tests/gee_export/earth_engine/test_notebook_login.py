"""The first cell of a notebook: `connect` has the person log in where nobody is, then goes on by that login."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import ee
import pytest
from local_ee.testing.small import catalog

from isamap.gee_export.base import endpoint
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.session import connect
from local_ee import LocalEngine
from tests.support.raw_server import RawServer, reply
from tests.support.token_servers import nobody

pytestmark = pytest.mark.usefixtures("reconnected")


@pytest.fixture
def google(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalEngine]:
    """Earth Engine at another address; the login server gives tokens that it takes; nobody has logged in."""
    nobody(monkeypatch, tmp_path)
    monkeypatch.setattr(sessions, "users_own", lambda project: None)  # another test's `ee.Initialize`
    engine = LocalEngine(catalog(4, 4), tmp_path / "google").start()
    monkeypatch.setattr(endpoint, "STANDARD_URL", engine.origin)
    token = reply(200, {"access_token": engine.token, "expires_in": 3600, "token_type": "Bearer"})
    with RawServer(token) as server:
        for name in ("ee.oauth.TOKEN_URI", "google.oauth2.credentials._GOOGLE_OAUTH2_TOKEN_ENDPOINT"):
            monkeypatch.setattr(name, server.url)
        yield engine
    engine.stop()


def in_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


def on_colab(monkeypatch: pytest.MonkeyPatch, authenticate_user: Callable[[], None]) -> None:
    """A stand-in for google.colab, of which isamap and `ee` use `auth.authenticate_user` alone."""
    colab, auth = ModuleType("google.colab"), ModuleType("google.colab.auth")
    auth.authenticate_user, colab.auth = authenticate_user, auth
    monkeypatch.setitem(sys.modules, "google.colab", colab)
    monkeypatch.setitem(sys.modules, "google.colab.auth", auth)


@pytest.mark.long
def test_a_cell_of_colab_asks_once_and_goes_on_by_that_login(google, tmp_path, monkeypatch, capsys):
    """As there, the login is left as Application Default Credentials; Google's own `ee.Authenticate` calls it."""
    asked = []

    def authenticate_user() -> None:
        asked.append("colab")
        person = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "person"}
        file = tmp_path / "gcloud" / "application_default_credentials.json"
        file.parent.mkdir()
        file.write_text(json.dumps(person))

    in_a_kernel(monkeypatch)
    on_colab(monkeypatch, authenticate_user)
    for _ in range(2):
        with connect("my-project") as session:
            assert ee.Number(20).add(22).getInfo() == 42
            assert session.google_credentials().token == google.token
    assert asked == ["colab"] and capsys.readouterr().err.count("nobody is logged in to Earth Engine") == 1


def test_a_cell_of_jupyter_asks_and_goes_on_by_that_login(google, tmp_path, monkeypatch):
    asked = []

    def authenticate() -> None:
        """What it leaves when the person has brought the code from Google's page."""
        asked.append("jupyter")
        file = tmp_path / ".config" / "earthengine" / "credentials"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({"refresh_token": "person"}))

    in_a_kernel(monkeypatch)
    monkeypatch.setattr(ee, "Authenticate", authenticate)
    for _ in range(2):
        with connect("my-project"):
            assert ee.Number(20).add(22).getInfo() == 42
    assert asked == ["jupyter"]


def test_a_command_in_a_cell_cannot_ask(google, monkeypatch):
    """`!isamap map ...` is a process of its own, before which nobody sits."""
    on_colab(monkeypatch, lambda: pytest.fail("asked"))
    with pytest.raises(Fault, match=r"ee\.Authenticate\(\)` in a cell once"):
        connect("my-project")


def test_a_person_who_does_not_log_in_is_told_so(google, monkeypatch):
    in_a_kernel(monkeypatch)
    on_colab(monkeypatch, lambda: None)
    with pytest.raises(Fault, match=r"no Earth Engine login was found"):
        connect("my-project")
