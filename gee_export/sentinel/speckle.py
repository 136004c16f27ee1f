"""Speckle filters as Earth Engine graphs: each takes linear power (any bands) and gives linear power, same mask.

Equations: docs/reference/earth-engine.md, "Sentinel-1 equations", after Mullissa et al. 2021 (doi:10.3390/rs13101954).
Windows are k x k pixels of the grid that is asked for, so a composite must be computed at its own 10 m, never at a
map's zoom.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ee

LOOKS = 5  # equivalent number of looks of IW GRD that the equations assume
NOISE_VARIANCE = 1 / LOOKS  # of fully developed speckle with mean 1: eta squared
# Lee et al. 2009 (doi:10.1109/TGRS.2008.2002881), table for 4 looks and sigma 0.9: range, and eta inside it
SIGMA_LOOKS, SIGMA_RANGE, SIGMA_ETA = 4, (0.378, 2.094), 0.3991
TARGET_PIXELS = 7  # of 3 x 3 above the scene's 98th percentile: a target, which is kept
BRIGHT = "bright_"  # an image's property of this name and the band's: that percentile
_TINY = 1e-20  # below every variance of power: keeps 0 / 0 out of windows without spread

Filter = Callable[["ee.Image", int], "ee.Image"]


@dataclass(frozen=True)
class Speckle:
    """A filter and the windows that it can have. needs_bright: images carry the percentile of `brightness`."""

    apply: Filter
    least_px: int = 3
    most_px: int = 31
    needs_bright: bool = False

    def check(self, name: str, kernel_px: int) -> None:
        """ValueError for a window that this filter cannot have."""
        if kernel_px < 3 or kernel_px % 2 == 0 or not math.isfinite(kernel_px):
            raise ValueError(f"speckle window of {kernel_px} pixels: expected an odd number from 3, usually 7")
        if self.least_px == self.most_px != kernel_px:
            raise ValueError(f"speckle window of {kernel_px} pixels: {name} is made for {self.most_px} and no other")
        if not self.least_px <= kernel_px <= self.most_px:
            raise ValueError(
                f"speckle window of {kernel_px} pixels: expected {self.least_px} to {self.most_px} for {name}"
            )


def none(power: ee.Image, kernel_px: int) -> ee.Image:
    """The image as it is."""
    return power


def boxcar(power: ee.Image, kernel_px: int) -> ee.Image:
    """The mean of the window's valid pixels (equation 2)."""
    import ee

    return power.reduceNeighborhood(ee.Reducer.mean(), _square(kernel_px)).rename(power.bandNames())


def lee(power: ee.Image, kernel_px: int) -> ee.Image:
    """Lee's local linear estimate m + b (x - m), b = max(0, vx / v), vx = (v - m2 eta2) / (1 + eta2) (equation 3)."""
    return _linear(power, *_moments(power, _square(kernel_px)), NOISE_VARIANCE)


def lee_sigma(power: ee.Image, kernel_px: int) -> ee.Image:
    """Lee's improved sigma filter (equation 6; Lee et al. 2009), sigma 0.9, 4 looks, targets in 3 x 3.

    The linear estimate from the window's pixels that lie within the sigma range of the pixel's own 3 x 3 estimate; that
    estimate itself where none does. Targets (at least 7 of 3 x 3 above the scene's 98th percentile) stay as they are.
    `power` carries that percentile (`brightness`) as bright_BAND. Unlike gee_s1_ard, bright neighbours are summed, the
    range has two ends, and it is the range of the pixel that is filtered, not of each neighbour.
    """
    import ee

    # Lee's a priori estimate is of 3 x 3 whatever the window: a larger one would blur the range that selects.
    prior = _linear(power, *_moments(power, _square(3)), 1 / SIGMA_LOOKS)
    low, high = (prior.multiply(share) for share in SIGMA_RANGE)

    def within(name: ee.String) -> ee.Image:
        """Mean and variance of a band's neighbours inside the range: read in one pass, one band each."""
        each = power.select([name]).neighborhoodToBands(_square(kernel_px))
        inside = each.gte(low.select([name])).And(each.lte(high.select([name])))
        return each.updateMask(inside).reduce(_mean_and_variance())

    moments = _split(ee.ImageCollection(power.bandNames().map(within)).toBands(), power)
    estimate = prior.blend(_linear(power, *moments, SIGMA_ETA**2))
    bright = power.gt(_percentiles(power))
    # Not normalised: weights of 1 make the sum a count of bright pixels.
    crowd = bright.reduceNeighborhood(ee.Reducer.sum(), ee.Kernel.square(1, "pixels", False)).rename(power.bandNames())
    return estimate.where(bright.And(crowd.gte(TARGET_PIXELS)), power)


