"""A run whose store is a bucket as an Earth Engine image: from its own objects, with all that a folder's run gives."""

from __future__ import annotations

import json
from pathlib import Path

import ee
import pytest

import isamap
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import open_storage, provide
from isamap.inference.catalog.publication import publish_run
from isamap.inference.publishing import asset as assets
from isamap.inference.publishing.asset import Target
from isamap.inference.runs.run import run_jobs
from tests.inference.catalog.conftest import assert_equals_the_map
from tests.inference.tiles.conftest import MAP, options

BUCKET = "runs-bucket"
ADDRESS, PAIR = f"gs://{BUCKET}/runs/plots", f"gs://{BUCKET}/runs/pair"
UNFINISHED = f"gs://{BUCKET}/runs/unfinished"


@pytest.fixture(scope="module")
def provided(session) -> None:
    provide(BUCKET, session)


@pytest.fixture(scope="module")
def address(plot, network, provided) -> str:
    """The run of four tiles of `folder`, in a bucket."""
    run_jobs(**options(plot, network, Path()) | {"out": ADDRESS})
    return ADDRESS


@pytest.fixture(scope="module")
def pair(plot, network, provided) -> str:
    """A run of two maps in a bucket."""
    days = ["2019-06", "2019-05-20", "2019-06-10"]
    run_jobs(**options(plot, network, Path()) | {"out": PAIR, "month": None, "period": days})
    return PAIR


@pytest.fixture
def storage(address, session):
    return open_storage(address, session)


def properties(asset: str) -> dict:
    """What an image says of itself, but for its name and when it was made."""
    info = ee.data.getAsset(asset)
    return {key: info[key] for key in ("properties", "startTime", "endTime", "bands")}


@pytest.mark.long
def test_its_objects_are_the_sources_and_nothing_is_uploaded(name, address, storage, folder, monkeypatch):
    monkeypatch.setattr(assets, "upload", lambda *_, **__: pytest.fail("a file was uploaded"))
    before = storage.list()
    report = publish_run(address, Target(name), progress=False)
    assert len(report.uris) == 8 and set(report.uris) <= {f"{ADDRESS}/{each}" for each in before}
    assert storage.list() == before
    assert_equals_the_map(name, folder)


def test_it_has_the_properties_and_lines_of_a_run_in_a_folder(name, address, folder):
    in_bucket = publish_run(address, Target(name), progress=False)
    in_folder = publish_run(folder, Target(f"{name}_b"), progress=False)
    assert properties(name) == properties(f"{name}_b")
    assert in_bucket.javascript.replace(name, "") == in_folder.javascript.replace(f"{name}_b", "")


def test_the_same_content_from_elsewhere_is_no_operation(name, address, folder):
    publish_run(folder, Target(name), progress=False)
    assert publish_run(address, Target(name), progress=False).already_there


def test_the_command_makes_a_collection_by_time(name, address, folder, capsys):
    assert isamap.main(["publish", address, "--asset", name, "--collection"]) == 0
    assert f"{name}/{MAP}: of 8 files" in capsys.readouterr().out
    times = ee.ImageCollection(name).filterDate("2019-06-01", "2019-07-01").aggregate_array("system:index").getInfo()
    assert times == [MAP]
    assert_equals_the_map(f"{name}/{MAP}", folder)


@pytest.mark.long
def test_an_interrupted_collection_goes_on_where_it_was(name, pair, monkeypatch):
    ingest, names = assets._ingest, []

    def broken(manifest, **how):
        names.append(manifest["name"].rpartition("/")[2])
        if len(names) == 2:
            raise Fault("the line is down")
        ingest(manifest, **how)

    monkeypatch.setattr(assets, "_ingest", broken)
    with pytest.raises(Fault, match="the line is down"):
        publish_run(pair, Target(name), collection=True, progress=False)
    report = publish_run(pair, Target(name), collection=True, progress=False)
    assert [each.already_there for each in report.images] == [True, False]
    assert names == ["field_201905p02_50n", MAP, MAP]


@pytest.mark.long
def test_two_maps_in_a_bucket_need_a_collection(name, pair):
    with pytest.raises(ValueError, match=r"holds 2 maps .*--collection"):
        publish_run(pair, Target(name), progress=False)


@pytest.mark.long
def test_a_part_of_a_run_is_refused(name, plot, network, provided, capsys):
    run_jobs(**options(plot, network, Path()) | {"out": UNFINISHED}, part="1/2")
    assert isamap.main(["publish", UNFINISHED, "--asset", name]) == 2
    assert "field_201906 has 2 of 4 tiles: finish it with the same `isamap run` first" in capsys.readouterr().err


def test_a_run_that_was_killed_before_its_maps_were_put_together_is_refused(name, address, storage):
    full = storage.read("status.json")
    document = json.loads(full)
    document["maps"]["field_201906"]["files"] = []
    storage.write("status.json", json.dumps(document).encode())
    try:
        with pytest.raises(ValueError, match="has its 4 tiles, which are not put together yet: finish it"):
            publish_run(address, Target(name), progress=False)
    finally:
        storage.write("status.json", full)


@pytest.mark.parametrize("damage", [b"II*\0other", None], ids=["other", "gone"])
def test_an_object_that_is_not_what_its_receipt_says_is_a_fault(name, address, storage, damage):
    changed = next(each for each in storage.list("tiles/") if each.endswith("_prob.tif"))
    full = storage.read(changed)
    storage.delete(changed) if damage is None else storage.write(changed, damage)
    try:
        with pytest.raises(Fault, match=rf"{changed} is not what its receipt says: run the same `isamap run`"):
            publish_run(address, Target(name), progress=False)
    finally:
        storage.write(changed, full)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--project", "my-project", "--bucket", "elsewhere"], "--bucket elsewhere: the tiles of gs://runs-bucket"),
        (["--external", "gs://us/map.tif"], "--external gs://us/map.tif is of one map"),
    ],
)
def test_options_that_do_not_fit_are_refused(name, words, sentence, capsys):
    asset = "projects/my-project/assets/a" if "--project" in words else name
    assert isamap.main(["publish", ADDRESS, "--asset", asset, *words]) == 2
    assert sentence in capsys.readouterr().err


def test_a_bucket_without_a_run_is_one_sentence(name, provided, capsys):
    assert isamap.main(["publish", f"gs://{BUCKET}/nothing", "--asset", name]) == 2
    assert "holds no run (status.json is missing)" in capsys.readouterr().err
