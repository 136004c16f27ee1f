"""The pytest plugin: the fixture, the mark, what they leave, and runs that are recorded and replayed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ee
import google.cloud.storage  # noqa: F401  loaded before pytester, which forgets what a run inside it loads
import numpy as np  # noqa: F401
import pytest

import local_ee
import local_ee.catalog.folder
import local_ee.rest.server
import local_ee.testing.drift
import local_ee.testing.engines
import local_ee.testing.record
import local_ee.testing.runs
from local_ee.evaluation import registry
from local_ee.testing.client import Connection
from local_ee.testing.small_archive import BOX, small_archive

pytest_plugins = "pytester"
pytestmark = pytest.mark.usefixtures("reconnected")  # a run inside leaves the client at its own server
PLUGIN = ("-p", "local_ee.pytest_plugin", "-p", "no:cacheprovider")
HEAD = """
import ee
import numpy as np
import pytest
from local_ee.testing import ArrayImage
CATALOG = {"MINE/HEIGHT": ArrayImage({"height": np.full((4, 5), 7, "int16")})}
pytestmark = pytest.mark.local_ee(catalog=CATALOG)
"""


@pytest.fixture(autouse=True, scope="module")
def _loaded() -> None:
    registry.names()


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs a file of tests with the plugin; gives the result."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def call(source: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(source)
        return pytester.runpytest_inprocess(*PLUGIN, *options)

    return call


def test_a_marked_test_reads_the_arrays_of_its_catalog(run):
    source = """
def test_mean():
    image = ee.Image("MINE/HEIGHT")
    assert image.reduceRegion("mean", image.geometry(), 10).getInfo() == {"height": 7}
"""
    run(HEAD + source).assert_outcomes(passed=1)


def test_every_test_has_an_empty_home_and_the_engine_of_its_catalog(run):
    source = """
SEEN = []

@pytest.mark.parametrize("turn", [1, 2])
def test_home(local_ee, turn):
    assert ee.data.listAssets({"parent": "projects/local/assets"})["assets"] == []
    assert list(local_ee.storage_client().list_buckets()) == []
    assert ee.data.listOperations() == []
    ee.data.createAsset({"type": "FOLDER"}, "projects/local/assets/folder")
    local_ee.storage_client().create_bucket("mine")
    ee.batch.Export.image.toAsset(ee.Image("MINE/HEIGHT"), "height", "projects/local/assets/height").start()
    SEEN.append(local_ee.engine)
    assert all(engine is SEEN[0] for engine in SEEN)
"""
    run(HEAD + source).assert_outcomes(passed=2)


def test_other_catalogs_are_other_engines(run):
    source = """
@pytest.mark.local_ee(catalog={"OTHER/IMAGE": np.zeros((2, 2))})
def test_other():
    assert ee.Image("OTHER/IMAGE").bandNames().getInfo() == ["b1"]
    with pytest.raises(ee.EEException, match="MINE/HEIGHT"):
        ee.Image("MINE/HEIGHT").getInfo()
"""
    run(HEAD + source).assert_outcomes(passed=1)


def test_a_marked_test_reads_the_public_archives(run, tmp_path, monkeypatch):
    """Those of the loopback address; what they send is kept in the home that is named."""
    monkeypatch.setenv("ISAMAP_HOME", str(tmp_path / "home"))
    source = f"""
import ee
import pytest

@pytest.mark.local_ee(catalog="open")
def test_scenes():
    scenes = ee.ImageCollection("COPERNICUS/S2_SR_HARMONIZED").filterBounds(ee.Geometry.BBox(*{BOX}))
    assert scenes.filterDate("2024-06-01", "2024-07-01").size().getInfo() == 3
