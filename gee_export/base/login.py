"""Who speaks to Google: one identity for Earth Engine and Cloud Storage, and the remedy where there is none.

The `ee` client's own login (guides/auth) has the scopes of both. A key file, an impersonated account or a workload
identity is asked for by GOOGLE_APPLICATION_CREDENTIALS, as all of Google's libraries have it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.outage import NETWORK, outage

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
SERVER = "Google's login server"
LOGIN = "run `earthengine authenticate` once, then the same command again"
AGAIN = "run `earthengine authenticate --force`, then the same command again (logins by a notebook end after 7 days)"
IN_COLAB = "run `import ee; ee.Authenticate()` in a cell once, then the same command again"


class NoLogin(Fault):
    """No identity that Google takes; `words` says what is missing, `remedy` what the user can do."""

    def __init__(self, words: str, remedy: str) -> None:
        super().__init__(f"{words}: {remedy}")
        self.words, self.remedy = words, remedy


def stored_credentials(quota_project: str | None = None) -> Credentials:
    """The credentials of this machine, refreshed once: a key file that was asked for, else Earth Engine's own login.

    Application Default Credentials come last. quota_project: who pays for the requests. NoLogin where there are none,
    or none that Google takes any more; Fault where the login server is not reached.
    """
    from google.auth.exceptions import GoogleAuthError

    try:
        credentials = _key_file() if os.environ.get(KEY_FILE) else _earth_engine_login()
    except (GoogleAuthError, OSError) as error:
        if words := outage(error):
            raise Fault(f"{SERVER} was not reached: {words}; {NETWORK}") from error
        raise refused(error) from error
    paid: Credentials = with_quota_project(credentials, quota_project)
    return paid


def notebook_login() -> bool:
    """Logs in where a person sits before a notebook (Colab, Jupyter); False where nobody can be asked."""
    import ee

    if not _has_kernel():
        return False
    notice("nobody is logged in to Earth Engine: ee.Authenticate() asks now")
    ee.Authenticate()
    return True


def with_quota_project(credentials: Any, project: str | None) -> Any:
    """The credentials, whose requests count for the project; as they are where they cannot say it."""
    if not project or not hasattr(credentials, "with_quota_project"):
        return credentials
    if getattr(credentials, "quota_project_id", None) == project:
        return credentials
    return credentials.with_quota_project(project)


def identity(credentials: Any) -> str:
    """Whose credentials they are, for people; never a token."""
    email = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
    module_name = type(credentials).__module__.rpartition(".")[2].replace("_", " ")
    if getattr(credentials, "refresh_token", None):
        return f"login of a user{f' ({email})' if email else ''}"
    return f"{module_name}{f' ({email})' if email else ''}"


def remedy() -> str:
    """What a user without a login does here."""
    return IN_COLAB if _is_colab() and not _has_kernel() else LOGIN


def _key_file() -> Any:
    """Credentials of GOOGLE_APPLICATION_CREDENTIALS, with the scopes that the `ee` client does not ask for itself."""
    import google.auth
    from ee import oauth
    from google.auth.transport.requests import Request

    credentials, _ = google.auth.default(scopes=oauth.SCOPES)
    # Refreshed now, so that a wrong key file is one sentence at the start and no failure in the middle.
    credentials.refresh(Request())
    return credentials


def _earth_engine_login() -> Any:
    """What `earthengine authenticate` left, else Application Default Credentials; GoogleAuthError or NoLogin."""
    import ee

    try:
        return ee.data.get_persistent_credentials()
    except ee.EEException as error:  # it says the same of no login and of one that has ended
        if has_login():
            raise NoLogin("Google no longer accepts the login of this machine (expired or revoked)", AGAIN) from error
        raise NoLogin("no Earth Engine login was found on this machine", remedy()) from error


def refused(error: Exception) -> NoLogin:
    """The fault of credentials that Google takes no longer, such as a login that ended while a command ran."""
    words = " ".join(str(error.args[0] if error.args else error).split()).rstrip(".")
    if file := os.environ.get(KEY_FILE):
        return NoLogin(
            f"the credentials of {KEY_FILE}={file} are not accepted ({words})",
            "give a valid key file there, or unset the variable to use the login of `earthengine authenticate`",
        )
    return NoLogin(f"Google no longer accepts the login of this machine ({words})", AGAIN)


def has_login() -> bool:
    """Whether credentials of Earth Engine, or a key file, lie on this machine; asks no server."""
    from ee import oauth

    if os.environ.get(KEY_FILE):
        return True
    try:
        return bool(oauth.get_credentials_arguments().get("refresh_token"))
    except (OSError, ValueError, AttributeError):
        return False


def _is_colab() -> bool:
    from ee import oauth

    return bool(oauth.in_colab_shell())


def _has_kernel() -> bool:
    """Whether this process is a notebook's kernel; a command started with `!` in a cell is not."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None) is not None
