"""Functions of one image: roots, exponentials, logarithms and trigonometry; radians throughout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from local_ee.evaluation.pixelwise import floating, pixelwise

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


def _registered(name: str, function: Callable[[np.ndarray], np.ndarray]) -> None:
    def compute(value: np.ndarray) -> np.ndarray:
        return function(value)

    compute.__doc__ = f"{function.__name__} of each pixel; pixels where it is not finite are masked."
    pixelwise(name, result=floating, partial=True)(compute)


for _name, _function in _FUNCTIONS.items():
    _registered(_name, _function)