"""
    with small_archive() as archive, archive.standing_in():
        run(source).assert_outcomes(passed=1)
    assert (tmp_path / "home" / "open" / "searches").is_dir()


def test_the_client_speaks_to_its_former_server_afterwards(run, tmp_path):
    former = ee.data._get_state()
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    run(HEAD + "def test_one():\n    assert ee.Number(1).add(1).getInfo() == 2\n").assert_outcomes(passed=1)
    assert ee.data._get_state().cloud_api_base_url == former.cloud_api_base_url
    assert os.environ.get("STORAGE_EMULATOR_HOST") == emulator


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        ("pytest.mark.local_ee('world')", "expected catalog=..., and nothing else"),
        ("pytest.mark.local_ee(catalog=5)", "expected 'world', 'open', the path of a folder, or a mapping"),
        ("pytest.mark.local_ee(catalog={'HEIGHT': None})", "expected COLLECTION/NAME"),
        ("pytest.mark.local_ee(catalog={'MINE/HEIGHT': 5})", "int is no sample"),
        ("pytest.mark.local_ee(catalog={'MINE/HEIGHT': 'absent.tif'})", "absent.tif is no file"),
    ],
)
def test_a_mistake_in_the_mark_is_said(run, mark, words):
    result = run(f"import pytest\n@{mark}\ndef test_one():\n    pass\n")
    result.assert_outcomes(errors=1)
    assert words in result.stdout.str()


def test_the_plugin_imports_nothing_until_it_is_used():
    code = "import local_ee.pytest_plugin, sys; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"ee", "numpy", "rasterio", "numba", "starlette", "requests"} & set(result.stdout.split())


def test_the_example_of_the_readme_passes(run):
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)[1]
    assert len([line for line in example.splitlines() if line.strip()]) <= 12
    run(example).assert_outcomes(passed=1)


# recorded runs


@pytest.fixture
def served(tmp_path):
    """An engine that stands for the server of an account."""
    catalog = local_ee.catalog.folder.FolderCatalog(tmp_path)
    with local_ee.LocalEngine(catalog, tmp_path / "home") as engine:
        yield engine


def client(url: str, number: int = 2) -> str:
    """A test that connects by itself and computes 40 + number, and asks for what the server refuses."""
    return f"""
import ee
import pytest
import urllib.request
from google.auth.credentials import AnonymousCredentials

@pytest.fixture(autouse=True, scope="module")
def connected():
    ee.Initialize(credentials=AnonymousCredentials(), project="secret-project", url={url!r})

def test_value():
    assert ee.Number(40).add({number}).getInfo() == 40 + {number}

def test_refusal():
    with pytest.raises(ee.EEException, match="not found"):
        ee.Image("ABSENT/IMAGE").getInfo()

def test_thumbnail():
    url = ee.Image.constant(1).toByte().getThumbURL({{"dimensions": 3, "format": "png", "region": [0, 0, 1, 1]}})
    assert urllib.request.urlopen(url).read().startswith(b"\\x89PNG")
"""


@pytest.fixture
def recorded(run, served, tmp_path):
    """The file of a recorded run, whose server has ended, and the server's address."""
    file, url = tmp_path / "answers.json", served.url
    with Connection(served).active():  # what the run inside does to the client ends here
        result = run(client(url), "--ee-record", str(file))
    result.assert_outcomes(passed=3)
    assert "answers recorded in" in result.stdout.str()
    served.stop()
    return file, url


def test_a_recorded_run_passes_again_without_its_server(run, recorded, tmp_path):
    file, url = recorded
    run(client(url), "--ee-replay", str(file)).assert_outcomes(passed=3)


def test_a_graph_that_was_not_recorded_is_named(run, recorded):
    file, url = recorded
    result = run(client(url, number=3), "--ee-replay", str(file))
    result.assert_outcomes(passed=2, failed=1)
    assert re.search(
        r"answers\.json has no answer to POST \S*value:compute of the graph [0-9a-f]{12} \(Number\.add\): record it",
        result.stdout.str(),
    )


def test_a_recording_holds_no_secret(recorded):
    file, url = recorded
    text = file.read_text("utf-8")
    assert "secret-project" not in text and url.rpartition("/")[2] not in text


def test_a_replay_tells_where_the_local_engine_answers_otherwise(run, recorded):
    file, url = recorded
    text = file.read_text("utf-8")
    document = json.loads(text)
    [value] = [entry for entry in document["answers"] if "Number.add" in json.dumps(entry["body"])]
    value["answers"][0]["text"] = json.dumps({"result": 41})
    file.write_text(json.dumps(document), encoding="utf-8")
    result = run(client(url, number=2).replace("== 40 + 2", "== 41"), "--ee-replay", str(file), "--ee-compare")
    result.assert_outcomes(passed=3)
    shown = result.stdout.str()
    assert "1 of 2 recorded answers differ from the local engine's" in shown and '{"result": 41}' in shown


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--ee-compare",), "compares with --ee-replay FILE"),
        (("--ee-record", "a", "--ee-replay", "b"), "give one of them"),
        (("--ee-replay", "absent.json"), "absent.json is no file of recorded answers"),
        (("--ee-record", "absent/a.json"), "its folder does not exist"),
    ],
)
def test_options_that_cannot_be_are_refused(run, options, words):
    result = run("def test_one():\n    pass\n", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR and words in result.stderr.str()


def test_a_recording_counts_for_the_project_that_pays(monkeypatch):
    """Google answers a user's login with 403 where no project pays."""
    login = SimpleNamespace(with_quota_project=lambda project: f"paid by {project}")
    monkeypatch.setattr(ee.data, "get_persistent_credentials", lambda: login)
    assert local_ee.testing.record.account("my-project").credentials == "paid by my-project"
