"""Functions of one image: roots, exponentials, logarithms, trigonometry in radians, and special functions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from local_ee.algorithms import special_functions
from local_ee.evaluation.pixelwise import floating, pixelwise
from local_ee.raster.pixel_type import FLOAT, NAMED

_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Image.sqrt": np.sqrt,
    "Image.cbrt": np.cbrt,
    "Image.exp": np.exp,
    "Image.log": np.log,
    "Image.log10": np.log10,
    "Image.sin": np.sin,
    "Image.cos": np.cos,
    "Image.tan": np.tan,
    "Image.asin": np.arcsin,
    "Image.acos": np.arccos,
    "Image.atan": np.arctan,
    "Image.sinh": np.sinh,
    "Image.cosh": np.cosh,
    "Image.tanh": np.tanh,
}


_SPECIAL = ("gamma", "digamma", "trigamma", "erf", "erfc", "erfInv", "erfcInv", "lanczos")


def _registered(name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    def compute(value: np.ndarray) -> np.ndarray:
        return function(value)

    compute.__doc__ = f"{name} of each pixel; pixels where it is not finite are masked."
    pixelwise(name, result=floating, partial=True)(compute)


for _name, _function in _FUNCTIONS.items():
    _registered(_name, _function)
for _name in _SPECIAL:
    _registered(f"Image.{_name}", np.vectorize(special_functions.FUNCTIONS[_name], otypes=[float]))


@pixelwise("Image.gammainc", result=lambda left, right: FLOAT, cast=False, partial=True)
def gammainc(image1: np.ndarray, image2: np.ndarray) -> np.ndarray:
    """The regularised lower incomplete gamma function of image1 with the shape image2."""
    compute = np.vectorize(special_functions.lower_incomplete_gamma, otypes=[float])
    return np.asarray(compute(image1, image2))


@pixelwise("Image.bitCount", result=lambda value: NAMED["uint8"], cast=False)
def bit_count(value: np.ndarray) -> np.ndarray:
    """The number of one-bits of the 64-bit two's complement."""
    return np.bitwise_count(np.asarray(value).astype(np.int64).view(np.uint64))
