"""Stand-ins for the endpoints that give Google's tokens: of a user, of a key file, of a machine in Google's cloud."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.raw_server import reply

TOKEN = reply(200, {"access_token": "fresh", "expires_in": 3600, "token_type": "Bearer"})
EXPIRED = reply(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})


def nobody(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """A machine where nobody has logged in."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(home / "gcloud"))
    # google.auth reads NO_GCE_CHECK once, when a process first asks for a machine's login: too early or too late here
    monkeypatch.setattr("google.auth.compute_engine._metadata._NO_GCE_CHECK", True)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def user_login(monkeypatch: pytest.MonkeyPatch, home: Path, url: str) -> None:
    """What `earthengine authenticate` leaves; tokens come from `url`."""
    nobody(monkeypatch, home)
    monkeypatch.setattr("ee.oauth.TOKEN_URI", f"{url}/token")
    file = home / ".config" / "earthengine" / "credentials"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"refresh_token": "kept", "project": "of-the-login"}))


def key_file(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str) -> Path:
    """A service account's key in GOOGLE_APPLICATION_CREDENTIALS; tokens come from `url`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    document = {
        "type": "service_account",
        "project_id": "p",
        "private_key_id": "1",
        "private_key": pem,
        "client_email": "robot@p.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
    }
    file = folder / "key.json"
    file.write_text(json.dumps(document))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return file
