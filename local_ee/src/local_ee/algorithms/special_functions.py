"""Special functions of a number, with SciPy (Number.gamma, erf ...); the samples of apidocs say what has no value."""

from __future__ import annotations

import math
from collections.abc import Callable

import scipy.special

Number = int | float
_LANCZOS_G = (  # P. Godfrey's coefficients for g = 607/128, which Apache Commons Math uses
    0.99999999999999709182,
    57.156235665862923517,
    -59.597960355475491248,
    14.136097974741747174,
    -0.49191381609762019978,
    0.33994649984811888699e-4,
    0.46523628927048575665e-4,
    -0.98374475304879564677e-4,
    0.15808870322491248884e-3,
    -0.21026444172410488319e-3,
    0.21743961811521264320e-3,
    -0.16431810653676389022e-3,
    0.84418223983852743293e-4,
    -0.26190838401581408670e-4,
    0.36899182659531622704e-5,
)


def lanczos(value: Number) -> float:
    """The series of Lanczos's approximation of the gamma function; infinite at its poles."""
    if value in range(-len(_LANCZOS_G) + 1, 0):
        return math.inf
    terms = (weight / (value + i) for i, weight in enumerate(_LANCZOS_G) if i)
    return math.fsum(terms) + _LANCZOS_G[0]


def _positive(compute: Callable[[float], float]) -> Callable[[Number], float]:
    """Not a number at 0 and below."""
    return lambda value: compute(value) if value > 0 else math.nan


def digamma(value: Number) -> float:
    """-Infinity at 0 and at negative whole numbers."""
    return -math.inf if value <= 0 and float(value).is_integer() else float(scipy.special.digamma(value))


def trigamma(value: Number) -> float:
    """Infinite at 0 and at negative whole numbers."""
    if value <= 0:
        if float(value).is_integer():
            return math.inf
        squared = math.sin(math.pi * value) ** 2
        return math.pi**2 / squared - trigamma(1 - value) if squared else math.inf
    return float(scipy.special.polygamma(1, value))


def lower_incomplete_gamma(value: Number, shape: Number) -> float:
    """The regularised lower incomplete gamma function; not a number for negative arguments."""
    return float(scipy.special.gammainc(shape, value)) if value >= 0 and shape > 0 else math.nan


FUNCTIONS: dict[str, Callable[[Number], Number]] = {
    "gamma": _positive(lambda value: float(scipy.special.gamma(value))),
    "digamma": digamma,
    "trigamma": trigamma,
    "erf": lambda value: float(scipy.special.erf(value)),
    "erfc": lambda value: float(scipy.special.erfc(value)),
    "erfInv": lambda value: float(scipy.special.erfinv(value)),
    "erfcInv": lambda value: float(scipy.special.erfcinv(value)),
    "lanczos": lanczos,
    "bitCount": lambda value: (int(value) & (2**64 - 1)).bit_count(),
}
