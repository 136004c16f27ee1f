"""The export's request: one record behind the command, the function and the files."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import pytest

import isamap
from gee_export.base.option_files import from_toml
from gee_export.base.options import from_options, options_of, to_options
from gee_export.base.regions import Region
from gee_export.datasets.dataset import Dataset
from gee_export.export.export import export_patches
from gee_export.export.request import EXPORT_FILE, ExportRequest
from gee_export.patches.sampling import Sampling
from local_ee.catalogs import WORLD_VERSION
from tests.gee_export.export.test_export import contents
from tests.support import plot as plots

# What `isamap export` and `export_patches` take: nothing that worked may disappear.
NAMES = """
region bbox geometry admin boundaries buffer_m epsg name month period label fusion scheme share image scale
unit bands fine fine_scale fine_bands fine_unit fine_label frames max_frames sensors speckle terrain clouds reducer
settings size stride split sample distance_km min_impervious strata per_stratum ratios seed max_patches
guard_px hold_out out dry_run project catalog mode bucket keep_exports workers workload_tag eecu_hours
""".split()  # noqa: SIM905 a list of words is easier to read
LOCAL_WORLD = {"server": "local-engine", "catalog": "world", "world": WORLD_VERSION}
SMALL = {"size": 32, "stride": 32, "speckle": "none", "progress": False}


def test_no_option_disappears():
    assert [option.name for option in options_of(ExportRequest)] == NAMES


def test_the_command_has_the_options_of_the_request():
    from tests.test_options import EVERYWHERE, options

    flag_of = {"settings": "--set", "buffer_m": "--buffer"}
    flags = {flag_of.get(name, f"--{name.replace('_', '-')}") for name in NAMES}
    assert options("export") == flags | {"--config", "--help", *EVERYWHERE}


def test_the_function_has_the_options_of_the_request():
    assert list(inspect.signature(export_patches).parameters) == ["request", *NAMES, "progress", "session"]


def test_a_request_is_made_again_of_its_options():
    request = ExportRequest.of(region="wuhan", month="2019-06", size=64, label=["worldcover", "esri"], fusion="union")
    assert from_options(ExportRequest, to_options(request)) == request


def test_a_sampling_of_python_is_its_options():
    assert ExportRequest.of(sample=Sampling("points", 5.0)).sampling == Sampling("points", 5.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"bbox": "15,47,16,48"}, r"bbox='15,47,16,48': expected 4 numbers \(W S E N\)"),
        ({"month": 201906}, r"month=201906: expected text, or several \(YYYY-MM\)"),
        ({"size": "128"}, r"size='128': expected a whole number"),
        ({"sise": 128}, r"'sise' is no option: did you mean size\?"),
        ({"mode": "strem"}, r"mode='strem': expected one of stream, batch \(did you mean stream\?\)"),
        ({"scale": 3.0}, "--scale 3 is the step of an --image"),
        ({"unit": "dB"}, "--unit dB is of an --image"),
        ({"fine_bands": ["R"]}, "are of a --fine image"),
        ({"fine_scale": 2.0}, "--fine-scale 2 is of a --fine image"),
        ({"fine_label": "none"}, "--fine-label are the labels of a --fine image"),
        ({"max_frames": 3}, "--max-frames 3 is of --frames"),
        ({"image": "a.tif", "speckle": "lee"}, "leave out --speckle"),
        ({"out": ""}, "--out is empty"),
        ({"month": "2019-06", "period": "2019"}, "both say when"),
        ({"keep_exports": True}, "--keep-exports is for --mode batch"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_looked_at(options, words):
    with pytest.raises(ValueError, match=words):
        ExportRequest.of(**options)


def test_a_request_and_options_are_not_mixed():
    with pytest.raises(ValueError, match=r"a request and size are given: change the request by dataclasses\.replace"):
        export_patches(ExportRequest(), size=3)


def test_the_command_takes_a_file_and_overrides_it(tmp_path, capsys):
    (tmp_path / "run.toml").write_text('bbox = [114.29, 30.55, 114.31, 30.57]\nmonth = ["2019-06"]\nsize = 4\n')
    words = ["export", "--config", str(tmp_path / "run.toml"), "--size", "32", "--stride", "500", "--dry-run"]
    assert isamap.main(words) == 0
    assert ": 1 patch (" in capsys.readouterr().out


def test_a_file_with_an_unknown_option_is_refused(tmp_path, capsys):
    (tmp_path / "run.toml").write_text("mnth = '2019-06'\n")
    assert isamap.main(["export", "--config", str(tmp_path / "run.toml")]) == 2
    assert "run.toml: 'mnth' is no option: did you mean month?" in capsys.readouterr().err


def test_the_file_of_a_dataset_makes_it_again(plot_session, tmp_path, monkeypatch):
    """With a label file, which lies elsewhere the second time."""
    left, bottom, right, top = plots.REGION.bounds_wsen
    labels = tmp_path / "own.geojson"
    labels.write_text(
        json.dumps(
            {"type": "Polygon", "coordinates": [[[left, bottom], [right, bottom], [right, top], [left, bottom]]]}
        )
    )
    box = (left + 0.001, bottom + 0.001, right - 0.001, top - 0.001)
    asked = SMALL | {"bbox": box, "month": "2019-06", "label": [f"{labels}#extent=all"], "settings": {"clear": 0.7}}
    export_patches(**asked, out=tmp_path / "first", session=plot_session)
    text = (tmp_path / "first" / EXPORT_FILE).read_text()
    assert str(tmp_path) not in text
    monkeypatch.chdir(tmp_path)
    again = from_toml(ExportRequest, text)
    again = replace(again, run=replace(again.run, out="second"))
    export_patches(again, progress=False, session=plot_session)
    assert contents(Path("second")) == contents(tmp_path / "first")
    assert len(Dataset.open("second").patches) > 3


def test_the_file_holds_no_path_of_this_machine():
    request = ExportRequest.of(
        region="wuhan", month="2019-06", label=["/home/me/a.tif#1=5", "worldcover"], fusion="union", out="/home/me/d",
        geometry="/home/me/town.geojson", fine="/home/me/fine.tif", settings={"displacement": "/home/me/shift.json"},
        workers=3, catalog="/home/me/folder",
    )  # fmt: skip
    text = request.to_toml({"server": "local-engine", "catalog": "folder"})
    assert "/home" not in text and "workers" not in text
    assert from_toml(ExportRequest, text).labels.label == ("a.tif#1=5", "worldcover")
    assert 'catalog = "folder"' in text and "displacement=shift.json" in text


def test_the_same_settings_are_the_same_file():
    texts = {
        ExportRequest.of(settings=settings).to_toml(LOCAL_WORLD)
        for settings in ({"kernel_px": 5, "clear": 0.7}, ["clear=0.7", "kernel_px=5"])
    }
    assert len(texts) == 1


def test_the_file_says_what_it_cannot_hold():
    region = Region("mine", 32650, (0, 0, 1000, 1000), (0, 1000))
    assert "# region had objects of Python" in ExportRequest.of(region=region).to_toml(LOCAL_WORLD)


def test_pixels_of_google_are_said_to_need_a_project():
    text = ExportRequest.of(project="p").to_toml({"server": "earth-engine", "catalog": "earth-engine"})
    assert "add --project" in text and "catalog" not in text
