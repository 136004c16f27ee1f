"""The first words with a server: repeated where that helps, and told for what they are where they fail."""

from __future__ import annotations

import errno
import re
import socket
import threading

import ee
import pytest
import requests
from ee import _state, deprecation
from ee.apifunction import ApiFunction
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from local_ee.faults import Faults
from local_ee.injector import calls
from local_ee.testing.small import catalog

from isamap.gee_export.base import endpoint, vigil
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.retry import Patience
from isamap.gee_export.earth_engine import handshake
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.handshake import initialise
from isamap.gee_export.earth_engine.session import connect
from tests.support.raw_server import HANG_UP, SILENCE, RawServer, refusal, reply

pytestmark = pytest.mark.usefixtures("reconnected")
LOGIN_PAGE = reply(200, b"<!DOCTYPE html><html>Please log in</html>", content_type="text/html")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """Nobody waits between two attempts, nor long for the server of the test before."""
    quick = {"sleep": lambda seconds: None, "uniform": lambda low, high: 0.0}
    monkeypatch.setattr(handshake, "PATIENCE", Patience(attempts=6, **quick))
    monkeypatch.setattr(handshake, "LOCAL_PATIENCE", Patience(attempts=3, **quick))
    monkeypatch.setattr(sessions, "BACK_S", 0.2)


def start(url: str, *, attempts: int = 3) -> None:
    """A start at some address, without an account."""
    patience = Patience(attempts=attempts, sleep=lambda seconds: None, uniform=lambda low, high: 0.0)

    def connect_client() -> None:
        ee.Initialize(credentials=AnonymousCredentials(), project="local", url=url)

    initialise(connect_client, "the server", url.partition("//")[2], patience=patience)


def google(monkeypatch, url: str, credentials=None) -> None:
    """A start at Google's address, which is another one here, with a login."""
    monkeypatch.setattr(endpoint, "STANDARD_URL", url)
    # only the local engine's address is 127.0.0.1: this one stands for a foreign machine
    monkeypatch.setattr(handshake, "_is_local", lambda server: False)
    monkeypatch.setattr(ee.data, "get_persistent_credentials", lambda: credentials or Credentials("token"))
    connect("my-project")


def fault_of(act, *arguments, **words) -> str:
    with pytest.raises(Fault) as caught:
        act(*arguments, **words)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["429", "500", "503", "reset", "lost", "truncate"])
def test_the_description_of_the_api_is_asked_for_again(kind, tmp_path):
    with connect(catalog=catalog(8, 8), home=tmp_path, faults=Faults.of({"on": "other", "kind": kind, "nth": 1})):
        assert ee.Number(1).getInfo() == 1
    assert [call["fault"] for call in calls(tmp_path) if call["route"] == "other"][:2] == [kind, None]


@pytest.mark.parametrize("kind", ["503", "reset"])
def test_the_list_of_algorithms_is_asked_for_again(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(ApiFunction, "_api", {})  # as in a new process
    fault = {"on": "other", "kind": kind, "matching": "algorithms", "nth": 1}
    with connect(catalog=catalog(8, 8), home=tmp_path, faults=Faults.of(fault)):
        assert ee.Number(1).add(1).getInfo() == 2
    assert kind in [call["fault"] for call in calls(tmp_path)]


def test_every_attempt_is_told_with_the_servers_name(tmp_path, capsys):
    with connect(catalog=catalog(8, 8), home=tmp_path, faults=Faults.of({"on": "other", "kind": "503", "nth": 1})) as s:
        expected = f"{s.url.partition('//')[2]}: The service is currently unavailable. (HTTP 503); again in 0.0 s"
    assert expected in capsys.readouterr().err


def test_patience_with_a_start_ends():
    with RawServer(refusal(503, "The service is down.")) as server:
        words = fault_of(start, server.url, attempts=3)
        assert len(server.requests) == 3
    assert words.startswith("the server cannot be used: The service is down. (HTTP 503) (3 attempts)")
    assert "run the same command again later" in words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reply(200), "sent an empty reply"),
        (LOGIN_PAGE, "web page, such as a network's login"),
        (reply(200, b"{"), "damaged reply"),
        (HANG_UP, "without an answer"),
        (reply(200, b"{}", more=9), "cut short"),
    ],
)
def test_a_reply_that_is_none_is_asked_for_again_and_told(answer, words):
    with RawServer(answer) as server:
        assert words in fault_of(start, server.url)
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_local_server_that_asks_for_a_login_is_a_proxy(status):
    """The engine asks for none; AnonymousCredentials would say that they cannot be refreshed."""
    with RawServer(refusal(status, "Who are you?")) as server:
        words = fault_of(start, server.url)
    assert f"Who are you? (HTTP {status})" in words and "NO_PROXY=127.0.0.1" in words and "refreshed" not in words


