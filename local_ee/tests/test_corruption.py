"""Wrong algorithms are wrong, and the tests that docs/wrong-answers.md names catch them."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely

from benchmarks.corrupted_engine import drawn, table
from benchmarks.corruption.values import corrupted
from local_ee.evaluation import registry
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.features import Collection, Date, DateRange, ErrorMargin, Feature
from local_ee.evaluation.values import constant
from local_ee.raster.geometry import Geometry
from local_ee.raster.kernel import fixed
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.projection import WGS84

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| \w+ \| ([\w.]+) \| `(tests/[^`]+)` \|$", re.MULTILINE)

PLAIN = [True, False, 0, 7, 0.0, 2.5, float("inf"), "", "a", [], [1], [1, 2, 3], [2, 2], {}, {"a": 1, "b": "x"}]
VALUES = [
    Date(0),
    DateRange(0, 1),
    ErrorMargin.of(1),
    ErrorMargin.of(1e9),
    WGS84,
    WGS84.at_scale(10),
    NAMED["uint8"],
    NAMED["float"],
]


@pytest.mark.parametrize("value", [*PLAIN, *VALUES], ids=repr)
def test_a_wrong_value_is_another_one_of_its_type(value):
    wrong = corrupted(value)
    assert wrong != value and type(wrong) is type(value)


def test_pixels_are_wrong_within_their_type():
    image = constant([255, 0.5])
    right, wrong = (each.read(WGS84.at_scale(10).geobox(2, 2)) for each in (image, corrupted(image)))
    for before, after in zip(right.values, wrong.values, strict=True):
        assert (before != after).all() and before.dtype == after.dtype


def test_an_array_is_wrong_everywhere():
    assert corrupted(Array.of([1, 2])).values.tolist() == [2, 3]


def test_a_feature_changes_in_a_property_or_else_in_its_place():
    place = Geometry(shapely.Point(1, 2))
    assert corrupted(Feature(place, {"system:index": "0", "a": 1})).properties == {"system:index": "0", "a": 2}
    assert corrupted(Feature(place, {})).geometry.shape.x == pytest.approx(1.002)


def test_a_collection_lacks_its_first_element():
    elements = [Feature(None, {"a": i}) for i in range(3)]
    assert [each.properties["a"] for each in corrupted(Collection(lambda: elements)).elements] == [1, 2]


def test_a_kernels_weights_are_a_hundredth_larger():
    weights = corrupted(fixed(np.ones((3, 3)), 1, 1)).draw(1.0)
    assert weights.values.tolist() == [[1.01] * 3] * 3


@pytest.mark.parametrize("seed", [1, 2])
def test_every_class_that_the_engine_has_is_drawn(seed):
    algorithms = drawn(seed)
    assert set(algorithms) == {name.partition(".")[0] for name in registry.names()} and algorithms == drawn(seed)


def test_the_table_says_what_nothing_caught():
    assert table({"If": "If", "List": "List.zip"}, {"If": "tests/x.py::test_y"}).splitlines()[2:] == [
        "| If | If | `tests/x.py::test_y` |",
        "| List | List.zip | **nothing** |",
    ]


ASKS = """
from local_ee.evaluation import graph

NODE = {"functionInvocationValue": {"functionName": "IsEqual", "arguments": {
    "left": {"constantValue": 1}, "right": {"constantValue": 1}}}}

def test_equality():
    equal = graph.evaluate({"result": "0", "values": {"0": NODE}}, None)
"""


def corruption_run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.corrupted_engine", *words]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


@pytest.mark.long
@pytest.mark.parametrize(("line", "code"), [("    assert equal is True", 0), ("    print(equal)", 1)])
def test_only_a_test_that_looks_catches(tmp_path, line, code):
    file = tmp_path / "test_equality.py"
    file.write_text(ASKS + line + "\n")
    done = corruption_run("--classes", "IsEqual", "--", str(file))
    assert done.returncode == code, done.stdout + done.stderr


def rows() -> list[tuple[str, str]]:
    """Algorithm and test of each row of the page."""
    return ROW.findall((ROOT / "docs" / "wrong-answers.md").read_text("utf-8"))


@pytest.mark.long
def test_some_of_the_wrong_algorithms_of_the_page_are_caught_today():
    """The same each time, because all of them take an hour: two by a seed, and one whose test is a long one."""
    one = [row for row in rows() if row[0] == "TemporalSegmentation.Ccdc"]
    names, tests = zip(*random.Random(1).sample(rows(), 2), *one, strict=True)
    done = corruption_run("--algorithms", *names, "--", *{test.partition("::")[0] for test in tests})
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_has_a_row_for_every_class():
    assert set(drawn(1)) <= {name.partition(".")[0] for name, _ in rows()}
