"""Linear algebra of pixels that are matrices (Image.matrix*), in double precision with NumPy, many pixels at once.

Assumption: a matrix that cannot be inverted or solved is an error, as it is for ee.Array.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.linalg
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.array_images import check_arrays, mapped, paired, together
from local_ee.evaluation.arrays import Array
from local_ee.evaluation.registry import add, algorithm
from local_ee.evaluation.values import Image, constant, derived
from local_ee.raster.array_pixels import computed
from local_ee.raster.pixel_type import DOUBLE, PixelType
from local_ee.raster.pixels import Pixels

_NUMBER_BYTES = 8
Stacked = Callable[[np.ndarray], np.ndarray]


def _solved(name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
    try:
        return compute()
    except (np.linalg.LinAlgError, ValueError) as error:
        raise EngineError(f"Image.{name}: {error}.") from error


def _matrices(name: str, stack: np.ndarray, *, square: bool = False) -> np.ndarray:
    if square and stack.shape[1] != stack.shape[2]:
        raise EngineError(f"Image.{name}: Expected a square matrix, got {stack.shape[1]} x {stack.shape[2]}.")
    matrices = stack.astype(float)
    if not np.isfinite(matrices).all():
        raise EngineError(f"Image.{name}: The matrix holds numbers that are not finite.")
    return matrices


@algorithm("Image.matrixIdentity")
def identity(size: int) -> Image:
    """The square matrix with ones on its diagonal, everywhere."""
    if size < 1:
        raise EngineError(f"Image.matrixIdentity: The size must be positive, got {size}.")
    budget.allocate(size * size * _NUMBER_BYTES)
    return constant([Array.of(np.eye(size, dtype=np.int64))])


def _numbers(pixel_type: PixelType) -> PixelType:
    return DOUBLE


def _tables(pixel_type: PixelType, *_: PixelType) -> PixelType:
    return DOUBLE.of_dimensions(2)


def _kept(pixel_type: PixelType) -> PixelType:
    return pixel_type


def _diagonal(stack: np.ndarray) -> np.ndarray:
    return np.diagonal(stack, axis1=1, axis2=2)[:, :, None]


def _to_diagonal(stack: np.ndarray) -> np.ndarray:
    if stack.shape[2] != 1:
        raise EngineError(f"Image.matrixToDiag: Expected one column, got {stack.shape[2]}.")
    return stack * np.eye(stack.shape[1], dtype=stack.dtype)


# By name: the function of a stack of matrices, the type of its result, whether it needs square matrices.
_FUNCTIONS: dict[str, tuple[Stacked, Callable[..., PixelType], bool]] = {
    "matrixInverse": (np.linalg.inv, _tables, True),
    "matrixPseudoInverse": (np.linalg.pinv, _tables, False),
    "matrixDeterminant": (np.linalg.det, _numbers, True),
    "matrixTrace": (lambda stack: np.trace(stack, axis1=1, axis2=2), _numbers, True),
    "matrixFnorm": (lambda stack: np.linalg.norm(stack, axis=(1, 2)), _numbers, False),
    "matrixDiagonal": (_diagonal, _kept, False),
    "matrixToDiag": (_to_diagonal, _kept, False),
}


def _function(name: str) -> Callable[..., Image]:
    function, typed, square = _FUNCTIONS[name]

    def compute(stack: np.ndarray) -> np.ndarray:
        matrices = _matrices(name, stack, square=square)
        return _solved(name, lambda: function(matrices if typed is not _kept else stack))

    def apply(value: Image) -> Image:
        check_arrays(value, f"Image.{name}", dimensions=2)
        return mapped(value, compute, typed)

    return apply


for _name in _FUNCTIONS:
    add(f"Image.{_name}", _function(_name))


@algorithm("Image.matrixMultiply")
def multiply(image1: Image, image2: Image) -> Image:
    """The product of two matrices."""
    return _of_two("matrixMultiply", image1, image2, _product)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if left.shape[2] != right.shape[1]:
        raise EngineError(f"Image.matrixMultiply: Inner lengths must match, got {left.shape[2]} and {right.shape[1]}.")
    return left @ right


@algorithm("Image.matrixSolve")
def solve(image1: Image, image2: Image) -> Image:
    """x in image1 * x = image2; in the sense of least squares where there are more equations than unknowns."""
    return _of_two("matrixSolve", image1, image2, _solution)


def _solution(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    if left.shape[1] != right.shape[1]:
        raise EngineError(f"Image.matrixSolve: The images have {left.shape[1]} and {right.shape[1]} rows.")
    return np.linalg.solve(left, right) if left.shape[1] == left.shape[2] else np.linalg.pinv(left) @ right


def _of_two(name: str, left: Image, right: Image, function: Callable[..., np.ndarray]) -> Image:
    for image in (left, right):
        check_arrays(image, f"Image.{name}", dimensions=2)

    def compute(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return _solved(name, lambda: function(_matrices(name, first), _matrices(name, second)))

    return paired(left, right, compute, _tables)


def _upper_lower(stack: np.ndarray) -> tuple[np.ndarray, ...]:
    permutation, lower, upper = scipy.linalg.lu(stack)
    return lower, upper, np.swapaxes(permutation, 1, 2)


def _singular(stack: np.ndarray) -> tuple[np.ndarray, ...]:
    left, values, right = np.linalg.svd(stack)
    scale = np.zeros(stack.shape)
    index = np.arange(values.shape[1])
    scale[:, index, index] = values
    return left, scale, np.swapaxes(right, 1, 2)


# By name: the parts, their bands, and whether the matrix must be square.
_DECOMPOSITIONS: dict[str, tuple[Callable[[np.ndarray], tuple[np.ndarray, ...]], tuple[str, ...], bool]] = {
    "matrixCholeskyDecomposition": (lambda stack: (np.linalg.cholesky(stack),), ("L",), True),
    "matrixSingularValueDecomposition": (_singular, ("U", "S", "V"), False),
    "matrixLUDecomposition": (_upper_lower, ("L", "U", "P"), True),
    "matrixQRDecomposition": (lambda stack: tuple(np.linalg.qr(stack, mode="complete")), ("Q", "R"), False),
}


def _decomposition(name: str) -> Callable[..., Image]:
    function, labels, square = _DECOMPOSITIONS[name]

    def part(index: int) -> Stacked:
        return lambda stack: _solved(name, lambda: function(_matrices(name, stack, square=square))[index])

    def apply(image: Image) -> Image:
        check_arrays(image, f"Image.{name}", dimensions=2)
        if len(image.bands) != 1:
            raise EngineError(f"Image.{name}: The image must have one band, got {len(image.bands)}.")
        target = DOUBLE.of_dimensions(2)

        def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
            pixels = image.read_at(geobox, (0,))
            return together([computed(part(i), pixels.values, pixels.masks[0], target.dtype) for i in positions])

        bands = [image.bands[0].renamed(label).typed(target) for label in labels]
        return derived([image], bands, reading, needs=lambda positions: [(0,)])

    return apply


for _name in _DECOMPOSITIONS:
    add(f"Image.{_name}", _decomposition(_name))