def test_nobody_listening_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    words = fault_of(start, f"http://127.0.0.1:{port}")
    assert "it refuses connections (3 attempts)" in words and "HTTPConnectionPool" not in words


def test_a_name_that_cannot_be_resolved_is_no_network(monkeypatch):
    def unresolved(*_, **__):
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    words = fault_of(google, monkeypatch, "http://earthengine.example")
    assert "its name cannot be resolved (no network, or no name server)" in words
    assert "check the network" in words and "urllib3" not in words and "Max retries" not in words


def test_an_unreachable_network_is_told(monkeypatch):
    def unreachable(*_, **__):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr(socket.socket, "connect", unreachable)
    assert "there is no network to it" in fault_of(google, monkeypatch, "http://192.0.2.1")


def test_a_machine_without_loopback_is_told(monkeypatch):
    """As in `unshare --net`: the engine listens, and nobody can reach it."""

    def unreachable(*_, **__):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    with RawServer(SILENCE) as server:
        monkeypatch.setattr(socket.socket, "connect", unreachable)
        assert "this machine has no address 127.0.0.1" in fault_of(start, server.url)


def test_the_check_of_a_login_without_network_does_not_blame_the_login(monkeypatch):
    from google.auth.exceptions import TransportError

    from isamap.gee_export.earth_engine.check import check

    def offline():
        raise TransportError(requests.ConnectionError(socket.gaierror(-3, "Temporary failure in name resolution")))

    monkeypatch.setattr(ee.data, "get_persistent_credentials", offline)
    words = str(check("my-project"))
    assert "name cannot be resolved" in words and "check the network" in words and "authenticate" not in words


def test_the_check_of_a_dead_server_does_not_blame_the_project(monkeypatch):
    from isamap.gee_export.earth_engine.check import check

    with RawServer(HANG_UP) as server:
        monkeypatch.setattr(endpoint, "STANDARD_URL", server.url)
        monkeypatch.setattr(handshake, "_is_local", lambda name: False)
        monkeypatch.setattr(ee.data, "get_persistent_credentials", lambda: Credentials("token"))
        words = str(check("my-project"))
    assert "without an answer" in words and "register the project" not in words


def test_a_question_about_the_catalog_that_gets_no_answer_is_a_sentence(tmp_path, monkeypatch):
    from isamap.gee_export.sentinel.scenes import ask

    with connect(catalog=catalog(8, 8), home=tmp_path, faults=Faults.of({"on": "value", "kind": "reset"})):
        monkeypatch.setattr(_state.get_state(), "max_retries", 0)
        words = fault_of(ask, ee.Number(1))
    assert "check the network" in words and "run the same command again" in words and "aborted" not in words


REGISTER = "register the project at https://console.cloud.google.com"


@pytest.mark.parametrize(
    ("sentence", "remedy"),
    [
        ("Caller does not have required permission to use project my-project.", "Service Usage Consumer"),
        (
            "Earth Engine API has not been used in project 7 before",
            "https://console.cloud.google.com/earth-engine/configuration",
        ),
        ("Project p is not registered to use Earth Engine.", REGISTER),  # global-indicators#547
        ("Not signed up for Earth Engine or project is not registered.", REGISTER),  # qgis-earthengine-plugin#145
    ],
)
def test_a_refused_project_is_asked_once_and_told_with_the_remedy(monkeypatch, sentence, remedy):
    with RawServer(refusal(403, sentence)) as server:
        words = fault_of(google, monkeypatch, server.url)
        assert len(server.requests) == 1
    assert sentence.rstrip(".") in words and remedy in words


