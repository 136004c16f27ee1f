"""`isamap prove` on the servers of Google, for whoever has an account: `pytest -m google`.

ISAMAP_GOOGLE_PROJECT names a Cloud project that is registered for Earth Engine, ISAMAP_GOOGLE_BUCKET a bucket. The same
proof runs against the local engine in tests/inference/prove. Here the README's walk is run as written too, against the
local engine under Google's addresses, with small places and a small network.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.oauth2.credentials import Credentials
from local_ee.catalogs import open_catalog

import isamap
from isamap.gee_export.base import endpoint, login
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import rights
from isamap.inference.prove.run import prove
from local_ee import LocalEngine

README = Path(__file__).resolve().parents[1] / "README.md"
# command -> what makes it small
SMALLER = {
    "export": "--bbox 114.28 30.55 114.32 30.58 --size 64 --stride 64 --max-patches 12 --split random",
    "train": "--set epochs=1 --set batch=4",
    "map": "--bbox 114.29 30.555 114.30 30.565",
}


@pytest.mark.google
def test_google_is_as_the_pages_say(tmp_path, reconnected):
    project = os.environ.get("ISAMAP_GOOGLE_PROJECT")
    if not project:
        pytest.skip("ISAMAP_GOOGLE_PROJECT names no project: set it to one that is registered for Earth Engine")
    proof = prove(project=project, bucket=os.environ.get("ISAMAP_GOOGLE_BUCKET"), out=tmp_path)
    assert proof.ok, str(proof)


@pytest.fixture
def google(monkeypatch, tmp_path, reconnected) -> Iterator[LocalEngine]:
    """An engine that stands for Google's servers: its address, a login that it takes, no other service."""

    def absent(*_):
        raise Fault("this service is not there")

    with LocalEngine(open_catalog("world"), tmp_path / "google") as engine:
        for name in ("STANDARD_URL", "HIGH_VOLUME_URL"):
            monkeypatch.setattr(endpoint, name, engine.origin)
        monkeypatch.setattr(login, "stored_credentials", lambda project=None: Credentials(engine.token))
        monkeypatch.setattr(rights, "asked", absent)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", engine.url)
        options = {"api_endpoint": engine.url}
        client = storage.Client(project="my-project", credentials=AnonymousCredentials(), client_options=options)
        client.create_bucket("my-bucket")
        yield engine


def walk() -> list[list[str]]:
    """The commands of README's block for Google, without the login."""
    blocks = re.findall(r"^```bash google\n(.*?)^```", README.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    words = [shlex.split(line) for block in blocks for line in block.splitlines()]
    return [line[1:] for line in words if line and line[0] == "isamap"]


@pytest.mark.long
def test_the_walk_trains_maps_and_publishes_one_run(google, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for words in walk():
        small = [word.replace("crofusenet", "crofusenet-tiny") for word in words]
        small += shlex.split(SMALLER.get(words[0], ""))
        assert isamap.main(small) == 0, f"{small}\n{capsys.readouterr()}"
    assert (tmp_path / "maps" / "wuhan-2020-06.tif").exists()
    import ee

    assert ee.data.getAsset("projects/my-project/assets/isa/wuhan_2020_06")["type"] == "IMAGE"
