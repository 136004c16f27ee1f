"""Capsules replayed on the local engine: the same bytes, or what changed."""

from __future__ import annotations

import json

import pytest
import rasterio

import isamap
from inference.capsule import archive
from inference.capsule.capsule import capsule
from inference.capsule.replay import replay
from tests.inference.conftest import stored_scene, write_tif
from tests.support.map_files import read_map

pytestmark = pytest.mark.usefixtures("home")


def again(made, path, out, **options):
    return replay(path, out=out, catalog=str(made.catalog), compare=made.map, **options)


def test_a_replay_makes_the_same_bytes(made, tmp_path):
    report = again(made, made.capsule, tmp_path / "again")
    assert report.same and report.changes == ()
    assert (tmp_path / "again" / "map.tif").read_bytes() == made.map.read_bytes()


def test_a_capsule_holds_all_that_made_the_map(made):
    files = archive.read(made.capsule)
    document = json.loads(files[archive.DOCUMENT])
    assert set(files) == {archive.DOCUMENT, archive.OPTIONS, archive.GRAPH, *archive.CHECKPOINT}
    assert len(document["scenes"]["sentinel2"]) == 3 and len(document["scenes"]["sentinel1"]) == 3
    assert all("system:time_start" in scene for scene in document["scenes"]["sentinel1"].values())
    assert document["requests"]["blocks"] and document["versions"]["numpy"] and document["engine"]["catalog"] == "plot"
    with rasterio.open(made.map) as source:
        assert document["tags"]["settings"] == source.tags()["settings"]


def test_equal_maps_have_equal_capsules(made, tmp_path):
    capsule(made.map, out=tmp_path / "second.zip")
    assert (tmp_path / "second.zip").read_bytes() == made.capsule.read_bytes()


def test_a_scene_that_is_gone_or_new_is_named(made, changed, tmp_path):
    def exchange(document):
        scenes = document["scenes"]["sentinel2"]
        scenes["20190630T000000_ELSEWHERE"] = scenes.pop(sorted(scenes)[0])

    report = again(made, changed(exchange), tmp_path / "again")
    assert "scenes of sentinel2: 1 gone (20190630T000000_ELSEWHERE)" in report.changes
    assert any(change.startswith("scenes of sentinel2: 1 new (20190602") for change in report.changes)


def test_a_scene_processed_again_is_named(made, changed, tmp_path):
    def edit(document):
        next(iter(document["scenes"]["sentinel1"].values()))["relativeOrbitNumber_start"] = 99

    report = again(made, changed(edit), tmp_path / "again")
    assert any(change.startswith("scenes of sentinel1: 1 with other properties") for change in report.changes)


def test_a_document_changed_by_hand_is_named(made, changed, tmp_path):
    path = changed(lambda document: document["tags"].update(region="other"), sealed=False)
    report = again(made, path, tmp_path / "again")
    assert "capsule.json was changed after it was written (its digest differs)" in report.changes
    assert any(change.startswith("tag region: other there") for change in report.changes)


def test_another_version_is_named_and_the_bytes_are_judged_apart(made, changed, tmp_path):
    path = changed(lambda document: document["versions"].update(numpy="1.0", gdal="9"))
    report = again(made, path, tmp_path / "again")
    assert report.same
    assert any(change.startswith("numpy: version 1.0 there, ") for change in report.changes)
    assert "gdal: version 9 there, none here" in report.changes


def test_another_checkpoint_is_named_and_its_pixels_counted(made, make_checkpoint, tmp_path):
    from tests.inference.capsule.conftest import SETTINGS

    other = make_checkpoint("crofusenet", composite=SETTINGS.to_json())
    report = again(made, made.capsule, tmp_path / "again", checkpoint=str(other))
    assert not report.same
    words = "\n".join(report.changes)
    assert "checkpoint: " in words and "file map.tif: sha256" in words and "tag model: unet there, crofusenet" in words
    different = (read_map(made.map)[1] != read_map(report.path)[1]).sum()
    assert f"pixels of prob: {different:,} of" in words


def test_another_graph_is_named(made, changed, tmp_path):
    report = again(made, changed(lambda document: document.update(graph="0" * 64)), tmp_path / "again")
    assert any(change.startswith("graph of the composite: sha256 0000") for change in report.changes)


def test_a_mapped_file_is_known_by_its_digest(made, tmp_path):
    import inference

    scene = write_tif(tmp_path / "scene.tif", stored_scene(40, 50))
    inference.map_region(made.checkpoint, input=scene, out=tmp_path / "of_file.tif", progress=False)
    capsule(tmp_path / "of_file.tif", out=tmp_path / "file.zip")
    assert replay(tmp_path / "file.zip", out=tmp_path / "same", input=str(scene)).same
    write_tif(scene, stored_scene(40, 50, seed=1))
    report = replay(tmp_path / "file.zip", out=tmp_path / "again", input=str(scene), compare=tmp_path / "of_file.tif")
    assert not report.same and any(change.startswith("input: sha256") for change in report.changes)


def test_the_command_ends_with_1_where_bytes_differ(made, changed, tmp_path, capsys):
    path = changed(lambda document: document["outputs"].update({"map.tif": "0" * 64}))
    words = ["replay", str(path), "--catalog", str(made.catalog)]
    assert isamap.main([*words, "--out", str(tmp_path / "a")]) == 1
    assert "file map.tif: sha256 0000" in capsys.readouterr().err
    assert isamap.main(["replay", str(made.capsule), *words[2:], "--out", str(tmp_path / "b")]) == 0
    assert "the same bytes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [({}, "--catalog FOLDER"), ({"catalog": "plot", "out": "full"}, "not empty")],
    ids=["catalog", "out"],
)
def test_what_is_missing_here_is_asked_for(made, tmp_path, options, words):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note").write_text("mine")
    with pytest.raises(ValueError, match=words):
        replay(
            made.capsule,
            **({"out": tmp_path / "x"} | options | ({"out": tmp_path / "full"} if "out" in options else {})),
        )


def test_a_map_whose_scenes_changed_gets_no_capsule(made, tmp_path, monkeypatch):
    from inference.capsule import capsule as module

    true = module.composed

    def fewer(request, trained):
        source, session = true(request, trained)
        source.tags["scenes"] = "sentinel2: none"
        return source, session

    monkeypatch.setattr(module, "composed", fewer)
    with pytest.raises(ValueError, match="other scenes now"):
        capsule(made.map, out=tmp_path / "x.zip")


def test_the_checkpoint_must_be_the_maps_own(made, make_checkpoint, tmp_path):
    with pytest.raises(ValueError, match="give the map's own"):
        capsule(made.map, out=tmp_path / "x.zip", checkpoint=make_checkpoint(thresholds={"impervious": 0.4}))
