"""Connections: which server evaluates, and what a user of it needs."""

from __future__ import annotations

import hashlib
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
from google.auth.exceptions import RefreshError
from google.cloud import storage
from google.oauth2.credentials import Credentials
from local_ee.catalog.folder import write_image
from local_ee.catalogs import WORLD_VERSION
from local_ee.testing.small import catalog
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import endpoint, offline
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import archives
from isamap.gee_export.earth_engine import check as checks
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.former_client import ClientState
from isamap.gee_export.earth_engine.session import Session, connect, current
from local_ee import LocalEngine
from tests.support.token_servers import nobody

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
    another = connect(catalog=images, home=tmp_path / "home2")
    assert first.url == second.url != another.url


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
    with connect(catalog=catalog(4, 4), home=tmp_path) as second:
        assert current() is second and second.url != small.url
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
    nobody(monkeypatch, tmp_path)
    with pytest.raises(Fault, match="run `earthengine authenticate` once"):
        connect("my-project")
    assert "STORAGE_EMULATOR_HOST" not in os.environ


@pytest.mark.long
def test_the_engine_ends_with_its_process(tmp_path):
    program = f"from isamap import connect\nprint(connect(home={str(tmp_path)!r}).url, flush=True)\n"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=True
    )
    with pytest.raises(requests.ConnectionError):
        requests.get(done.stdout.strip(), timeout=5)


