"""Connections: which server evaluates, and what a user of it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import ee
import numpy as np
import pytest
import requests
from affine import Affine
from google.cloud import storage
from google.oauth2.credentials import Credentials
from odc.geo.geobox import GeoBox

from gee_export.base.errors import Fault
from gee_export.earth_engine import check as checks
from gee_export.earth_engine import session as sessions
from gee_export.earth_engine.former_client import ClientState
from gee_export.earth_engine.session import Session, connect, current
from local_ee import LocalEngine, injector
from local_ee.catalog.folder import write_image
from local_ee.catalogs import WORLD_VERSION
from local_ee.faults import Faults
from tests.local_ee.support.small import catalog

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def small(reconnected, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with connect(catalog=catalog(8, 8), home=tmp_path_factory.mktemp("session")) as connected:
        yield connected


@pytest.fixture
def other_engine(tmp_path: Path) -> Iterator[LocalEngine]:
    """A server that no session of this process has made."""
    engine = LocalEngine(catalog(4, 4), tmp_path / "other").start()
    yield engine
    engine.stop()


@pytest.fixture(autouse=True)
def back(small: Session) -> Iterator[None]:
    yield
    small.activate()


def test_no_project_is_the_local_engine(small):
    assert (small.project, small.server, small.is_local) == ("local", "local-engine", True)
    assert ee.Image("SMALL/ONE").bandNames().getInfo() == ["B2", "B3", "VV"]
    assert current() is small


def test_a_client_that_is_connected_so_already_is_left_as_it_is(small, monkeypatch):
    """A run of a thousand tiles connects a thousand times."""
    monkeypatch.setattr(ee, "Initialize", None)
    small.activate()
    assert ee.Image("SMALL/ONE").bandNames().getInfo() == ["B2", "B3", "VV"]


def test_a_client_that_was_reset_or_led_elsewhere_is_led_back(small, other_engine):
    ee.Reset()
    small.activate()
    assert ClientState.now().url.startswith(small.url)
    ee.Initialize(credentials=Credentials(other_engine.token), project="local", url=other_engine.origin)
    small.activate()
    assert ClientState.now().url.startswith(small.url)


def test_an_equal_session_with_another_tag_changes_the_tag(small):
    replace(small, workload_tag="another").activate()
    assert ee.data.getWorkloadTag() == "another"


def test_only_the_world_is_simulated(small):
    assert not small.simulated
    assert replace(small, catalog="world").simulated
    assert not replace(small, catalog="world", server="earth-engine").simulated


def test_the_same_catalog_and_home_share_one_engine(tmp_path, small):
    images = tmp_path / "images"
    grid = GeoBox((4, 4), Affine(10, 0, 500000, 0, -10, 3400000), "EPSG:32650")
    write_image(images, "USGS/SRTMGL1_003/SRTMGL1_003", {"elevation": np.zeros((4, 4), "int16")}, grid)
    first = connect(catalog=images, home=tmp_path / "home")
    second = connect("local", catalog=str(images), home=tmp_path / "home")
    other = connect(catalog=images, home=tmp_path / "home2")
    assert first.url == second.url != other.url


def test_a_folder_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="absent"):
        connect(catalog=tmp_path / "absent", home=tmp_path)


def test_the_storage_client_needs_no_account_and_no_environment(small, monkeypatch):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    client = small.storage_client()
    client.create_bucket("mine").blob("a").upload_from_string(b"1")
    assert client.bucket("mine").blob("a").download_as_bytes() == b"1"


def test_other_clients_find_the_engine_by_the_environment(small):
    assert os.environ["STORAGE_EMULATOR_HOST"] == small.client_url
    theirs = storage.Client(project="local")
    assert theirs.create_bucket("theirs").exists()


def test_the_variable_is_taken_back_and_nobody_elses(small):
    small.close()
    assert os.environ.get("STORAGE_EMULATOR_HOST") != small.client_url
    os.environ["STORAGE_EMULATOR_HOST"] = "http://somewhere.else"
    small.close()
    assert os.environ.pop("STORAGE_EMULATOR_HOST") == "http://somewhere.else"


def bands_of_one() -> list[str]:
    """What the connected server has under an id of the small catalog; an error of others."""
    return ee.Image("SMALL/ONE").bandNames().getInfo()


def test_closing_leads_back_to_the_session_before(small, tmp_path):
    with connect(catalog=catalog(4, 4), home=tmp_path) as other:
        assert current() is other and other.url != small.url
    assert current() is small and bands_of_one() == ["B2", "B3", "VV"]
    assert os.environ["STORAGE_EMULATOR_HOST"] == small.client_url


def test_closing_leads_back_to_the_users_own_connection(small, tmp_path, other_engine, request):
    """As after `ee.Initialize` by the user: its server, credentials and tag."""
    request.addfinalizer(lambda: ee.data.setDefaultWorkloadTag(""))  # the client keeps it for all tests that follow
    own = Credentials(other_engine.token)
    ee.Initialize(credentials=own, project="mine", url=other_engine.origin)
    ee.data.setDefaultWorkloadTag("my-tag")
    with small.activate():
        assert ClientState.now().url == small.url
    state = ClientState.now()
    assert (state.url, state.project, state.tag) == (other_engine.origin, "mine", "my-tag")
    assert state.credentials is own and ee.Number(3).add(4).getInfo() == 7
    assert current() is None and "STORAGE_EMULATOR_HOST" not in os.environ


def test_an_equal_session_within_another_leaves_it_open(small):
    with replace(small).activate():
        pass
    assert bands_of_one() == ["B2", "B3", "VV"] and os.environ["STORAGE_EMULATOR_HOST"] == small.client_url


def test_connections_of_functions_within_a_session_are_left_with_it(small, other_engine, tmp_path):
    """Functions connect again and do not close: the user's own connection comes back with his session's end."""
    ee.Initialize(credentials=Credentials(other_engine.token), project="mine", url=other_engine.origin)
    with connect(catalog=catalog(4, 4), home=tmp_path) as session:
        replace(session).activate()
    assert ClientState.now().project == "mine"


def test_a_session_that_is_not_the_latest_closes_without_a_change(small, tmp_path):
    first = connect(catalog=catalog(4, 4), home=tmp_path / "first")
    second = connect(catalog=catalog(4, 4), home=tmp_path / "second")
    first.close()
    assert current() is second and ClientState.now().url == second.url
    second.close()
    assert current() is small


def test_a_connection_that_the_user_makes_within_a_session_stays(small, tmp_path, other_engine):
    with connect(catalog=catalog(4, 4), home=tmp_path):
        own = Credentials(other_engine.token)
        ee.Initialize(credentials=own, project="mine", url=other_engine.origin)
    assert ClientState.now().url == other_engine.origin


def test_a_former_connection_that_fails_is_a_notice_and_no_error(small, tmp_path, capsys, other_engine):
    """Asked once: whoever closes a session waits for no server that is gone."""
    ee.Initialize(credentials=Credentials(other_engine.token), project="mine", url=other_engine.origin)
    session = connect(catalog=catalog(4, 4), home=tmp_path)
    other_engine.stop()
    session.close()
    words = capsys.readouterr().err
    assert "the connection from before local-engine was not made again: Earth Engine as it was connected" in words
    assert "again in" not in words


def test_without_a_login_google_is_refused_with_the_remedy(small, monkeypatch, tmp_path):
    _no_account(monkeypatch, tmp_path)
    with pytest.raises(Fault, match="run `earthengine authenticate` once"):
        connect("my-project")
    assert "STORAGE_EMULATOR_HOST" not in os.environ


def test_the_engine_ends_with_its_process(tmp_path):
    program = (
        f"from gee_export.earth_engine.session import connect\nprint(connect(home={str(tmp_path)!r}).url, flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True
    )
    with pytest.raises(requests.ConnectionError):
        requests.get(done.stdout.strip(), timeout=5)


def test_importing_the_module_loads_neither_client_nor_engine():
    program = (
        "import sys, gee_export.earth_engine.session, local_ee, gee_export.earth_engine.check\n"
        "print([m for m in ('ee', 'google.cloud.storage', 'starlette', 'rasterio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_isamap_home_names_the_home(monkeypatch, tmp_path):
    from local_ee.home import default_home

    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path))
    assert default_home() == tmp_path
    monkeypatch.delenv("ISAMAP_HOME")
    assert default_home().name == "isamap"


def rows(report: checks.CheckReport) -> dict[str, bool | None]:
    return {row.name: row.ok for row in report.rows}


def test_everything_is_there_on_the_engine(small):
    small.storage_client().create_bucket("ready")
    report = checks.check_session(small, "ready")
    assert report.ok and set(rows(report).values()) == {True}, str(report)
    assert list(small.storage_client().list_blobs("ready")) == []
    assert ee.data.listAssets("projects/local/assets")["assets"] == []


def test_a_missing_bucket_is_told_with_the_command_that_makes_it(small):
    report = checks.check_session(small, "absent")
    assert rows(report)["bucket"] is False and rows(report)["bucket writes"] is None and not report.ok
    theirs = replace(small, server="earth-engine", project="p", home=None)
    assert "gcloud storage buckets create gs://absent" in checks._bucket_remedy(theirs, "absent")
    assert "The specified bucket does not exist." in str(report)


def test_a_far_bucket_is_a_note_and_no_failure(small):
    small.storage_client().create_bucket("far", location="EUROPE-WEST1")
    report = checks.check_session(small, "far")
    assert rows(report)["location"] is False and report.ok and "note" in str(report)


def test_without_a_login_the_rest_is_not_tested(small, monkeypatch, tmp_path):
    _no_account(monkeypatch, tmp_path)
    report = checks.check("my-project", "my-bucket")
    assert rows(report) == {
        "login": False,
        "Earth Engine": None,
        "assets": None,
        "bucket": None,
        "location": None,
        "bucket writes": None,
    }
    assert "earthengine authenticate" in str(report)


DENIED = (
    "me@example.com does not have storage.objects.create access to the Google Cloud Storage object. "
    "Permission 'storage.objects.create' denied on resource (or it may not exist)."
)


class Denying(BaseHTTPRequestHandler):
    """Cloud Storage's answers to somebody who may see a bucket and not write to it."""

    def do_GET(self) -> None:
        self._answer(200, {"name": "closed", "location": "US"})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(403, {"error": {"code": 403, "message": DENIED}})

    def _answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def test_denied_writes_are_told_in_the_servers_words_with_the_role_to_ask_for(small):
    server = HTTPServer(("127.0.0.1", 0), Denying)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        report = checks.check_session(replace(small, url=f"http://127.0.0.1:{server.server_port}"), "closed")
    finally:
        server.shutdown()
    assert rows(report)["bucket"] is True and rows(report)["bucket writes"] is False and not report.ok
    assert DENIED in str(report) and re.search(r"roles/storage\.objectUser", str(report))


