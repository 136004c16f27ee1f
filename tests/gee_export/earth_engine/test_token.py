"""The local engine's token in a session: its clients carry it, and nothing that is shown, logged or stored holds it."""

from __future__ import annotations

import stat

import ee
import pytest
from local_ee.testing.small import catalog

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import open_storage
from isamap.gee_export.datasets.progress_log import run_folder
from isamap.gee_export.earth_engine.session import connect
from isamap.training.home import cache_home

pytestmark = pytest.mark.usefixtures("reconnected")


def test_a_session_hides_its_token(tmp_path):
    with connect(catalog=catalog(8, 8), home=tmp_path) as session:
        assert session.token and session.token not in repr(session) and session.token not in session.url
        tile = ee.Image("SMALL/ONE").select("B2").getMapId({"min": 0, "max": 9})["tile_fetcher"].url_format
        assert session.token not in tile


def test_errors_of_a_sessions_clients_do_not_quote_the_token(tmp_path, monkeypatch):
    with connect(catalog=catalog(8, 8), home=tmp_path) as session:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", session.client_url)
        for client in (session, None):
            store = open_storage("gs://guarded/Data", session=client)
            with pytest.raises(Fault) as error:
                store.write("x" * 2000, b"")
            texts = [str(error.value), str(error.value.__cause__)]
            assert not any(session.token in text for text in texts), texts


@pytest.mark.parametrize("make", [cache_home, lambda: run_folder("gs://bucket/Data")], ids=["training", "export"])
def test_a_home_that_caches_make_first_is_private_too(tmp_path, monkeypatch, make):
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    make()
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
