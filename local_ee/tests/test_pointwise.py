"""Chains of arithmetic in one pass give the bits of one pass after the other, and read each input once."""

from __future__ import annotations

import math

import ee
import numpy as np
import pytest

from local_ee.evaluation import instructions, pointwise
from local_ee.raster import arithmetic
from local_ee.raster.arithmetic import Operation, Program
from local_ee.testing.evaluating import value
from local_ee.testing.scenes import Scene, Scenes, utm

pytestmark = pytest.mark.usefixtures("session")

WINDOW = utm(37, 53)
BANDS = {"a": ("float32", 10), "b": ("uint16", 10), "c": ("int32", 10), "d": ("float64", 10)}


def scene(hidden: int) -> Scene:
    return Scene("C/s", utm(37, 53), BANDS, hidden=hidden)


def a_b_c_d() -> list[ee.Image]:
    return [ee.Image("C/s").select(name) for name in BANDS]


def graphs() -> dict[str, ee.Image]:
    a, b, c, d = a_b_c_d()
    mean = a.multiply(a)
    return {
        "lee": a.subtract(mean).multiply(b.subtract(mean.multiply(0.2)).max(0).divide(b.max(1e-20).multiply(1.2))),
        "ndvi": b.subtract(c).divide(b.add(c)).rename("x").add(1),
        "logic": a.gt(0.5).And(b.lt(1500)).Or(c.eq(7)).Not().multiply(3).add(b.gte(d)).subtract(c.lte(a)).neq(1),
        "double": d.divide(a).subtract(0.1).abs().min(b).toFloat().add(a).toDouble().divide(a.subtract(a)),
        "choice": a.where(b.gt(1000), d.subtract(c)).add(1),
        "fractions": b.toFloat().divide(3).multiply(0.1).log().add(a).pow(1.7),
        "whole": b.add(c).multiply(2).subtract(b.min(c)),
        "cast": a.multiply(1000).toInt16().add(b),
    }


def read(image: ee.Image, hidden: int):
    return value(image, Scenes((scene(hidden),))).read(WINDOW)


def bits(pixels) -> list[tuple[str, bytes]]:
    return [(str(array.dtype), np.ascontiguousarray(array).tobytes()) for array in (*pixels.values, *pixels.masks)]


@pytest.mark.parametrize("hidden", (0, 5))
@pytest.mark.parametrize("name", ("lee", "ndvi", "logic", "double", "choice", "fractions", "whole", "cast"))
def test_strips_and_instructions_give_the_bits_of_whole_windows(monkeypatch, name, hidden):
    image = graphs()[name]
    monkeypatch.setattr(pointwise, "LEAST_PIXELS", math.inf)
    whole = bits(read(image, hidden))
    monkeypatch.setattr(pointwise, "STRIP_PIXELS", 53 * 5)
    monkeypatch.setattr(pointwise, "LEAST_STEPS", 1)
    assert bits(read(image, hidden)) == whole
    monkeypatch.setattr(pointwise, "LEAST_PIXELS", 0)
    monkeypatch.setattr(instructions, "_STRIP_PIXELS", 53 * 4)
    assert bits(read(image, hidden)) == whole


def test_instructions_compute_what_numpy_computes(monkeypatch):
    monkeypatch.setattr(pointwise, "LEAST_PIXELS", 0)
    image = graphs()["lee"]
    pixels = read(image, 0)
    a, b = scene(0).read(("a",), WINDOW)[0][0], scene(0).read(("b",), WINDOW)[0][0]
    mean = (a * a).astype(np.float64)
    weight = np.maximum(b - mean * 0.2, 0) / (np.maximum(b.astype(np.float64), 1e-20) * 1.2)
    assert (pixels.values[0] == (a - a * a).astype(np.float64) * weight).all()


def test_plain_arithmetic_runs_as_instructions(monkeypatch):
    monkeypatch.setattr(pointwise, "LEAST_PIXELS", 0)
    runs = []
    monkeypatch.setattr(Program, "run", lambda *args: runs.append(args))
    read(graphs()["lee"], 5)
    assert len(runs) == 1


