"""Arrays beside NumPy, and as Google's API-doc samples print them (github google/earthengine-community,
samples/python/apidocs/ee_array_*.py; all of them: local_ee/benchmarks/conformance.py).
"""

from __future__ import annotations

import math

import ee
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, value

pytestmark = pytest.mark.usefixtures("session")

NUMBERS = arrays.arrays(np.int64, arrays.array_shapes(min_dims=1, max_dims=3, max_side=4), elements=st.integers(-9, 9))
QUICK = settings(max_examples=25, deadline=None)


def sent(values: np.ndarray) -> ee.Array:
    return ee.Array(values.tolist())


PRINTED = {
    "an empty one": (lambda: ee.Array([[], []], ee.PixelType.float()), [[], []]),
    "a cast rounds": (lambda: ee.Array([-0.1, 0.5, 127.1, 255.9]).byte(), [0, 1, 127, 255]),
    "a cast is bounded": (lambda: ee.Array([-1, 256]).toUint8(), [0, 255]),
    "powers of whole numbers are floats": (
        lambda: ee.Array([10, 10, 10]).pow([-2, -1, 2]),
        [0.009999999776482582, 0.10000000149011612, 100],
    ),
    "powers of 0": (lambda: ee.Array([0, 0]).pow([-1, 0]), ["Infinity", 1]),
    "division by 0": (lambda: ee.Array([2, 3]).divide([0, 2]), [0, 1.5]),
    "the remainder keeps the sign": (lambda: ee.Array([-1, -9, 8]).mod([8, 8, -9]), [-1, -1, 8]),
    "a number goes with every number": (lambda: ee.Array([[0, 1], [2, 3]]).add(1), [[1, 2], [3, 4]]),
    "cat along a new axis": (lambda: ee.Array.cat([ee.Array([1]), ee.Array([2])], 1), [[1, 2]]),
    "a mask that leaves nothing": (lambda: ee.Array([[1, 2]]).mask([[0, 0]]), [[]]),
    "the bits": (lambda: ee.Array.bitsToArray(5), [1, 0, 1]),
    "the not of bits": (lambda: ee.Array([0, 255, -3]).bitwiseNot(), [-1, -256, 2]),
    "the largest number's place": (lambda: ee.Array([[3, 4, 2], [6, 5, 7]]).argmax(), [1, 2]),
    "no largest number": (lambda: ee.Array([], ee.PixelType.int8()).argmax(), None),
    "a running maximum": (lambda: ee.Array([2, -2, 3, 1]).accum(0, ee.Reducer.max()), [2, 2, 3, 3]),
    "counts along both axes": (lambda: ee.Array([[1, 0, 3], [1, 2, 3]]).reduce(ee.Reducer.count(), [1, 0]), [[6]]),
    "a cut": (lambda: ee.Array([[0, 1, 2], [3, 4, 5]]).cut([-1, 0]), [[0], [3]]),
    "a sort by keys": (lambda: ee.Array([10, 20, 30]).sort([3, 1, 2]), [20, 30, 10]),
    "padding": (lambda: ee.Array([[1, 2]]).pad([2, 3], 7), [[1, 2, 7], [7, 7, 7]]),
    "copies": (lambda: ee.Array([1, 2]).repeat(1, 2), [[1, 1], [2, 2]]),
    "a length that is computed": (lambda: ee.Array([[1, 2, 3, 4]]).reshape([2, -1]), [[1, 2], [3, 4]]),
    "an axis that is dropped": (lambda: ee.Array([[1, 2, 3]]).project([1]), [1, 2, 3]),
}


@pytest.mark.parametrize("name", PRINTED)
def test_as_printed(name):
    make, expected = PRINTED[name]
    assert info(make()) == expected


@QUICK
@given(NUMBERS, st.data())
def test_slices_are_numpys(values, data):
    axis = data.draw(st.integers(0, values.ndim - 1))
    start, end = data.draw(st.integers(-6, 6)), data.draw(st.integers(-6, 6))
    step = data.draw(st.integers(1, 3))
    index = tuple(slice(start, end, step) if i == axis else slice(None) for i in range(values.ndim))
    assert info(sent(values).slice(axis, start, end, step)) == values[index].tolist()


@QUICK
@given(NUMBERS, st.data())
def test_sums_are_numpys(values, data):
    axes = data.draw(st.lists(st.integers(0, values.ndim - 1), unique=True, min_size=1))
    expected = values.sum(axis=tuple(axes), keepdims=True)
    assert info(sent(values).reduce(ee.Reducer.sum(), axes)) == expected.tolist()


@QUICK
@given(NUMBERS, st.data())
def test_running_sums_are_numpys(values, data):
    axis = data.draw(st.integers(0, values.ndim - 1))
    assert info(sent(values).accum(axis)) == values.cumsum(axis=axis).tolist()


