"""`isamap check`: what a user of a server has and lacks, and which words and commands say so."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer

import ee
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials

from isamap.gee_export.base import endpoint
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import check as checks
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.former_client import ClientState
from isamap.gee_export.earth_engine.session import Session, connect
from tests.support.token_servers import nobody

pytestmark = pytest.mark.usefixtures("back")


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