def test_one_operation_is_left_to_numpy(monkeypatch):
    monkeypatch.setattr(pointwise, "LEAST_PIXELS", 0)
    monkeypatch.setattr(Program, "run", lambda *args: pytest.fail("instructions ran"))
    a, b, _, _ = a_b_c_d()
    assert read(a.gt(b), 0).values[0].dtype == np.uint8


def test_a_chain_reads_each_input_once_and_only_the_bands_it_needs():
    source = scene(0)
    value(graphs()["choice"], Scenes((source,))).read(WINDOW)
    assert sorted(name for names, _ in source.reads for name in names) == ["a", "b", "c", "d"]


def test_what_another_image_reads_too_is_computed_once(monkeypatch):
    """The squares are read by a neighbourhood as well, so the sum does not take them in."""
    alone = Scene("C/s", utm(37, 53), {"a": ("float32", 10)})
    square = ee.Image("C/s").multiply(ee.Image("C/s"))
    mean = square.reduceNeighborhood(ee.Reducer.mean(), ee.Kernel.square(1))
    image = value(square.add(mean), Scenes((alone,)))
    shapes = []
    original = pointwise._Step.run

    def run(self, slots, shape):
        shapes.append(shape)
        original(self, slots, shape)

    monkeypatch.setattr(pointwise._Step, "run", run)
    image.read(WINDOW)
    assert shapes == [(39, 55), (37, 53)]


def test_a_long_chain_holds_few_inputs_at_once(monkeypatch):
    held = []
    original = pointwise._inputs

    def inputs(chain, wanted, geobox):
        slots = original(chain, wanted, geobox)
        held.append(len(slots))
        return slots

    monkeypatch.setattr(pointwise, "_inputs", inputs)
    scenes = [Scene(f"C/{i}", utm(37, 53), {"a": ("float32", 10)}, seed=i) for i in range(30)]
    total = ee.Image("C/0")
    for i in range(1, 30):
        total = total.add(ee.Image(f"C/{i}"))
    pixels = value(total, Scenes(tuple(scenes))).read(WINDOW)
    expected = np.float32(0)
    for each in scenes:
        expected = expected + each.read(("a",), WINDOW)[0][0]
    assert (pixels.values[0] == expected).all()
    assert max(held) <= pointwise.MOST_INPUTS + 1


@pytest.mark.parametrize(
    ("code", "function"),
    [
        (arithmetic.ADD, np.add),
        (arithmetic.SUBTRACT, np.subtract),
        (arithmetic.MULTIPLY, np.multiply),
        (arithmetic.MIN, np.minimum),
        (arithmetic.MAX, np.maximum),
        (arithmetic.EQ, np.equal),
        (arithmetic.NEQ, np.not_equal),
        (arithmetic.GT, np.greater),
        (arithmetic.GTE, np.greater_equal),
        (arithmetic.LT, np.less),
        (arithmetic.LTE, np.less_equal),
        (arithmetic.AND, np.logical_and),
        (arithmetic.OR, np.logical_or),
    ],
)
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_an_instruction_gives_numpys_numbers_also_of_zeros_and_infinities(code, function, dtype):
    numbers = np.array([0.0, -0.0, 1.5, -2.25, 1e-30, 3.1e38, np.inf, -np.inf, 0.1], dtype)
    left, right = (side.ravel() for side in np.meshgrid(numbers, numbers))
    with np.errstate(all="ignore"):
        expected = np.asarray(function(left, right)).astype(dtype)
    program = Program(2, [])
    register = program.add(code, (0, 1), rounded=dtype == np.float32)
    out = np.empty((1, left.size))
    program.run(np.stack([left, right]).astype(np.float64), left.size, [register], out)
    same = np.nan_to_num(out[0].astype(dtype), nan=7) == np.nan_to_num(expected, nan=7)
    assert same.all()


def test_whole_results_of_fractions_are_no_instruction():
    assert not Operation(arithmetic.ADD, np.dtype("int16")).allows([np.dtype("float32"), np.dtype("int16")])


def test_long_integers_are_no_instruction():
    assert not Operation(arithmetic.ADD, np.dtype("int64")).allows([np.dtype("int32"), np.dtype("int32")])
