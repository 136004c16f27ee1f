"""Speckle filters as Earth Engine graphs: each takes linear power (any bands) and gives linear power, same mask.

Equations: earth-engine.md section 2.2, after Mullissa et al. 2021 (doi:10.3390/rs13101954). Windows are k x k pixels
of the grid that is asked for, so a composite must be computed at its own 10 m, never at a map's zoom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ee

LOOKS = 5  # equivalent number of looks of IW GRD that the equations assume
NOISE_VARIANCE = 1 / LOOKS  # of fully developed speckle with mean 1: eta squared

Speckle = Callable[["ee.Image", int], "ee.Image"]


def none(power: ee.Image, kernel_px: int) -> ee.Image:
    """The image as it is."""
    return power


def boxcar(power: ee.Image, kernel_px: int) -> ee.Image:
    """The mean of the window's valid pixels (equation 2)."""
    return _moments(power, kernel_px)[0]


def lee(power: ee.Image, kernel_px: int) -> ee.Image:
    """Lee's local linear estimate m + b (x - m), b = max(0, vx / v), vx = (v - m2 eta2) / (1 + eta2) (equation 3).

    Written as b = max(0, (1 - eta2 m2 / v) / (1 + eta2)): the same number with fewer operations. Where v is 0,
    x equals m, so what Earth Engine makes of the division does not matter.
    """
    mean, variance = _moments(power, kernel_px)
    weight = mean.multiply(mean).divide(variance)
    weight = weight.multiply(-NOISE_VARIANCE / (1 + NOISE_VARIANCE)).add(1 / (1 + NOISE_VARIANCE)).max(0)
    return power.subtract(mean).multiply(weight).add(mean)


def gamma_map(power: ee.Image, kernel_px: int) -> ee.Image:
    """The Gamma maximum a posteriori estimate in its standard form (equation 4).

    The window mean where the window is no rougher than speckle, the pixel itself where it is far rougher. Between
    the two alpha and the root are positive; elsewhere they are kept from masking what `where` then replaces.
    """
    mean, variance = _moments(power, kernel_px)
    roughness2 = variance.divide(mean.multiply(mean))
    speckle2 = 1 / LOOKS
    excess = roughness2.subtract(speckle2)
    alpha = excess.multiply(0).add(1 + speckle2).divide(excess)
    prior = mean.multiply(alpha.subtract(LOOKS + 1))
    root = prior.multiply(prior).add(alpha.multiply(mean).multiply(power).multiply(4 * LOOKS)).max(0).sqrt()
    estimate = prior.add(root).divide(alpha.multiply(2))
    return estimate.where(roughness2.lte(speckle2), mean).where(roughness2.gte(2 * speckle2), power)


SPECKLE: dict[str, Speckle] = {"none": none, "boxcar": boxcar, "lee": lee, "gamma_map": gamma_map}


def check(name: str, kernel_px: int) -> None:
    """ValueError for unknown filters and for windows without a middle pixel."""
    if name not in SPECKLE:
        raise ValueError(f"speckle filter {name!r}: expected one of {', '.join(SPECKLE)}")
    if kernel_px < 3 or kernel_px % 2 == 0 or not math.isfinite(kernel_px):
        raise ValueError(f"speckle window of {kernel_px} pixels: expected an odd number from 3, usually 7")


def _moments(power: ee.Image, kernel_px: int) -> tuple[ee.Image, ee.Image]:
    """Mean and (population) variance of each pixel's window, over its valid pixels."""
    import ee

    kernel = ee.Kernel.square(kernel_px // 2, "pixels")
    names = power.bandNames()
    mean = power.reduceNeighborhood(ee.Reducer.mean(), kernel).rename(names)
    variance = power.reduceNeighborhood(ee.Reducer.variance(), kernel).rename(names)
    return mean, variance
