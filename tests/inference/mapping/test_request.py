"""MapRequest: one record behind the command, the Python function and the file that makes a map again."""

from __future__ import annotations

import inspect

import pytest

import isamap
from isamap import inference
from isamap.gee_export.base import option_files
from isamap.gee_export.base.options import from_options
from isamap.gee_export.base.regions import named
from isamap.inference.map_files.simulation import NOTHING_REAL, SIMULATED_TRAINING
from isamap.inference.mapping.request import HEAD, MapRequest, request_file_of
from tests.inference.conftest import stored_scene, write_tif

FILES = (".tif", "_prob.tif", ".tif.aux.xml", ".toml")


def mapped(*words: object) -> int:
    return isamap.main(["map", *map(str, words)])


def test_the_function_has_every_option_of_the_record():
    parameters = inspect.signature(inference.map_region).parameters
    assert next(iter(parameters)) == "checkpoint" and {"region", "month", "bbox", "input", "runtime"} <= set(parameters)
    assert parameters["catalog"].default == "world" and parameters["out"].default is inspect.Parameter.empty


def test_a_map_keeps_the_file_that_makes_it_again(run, scene, tmp_path):
    assert mapped("--checkpoint", run, "--input", scene, "--month", "2020-06", "--out", tmp_path / "map.tif") == 0
    assert mapped("--config", tmp_path / "map.toml", "--out", tmp_path / "again.tif") == 0
    for end in FILES:
        assert (tmp_path / f"map{end}").read_bytes() == (tmp_path / f"again{end}").read_bytes()


def test_the_file_holds_what_was_asked_and_nothing_of_the_machine(run, scene, tmp_path):
    options = {"workers": 1, "progress": False, "overwrite": True}
    inference.map_region(run, input=scene, month="2020-06", out=tmp_path / "map.tif", **options)
    values = option_files.read(MapRequest, tmp_path / "map.toml")
    assert values == {"checkpoint": str(run), "month": ("2020-06",), "input": str(scene)}


def test_options_of_the_command_override_those_of_the_file(run, scene, tmp_path):
    (tmp_path / "mine.toml").write_text(f'checkpoint = "none"\ninput = "{scene}"\n')
    words = ("--config", tmp_path / "mine.toml", "--checkpoint", run, "--out", tmp_path / "map.tif")
    assert mapped(*words) == 0 and (tmp_path / "map.tif").exists()


def test_a_file_of_the_user_is_never_replaced(run, scene, tmp_path, capsys):
    (tmp_path / "map.toml").write_text("# my notes\nepochs = 3\n")
    words = ("--checkpoint", run, "--input", scene, "--out", tmp_path / "map.tif", "--overwrite")
    assert mapped(*words) == 2
    assert "map.toml exists and is not the file of this map" in capsys.readouterr().err
    assert (tmp_path / "map.toml").read_text().startswith("# my notes") and not (tmp_path / "map.tif").exists()


def test_the_users_own_file_of_this_map_stays_as_it_is(run, scene, tmp_path):
    text = f'# my notes\ninput = "{scene}"\ncheckpoint = "{run}"\n'
    (tmp_path / "map.toml").write_text(text)
    assert mapped("--config", tmp_path / "map.toml", "--out", tmp_path / "map.tif") == 0
    assert (tmp_path / "map.toml").read_text() == text


def test_the_file_of_a_replaced_map_is_replaced_with_it(run, make_checkpoint, scene, tmp_path):
    out, second = tmp_path / "map.tif", make_checkpoint("crofusenet")
    for checkpoint in (run, second):
        inference.map_region(checkpoint, input=scene, out=out, overwrite=True, progress=False)
    assert option_files.read(MapRequest, tmp_path / "map.toml")["checkpoint"] == str(second)
    assert (tmp_path / "map.toml").read_text().startswith(HEAD)


def test_the_file_is_there_before_the_map_is(run, scene, tmp_path, monkeypatch):
    """Else a kill would leave a map beside the options of a former one."""
    monkeypatch.setattr("isamap.inference.map_files.cog.put_in_place", lambda temporary, path: None)
    inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    assert (tmp_path / "map.toml").exists() and not (tmp_path / "map.tif").exists()


