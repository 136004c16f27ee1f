"""Connections: which server evaluates, and what a user of it needs."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import ee
import numpy as np
import pytest
import requests
from affine import Affine
from google.cloud import storage
from google.oauth2.credentials import Credentials
from local_ee.catalog.folder import write_image
from local_ee.catalogs import WORLD_VERSION
from local_ee.testing.small import catalog
from odc.geo.geobox import GeoBox

from isamap.gee_export.base import offline
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.earth_engine import archives
from isamap.gee_export.earth_engine import session as sessions
from isamap.gee_export.earth_engine.former_client import ClientState
from isamap.gee_export.earth_engine.session import connect, current
from tests.support.token_servers import nobody

REPOSITORY = Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("back")


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
