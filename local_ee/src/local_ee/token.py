"""The secret of one engine: who knows it may use the engine, and the loopback address alone is no secret.

Every user of a machine reaches its loopback ports, so each request carries the token: as `Authorization: Bearer TOKEN`,
or as the first part of its path (`/t/TOKEN/...`), for clients that take nothing but an address.
"""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

VARIABLE = "ISAMAP_ENGINE_TOKEN"
PREFIX = "/t/"
RENEWAL = "/token"
RENEWAL_S = 3600
TOKEN_BYTES = 32
PATTERN = re.compile(r"[A-Za-z0-9_-]{20,200}")


def fresh_token() -> str:
    """The token of ISAMAP_ENGINE_TOKEN, or a new random one; ValueError where the variable holds no good token."""
    token = os.environ.get(VARIABLE)
    return checked(token, VARIABLE) if token else secrets.token_urlsafe(TOKEN_BYTES)


def checked(token: str, name: str = "token") -> str:
    """The token, if it is empty (none is asked for) or can lie in a path; else ValueError, which does not quote it."""
    if token and not PATTERN.fullmatch(token):
        raise ValueError(f"{name} holds {len(token)} characters: expected 20 to 200 of A-Z, a-z, 0-9, - and _")
    return token


def client_url(origin: str, token: str) -> str:
    """The address that any client can use as it is: the token lies in its path; the origin itself without a token."""
    return f"{origin}{PREFIX}{token}" if token else origin


def without_token(path: str) -> tuple[str | None, str]:
    """The token that a path begins with (None: it has none), and the path as it is without."""
    if not path.startswith(PREFIX):
        return None, path
    token, _, remainder = path.removeprefix(PREFIX).partition("/")
    return token, f"/{remainder}"


def credentials(url: str) -> dict[str, str]:
    """A credentials file for GOOGLE_APPLICATION_CREDENTIALS: with it Google's own libraries fetch the token themselves.

    Its form is that of google.auth.external_account_authorized_user; `url` is the engine's, with the token, so the file
    is as secret as the token.
    """
    names = dict.fromkeys(("client_id", "client_secret", "refresh_token"), "isamap")
    return {"type": "external_account_authorized_user", "audience": "local", "token_url": f"{url}{RENEWAL}", **names}


def renewed(token: str) -> dict[str, str | int]:
    """What such a library is answered when it asks for the token."""
    return {"access_token": token or "none", "expires_in": RENEWAL_S, "token_type": "Bearer"}


def usage(origin: str, token: str, file: Path) -> list[str]:
    """How other programs' clients use an engine, a line each: as it is printed, so that it can be copied."""
    url = client_url(origin, token)
    lines = [
        f"ee:          ee.Initialize(project='local', url='{origin}')",
        f"storage:     storage.Client(project='local', client_options={{'api_endpoint': '{origin}'}})",
        f"    both with GOOGLE_APPLICATION_CREDENTIALS={file}",
        f"any client that takes an address: {url}    (STORAGE_EMULATOR_HOST, for example)",
    ]
    if token:
        return [*lines, "who knows the token, the last part of that address, may use the engine"]
    return [*lines, "WARNING: no token: every program and every user of this machine may use the engine"]