def test_a_project_whose_verification_is_due_is_told_with_the_questionnaire(monkeypatch):
    with RawServer(refusal(403, "Project p must verify its noncommercial eligibility.")) as server:
        words = fault_of(google, monkeypatch, server.url)
    assert "answer the questionnaire of non-commercial use" in words


def test_a_start_that_comes_too_often_is_repeated(monkeypatch):
    with RawServer(refusal(403, "slow down", "rateLimitExceeded")) as server:
        words = fault_of(google, monkeypatch, server.url)
        assert len(server.requests) == handshake.PATIENCE.attempts
    assert "slow down" in words


def test_a_withdrawn_login_is_told(monkeypatch):
    class Withdrawn(Credentials):
        def refresh(self, request):
            raise RefreshError("invalid_grant: Token has been expired or revoked.", {})

    with RawServer(refusal(401, "Invalid credentials")) as server:
        words = fault_of(google, monkeypatch, server.url, Withdrawn("stale"))
    assert "expired or revoked" in words and "run `earthengine authenticate --force`" in words


@pytest.mark.long
def test_a_silent_server_is_named_and_given_up(monkeypatch, capsys):
    """A half-open line: the kernel accepts, nobody answers."""
    monkeypatch.setattr(vigil, "EVERY_S", 0.02)
    monkeypatch.setattr(handshake, "GREETING_S", 1.0)
    with RawServer(SILENCE) as server:
        words = fault_of(start, server.url, attempts=2)
        name = server.url.partition("//")[2]
        assert re.search(rf"waiting for {name}: no answer for \d s", capsys.readouterr().err)
    assert "it did not answer in time (2 attempts)" in words


def test_questions_after_the_start_have_earth_engines_limit(tmp_path):
    """330 s: Earth Engine itself gives up after 5 minutes."""
    with connect(catalog=catalog(8, 8), home=tmp_path):
        questions = _state.get_state().requests_session
        assert (questions.limit_s, _state.get_state().max_retries) == (330.0, 5)


@pytest.mark.parametrize(
    ("deadline_ms", "limits_s"), [(0, (30.0, 330.0)), (330_000, (30.0, 330.0)), (10_000, (10.0, 10.0))]
)
def test_every_question_of_the_client_has_a_limit(tmp_path, monkeypatch, deadline_ms, limits_s):
    """The client's own deadline, which looking at tasks sets, makes it shorter alone."""
    monkeypatch.setattr(_state.get_state(), "deadline_ms", deadline_ms)
    with connect(catalog=catalog(8, 8), home=tmp_path):
        limits, original = [], requests.Session.request

        def noting(self, method, url, **words):
            if self is _state.get_state().requests_session:  # a thread of another test may ask by a session of its own
                limits.append(words["timeout"])
            return original(self, method, url, **words)

        monkeypatch.setattr(requests.Session, "request", noting)
        ee.Number(1).getInfo()
        assert limits == [limits_s]


def test_a_local_engine_asks_nothing_of_google(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(deprecation, "_FetchDataCatalogStac", lambda: asked.append("catalog") or {})
    monkeypatch.setattr(deprecation, "deprecated_assets", None)
    with connect(catalog=catalog(8, 8), home=tmp_path):
        assert asked == []


def test_nobody_watches_after_the_answer(tmp_path):
    with connect(catalog=catalog(8, 8), home=tmp_path):
        ee.Number(1).getInfo()
    for thread in threading.enumerate():
        if thread.name == "vigil":
            thread.join(60)
            assert not thread.is_alive()


def test_damaged_json_is_said_to_be_damaged(monkeypatch):
    """A body shorter than it was sent: half of a JSON document."""
    with RawServer(reply(200, b'{"name": "ear')) as server:
        assert "sent a damaged reply" in fault_of(google, monkeypatch, server.url)
