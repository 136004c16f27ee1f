"""How the `ee` client begins with a server: bounded questions, repeated where that helps, failures in plain words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests

from isamap.gee_export.base import exchanges, login
from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.outage import NETWORK, NO_ROUTE, NotJson, outage
from isamap.gee_export.base.retry import CONNECT_S, DEADLINE_S, Patience, Reaction, Refused, classify, refusal
from isamap.gee_export.base.vigil import watched

GREETING_S = 60.0  # Earth Engine describes itself within seconds
PATIENCE = Patience(attempts=6)  # waits of half a minute at most: nothing has been computed that could be lost
LOCAL_PATIENCE = Patience(attempts=3)  # the engine of this process either answers soon or is gone
CONFIGURATION = "https://console.cloud.google.com/earth-engine/configuration"  # of a project: register, verify, tier
UNVERIFIED = ("verif", "eligib", "on hold", "suspended")  # of a non-commercial project whose questionnaire is due
RETRIES = 5  # the client's own default


class Questions(requests.Session):
    """The HTTP session of the `ee` client: no question waits for ever or in silence, and no web page is an answer."""

    limit_s = DEADLINE_S
    last: requests.Response | None = None

    def request(self, method: str, url: str, **words: Any) -> requests.Response:  # type: ignore[override]
        """Sends as requests.Session does; a timeout error after `limit_s`, NotJson for an empty reply or a web page."""
        limit_s = min(words.get("timeout") or self.limit_s, self.limit_s)  # the client's own deadline, where one is set
        words["timeout"] = (min(CONNECT_S, limit_s), limit_s)
        server = urlsplit(url).netloc
        with watched(server, limit_s):
            reply = super().request(method, url, **words)
        self.last = reply
        _check_answer(reply, server)
        return reply


def watch_client() -> None:
    """Lets the `ee` client's HTTP session tell its exchanges (base.exchanges)."""
    from ee import _state

    exchanges.watch(_state.get_state().requests_session)


@contextmanager
def without_googles_catalog() -> Iterator[None]:
    """ee.Initialize asks Google for no list of deprecated assets: without a network, it would wait without a limit."""
    from ee import deprecation

    fetch = deprecation.InitializeDeprecatedAssets
    deprecation.InitializeDeprecatedAssets = lambda: None
    try:
        yield
    finally:
        deprecation.InitializeDeprecatedAssets = fetch


def initialise(
    connect: Callable[[], None],
    subject: str,
    server: str,
    *,
    patience: Patience | None = None,
    limit_s: float | None = None,
) -> None:
    """Connects `ee` by `connect`, again while that may help; Fault in plain words, with the remedy, where it fails.

    connect: calls ee.Initialize. subject: what cannot be used then. server: the host, for people. limit_s: of each
    question, another one than GREETING_S.
    """
    patience, failures = patience or PATIENCE, 0
    with _single_attempts(limit_s or GREETING_S) as questions:
        while True:
            questions.last = None
            try:
                return connect()
            except Exception as error:
                failure = _Failure.of(error, questions.last, server)
            failures += 1
            if not failure.may_pass or failures >= patience.attempts:
                raise Fault(f"{subject} cannot be used: {failure.sentence(failures)}") from failure.error
            wait_s = max(patience.seconds(failures - 1), failure.wait_s)
            subject_words = failure.words if failure.words.startswith(server) else f"{server}: {failure.words}"
            notice(f"{subject_words}; again in {wait_s:.1f} s")
            patience.sleep(wait_s)


class _Failure:
    """Why a start failed: in words, whether it may pass by itself, and what the user can do."""

    def __init__(self, error: BaseException, words: str, remedy: str, *, may_pass: bool, wait_s: float = 0.0) -> None:
        self.error, self.words, self.remedy, self.may_pass, self.wait_s = error, words, remedy, may_pass, wait_s

    @classmethod
    def of(cls, error: BaseException, last: requests.Response | None, server: str) -> _Failure:
        """The failure that ee.Initialize's error and the last reply before it show."""
        if (missing := _missing_login(error)) is not None:
            return missing
        if words := outage(error):
            words = words if words.startswith(server) else f"{server}: {words}"
            # A certificate that is not trusted will not be trusted by waiting.
            return cls(error, words, _network_remedy(error, server), may_pass="certificate" not in words)
        refused = refusal(error) or _refused(last)
        if refused is not None:
            may_pass = classify(refused) in (Reaction.AGAIN, Reaction.SLOWER)
            return cls(error, str(refused), _remedy(refused, server), may_pass=may_pass, wait_s=refused.retry_after_s)
        return cls(error, _line(error), "", may_pass=False)

    def sentence(self, attempts: int) -> str:
        """For the user, with the remedy where there is one."""
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        return f"{self.words}{tried}" + (f"; {self.remedy}" if self.remedy else "")