def refined_lee(power: ee.Image, kernel_px: int) -> ee.Image:
    """Lee's filter in the half of the 7 x 7 window that lies on the pixel's side of an edge (equation 5; Lee 1981).

    Nine 3 x 3 windows two pixels apart give the strongest of four gradients; the half whose outer 3 x 3 mean is nearer
    to the middle one's is taken, the first where two are equal. The noise is the mean of the five smallest of the nine
    variance / mean2. A 3 x 3 window without a valid pixel counts as the middle one. Lemoine's script compares the two
    sides with their signs, which takes the wrong half of every second edge; this compares their sizes, as Lee does.
    """
    import ee

    # Windows centred on a masked pixel have moments too: the pixels beside it read theirs from there.
    mean, variance = _moments(power, _square(3), skip_masked=False)
    means = {at: mean.blend(_shifted(mean, at)) if any(at) else mean for at in _NINE}
    rough = variance.divide(mean.multiply(mean).max(_TINY))
    roughs = [rough.blend(_shifted(rough, at)) if any(at) else rough for at in _NINE]
    # A sum of minima with the median needs no array image, whose memory would be nine times the tile's.
    median = ee.ImageCollection(roughs).median()
    capped = ee.ImageCollection([each.min(median) for each in roughs]).sum()  # the five smallest and four medians
    noise = capped.subtract(median.multiply(4)).divide(5)
    return _linear(power, *_half_moments(power, means), noise)


def gamma_map(power: ee.Image, kernel_px: int) -> ee.Image:
    """The Gamma maximum a posteriori estimate in its standard form (equation 4).

    The window mean where the window is no rougher than speckle, the pixel itself where it is far rougher. Between
    the two alpha and the root are positive; elsewhere they are kept from masking what `where` then replaces.
    """
    return _gamma(power, kernel_px, lambda mean, alpha: mean.multiply(alpha.subtract(LOOKS + 1)))


def gamma_map_gee_s1_ard(power: ee.Image, kernel_px: int) -> ee.Image:
    """Gamma MAP as gee_s1_ard writes it, for comparison: m (m alpha - L - 1) under the root, whose units differ."""
    return _gamma(power, kernel_px, lambda mean, alpha: mean.multiply(alpha.multiply(mean).subtract(LOOKS + 1)))


def _gamma(power: ee.Image, kernel_px: int, under_root: Callable[[ee.Image, ee.Image], ee.Image]) -> ee.Image:
    mean, variance = _moments(power, _square(kernel_px))
    roughness2 = variance.divide(mean.multiply(mean).max(_TINY))
    excess = roughness2.subtract(NOISE_VARIANCE)
    alpha = excess.multiply(0).add(1 + NOISE_VARIANCE).divide(excess)
    inner = under_root(mean, alpha)
    # On smooth ground alpha is negative; the root of a negative radicand would mask what `where` replaces.
    root = inner.multiply(inner).add(alpha.multiply(mean).multiply(power).multiply(4 * LOOKS)).max(0).sqrt()
    estimate = mean.multiply(alpha.subtract(LOOKS + 1)).add(root).divide(alpha.multiply(2))
    estimate = mean.blend(estimate)  # excess 0 has no alpha, and is no rougher than speckle
    return estimate.where(roughness2.lte(NOISE_VARIANCE), mean).where(roughness2.gte(2 * NOISE_VARIANCE), power)


def brightness(image: ee.Image, geometry: ee.Geometry, scale_m: float) -> ee.Dictionary:
    """The 98th percentile of each band over the geometry's pixels of that size, by band name."""
    import ee

    return image.reduceRegion(ee.Reducer.percentile([98]), geometry, scale_m, maxPixels=int(1e9))


def _linear(power: ee.Image, mean: ee.Image, variance: ee.Image, noise: float | ee.Image) -> ee.Image:
    """m + b (x - m) with b = max(0, (v - m2 noise) / ((1 + noise) v)); m where the window has no spread."""
    import ee

    ratio = ee.Image(noise)
    signal = variance.subtract(mean.multiply(mean).multiply(ratio)).max(0)
    # Less variance than speckle alone has is chance, so the weight stops at 0: the mean is the best that is known.
    weight = signal.divide(variance.max(_TINY).multiply(ratio.add(1)))
    return power.subtract(mean).multiply(weight).add(mean)


def _moments(power: ee.Image, kernel: ee.Kernel, *, skip_masked: bool = True) -> tuple[ee.Image, ee.Image]:
    """Mean and (population) variance of each pixel's window, over its valid pixels, in one pass."""
    return _split(power.reduceNeighborhood(_mean_and_variance(), kernel, "kernel", skip_masked), power)


