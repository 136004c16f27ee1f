"""Who speaks to Google: which credentials are taken, with which scopes, and what is said where there are none."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import ee
import pytest
from google.oauth2.credentials import Credentials

from isamap.gee_export.base import login
from isamap.gee_export.base.errors import Fault
from tests.support.raw_server import HANG_UP, RawServer, reply
from tests.support.token_servers import EXPIRED, TOKEN, key_file, nobody, user_login


def fault_of(action) -> str:
    with pytest.raises(Fault) as caught:
        action()
    return str(caught.value)


def test_earth_engines_own_login_serves_cloud_storage_too(monkeypatch, tmp_path):
    """No second login: its scopes hold Cloud Storage, and the requests count for the project that was asked for."""
    with RawServer(TOKEN) as server:
        user_login(monkeypatch, tmp_path, server.url)
        credentials = login.stored_credentials("my-project")
    assert credentials.token == "fresh" and credentials.quota_project_id == "my-project"
    assert "https://www.googleapis.com/auth/devstorage.full_control" in credentials.scopes


def test_a_key_file_is_asked_with_the_scopes_of_both_services(monkeypatch, tmp_path):
    """Without scopes Google refuses a service account's key, and the client says that nobody is logged in."""
    nobody(monkeypatch, tmp_path)
    with RawServer(TOKEN) as server:
        key_file(monkeypatch, tmp_path, server.url)
        credentials = login.stored_credentials()
    assert credentials.token == "fresh" and set(credentials.scopes) == set(ee.oauth.SCOPES)
    assert login.identity(credentials) == "service account (robot@p.iam.gserviceaccount.com)"


def test_a_key_file_comes_before_the_login_of_the_machine(monkeypatch, tmp_path):
    with RawServer(TOKEN) as server:
        user_login(monkeypatch, tmp_path, server.url)
        key_file(monkeypatch, tmp_path, server.url)
        assert "robot@p" in login.identity(login.stored_credentials())


def test_a_machine_of_googles_cloud_is_itself(monkeypatch, tmp_path):
    nobody(monkeypatch, tmp_path)
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", False)
    head = b"HTTP/1.1 200 X\r\nMetadata-Flavor: Google\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
    body = json.dumps({
        "access_token": "machine", "expires_in": 3600, "token_type": "Bearer",
        "email": "vm@p.iam.gserviceaccount.com", "scopes": ["all"], "aliases": [],
    }).encode()  # fmt: skip
    with RawServer(head % (b"application/json", len(body), body)) as server:
        host = server.url.removeprefix("http://")
        monkeypatch.setenv("GCE_METADATA_IP", host)
        monkeypatch.setattr("google.auth.compute_engine._metadata._GCE_METADATA_HOST", host)
        assert login.stored_credentials().token == "machine"


def test_an_ended_login_is_not_called_a_missing_one(monkeypatch, tmp_path):
    """Logins by a notebook end after seven days (the client's docstring of ee.Authenticate)."""
    with RawServer(EXPIRED) as server:
        user_login(monkeypatch, tmp_path, server.url)
        words = fault_of(login.stored_credentials)
    assert "no longer accepts" in words and "earthengine authenticate --force" in words and "7 days" in words


def test_a_key_that_was_withdrawn_is_named(monkeypatch, tmp_path):
    nobody(monkeypatch, tmp_path)
    with RawServer(reply(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})) as server:
        file = key_file(monkeypatch, tmp_path, server.url)
        words = fault_of(login.stored_credentials)
    assert str(file) in words and "Invalid JWT Signature" in words and "unset the variable" in words


def test_a_key_file_that_is_not_there_is_named(monkeypatch, tmp_path):
    nobody(monkeypatch, tmp_path)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))
    assert "absent.json" in fault_of(login.stored_credentials)


def test_a_login_server_that_is_not_reached_is_no_missing_login(monkeypatch, tmp_path):
    with RawServer(HANG_UP) as server:
        user_login(monkeypatch, tmp_path, server.url)
        words = fault_of(login.stored_credentials)
    assert "login server was not reached" in words and "authenticate" not in words


def test_without_any_login_the_command_is_named(monkeypatch, tmp_path):
    nobody(monkeypatch, tmp_path)
    assert "run `earthengine authenticate` once" in fault_of(login.stored_credentials)


def test_a_command_in_a_cell_of_colab_is_told_what_the_cell_must_do(monkeypatch, tmp_path):
    """`!isamap map ...` is another process, in which Colab's own login cannot ask anybody."""
    nobody(monkeypatch, tmp_path)
    monkeypatch.setitem(sys.modules, "google.colab", SimpleNamespace())
    assert "ee.Authenticate()` in a cell" in fault_of(login.stored_credentials)


def test_only_a_notebooks_kernel_asks_the_person_before_it(monkeypatch):
    requests = []
    monkeypatch.setattr(ee, "Authenticate", lambda: requests.append(1))
    assert not login.notebook_login() and not requests
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert login.notebook_login() and requests == [1]


def test_no_token_is_part_of_an_identity():
    words = login.identity(Credentials("secret-token", refresh_token="secret-refresh"))
    assert words == "login of a user"
