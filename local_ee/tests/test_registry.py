"""Every algorithm of the engine is one of Google's, with Google's parameters."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import ee
import pytest

from local_ee.errors import EngineError
from local_ee.evaluation import registry


def test_functions_take_the_parameters_of_the_installed_client():
    """Read from the wheel's file itself, not through the engine's reader of it."""
    listed = json.loads((Path(ee.__file__).parent / "tests" / "algorithms.json").read_text())["algorithms"]
    google = {entry["name"].partition("/")[2]: entry.get("arguments", []) for entry in listed}
    assert len(registry.names()) > 400
    for name in registry.names():
        own = inspect.signature(registry.find(name).function).parameters
        assert [p.rstrip("_") for p in own if p != "catalog"] == [p["argumentName"] for p in google[name]], name


def test_a_wrong_parameter_name_is_refused_when_it_is_defined():
    def add(left, right):
        return left + right

    with pytest.raises(TypeError, match="Google's list says"):
        registry.add("Image.hersImage", add)


def test_an_algorithm_that_google_does_not_have_is_refused_when_it_is_defined():
    with pytest.raises(TypeError, match="not in Google's list"):
        registry.add("Image.nothing", lambda: None)


def test_an_algorithm_is_defined_once():
    with pytest.raises(TypeError, match="defined twice"):
        registry.add("Image.pixelLonLat", lambda: None)


def test_the_refusal_tells_whether_google_has_it():
    with pytest.raises(EngineError, match="Google's Earth Engine does"):
        registry.find("Image.hersImage")
    with pytest.raises(EngineError, match=r"^Unknown function 'Image.nothing'\.$"):
        registry.find("Image.nothing")


@pytest.mark.parametrize(
    ("name", "instead"), [("Image.loadZarrV2Array", "Image.loadGeoTIFF"), ("Model.predictImage", "computePixels")]
)
def test_the_refusal_names_what_can_be_used_instead(name, instead):
    with pytest.raises(EngineError, match=instead):
        registry.find(name)


def test_the_engine_is_loaded_without_the_client_or_torch():
    code = (
        "import sys; from local_ee.evaluation import graph, registry; registry.names(); "
        "print(sorted({'ee', 'torch', 'geopandas', 'matplotlib', 'starlette'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_algorithms_are_loaded_without_scipys_signal_processing():
    """It takes seconds to load, which the first answer would wait for."""
    program = (
        "import sys; from local_ee.evaluation import registry as r; r.names(); print('scipy.signal' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "False"
