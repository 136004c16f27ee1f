"""The export's request: one record behind the command, the function and the files."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from local_ee.catalogs import WORLD_VERSION

import isamap
from isamap.gee_export.base.option_files import decode
from isamap.gee_export.base.options import options_of
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.dataset import Dataset
from isamap.gee_export.export.export import export_patches
from isamap.gee_export.export.request import EXPORT_FILE, ExportRequest
from isamap.gee_export.patches.sampling import Sampling
from tests.gee_export.export.test_export import contents
from tests.support import plot as plots

# What `isamap export` and `export_patches` take: nothing that worked may disappear.
NAMES = """
region bbox geometry admin boundaries buffer_m epsg name month period label fusion scheme share image scale
composite_asset unit image_clouds bands fine fine_scale fine_bands fine_unit fine_label fine_least frames max_frames
sensors composite speckle terrain clouds reducer settings size stride split sample distance_km min_impervious strata
per_stratum ratios seed max_patches guard_px hold_out out dry_run project catalog mode bucket keep_exports workers
workload_tag eecu_hours measured
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
        ({"image_clouds": 15.0}, "--image-clouds is of an --image"),
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


@pytest.mark.long
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
    request = SMALL | {"bbox": box, "month": "2019-06", "label": [f"{labels}#extent=all"], "settings": {"clear": 0.7}}
    export_patches(**request, out=tmp_path / "first", session=plot_session)
    text = (tmp_path / "first" / EXPORT_FILE).read_text()
    assert str(tmp_path) not in text
    monkeypatch.chdir(tmp_path)
    again = decode(ExportRequest, text, EXPORT_FILE) | {"out": "second"}
    export_patches(**again, progress=False, session=plot_session)
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
    assert decode(ExportRequest, text, EXPORT_FILE)["label"] == ("a.tif#1=5", "worldcover")
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
    text = ExportRequest.of(project="my-project").to_toml({"server": "earth-engine", "catalog": "earth-engine"})
    assert "add --project" in text and "catalog" not in text
