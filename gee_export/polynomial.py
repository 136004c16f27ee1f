"""Displacements as polynomials of place: what they are, how they are kept, and least squares that make them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

# Powers of (u, v) by coefficient; an order takes the first 1, 3, 6 or 10 of them
EXPONENTS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
TERMS = {0: 1, 1: 3, 2: 6, 3: 10}  # of each axis, by order


@dataclass(frozen=True)
class Frame:
    """The box of a coordinate system that a displacement is known in; its middle and edges are u, v = 0 and -1, 1."""

    crs: str
    bounds_wsen: tuple[float, float, float, float]  # left, bottom, right, top in units of the CRS

    def __post_init__(self) -> None:
        left, bottom, right, top = self.bounds_wsen
        if not (all(map(math.isfinite, self.bounds_wsen)) and left < right and bottom < top):
            raise ValueError(f"displacement frame {self.bounds_wsen}: expected left < right and bottom < top")

    @property
    def centre(self) -> tuple[float, float]:
        left, bottom, right, top = self.bounds_wsen
        return (left + right) / 2, (bottom + top) / 2

    @property
    def half(self) -> tuple[float, float]:
        """Half the width and half the height."""
        left, bottom, right, top = self.bounds_wsen
        return (right - left) / 2, (top - bottom) / 2

    def local(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and v of places, held at -1 and 1 outside the box: a cubic runs away where nothing held it."""
        (x0, y0), (half_x, half_y) = self.centre, self.half
        return np.clip((x - x0) / half_x, -1, 1), np.clip((y - y0) / half_y, -1, 1)


@dataclass(frozen=True)
class Polynomial:
    """How far moving content lies from where it belongs: what belongs at (x, y) is found at (x + dx, y + dy).

    dx, dy: coefficients of EXPONENTS in units of the frame's CRS (metres in UTM), x to the right and y up; 1, 3, 6 or
    10 of them for orders 0 to 3. Third order is S002's (section II, "third-order polynomial method").
    """

    frame: Frame
    dx: tuple[float, ...]
    dy: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.dx) != len(self.dy) or len(self.dx) not in TERMS.values():
            raise ValueError(
                f"displacement of {len(self.dx)} and {len(self.dy)} coefficients: expected {sorted(TERMS.values())}"
            )
        if not all(map(math.isfinite, (*self.dx, *self.dy))):
            raise ValueError("displacement coefficients must be finite numbers")

    @classmethod
    def identity(cls, frame: Frame) -> Polynomial:
        """No displacement."""
        return cls(frame, (0.0,), (0.0,))

    @property
    def order(self) -> int:
        return next(order for order, count in TERMS.items() if count == len(self.dx))

    @property
    def is_identity(self) -> bool:
        return not any((*self.dx, *self.dy))

    @property
    def most(self) -> float:
        """No displacement along either axis is greater: inside the frame no power of u or v exceeds one."""
        return max(sum(map(abs, self.dx)), sum(map(abs, self.dy)))

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """dx and dy at places, in units of the CRS."""
        u, v = self.frame.local(np.asarray(x, float), np.asarray(y, float))
        return tuple(sum(c * power(u, v, k) for k, c in enumerate(axis)) for axis in (self.dx, self.dy))

    def padded(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The coefficients of both axes as a third-order polynomial's."""
        missing = (0.0,) * (len(EXPONENTS) - len(self.dx))
        return self.dx + missing, self.dy + missing

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        frame = {"crs": self.frame.crs, "bounds": list(self.frame.bounds_wsen)}
        return {**frame, "order": self.order, "dx": list(self.dx), "dy": list(self.dy)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Polynomial:
        """From `to_json`; ValueError saying what is missing or wrong."""
        try:
            frame = Frame(str(document["crs"]), tuple(float(edge) for edge in document["bounds"]))
            return cls(frame, tuple(map(float, document["dx"])), tuple(map(float, document["dy"])))
        except KeyError as error:
            raise ValueError(f"displacement has no {error.args[0]!r}: expected crs, bounds, dx and dy") from error
        except TypeError as error:
            raise ValueError(f"displacement is not one that `isamap coregister` wrote: {error}") from error


def power(u: np.ndarray, v: np.ndarray, term: int) -> np.ndarray:
    """u and v to a term's exponents."""
    i, j = EXPONENTS[term]
    return u**i * v**j


def design(u: np.ndarray, v: np.ndarray, order: int) -> np.ndarray:
    """One row a place, one column a term."""
    return np.stack([power(u, v, k) for k in range(TERMS[order])], axis=1)


def solved(design_NT: np.ndarray, d_N2: np.ndarray) -> np.ndarray:
    """Coefficients [term, axis] by least squares."""
    return np.linalg.lstsq(design_NT, d_N2, rcond=None)[0]


def left_out(design_NT: np.ndarray, d_N2: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    """Residual of each point from the fit to the points of the other folds [point, axis]; NaN where those are few."""
    out = np.full(d_N2.shape, np.nan)
    for fold in np.unique(fold_N):
        held = fold_N == fold
        if (~held).sum() >= design_NT.shape[1]:
            out[held] = d_N2[held] - design_NT[held] @ solved(design_NT[~held], d_N2[~held])
    return out


def rms(d_N2: np.ndarray) -> float:
    """Root mean square length of vectors; NaN for none."""
    return float(np.sqrt((d_N2**2).sum(axis=1).mean())) if len(d_N2) else math.nan