def test_a_region_made_in_python_has_no_file_but_is_mapped():
    """A Region object has no words of the command line."""
    with pytest.raises(ValueError, match="cannot be written to a file"):
        option_files.to_toml(from_options(MapRequest, {"region": named("wuhan")}))
    assert request_file_of(MapRequest(checkpoint="run", out="a/map.tif").file).as_posix() == "a/map.toml"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--out", "map.tif"), "--checkpoint is missing: give --checkpoint runs/NAME"),
        (("--checkpoint", "run"), "--out is missing: give --out NAME.tif"),
        (
            ("--month", "2020-06", "2020-07"),
            "--month 2020-06 2020-07: a map is of one month; run the command once for each month",
        ),
        (("--month", "2020-06", "--month", "2020-07"), "a map is of one month"),
    ],
)
def test_wrong_words_are_one_sentence(words, sentence, capsys):
    assert mapped(*words) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"workers": "2"}, "workers='2': expected a whole number"),
        ({"bbox": "1,2,3,4"}, "bbox='1,2,3,4': expected 4 numbers (W S E N)"),
        ({"month": 202006}, "month=202006: expected text, or several (YYYY-MM)"),
        ({"runtme": "onnx"}, "'runtme' is no option: did you mean runtime?"),
        ({"overwrite": "yes"}, "overwrite='yes': expected true or false"),
        ({"checkpoint": None}, "checkpoint is missing"),
        ({"out": None}, "out is missing"),
        ({"progress": 1}, "progress=1: expected true or false"),
    ],
)
def test_wrong_arguments_are_named(tmp_path, values, sentence):
    arguments = {"checkpoint": tmp_path / "run", "out": tmp_path / "map.tif"} | values
    with pytest.raises(ValueError) as error:
        inference.map_region(**arguments)
    assert sentence in str(error.value)


def test_a_map_without_one_pixel_is_a_fault_that_names_the_bands(run, tmp_path, capsys):
    stored = stored_scene(60, 70)
    stored[4:] = -32768
    scene = write_tif(tmp_path / "scene.tif", stored)
    assert mapped("--checkpoint", run, "--input", scene, "--out", tmp_path / "map.tif") == 1
    error = capsys.readouterr().err
    assert "none of its 60 x 70 pixels has a value in every band" in error
    assert "bands VV, VH of the input hold only no-data or NaN" in error
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_bands_that_share_no_pixel_are_named_as_such(run, tmp_path, capsys):
    stored = stored_scene(60, 70)
    stored[0, :30], stored[5, 30:] = -32768, -32768
    scene = write_tif(tmp_path / "scene.tif", stored)
    assert mapped("--checkpoint", run, "--input", scene, "--out", tmp_path / "map.tif") == 1
    assert "the bands of the input have no pixel in common" in capsys.readouterr().err


def test_an_existing_other_map_is_refused_before_anything_is_opened(run, make_checkpoint, scene, tmp_path, monkeypatch):
    inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    second = make_checkpoint("crofusenet")
    monkeypatch.setattr("isamap.inference.mapping.map.opened", lambda *_: pytest.fail("the source was opened"))
    with pytest.raises(ValueError, match=r"model unet there, crofusenet asked.*--overwrite"):
        inference.map_region(second, input=scene, out=tmp_path / "map.tif")


def test_an_existing_map_of_another_place_or_time_is_refused_before_a_server_is_asked(
    run, finished_map, random_map, tmp_path, monkeypatch
):
    monkeypatch.setattr("isamap.inference.mapping.map.opened", lambda *_: pytest.fail("the source was opened"))
    path = finished_map(random_map, region="wuhan")
    with pytest.raises(ValueError, match=r"period 2020-06 there, 2020-07 asked"):
        inference.map_region(run, region="wuhan", month="2020-07", out=path)


@pytest.mark.long
@pytest.mark.parametrize("end", ["_prob.tif", ".tif.aux.xml", ".toml"])
def test_the_same_command_makes_a_missing_file_of_the_map_again(run, scene, tmp_path, end):
    inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    before = (tmp_path / f"map{end}").read_bytes()
    (tmp_path / f"map{end}").unlink()
    inference.map_region(run, input=scene, out=tmp_path / "map.tif", progress=False)
    assert (tmp_path / f"map{end}").read_bytes() == before


@pytest.mark.parametrize(
    ("training", "tags", "sentence"),
    [
        (True, {}, f"simulated training: {SIMULATED_TRAINING}"),
        (False, {"simulated": "true"}, f"simulated input: {NOTHING_REAL}"),
        (True, {"simulated": "true"}, f"simulated input and training: {NOTHING_REAL}"),
    ],
)
def test_only_what_is_simulated_is_called_so(make_checkpoint, tmp_path, training, tags, sentence):
    scene = write_tif(tmp_path / "scene.tif", stored_scene(60, 70), tags=tags)
    report = inference.map_region(
        make_checkpoint(simulated=training), input=scene, out=tmp_path / "map.tif", progress=False
    )
    assert [line for line in str(report).splitlines() if line.startswith("simulated")] == [sentence]
