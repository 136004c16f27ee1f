"""Linear algebra (Array.matrix*, Array.eigen), in double precision with NumPy and SciPy.

The signs of eigenvectors and of singular vectors are not determined: they may differ from Google's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from local_ee.errors import EngineError
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.registry import add, algorithm

_IMAGINARY = 1e-9  # of an eigenvalue, relative: less is rounding


def _matrix(array: Array, name: str, *, square: bool = False) -> np.ndarray:
    """The numbers of a matrix; EngineError where the array is none, or not a square one."""
    if array.values.ndim != 2:
        raise EngineError(f"Array.{name}: Expected a matrix, got an array with {array.values.ndim} axes.")
    if square and array.shape[0] != array.shape[1]:
        raise EngineError(f"Array.{name}: Expected a square matrix, got {array.shape[0]} x {array.shape[1]}.")
    if not np.isfinite(array.values).all():
        raise EngineError(f"Array.{name}: The matrix holds numbers that are not finite.")
    return array.values.astype(float)


def _solved(name: str, compute: Callable[[], Any]) -> Any:
    try:
        return compute()
    except (np.linalg.LinAlgError, ValueError) as error:
        raise EngineError(f"Array.{name}: {error}.") from error


@algorithm("Array.matrixMultiply")
def multiply(left: Array, right: Array) -> Array:
    """The product of two matrices."""
    first, second = _matrix(left, "matrixMultiply"), _matrix(right, "matrixMultiply")
    if first.shape[1] != second.shape[0]:
        raise EngineError(
            f"Array.matrixMultiply: Inner dimensions must match, got {first.shape[1]} and {second.shape[0]}."
        )
    return Array.of(first @ second)


@algorithm("Array.matrixSolve")
def solve(left: Array, right: Array) -> Array:
    """x in left * x = right; in the sense of least squares where there are more equations than unknowns."""
    matrix, target = _matrix(left, "matrixSolve"), _matrix(right, "matrixSolve")
    if matrix.shape[0] == matrix.shape[1]:
        return Array.of(_solved("matrixSolve", lambda: np.linalg.solve(matrix, target)))
    return Array.of(_solved("matrixSolve", lambda: np.linalg.lstsq(matrix, target, rcond=None)[0]))


@algorithm("Array.matrixInverse")
def inverse(input: Array) -> Array:
    """The inverse of a square matrix."""
    return Array.of(_solved("matrixInverse", lambda: np.linalg.inv(_matrix(input, "matrixInverse", square=True))))


@algorithm("Array.matrixPseudoInverse")
def pseudo_inverse(input: Array) -> Array:
    """The Moore-Penrose inverse."""
    return Array.of(_solved("matrixPseudoInverse", lambda: np.linalg.pinv(_matrix(input, "matrixPseudoInverse"))))


@algorithm("Array.matrixDiagonal")
def diagonal(input: Array) -> Array:
    """The diagonal as a column."""
    return Array.of(np.diagonal(_matrix(input, "matrixDiagonal"))[:, None], input.precision)


@algorithm("Array.matrixToDiag")
def to_diagonal(input: Array) -> Array:
    """The square matrix with a column on its diagonal."""
    column = _matrix(input, "matrixToDiag")
    if column.shape[1] != 1:
        raise EngineError(f"Array.matrixToDiag: Expected one column, got {column.shape[1]}.")
    return Array.of(np.diag(column[:, 0]), input.precision)


_NUMBERS: dict[str, tuple[Callable[[np.ndarray], float], bool]] = {
    "matrixDeterminant": (lambda matrix: float(np.linalg.det(matrix)), True),
    "matrixTrace": (lambda matrix: float(np.trace(matrix)), True),
    "matrixFnorm": (lambda matrix: float(np.linalg.norm(matrix)), False),
}


def _number_of(name: str) -> Callable[..., float]:
    compute, square = _NUMBERS[name]

    def apply(input: Array) -> float:
        scalar: float = _solved(name, lambda: compute(_matrix(input, name, square=square)))
        return scalar

    return apply


for _name in _NUMBERS:
    add(f"Array.{_name}", _number_of(_name))


@algorithm("Array.dotProduct")
def dot_product(array1: Array, array2: Array) -> float:
    """The sum of the products of two lists of numbers."""
    if array1.values.ndim != 1 or array1.shape != array2.shape:
        raise EngineError("Array.dotProduct: Expected two arrays with one axis of the same length.")
    product: float = np.dot(array1.values, array2.values).item()
    return product


@algorithm("Array.eigen")
def eigen(input: Array) -> Array:
    """A row for each eigenvalue, the largest first: the eigenvalue and its eigenvector of length 1."""
    matrix = _matrix(input, "eigen", square=True)
    symmetric = np.array_equal(matrix, matrix.T)
    values, vectors = _solved("eigen", lambda: np.linalg.eigh(matrix) if symmetric else np.linalg.eig(matrix))
    if np.abs(np.imag(values)).max(initial=0) > _IMAGINARY * max(np.abs(values).max(initial=0), 1):
        raise EngineError("Array.eigen: The matrix has eigenvalues that are not real.")
    order = np.argsort(-np.real(values), kind="stable")
    return Array.of(np.column_stack([np.real(values)[order], np.real(vectors).T[order]]))


@algorithm("Array.matrixCholeskyDecomposition")
def cholesky(array: Array) -> dict[str, Array]:
    """L, the lower triangle whose product with its transpose is the matrix."""
    name = "matrixCholeskyDecomposition"
    return {"L": Array.of(_solved(name, lambda: np.linalg.cholesky(_matrix(array, name, square=True))))}


@algorithm("Array.matrixSingularValueDecomposition")
def singular_values(array: Array) -> dict[str, Array]:
    """U, S and V with U S V' the matrix; S is diagonal, its largest number first."""
    name = "matrixSingularValueDecomposition"
    matrix = _matrix(array, name)
    left, values, right = _solved(name, lambda: np.linalg.svd(matrix))
    scale = np.zeros(matrix.shape)
    np.fill_diagonal(scale, values)
    return {"U": Array.of(left), "S": Array.of(scale), "V": Array.of(right.T)}


@algorithm("Array.matrixLUDecomposition")
def lower_upper(array: Array) -> dict[str, Array]:
    """L, U and P with P times the matrix L U."""
    name = "matrixLUDecomposition"
    permutation, lower, upper = _solved(name, lambda: scipy.linalg.lu(_matrix(array, name, square=True)))
    return {"L": Array.of(lower), "U": Array.of(upper), "P": Array.of(permutation.T)}


@algorithm("Array.matrixQRDecomposition")
def orthogonal_upper(array: Array) -> dict[str, Array]:
    """Q, which is orthogonal, and R, an upper triangle, whose product is the matrix."""
    name = "matrixQRDecomposition"
    orthogonal, upper = _solved(name, lambda: np.linalg.qr(_matrix(array, name), mode="complete"))
    return {"Q": Array.of(orthogonal), "R": Array.of(upper)}