def _is_local(server: str) -> bool:
    return server.startswith("127.0.0.1")


def _missing_login(error: BaseException) -> _Failure | None:
    """The failure of missing credentials, or of credentials that Google no longer accepts."""
    from google.auth.exceptions import DefaultCredentialsError, InvalidOperation, RefreshError

    if isinstance(error, InvalidOperation):  # anonymous ones, which nobody has to log in for
        return None
    if isinstance(error, login.NoLogin):
        return _Failure(error, error.words, error.remedy, may_pass=False)
    if isinstance(error, DefaultCredentialsError) or "authorize access" in str(error):
        return _Failure(error, "no Earth Engine login was found on this machine", login.remedy(), may_pass=False)
    if isinstance(error, RefreshError) and not outage(error):
        words = f"Google no longer accepts this machine's login ({error.args[0] if error.args else error})"
        return _Failure(error, words, login.AGAIN, may_pass=error.retryable)
    return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _network_remedy(error: BaseException, server: str) -> str:
    if _is_local(server) and NO_ROUTE in outage(error):
        return "this machine has no address 127.0.0.1 (a container without network?): `ip link set lo up` gives it one"
    if _is_local(server):
        return "the local engine runs on this machine: set NO_PROXY=127.0.0.1, then run the same command again"
    if isinstance(error, NotJson):
        return "log in to the network with a browser, or " + NETWORK
    return f"{NETWORK}, or leave --project out to use the local engine"


def _remedy(refused: Refused, server: str) -> str:
    """What the user can do about a refusal to begin with."""
    if classify(refused) in (Reaction.AGAIN, Reaction.SLOWER):
        return "run the same command again later"
    if _is_local(server):
        return "the local engine asks for no login, so something stands between: set NO_PROXY=127.0.0.1"
    if refused.status == 401:
        return login.AGAIN
    return project_remedy(refused.message) or (
        "ask the project's owner for the roles Earth Engine Resource Viewer and Service Usage Consumer"
        if refused.status == 403
        else "see `isamap check --project NAME`"
    )


def project_remedy(message: str) -> str:
    """What is to be done about a project that the server does not serve, by its words; empty for other words."""
    text = message.lower()
    if any(words in text for words in ("has not been used", "not registered", "not signed up", "disabled")):
        return f"enable the Earth Engine API and register the project at {CONFIGURATION}"
    if any(words in text for words in UNVERIFIED):
        return f"answer the questionnaire of non-commercial use at {CONFIGURATION}, or register for commercial use"
    if "serviceusage" in text or "permission to use project" in text:
        return "ask the project's owner for the roles Earth Engine Resource Viewer and Service Usage Consumer"
    return ""


def _refused(reply: requests.Response | None) -> Refused | None:
    """The refusal that the last reply was; credentials hide it, since they try to renew themselves after a 401."""
    if reply is None or reply.status_code < 400:
        return None
    return Refused.of(reply.status_code, reply.content, reply.headers.get("Retry-After", ""))


def _check_answer(reply: requests.Response, server: str) -> None:
    """NotJson for a reply that says all is well and holds nothing, a web page, or JSON that is damaged."""
    # Errors may be web pages: load balancers write theirs so, and the caller tells them by their status.
    if reply.status_code != 200:
        return
    if not reply.content.strip():
        raise NotJson(f"{server} sent an empty reply")
    if "html" in reply.headers.get("Content-Type", "").lower() or reply.content.lstrip()[:1] == b"<":
        raise NotJson(f"{server} is hidden by a web page, such as a network's login")
    if "json" in reply.headers.get("Content-Type", "").lower():
        try:
            json.loads(reply.content)
        except ValueError as error:
            raise NotJson(f"{server} sent a damaged reply") from error


@contextmanager
def _single_attempts(limit_s: float) -> Iterator[Questions]:
    """The client asks through `Questions`, which bounds each one; meanwhile it repeats none by itself, in silence."""
    import ee
    from ee import _state

    state = _state.get_state()
    if not isinstance(state.requests_session, Questions):
        state.requests_session = Questions()
    questions = state.requests_session
    questions.last, questions.limit_s = None, limit_s
    ee.data.setMaxRetries(0)
    try:
        yield questions
    finally:
        questions.limit_s = DEADLINE_S
        ee.data.setMaxRetries(RETRIES)
