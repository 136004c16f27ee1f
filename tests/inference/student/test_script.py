"""The Code Editor script: JavaScript that a parser reads, and that makes the graph it was printed from."""

from __future__ import annotations

import json

import ee
import pytest

from isamap.gee_export.base.regions import Month
from isamap.gee_export.sentinel import composite as composites
from isamap.gee_export.sentinel import sentinel2
from isamap.inference.student import graph
from isamap.inference.student.javascript import printed
from isamap.inference.student.parameters import Parameters
from isamap.inference.student.script import Subject, code_editor_script
from isamap.training.checkpoints.checkpoint import load
from tests.inference.student.conftest import SETTINGS, random_student, save_student
from tests.support import plot as plots
from tests.support.code_editor import run
from tests.support.graphs import digest

pytest.importorskip("esprima", reason="a JavaScript parser: pip install esprima")
JUNE = Month(2019, 6).period
SEVEN = ("cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice")


def script_of(folder, settings=SETTINGS) -> tuple[str, dict]:
    """The script of the plot, and the graph that it must make."""
    made, parameters = composites.build(plots.REGION, JUNE, settings), Parameters.of(load(folder))
    packed = json.loads(made.packed.serialize())
    text = code_editor_script(
        packed, ee.ApiFunction.allSignatures(), parameters, Subject(plots.REGION, JUNE, "0" * 64, True)
    )
    return text, json.loads(graph.serialised(graph.student_image(made.packed, parameters)))


def made_by(text: str, name: str) -> dict:
    return json.loads(run(text)[0][name].serialize())


@pytest.mark.long
def test_the_script_makes_the_graph(connected, student_folder):
    text, expected = script_of(student_folder)
    assert digest(made_by(text, "result")) == digest(expected)


@pytest.mark.long
def test_the_script_of_seven_classes_makes_their_graph(connected, tmp_path):
    text, expected = script_of(save_student(random_student(7), SEVEN, tmp_path / "seven"))
    assert digest(made_by(text, "result")) == digest(expected)


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [
        {"clouds": "scl", "reducer": "best", "extras": ("count", "day"), "orbit_pass": "ASCENDING", "orbits": (3, 15)},
        {"clouds": "scl", "reducer": "median", "speckle": "refined_lee"},
        {"speckle": "gamma_map", "dates": 2, "bands": ("B4", "B11")},
    ],
    ids=lambda options: "-".join(map(str, options)),
)
def test_every_setting_of_a_composite_can_be_stated(connected, options):
    packed = composites.build(plots.REGION, JUNE, composites.Settings.of(**options)).packed
    document = json.loads(packed.serialize())
    text = printed(document, ee.ApiFunction.allSignatures(), "packed")
    assert digest(made_by(text, "packed")) == digest(document)


@pytest.mark.long
def test_a_composite_beside_another_zone_can_be_stated(connected):
    packed = sentinel2.sensed(plots.REGION.bounds_wsen, JUNE, sentinel2.Optical(bands=("B4", "B11")), epsg=32649).packed
    document = json.loads(packed.serialize())
    text = printed(document, ee.ApiFunction.allSignatures(), "packed")
    assert "ee.Algorithms.If" in text and digest(made_by(text, "packed")) == digest(document)


@pytest.mark.long
def test_the_live_layer_is_computed_at_ten_metres(connected, student_folder):
    text, _ = script_of(student_folder)
    names = [call for call, _ in run(text)[1].calls]
    assert names.count("Map.addLayer") == 2 and names.count("Export.image.toAsset") == 1
    shown = json.dumps(made_by(text, "shown"))
    assert "Image.reproject" in shown and f"EPSG:{plots.REGION.epsg}" in shown


@pytest.mark.long
def test_the_export_lies_on_the_maps_grid(connected, student_folder):
    text, _ = script_of(student_folder)
    ((_, (options,)),) = [call for call in run(text)[1].calls if call[0] == "Export.image.toAsset"]
    assert options["crsTransform"] == [10, 0, plots.LEFT, 0, -10, plots.TOP]
    assert options["pyramidingPolicy"] == {"isa": "mode", "prob": "mean"}


def test_the_exported_asset_says_what_every_map_says(connected, student_folder):
    """Palette, time, scale, and that it is simulated, as every map carries them."""
    text, _ = script_of(student_folder)
    exported = text.partition("exported.image = ")[2].partition("exported.region")[0]
    for name in ("isa_class_palette", "isa_class_values", "prob_scale", "system:time_start", "simulated"):
        assert name in exported
    assert "'true'" in exported.partition("simulated")[2][:12].replace('"', "'")


def test_a_graph_without_words_is_refused():
    unknown = {
        "result": "0",
        "values": {"0": {"functionInvocationValue": {"functionName": "Image.none", "arguments": {}}}},
    }
    with pytest.raises(ValueError, match=r"Image\.none"):
        printed(unknown, {}, "packed")