@QUICK
@given(NUMBERS)
def test_transposes_are_numpys(values):
    if values.ndim > 1:
        assert info(sent(values).transpose()) == np.swapaxes(values, 0, 1).tolist()


def test_a_reducer_of_two_outputs_needs_a_field_axis():
    reducer = ee.Reducer.minMax()
    assert info(ee.Array([[3], [1], [2]]).reduce(reducer, [0], 1)) == [[1, 3]]
    with pytest.raises(EngineError, match="needs a fieldAxis"):
        value(ee.Array([[3], [1], [2]]).reduce(reducer, [0]))


SQUARE = arrays.arrays(np.float64, (3, 3), elements=st.integers(-5, 5).map(float)).filter(
    lambda matrix: abs(np.linalg.det(matrix)) > 0.5
)


@QUICK
@given(SQUARE)
def test_a_matrix_times_its_inverse_is_the_identity(matrix):
    product = ee.Array(matrix.tolist()).matrixMultiply(ee.Array(matrix.tolist()).matrixInverse())
    assert np.allclose(info(product), np.eye(3), atol=1e-9)


@QUICK
@given(SQUARE)
def test_decompositions_multiply_to_the_matrix(matrix):
    sent_matrix = ee.Array(matrix.tolist())
    qr, lu = info(sent_matrix.matrixQRDecomposition()), info(sent_matrix.matrixLUDecomposition())
    svd = info(sent_matrix.matrixSingularValueDecomposition())
    assert np.allclose(np.array(qr["Q"]) @ qr["R"], matrix)
    assert np.allclose(np.array(lu["P"]) @ matrix, np.array(lu["L"]) @ lu["U"])
    assert np.allclose(np.array(svd["U"]) @ svd["S"] @ np.array(svd["V"]).T, matrix)


@QUICK
@given(SQUARE)
def test_eigenvectors_are_only_scaled(matrix):
    symmetric = matrix + matrix.T
    rows = np.array(info(ee.Array(symmetric.tolist()).eigen()))
    assert (np.diff(rows[:, 0]) <= 1e-9).all()
    for eigenvalue, *vector in rows:
        assert np.allclose(symmetric @ vector, eigenvalue * np.array(vector), atol=1e-7)


def test_a_rotation_has_no_real_eigenvalues():
    with pytest.raises(EngineError, match="not real"):
        value(ee.Array([[0, -1], [1, 0]]).eigen())


def test_more_equations_than_unknowns():
    points = np.array([[1, 0], [1, 1], [1, 2]])
    line = info(ee.Array(points.tolist()).matrixSolve(ee.Array([[1], [3], [5]])))
    assert np.allclose(line, [[1], [2]])


REFUSED = {
    "lists of other lengths": (lambda: ee.Array([[1, 2], [3]]), "same length"),
    "no type": (lambda: ee.Array([]), "needs a pixelType"),
    "text": (lambda: ee.Array(["a"]), "must be numbers"),
    "shapes that differ": (lambda: ee.Array([1, 2]).add([1, 2, 3]), r"same lengths, got \[2\] and \[3\]"),
    "a place outside": (lambda: ee.Array([1, 2]).get([2]), "out of range of axis 0 with length 2"),
    "a singular matrix": (lambda: ee.Array([[1, 1], [1, 1]]).matrixInverse(), "Singular"),
    "no matrix": (lambda: ee.Array([1, 2]).matrixInverse(), "Expected a matrix, got an array with 1 axes"),
    "inner dimensions": (lambda: ee.Array([[1, 2]]).matrixMultiply([[1, 2]]), "Inner dimensions must match"),
    "too many numbers": (lambda: ee.Array.identity(10**7), "memory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    make, words = REFUSED[name]
    with pytest.raises(EngineError, match=words):
        value(make())


SPECIAL = {
    "gamma": (0.5, math.sqrt(math.pi)),
    "digamma": (1, -0.577215665),
    "trigamma": (1, math.pi**2 / 6),
    "erf": (1, math.erf(1)),
    "erfc": (1, math.erfc(1)),
    "erfInv": (0.001, 0.000886227),
    "erfcInv": (0.001, 2.326753765),
    "lanczos": (-0.9, 524.955196990),
    "bitCount": (0xFFFF, 16),
}


@pytest.mark.parametrize("name", SPECIAL)
def test_special_functions(name):
    """Numbers of the standard library, or as the samples of apidocs print them."""
    argument, expected = SPECIAL[name]
    assert info(getattr(ee.Number(argument), name)()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "name, argument, expected",
    [
        ("digamma", -1, "-Infinity"),
        ("trigamma", -100, "Infinity"),
        ("lanczos", -1, "Infinity"),
        ("gamma", 200, "Infinity"),
    ],
)
def test_poles(name, argument, expected):
    assert info(getattr(ee.Number(argument), name)()) == expected