def _mean_and_variance() -> ee.Reducer:
    import ee

    return ee.Reducer.mean().combine(ee.Reducer.variance(), sharedInputs=True)


def _split(both: ee.Image, power: ee.Image) -> tuple[ee.Image, ee.Image]:
    names = power.bandNames()
    return both.select([".*_mean"]).rename(names), both.select([".*_variance"]).rename(names)


def _square(kernel_px: int) -> ee.Kernel:
    import ee

    return ee.Kernel.square(kernel_px // 2, "pixels")


def _percentiles(power: ee.Image) -> ee.Image:
    import ee

    return ee.Image.constant(power.bandNames().map(lambda name: power.getNumber(ee.String(BRIGHT).cat(name))))


_NINE = tuple((row, col) for row in (-2, 0, 2) for col in (-2, 0, 2))
_SIDES = ((-1, 0), (-1, 1), (0, 1), (1, 1))  # north, north-east, east, south-east, each against its opposite


def _half_moments(power: ee.Image, means: dict[tuple[int, int], ee.Image]) -> tuple[ee.Image, ee.Image]:
    """Mean and variance of the half window on the pixel's side of the strongest gradient."""
    import ee

    ends = [((2 * row, 2 * col), (-2 * row, -2 * col)) for row, col in _SIDES]
    gradients = [means[left].subtract(means[right]).abs() for left, right in ends]
    strongest = ee.ImageCollection(gradients).max()
    selection: list[ee.Image] = []
    # The last one written wins, so the sides go in reverse: of equal gradients the first is kept.
    for side, (left, right), gradient in reversed(list(zip(_SIDES, ends, gradients, strict=True))):
        near = means[left].subtract(means[0, 0]).abs().lte(means[right].subtract(means[0, 0]).abs())
        # Both halves are computed everywhere: a graph has no branches that a pixel could choose.
        ours, theirs = (_moments(power, _half(row, col)) for row, col in (side, (-side[0], -side[1])))
        halves = [b.where(near, a) for a, b in zip(ours, theirs, strict=True)]
        wins = gradient.gte(strongest)
        selection = [old.where(wins, new) for old, new in zip(selection, halves, strict=True)] if selection else halves
    return selection[0], selection[1]


def _half(row: int, col: int) -> ee.Kernel:
    """The 28 of 7 x 7 pixels on one side of the line through the middle, the line included.

    Straight halves are kernels of 4 x 7, without the zeros of the other side: boxes are summed fastest.
    """
    import ee

    rows, cols = _span(row, straight=not col), _span(col, straight=not row)
    cells = [[int(r * row + c * col >= 0) for c in cols] for r in rows]
    return ee.Kernel.fixed(len(cols), len(rows), cells, -cols[0], -rows[0], False)


def _span(side: int, *, straight: bool) -> range:
    return range(min(0, 3 * side), max(0, 3 * side) + 1) if straight else range(-3, 4)


def _shifted(image: ee.Image, at: tuple[int, int]) -> ee.Image:
    """The image's pixel so many rows below and columns to the right, also beside masked pixels."""
    import ee

    reach = max(map(abs, at))
    cells = [[int((r, c) == at) for c in range(-reach, reach + 1)] for r in range(-reach, reach + 1)]
    # A mean over one cell of weight 1 moves the image and, unlike translate, stays on the grid of the request.
    moved = image.reduceNeighborhood(ee.Reducer.mean(), _fixed(cells), "kernel", False)
    return moved.rename(image.bandNames())


def _fixed(cells: list[list[int]]) -> ee.Kernel:
    import ee

    middle = len(cells) // 2
    return ee.Kernel.fixed(len(cells), len(cells), cells, middle, middle, False)


SPECKLE: dict[str, Speckle] = {
    "none": Speckle(none),
    "boxcar": Speckle(boxcar),
    "lee": Speckle(lee),
    "lee_sigma": Speckle(lee_sigma, most_px=15, needs_bright=True),
    "refined_lee": Speckle(refined_lee, 7, 7),
    "gamma_map": Speckle(gamma_map),
    "gamma_map_gee_s1_ard": Speckle(gamma_map_gee_s1_ard),
}


def check(name: str, kernel_px: int) -> None:
    """ValueError for unknown filters and for windows that they cannot have."""
    if name not in SPECKLE:
        raise ValueError(f"speckle filter {name!r}: expected one of {', '.join(SPECKLE)}")
    SPECKLE[name].check(name, kernel_px)
