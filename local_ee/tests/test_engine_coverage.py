"""local_ee/docs/coverage.md: every algorithm of Google's list has one place, every stated assumption is collected."""

from __future__ import annotations

import json
from pathlib import Path

import ee
import pytest

from benchmarks import engine_coverage
from local_ee.errors import EngineError
from local_ee.evaluation import registry

LISTED = {
    entry["name"].removeprefix("algorithms/")
    for entry in json.loads((Path(ee.__file__).parent / "tests" / "algorithms.json").read_text("utf-8"))["algorithms"]
}


def test_the_page_is_current():
    """Where this fails: `make counts`."""
    text = engine_coverage.PAGE.read_text("utf-8")
    assert engine_coverage.current(text) == text


def _full(each: engine_coverage.ClassCoverage, member: str) -> str:
    return each.name if member == engine_coverage.CONSTRUCTOR else f"{each.name}.{member}"


def test_every_algorithm_of_the_wheel_has_one_place():
    names = [_full(each, name) for each in engine_coverage.classes() for name in (*each.present, *each.missing)]
    assert len(names) == len(set(names)) and set(names) == LISTED


def test_what_is_called_refused_is_refused():
    for each in engine_coverage.classes():
        for name in each.missing:
            with pytest.raises(EngineError, match="Unknown function"):
                registry.find(_full(each, name))


def test_what_is_called_implemented_is_found():
    for each in engine_coverage.classes():
        assert all(registry.find(_full(each, name)).function for name in each.present)


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        ("Halves.\n\n    Assumption: upwards.\n    Always.", "Assumption: upwards. Always."),
        ("Halves go up (assumption).", "Halves go up (assumption)."),
        ("Google says nearest. The halves are an assumption.", "The halves are an assumption."),
    ],
)
def test_an_assumption_is_collected_with_its_text(tmp_path, docstring, text):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "module.py").write_text(f'def halves():\n    """{docstring}"""\n')
    stated = engine_coverage.assumptions(tmp_path / "engine")
    assert [(each.module, each.function, each.text) for each in stated] == [("engine.module", "halves", text)]


def test_what_assumes_nothing_is_not_listed(tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "module.py").write_text('"""Nearest number (apidocs ee-image-round)."""\n')
    assert engine_coverage.assumptions(tmp_path / "engine") == ()


def test_an_assumption_names_the_algorithms_that_rest_on_it():
    stated = [each for each in engine_coverage.assumptions() if "Image.convolve" in each.algorithms]
    assert any("masked" in each.text for each in stated)
