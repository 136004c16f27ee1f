"""Publishing through the real `ee` and `google-cloud-storage` clients to the local engine, and reading back."""

from __future__ import annotations

import shutil
import subprocess
import uuid

import ee
import numpy as np
import pytest
from odc.geo.geobox import GeoBox

import isamap
from isamap import inference
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.command_line import console
from isamap.gee_export.earth_engine import session as session_module
from isamap.gee_export.requests import pixels
from isamap.inference import cli
from isamap.inference.map_files import legend
from isamap.inference.publishing import asset as assets
from isamap.inference.publishing import manifest
from isamap.inference.publishing.upload import UploadContent, open_bucket
from tests.inference.conftest import LEGEND, WUHAN
from tests.support.map_files import read_map

FOLDER = "projects/local/assets/tests"


@pytest.fixture
def name(session, home) -> str:
    """An asset name that no other test uses; the client is connected to the run's engine."""
    return f"{FOLDER}/deep/{uuid.uuid4().hex[:12]}"


def read_back(name: str, shape: tuple[int, int]) -> np.ndarray:
    """The asset's bands on the map's grid, 255 where masked."""
    raster = pixels.fetch(ee.Image(name), GeoBox(shape, WUHAN, "EPSG:32650"), ["isa", "prob"])
    assert (raster.values_BHW[raster.valid_BHW] != 255).all()
    return np.where(raster.valid_BHW, raster.values_BHW, 255)


def publish(path, name: str, **how):
    return inference.publish(path, asset=name, progress=False, **how)


def test_the_asset_equals_the_map(name, finished_map, random_map):
    report = publish(finished_map(random_map), name)
    np.testing.assert_array_equal(read_back(name, random_map.shape[1:]), random_map)
    assert not report.already_there and report.simulated


def test_the_asset_says_what_it_is(name, finished_map, random_map):
    publish(finished_map(random_map), name)
    info = ee.data.getAsset(name)
    assert info["properties"]["isa_class_palette"] == "d9d9d9,e31a1c" and info["properties"]["simulated"] == "true"
    assert info["startTime"].startswith("2020-06-01") and info["endTime"].startswith("2020-07-01")
    assert [band["id"] for band in info["bands"]] == ["isa", "prob"]


def test_the_same_content_again_is_no_operation(name, finished_map, random_map):
    path = finished_map(random_map)
    publish(path, name)
    before, operations = ee.data.getAsset(name)["updateTime"], len(ee.data.listOperations())
    assert publish(path, name).already_there
    assert ee.data.getAsset(name)["updateTime"] == before and len(ee.data.listOperations()) == operations


def test_other_content_is_refused_unless_told(name, finished_map, random_map):
    publish(finished_map(random_map), name)
    mirrored = finished_map(random_map[:, ::-1].copy(), "other.tif")
    with pytest.raises(ValueError, match=r"exists with other content .*--overwrite"):
        publish(mirrored, name)
    np.testing.assert_array_equal(read_back(name, (90, 70)), random_map)
    publish(mirrored, name, overwrite=True)
    np.testing.assert_array_equal(read_back(name, (90, 70)), random_map[:, ::-1])


def test_the_same_bytes_under_another_name_are_one_object(name, finished_map, random_map, session):
    """docs/reference/earth-engine.md, "Cloud Storage": 412 with equal crc32c and size is our own success."""
    path = finished_map(random_map)
    first, second = publish(path, name), publish(path, f"{name}_b")
    assert first.uris == second.uris
    for uri, file in zip(first.uris, (path, path.with_name("map_prob.tif")), strict=True):
        blob = session.storage_client().bucket(assets.LOCAL_BUCKET).get_blob(uri.split("/", 3)[3])
        assert blob.size == file.stat().st_size and blob.crc32c == UploadContent.of(file).crc32c


def test_a_foreign_object_under_the_contents_name_is_a_fault(name, finished_map, random_map, session):
    path = finished_map(random_map, "foreign.tif", model="foreign")
    content = UploadContent.of(path)
    bucket = open_bucket(session, "foreign-objects")
    bucket.blob(f"isamap/foreign-{content.sha256[:16]}.tif").upload_from_string(b"something else")
    with pytest.raises(Fault, match="holds other content than its name says"):
        publish(path, name, project="local", bucket="foreign-objects")


def test_parents_are_made_and_images_are_no_parents(name, finished_map, random_map):
    path = finished_map(random_map)
    publish(path, name)
    assert ee.data.getAsset(f"{FOLDER}/deep")["type"] == "FOLDER"
    with pytest.raises(ValueError, match="is of type IMAGE, no folder"):
        publish(path, f"{name}/below")


def test_a_folder_is_not_replaced(name, finished_map, random_map):
    path = finished_map(random_map)
    publish(path, name)
    with pytest.raises(ValueError, match="is of type FOLDER already"):
        publish(path, f"{FOLDER}/deep", overwrite=True)


def test_a_failed_ingestion_is_a_fault_with_the_servers_reason(name, finished_map, random_map, monkeypatch):
    path = finished_map(random_map)
    build = manifest.build

    def wrong(*facts):
        made = build(*facts)
        made["tilesets"][0]["sources"] = [{"uris": ["gs://isamap-maps/none.tif"]}]
        return made

    monkeypatch.setattr(manifest, "build", wrong)
    with pytest.raises(Fault) as caught:
        publish(path, name)
    assert "none.tif" in str(caught.value)


