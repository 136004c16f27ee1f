"""Linear algebra at each pixel, against numpy and the definitions of the decompositions."""

from __future__ import annotations

import ee
import numpy as np
import pytest

from local_ee.errors import EngineError
from local_ee.testing.evaluating import info, number

pytestmark = pytest.mark.usefixtures("session")

SQUARE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 2.0]])
TALL = np.array([[1.0, 2.0], [3.0, 5.0], [4.0, 1.0]])


def image(matrix: np.ndarray) -> ee.Image:
    return ee.Image(ee.Array(matrix.tolist())).rename("array")


def matrix_of(expression: ee.Image, band: str = "array") -> np.ndarray:
    point = ee.Geometry.Point([117.0, 30.73])
    return np.array(info(expression.sample(point, 10, "EPSG:32650").first().get(band)))


def test_products():
    assert np.allclose(matrix_of(image(SQUARE).matrixMultiply(image(TALL))), SQUARE @ TALL)


def test_products_of_other_lengths_are_refused():
    with pytest.raises(EngineError, match="Inner lengths"):
        matrix_of(image(TALL).matrixMultiply(image(TALL)))


def test_inverses():
    assert np.allclose(matrix_of(image(SQUARE).matrixInverse()) @ SQUARE, np.eye(3))


def test_a_singular_matrix_is_refused():
    with pytest.raises(EngineError, match=r"[Ss]ingular"):
        matrix_of(image(np.ones((2, 2))).matrixInverse())


def test_pseudo_inverses():
    assert np.allclose(matrix_of(image(TALL).matrixPseudoInverse()) @ TALL, np.eye(2))


def test_solutions():
    assert np.allclose(SQUARE @ matrix_of(image(SQUARE).matrixSolve(image(TALL))), TALL)


def test_least_squares():
    right = np.array([[1.0], [2.0], [4.0]])
    expected = np.linalg.lstsq(TALL, right, rcond=None)[0]
    assert np.allclose(matrix_of(image(TALL).matrixSolve(image(right))), expected)


def test_determinant_trace_and_norm():
    values = [number(getattr(image(SQUARE), name)()) for name in ("matrixDeterminant", "matrixTrace", "matrixFnorm")]
    assert np.allclose(values, [np.linalg.det(SQUARE), 9.0, np.sqrt((SQUARE**2).sum())])


def test_diagonals():
    column = image(SQUARE).matrixDiagonal()
    assert matrix_of(column).tolist() == [[4], [3], [2]]
    assert matrix_of(column.matrixToDiag()).tolist() == [[4, 0, 0], [0, 3, 0], [0, 0, 2]]


def test_the_identity():
    assert matrix_of(ee.Image.matrixIdentity(2).rename("array")).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(("name", "parts"), [("Cholesky", "L"), ("LU", "PLU"), ("QR", "QR"), ("SingularValue", "USV")])
def test_decompositions_give_the_matrix_again(name, parts):
    result = getattr(image(SQUARE), f"matrix{name}Decomposition")()
    found = {part: matrix_of(result, part) for part in parts}
    again = {
        "Cholesky": lambda p: p["L"] @ p["L"].T,
        "LU": lambda p: p["P"].T @ p["L"] @ p["U"],
        "QR": lambda p: p["Q"] @ p["R"],
        "SingularValue": lambda p: p["U"] @ p["S"] @ p["V"].T,
    }[name](found)
    assert np.allclose(again, SQUARE)
