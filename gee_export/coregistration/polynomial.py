"""Displacements as polynomials of place: what they are, how they are kept, and least squares that make them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pyproj

# Powers of (u, v) by coefficient; an order takes the first 1, 3, 6 or 10 of them
EXPONENTS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
TERMS = {0: 1, 1: 3, 2: 6, 3: 10}  # of each axis, by order


@dataclass(frozen=True)
class PolynomialFrame:
    """The box of a coordinate system that a displacement is known in; its middle and edges are u, v = 0 and -1, 1."""

    crs: str
    bounds: tuple[float, float, float, float]  # left, bottom, right, top in units of the CRS

    def __post_init__(self) -> None:
        if len(self.bounds) != 4 or not all(map(math.isfinite, self.bounds)):
            raise ValueError(f"displacement frame {self.bounds}: expected left, bottom, right and top")
        left, bottom, right, top = self.bounds
        if not (left < right and bottom < top):
            raise ValueError(f"displacement frame {self.bounds}: expected left < right and bottom < top")

    @property
    def centre(self) -> tuple[float, float]:
        left, bottom, right, top = self.bounds
        return (left + right) / 2, (bottom + top) / 2

    @property
    def half(self) -> tuple[float, float]:
        """Half the width and half the height."""
        left, bottom, right, top = self.bounds
        return (right - left) / 2, (top - bottom) / 2

    @property
    def is_metric(self) -> bool:
        """True where the CRS counts metres on the ground's plane."""
        crs = pyproj.CRS(self.crs)
        return crs.is_projected and all(axis.unit_conversion_factor == 1 for axis in crs.axis_info)

    def local(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """u and v of places, held at -1 and 1 outside the box: a cubic runs away where nothing held it."""
        (x0, y0), (half_x, half_y) = self.centre, self.half
        return np.clip((x - x0) / half_x, -1, 1), np.clip((y - y0) / half_y, -1, 1)


@dataclass(frozen=True)
class Polynomial:
    """How far moving content lies from where it belongs: what belongs at (x, y) is found at (x + dx, y + dy).

    crs, bounds: the frame. dx, dy: coefficients of EXPONENTS in units of the CRS (metres in UTM), x to the right and
    y up; 1, 3, 6 or 10 of them for orders 0 to 3. Third order is CroFuseNet's (section II, "third-order polynomial
    method").
    """

    crs: str
    bounds: tuple[float, float, float, float]
    dx: tuple[float, ...]
    dy: tuple[float, ...]

    def __post_init__(self) -> None:
        PolynomialFrame(self.crs, self.bounds)
        if len(self.dx) != len(self.dy) or len(self.dx) not in TERMS.values():
            raise ValueError(
                f"displacement of {len(self.dx)} and {len(self.dy)} coefficients: expected {sorted(TERMS.values())}"
            )
        if not all(map(math.isfinite, (*self.dx, *self.dy))):
            raise ValueError("displacement coefficients must be finite numbers")

    @classmethod
    def identity(cls, frame: PolynomialFrame) -> Polynomial:
        """The polynomial that displaces nothing."""
        return cls.of(frame, (0.0,), (0.0,))

    @classmethod
    def of(cls, frame: PolynomialFrame, dx: Iterable[float], dy: Iterable[float]) -> Polynomial:
        """Coefficients of a frame's u and v."""
        return cls(frame.crs, frame.bounds, tuple(map(float, dx)), tuple(map(float, dy)))

    @property
    def frame(self) -> PolynomialFrame:
        return PolynomialFrame(self.crs, self.bounds)

    @property
    def order(self) -> int:
        return next(order for order, count in TERMS.items() if count == len(self.dx))

    @property
    def is_identity(self) -> bool:
        return not any((*self.dx, *self.dy))

    @property
    def most(self) -> float:
        """An upper bound of the displacement along either axis: inside the frame no power of u or v exceeds one."""
        return max(sum(map(abs, self.dx)), sum(map(abs, self.dy)))

    def at(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """dx and dy at places, in units of the CRS."""
        u, v = self.frame.local(np.asarray(x, float), np.asarray(y, float))
        return _summed(self.dx, u, v), _summed(self.dy, u, v)

    def padded(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The coefficients of both axes as a third-order polynomial's."""
        # A graph has one form for all orders: terms that an orbit lacks are multiplied by 0.
        missing = (0.0,) * (len(EXPONENTS) - len(self.dx))
        return self.dx + missing, self.dy + missing

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"crs": self.crs, "bounds": list(self.bounds), "dx": list(self.dx), "dy": list(self.dy)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Polynomial:
        """The polynomial of a `to_json` document; ValueError saying what is missing or wrong."""
        try:
            bounds = cast(
                "tuple[float, float, float, float]", tuple(map(float, document["bounds"]))
            )  # Frame counts them
            frame = PolynomialFrame(str(document["crs"]), bounds)
            return cls.of(frame, document["dx"], document["dy"])
        except KeyError as error:
            raise ValueError(f"displacement has no {error.args[0]!r}: expected crs, bounds, dx and dy") from error
        except TypeError as error:
            raise ValueError(f"displacement is not one that `isamap coregister` wrote: {error}") from error


def _summed(axis: Sequence[float], u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return sum((c * power(u, v, k) for k, c in enumerate(axis)), np.zeros(u.shape))


def power(u: np.ndarray, v: np.ndarray, term: int) -> np.ndarray:
    """u and v to a term's exponents."""
    i, j = EXPONENTS[term]
    return u**i * v**j


def design(u: np.ndarray, v: np.ndarray, order: int) -> np.ndarray:
    """One row a place, one column a term."""
    return np.stack([power(u, v, k) for k in range(TERMS[order])], axis=1)


def solved(design_NT: np.ndarray, d_N2: np.ndarray) -> np.ndarray:
    """Coefficients [term, axis] by least squares."""
    # By singular values and not by normal equations, whose condition is the square of a cubic's.
    return np.linalg.lstsq(design_NT, d_N2, rcond=None)[0]


def left_out(design_NT: np.ndarray, d_N2: np.ndarray, fold_N: np.ndarray) -> np.ndarray:
    """Residual of each point from the fit to the points of the other folds [point, axis]; NaN where those are few."""
    out = np.full(d_N2.shape, np.nan)
    for fold in np.unique(fold_N):
        in_fold = fold_N == fold
        # Fewer points than terms fit anything, so their error would be of no fold.
        if (~in_fold).sum() >= design_NT.shape[1]:
            out[in_fold] = d_N2[in_fold] - design_NT[in_fold] @ solved(design_NT[~in_fold], d_N2[~in_fold])
    return out


def rms(d_N2: np.ndarray) -> float:
    """Root mean square length of vectors; NaN for none."""
    return float(np.sqrt((d_N2**2).sum(axis=1).mean())) if len(d_N2) else math.nan