def test_importing_the_module_loads_neither_client_nor_engine():
    program = (
        "import sys, isamap.gee_export.earth_engine.session, local_ee, isamap.gee_export.earth_engine.check\n"
        "print([m for m in ('ee', 'google.cloud.storage', 'starlette', 'rasterio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
    nobody(monkeypatch, tmp_path)
    report = checks.check("my-project", "my-bucket")
    assert rows(report).pop("login") is False and len(report.rows) == 13
    assert {row.ok for row in report.rows[1:]} == {None}
    assert "earthengine authenticate" in str(report)


def test_a_users_own_connection_to_google_is_kept_with_its_credentials(small, monkeypatch):
    """A service account of `ee.Initialize` stays who asks, also where a function connects by the project's name."""
    robot = Credentials("robot")
    google = replace(ClientState.now(), url="https://earthengine.googleapis.com", credentials=robot)
    monkeypatch.setattr(sessions, "_foreign", None)
    monkeypatch.setattr(ClientState, "now", classmethod(lambda cls: google))
    assert sessions.users_own("my-project") is robot
    foreign = replace(google, url="http://127.0.0.1:1")
    monkeypatch.setattr(ClientState, "now", classmethod(lambda cls: foreign))
    assert sessions.users_own("my-project") is None  # another server's token is not sent to Google


def test_the_check_asks_as_whom_the_user_connected(small, monkeypatch, tmp_path):
    """Nobody is logged in on this machine, and a service account was given to `ee.Initialize`."""
    nobody(monkeypatch, tmp_path)
    monkeypatch.setattr(sessions, "users_own", lambda project: Credentials("robot"))
    monkeypatch.setattr(sessions, "connect", lambda project: small)
    report = checks.check("my-project")
    assert rows(report)["login"] is True and rows(report)["pixels"] is True


def test_credentials_that_were_given_are_those_of_cloud_storage(small):
    robot = Credentials("robot")
    session = Session("p", "earth-engine", "earth-engine", "https://example.com", credentials=robot)
    client = session.storage_client()
    assert client._credentials.token == "robot" and client._credentials.quota_project_id == "p"
    assert "robot" not in repr(session)


def test_credentials_are_refused_for_the_local_engine(small):
    with pytest.raises(ValueError, match="give a project"):
        connect(credentials=Credentials("robot"))


def test_a_connection_by_the_projects_name_keeps_the_credentials_given_before(small, other_engine, monkeypatch):
    monkeypatch.setattr(endpoint, "STANDARD_URL", other_engine.origin)
    own = Credentials(other_engine.token)
    with connect("my-project", credentials=own):
        again = connect("my-project")
        assert again.credentials is own
        again.close()


def test_a_failed_test_of_the_bucket_is_a_row_and_keeps_the_others(small, monkeypatch):
    """As on a machine without a login for Cloud Storage: the rows before it are told."""

    def refused(self):
        raise Fault("no login")

    monkeypatch.setattr(Session, "storage_client", refused)
    report = checks.check_session(small, "any")
    assert rows(report)["Earth Engine"] is True and rows(report)["bucket"] is False and "no login" in str(report)


def test_a_viewer_is_told_what_works_and_what_does_not(small, monkeypatch):
    """Who may compute and not write can export and map: that is a note and no failure."""
    monkeypatch.setattr(checks.rights, "project_lacks", lambda session, names: ("earthengine.exports.create",))
    report = checks.check_session(small)
    writing = next(row for row in report.rows if row.name == "writing")
    assert report.ok and writing.ok is False and "export, map and run work" in str(writing)
    assert "roles/earthengine.writer" in str(writing)


def test_rights_are_asked_of_the_assets_where_the_resource_manager_does_not_answer(small, monkeypatch):
    def hidden(session, names):
        raise Fault("the Cloud Resource Manager API has not been used in project p before")

    monkeypatch.setattr(checks.rights, "project_lacks", hidden)
    requests = []
    monkeypatch.setattr(checks.rights, "assets_lack", lambda session, names: requests.append(names) or ())
    assert rows(checks.check_session(small))["writing"] is True and requests == [("earthengine.assets.create",)]


def test_a_bucket_of_another_class_is_a_note_with_what_still_works(small):
    bucket = small.storage_client().bucket("cold")
    bucket.storage_class = "NEARLINE"
    bucket.create()
    report = checks.check_session(small, "cold")
    assert rows(report)["storage class"] is False and report.ok and "publish without it works" in str(report)


def test_the_remedy_of_a_bucket_names_both_roles_that_suffice(small):
    """Storage Object User has no storage.buckets.get, which `Bucket.exists()` and get_bucket need."""
    words = checks._bucket_roles("b")
    assert "roles/storage.objectUser" in words and "roles/storage.legacyBucketReader" in words


def test_the_gcloud_lines_are_those_of_what_failed(small, monkeypatch):
    monkeypatch.setattr(checks.rights, "project_lacks", lambda session, names: ("earthengine.exports.create",))
    report = replace(checks.check_session(small), with_fixes=True)
    line = "gcloud projects add-iam-policy-binding local --member=user:YOUR_EMAIL --role=roles/earthengine.writer"
    assert report.fixes == (line,) and str(report).endswith(line)


def test_a_login_that_ended_is_a_fault_where_another_service_is_asked(small, monkeypatch):
    from google.auth.transport.requests import AuthorizedSession

    def ended(*words, **options):
        raise RefreshError("invalid_grant: Token has been expired or revoked.")

    monkeypatch.setattr(AuthorizedSession, "request", ended)
    with pytest.raises(Fault, match=r"no longer accepts the login .*expired or revoked"):
        checks.rights.asked(small, "GET", "https://monitoring.googleapis.com/v3/projects/p/timeSeries", None)


def _quota(name: str, *limits: int) -> dict[str, object]:
    """A quota as consumerQuotaMetrics.list of the Service Usage API has it, in EECU-seconds."""
    buckets = [{"effectiveLimit": str(limit)} for limit in limits]
    return {"metric": f"earthengine.googleapis.com/{name}", "consumerQuotaLimits": [{"quotaBuckets": buckets}]}


def _limit_rows(session: Session, monkeypatch, *pages: list) -> dict[str, str]:
    """What the check says where Service Usage answers with these pages of quotas."""
    questions = []

    def asked(session, method, url, body):
        questions.append(url)
        at = int(url.partition("pageToken=")[2] or 0)
        return {"metrics": pages[at]} | ({"nextPageToken": str(at + 1)} if at + 1 < len(pages) else {})

    monkeypatch.setattr(checks.rights, "asked", asked)
    google = replace(session, server="earth-engine", project="my-project", home=None)
    found = {row.name: row.detail for row in checks._limits(google)}
    assert len(questions) == len(pages)
    return found


def test_the_daily_limit_is_read_in_hours(small, monkeypatch):
    found = _limit_rows(small, monkeypatch, [_quota("daily_eecu_usage_time", 36000)])
    assert found["daily limit"].startswith("10 EECU-hours a day")
    found = _limit_rows(small, monkeypatch, [_quota("daily_eecu_usage_time", -1)])
    assert found["daily limit"] == "none is set"
    found = _limit_rows(small, monkeypatch, [_quota("reads", 1)], [_quota("daily_eecu_usage_time", -1, 7200, 3600)])
    assert found["daily limit"].startswith("1 EECU-hours a day")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (540_000, "Community: 150 EECU-hours a month"),
        (3_600_000, "Contributor: 1,000 EECU-hours a month"),
        (360_000_000, "Partner: 100,000 EECU-hours a month"),
        (7_200_000, "none that is known: 2,000 EECU-hours a month"),
        (-1, "Google tells no limit of a month"),
    ],
)
def test_the_tier_is_told_by_the_limit_of_a_month(small, monkeypatch, seconds, words):
    """Limits: guides/noncommercial_tiers."""
    quotas = [_quota("daily_eecu_usage_time", 36000), _quota("monthly_eecu_usage_time", seconds)]
    assert _limit_rows(small, monkeypatch, quotas)["tier"].startswith(words)