def test_an_ingestion_that_an_interrupted_command_started_is_waited_for(name, finished_map, random_map, monkeypatch):
    """The client drops the request id, so a second request would be a second ingestion."""
    path, start, started = finished_map(random_map), ee.data.startIngestion, []

    def noted(*arguments):
        started.append(start(*arguments))
        return started[-1]

    monkeypatch.setattr(ee.data, "startIngestion", noted)
    monkeypatch.setattr(assets, "_wait", lambda operation, progress: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # killed while it waited
        publish(path, name)
    waiting = {
        "name": started[0]["name"],
        "metadata": {"type": "INGEST_IMAGE", "description": f'Ingest image: "{name}"'},
    }
    monkeypatch.undo()
    monkeypatch.setattr(ee.data, "listOperations", lambda: [waiting])
    monkeypatch.setattr(ee.data, "startIngestion", None)
    publish(path, name)
    np.testing.assert_array_equal(read_back(name, read_map(path).shape[1:]), read_map(path))


def test_the_printed_python_draws_the_asset(name, finished_map, random_map):
    """The lines that a user copies are run as they are, but for the drawing."""
    report = publish(finished_map(random_map), name)
    added = []

    class View:
        def center_object(self, image, zoom):
            assert image.getInfo()["bands"][0]["id"] == "isa" and zoom

        def add_layer(self, image, style, label):
            added.append((image.bandNames().getInfo(), style["palette"], label))

    lines = [line for line in report.python.splitlines() if not line.startswith(("import", "view = "))]
    exec("\n".join(lines), {"ee": ee, "view": View()})
    assert added == [(["isa"], ["d9d9d9", "e31a1c"], "isa")]


def test_the_printed_javascript_is_javascript():
    """Run by node where there is one, with Earth Engine's three objects replaced by recorders."""
    lines = assets.javascript("projects/p/assets/a", LEGEND)
    assert "ee.Image('projects/p/assets/a')" in lines and "palette: ['d9d9d9', 'e31a1c']" in lines
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    stage = (
        "const image = {select: () => image, divide: () => image}; const ee = {Image: () => image};"
        "let layers = 0; const Map = {centerObject: () => 0, addLayer: () => layers++};"
    )
    result = subprocess.run([node, "-e", f"{stage}{lines}; console.log(layers)"], capture_output=True, text=True)
    assert result.stdout.strip() == "2", result.stderr


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (("projects/my-project/assets/a", "--project", "my-project"), ["give --bucket NAME"]),
        (
            ("projects/mine/assets/deep/a",),
            ["add --project mine --bucket NAME", "as projects/local/assets/deep/a"],
        ),
        (
            ("projects/local/assets/a", "--bucket", "mine"),
            ["without --project nothing goes to Google: add --project NAME"],
        ),
    ],
)
def test_project_and_bucket_that_do_not_fit_are_refused(finished_map, random_map, capsys, words, sentences):
    words = (str(finished_map(random_map)), "--asset", *words)
    assert console.run_command(lambda: cli.publish, words, prog="isamap publish") == console.USER_MISTAKE
    error = capsys.readouterr().err
    assert all(sentence in error for sentence in sentences)


@pytest.mark.parametrize("bucket", ["/data/out", "gs://maps", ""])
def test_a_folder_where_a_bucket_is_expected_is_refused_before_anything_is_asked(
    finished_map, random_map, monkeypatch, capsys, bucket
):
    monkeypatch.setattr(session_module, "connect", lambda *given, **named: pytest.fail("asked"))
    google = ["--asset", "projects/my-project/assets/a", "--project", "my-project", "--bucket", bucket]
    assert isamap.main(["publish", str(finished_map(random_map)), *google]) == 2
    told = capsys.readouterr().err.strip()
    assert f"--bucket {bucket!r}: expected the name alone of a Cloud Storage bucket" in told and "\n" not in told


def test_an_asset_of_the_local_engine_is_not_sent_to_google():
    with pytest.raises(ValueError, match="is the local engine's: leave --project mine out"):
        assets.Target("projects/local/assets/a", project="mine", bucket="b")


def test_a_local_asset_prints_no_lines_for_the_code_editor(name, finished_map, random_map):
    printed = str(publish(finished_map(random_map), name))
    assert "Code Editor" not in printed and "Google has nothing of it" in printed and "geemap" in printed


def test_an_asset_of_google_prints_lines_for_the_code_editor():
    printed = str(assets.PublishReport("projects/p/assets/a", (), True, False, "var map = 1;", "map = 1"))
    assert "var map = 1;" in printed and "local engine" not in printed


def test_a_legend_without_impervious_is_refused():
    with pytest.raises(ValueError, match="needs the class impervious"):
        legend.Legend(("land", "water"))


def test_probabilities_of_another_map_are_not_published(finished_map, random_map):
    path = finished_map(random_map)
    shutil.copy(finished_map(random_map, "other.tif", settings="1" * 32).with_name("other_prob.tif"),
                path.with_name("map_prob.tif"))  # fmt: skip
    with pytest.raises(ValueError, match="are of two maps"):
        publish(path, f"{FOLDER}/never")


def test_new_probabilities_alone_are_other_content(name, finished_map, random_map):
    publish(finished_map(random_map), name)
    changed = random_map.copy()
    changed[1, 50:] = 254 - changed[1, 50:]
    with pytest.raises(ValueError, match="exists with other content"):
        publish(finished_map(changed, "other.tif"), name)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"asset": None}, "asset=None: expected text"),
        ({"path": None}, "path=None: expected text"),
        ({"bucket": 3}, "bucket=3: expected text"),
        ({"overwrite": 1}, "overwrite=1: expected true or false"),
    ],
)
def test_wrong_arguments_are_named(finished_map, random_map, arguments, sentence):
    values = {"path": finished_map(random_map), "asset": f"{FOLDER}/never"} | arguments
    with pytest.raises(ValueError, match=sentence):
        inference.publish(**values)
