"""The student's graph: sizes, rounding, and the function that takes any composite."""

from __future__ import annotations

import json
from dataclasses import replace

import ee
import numpy as np
import pytest

from isamap.gee_export.base.regions import Month
from isamap.gee_export.requests.channel import Channel
from isamap.gee_export.sentinel import composite as composites
from isamap.inference.student import graph
from isamap.inference.student.parameters import DenseLayer, Parameters, StoredRange
from isamap.training.checkpoints.checkpoint import load
from isamap.training.models import build
from tests.inference.student.conftest import SETTINGS
from tests.inference.student.test_pixels import by_graph, image_of
from tests.support import plot as plots

JUNE = Month(2019, 6).period


def wide(student_folder) -> Parameters:
    """A student of 32 and 16 neurons in the form of the small one."""
    small = Parameters.of(load(student_folder))
    layers = build("student", small.names, {"hidden": (32, 16)}).layers
    plain = tuple(DenseLayer(tuple(map(tuple, layer.weight.tolist())), tuple(layer.bias.tolist())) for layer in layers)
    return replace(small, layers=plain)


@pytest.mark.long
def test_the_whole_graph_is_under_a_megabyte(connected, student_folder):
    packed = composites.build(plots.REGION, JUNE, composites.Settings.of(speckle="lee")).packed
    text = graph.serialised(graph.student_image(packed, wide(student_folder)))
    assert 50_000 < len(text) < 1_000_000


@pytest.mark.long
def test_a_graph_beyond_the_payload_is_refused(connected, student_folder, monkeypatch):
    monkeypatch.setattr(graph, "PAYLOAD_LIMIT_BYTES", 20_000)
    with pytest.raises(ValueError, match="takes 20,000: take a student with fewer neurons"):
        graph.serialised(image_of(student_folder))


@pytest.mark.long
def test_the_function_of_a_composite_is_the_graph(connected, student_folder):
    packed = composites.build(plots.REGION, JUNE, SETTINGS).packed
    function = ee.deserializer.fromJSON(graph.as_function(Parameters.of(load(student_folder))))
    called, full = by_graph(ee.Image(function.call(packed))), by_graph(image_of(student_folder))
    np.testing.assert_array_equal(called.valid_BHW, full.valid_BHW)
    np.testing.assert_array_equal(called.values_BHW, full.values_BHW)


@pytest.mark.long
@pytest.mark.parametrize(
    "value", [0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.4999, 0.5001, -3.7, 7.0, -32767.0, 40000.0], ids=str
)
def test_halves_go_to_the_even_number(connected, student_folder, value):
    single = Parameters.of(load(student_folder))
    single = replace(single, bands=(StoredRange("B2", "reflectance", 1e-4, -30000, 32767),))
    image = graph.stored_numbers(ee.Image.constant(value).rename("B2"), single)
    answer = by_graph(image, channel=Channel("B2", "float64"))
    assert (answer.values_BHW == np.clip(np.rint(np.float32(value)), -30000, 32767)).all()


def test_the_graph_speaks_of_nothing_local(connected, student_folder):
    """What is pasted into Google's editor names Google's collections alone."""
    text = json.dumps(json.loads(graph.serialised(image_of(student_folder))))
    assert "COPERNICUS/S2_SR_HARMONIZED" in text and "local" not in text and str(plots.REGION.name) not in text