def test_limits_that_cannot_be_read_are_no_failure(small, monkeypatch):
    def refused(*words):
        raise Fault("Service Usage API has not been used in project my-project before or it is disabled")

    monkeypatch.setattr(checks.rights, "asked", refused)
    found = [*checks._limits(replace(small, server="earth-engine", project="my-project", home=None))]
    assert [row.ok for row in found] == [None, None] and checks.CheckReport(tuple(found)).ok
    assert all("Service Usage API has not been used" in row.detail for row in found)


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
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        report = checks.check_session(replace(small, url=f"http://127.0.0.1:{server.server_port}"), "closed")
    finally:
        server.shutdown()
    assert rows(report)["bucket"] is True and rows(report)["bucket writes"] is False and not report.ok
    assert DENIED in str(report) and re.search(r"roles/storage\.objectUser", str(report))


def test_both_forms_of_the_world_are_catalogs_and_no_folder_is(tmp_path):
    assert sessions.is_world("world") and sessions.is_world("world-subpixel")
    assert not sessions.is_world(tmp_path) and not sessions.is_world("World")


@pytest.mark.parametrize("catalog", ["world", "world-subpixel"])
def test_simulated_pixels_say_their_version(catalog):
    source = sessions.source_of("local-engine", catalog)
    assert source == {"server": "local-engine", "catalog": catalog, "world": WORLD_VERSION}


def test_the_world_on_a_class_map_says_its_file_and_digest(tmp_path):
    path = tmp_path / "classes.tif"
    path.write_bytes(b"ground")
    source = sessions.source_of("local-engine", path)
    assert sessions.is_world(path) and source["catalog"] == "classes.tif"
    assert source["world"] == f"{WORLD_VERSION} on {hashlib.sha256(b'ground').hexdigest()[:16]}"


@pytest.mark.parametrize(("server", "catalog"), [("local-engine", "/data/mine"), ("earth-engine", "earth-engine")])
def test_other_pixels_name_no_world(server, catalog):
    assert sessions.source_of(server, catalog) == {"server": server, "catalog": catalog.rpartition("/")[2]}


def test_the_public_archives_have_a_name_and_a_folder_of_that_name_a_slash():
    assert sessions.source_of("local-engine", "open") == {"server": "local-engine", "catalog": "open"}
    assert sessions.source_of("local-engine", "/data/open")["catalog"] == "open/"
    assert sessions.source_of("local-engine", "./world")["catalog"] == "world/"
    assert sessions.source_of("local-engine", "/data/mine")["catalog"] == "mine"


def test_the_slash_still_names_the_folder(tmp_path, monkeypatch):
    """What `export.toml` holds of a folder called open must open that folder, not the archives."""
    monkeypatch.chdir(tmp_path)
    assert not archives.is_open("open/") and Path("open/").absolute() == tmp_path / "open"


def test_the_archives_are_read_only_without_a_project():
    assert archives.reads_archives(None, "open") and archives.reads_archives("local", "open")
    assert not archives.reads_archives("mine", "open") and not archives.reads_archives(None, "./open")


def test_google_and_offline_exclude_each_other():
    with pytest.raises(ValueError, match="--offline and --project my-project"):
        connect("my-project", offline=True)


def test_offline_holds_for_the_block_and_its_children(monkeypatch):
    monkeypatch.delenv(offline.VARIABLE, raising=False)
    with offline.without_network():
        assert offline.is_offline() and os.environ[offline.VARIABLE] == "1"
    assert not offline.is_offline()