def _no_account(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A machine where nobody has logged in."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    assert sessions.LOCAL == "local"


def test_a_session_may_ask_for_faults(tmp_path):
    rule = {"on": "value", "kind": "memory", "nth": 2}
    with connect(catalog=catalog(8, 8), home=tmp_path, faults=Faults.of(rule)):
        assert ee.Number(1).getInfo() == 1
        with pytest.raises(ee.EEException, match="User memory limit exceeded"):
            ee.Number(2).getInfo()
    assert [call["fault"] for call in injector.calls(tmp_path) if call["route"] == "value"] == [None, "memory"]


def test_both_forms_of_the_world_are_catalogs_and_no_folder_is(tmp_path):
    assert sessions.is_world("world") and sessions.is_world("world-subpixel")
    assert not sessions.is_world(tmp_path) and not sessions.is_world("World")


@pytest.mark.parametrize("catalog", ["world", "world-subpixel"])
def test_simulated_pixels_say_their_version(catalog):
    source = sessions.source_of("local-engine", catalog)
    assert source == {"server": "local-engine", "catalog": catalog, "world": WORLD_VERSION}


@pytest.mark.parametrize(("server", "catalog"), [("local-engine", "/data/world"), ("earth-engine", "earth-engine")])
def test_other_pixels_name_no_world(server, catalog):
    assert sessions.source_of(server, catalog) == {"server": server, "catalog": catalog.rpartition("/")[2]}
