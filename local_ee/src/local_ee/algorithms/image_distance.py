"""Distances to non-zero pixels of the output grid: to the nearest one, or to the nearest one in a direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.focal import BandPixels, band_by_band
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, alike, missing_band, recomputed
from local_ee.raster.kernel import Kernel, Metric, Weights, check_side
from local_ee.raster.margin import Margin
from local_ee.raster.pixel_type import DOUBLE, FLOAT
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import projection_of

MOST_PX = 1024  # of reach; the margin of a window grows with it
_METRICS = ("squared_euclidean", "manhattan", "chebyshev")
DISTANCE = "distance"
_ON_RADIUS = 1e-9  # pixels by which a distance may exceed a radius


@algorithm("Image.directionalDistanceTransform")
def directional_distance_transform(source: Image, angle: float, maxDistance: int, labelBand: str | None) -> Image:
    """Pixels to the nearest non-zero one that lies in a direction, masked where there is none within maxDistance.

    Assumptions (not documented): the angle counts from the right, counter-clockwise, as Google's s2cloudless guide
    uses it; the line visits one pixel a row or column, whichever it crosses more of; distances are between centres;
    a non-zero pixel has distance 0; with labelBand, the source's bands come first and the distance last.
    """
    _check_reach(maxDistance, "maxDistance")
    if labelBand is None and len(source.bands) != 1:
        raise EngineError(f"An image of {len(source.bands)} bands needs a labelBand.")
    searched = 0 if labelBand is None else _position(source, labelBand)
    steps = tuple(line(angle, maxDistance))
    margin = _margin(steps)
    kept = () if labelBand is None else source.bands
    bands = [*kept, Band(DISTANCE, FLOAT, source.projection)]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        read_positions = tuple(dict.fromkeys([searched, *(i for i in positions if i < len(kept))]))
        pixels = source.read_at(margin.around(geobox), read_positions)
        arrays = dict(zip(read_positions, zip(pixels.values, pixels.masks, strict=True), strict=True))
        nearest = _nearest(_non_zero(*arrays[searched]), steps, margin)
        pairs = [_at_step(arrays[i] if i < len(kept) else None, nearest, steps, margin) for i in positions]
        return Pixels(
            tuple(
                values.astype(bands[i].type.dtype, copy=False) for i, (values, _) in zip(positions, pairs, strict=True)
            ),
            tuple(mask for _, mask in pairs),
        )

    def needs(positions: tuple[int, ...]) -> list[set[int]]:
        return [{searched, *(i for i in positions if i < len(kept))}]

    return recomputed(source, bands, reading, needs=needs, around=margin.around)


def line(angle_deg: float, reach_px: int) -> Iterator[tuple[int, int, float]]:
    """Row and column offsets of the pixels in a direction, nearest first, and how far away each is."""
    across, up = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    longer = max(abs(across), abs(up))
    for step in range(reach_px + 1):
        row, col = -_rounded(step * up / longer), _rounded(step * across / longer)
        if math.hypot(row, col) > reach_px:
            return
        yield row, col, math.hypot(row, col)


def _rounded(value: float) -> int:
    return math.floor(value + 0.5)


def _margin(steps: Sequence[tuple[int, int, float]]) -> Margin:
    rows, cols = [row for row, _, _ in steps], [col for _, col, _ in steps]
    return Margin(max(0, -min(rows)), max(0, max(rows)), max(0, -min(cols)), max(0, max(cols)))


def _non_zero(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    return (np.asarray(values) != 0) & opaque(mask)


def _nearest(hit: np.ndarray, steps: Sequence[tuple[int, int, float]], margin: Margin) -> np.ndarray:
    """The first step of the line that meets a hit, or -1."""
    nearest = np.full(margin.moved(hit, 0, 0).shape, -1, np.int32)
    for step_index in range(len(steps) - 1, -1, -1):
        row, col, _ = steps[step_index]
        nearest[margin.moved(hit, row, col)] = step_index
    return nearest


def _at_step(
    band: tuple[np.ndarray, np.ndarray] | None,
    nearest: np.ndarray,
    steps: Sequence[tuple[int, int, float]],
    margin: Margin,
) -> tuple[np.ndarray, np.ndarray]:
    """The distance (no band) or a band's value at each pixel's hit; masked where there is none."""
    if band is None:
        return np.array([distance for _, _, distance in steps])[nearest], nearest >= 0
    rows, cols = np.indices(nearest.shape)
    away = np.array([(row, col) for row, col, _ in steps])[nearest]
    at = rows + margin.above + away[..., 0], cols + margin.left + away[..., 1]
    return np.asarray(band[0])[at], opaque(band[1])[at] & (nearest >= 0)


@algorithm("Image.fastDistanceTransform")
def fast_distance_transform(image: Image, neighborhood: int, units: str, metric: str) -> Image:
    """Each band's distance to the nearest non-zero pixel, whatever its mask; masked beyond the neighbourhood.

    Assumption (not documented): the neighbourhood ends where the distance is more than `neighborhood` pixels.
    """
    _check_units(units)
    if metric not in _METRICS:
        raise EngineError(f"Unknown metric '{metric}'. Use one of {', '.join(_METRICS)}.")
    _check_reach(neighborhood, "neighborhood")
    margin, measure = Margin(*[neighborhood] * 4), _measure(metric)
    bands = [band.typed(FLOAT) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        pixels = image.read_at(margin.around(geobox), positions)
        pairs = [
            _within(_non_zero(values, mask), neighborhood, margin, measure)
            for values, mask in zip(pixels.values, pixels.masks, strict=True)
        ]
        squared = metric == "squared_euclidean"
        values = (distance**2 if squared else distance for distance, _ in pairs)
        return Pixels(tuple(np.rint(each).astype(np.float32) for each in values), tuple(mask for _, mask in pairs))

    return recomputed(image, bands, reading, needs=alike, around=margin.around)


@algorithm("Image.distance")
def distance(image: Image, kernel: Kernel | None, skipMasked: bool) -> Image:
    """Each band's distance to the nearest non-zero pixel under the kernel: in pixels, or in metres for one in metres.

    Masked beyond the kernel's radius (sample of apidocs ee-image-distance). Assumptions (not documented): a masked
    pixel is none to measure to; without a kernel, Euclidean distances of up to 256 pixels, as fastDistanceTransform.
    """
    if kernel is None:
        kernel = Kernel(lambda step: Weights(np.zeros((1, 1)), 0, 0), False, Metric("euclidean", 256))
    metric, in_metres = kernel.metric, kernel.in_metres
    if metric is None:
        raise EngineError("The distance kernel must be one of: chebyshev, euclidean, manhattan.")
    bands = [band.typed(FLOAT) for band in image.bands]

    def step(geobox: GeoBox) -> float:
        return projection_of(geobox).nominal_scale_m if in_metres else 1.0

    def margin(geobox: GeoBox) -> Margin:
        reach = math.floor(metric.radius / step(geobox) + _ON_RADIUS)
        check_side(2 * reach + 1)
        return Margin.all_round(reach)

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        reach, own = metric.radius / step(geobox) + _ON_RADIUS, margin(geobox)
        away, near = _within(_non_zero(values, mask), reach, own, _plain_measure(metric.name))
        if skipMasked:
            near = near & opaque(own.moved(mask, 0, 0))
        return [(away * step(geobox), near)]

    return band_by_band(image, bands, margin, compute)


def _plain_measure(metric: str) -> Callable[[np.ndarray], np.ndarray]:
    return _measure("squared_euclidean" if metric == "euclidean" else metric)


def _measure(metric: str) -> Callable[[np.ndarray], np.ndarray]:
    """The distance to the nearest zero of an array."""
    from scipy import ndimage

    if metric == "squared_euclidean":
        return ndimage.distance_transform_edt
    name = {"manhattan": "taxicab", "chebyshev": "chessboard"}[metric]
    return lambda zeros: ndimage.distance_transform_cdt(zeros, metric=name).astype(np.float64)


def _within(
    hit: np.ndarray, reach: float, margin: Margin, measure: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    shape = margin.moved(hit, 0, 0).shape
    if not hit.any():
        return np.zeros(shape), np.zeros(shape, bool)
    distance = margin.moved(measure(~hit), 0, 0)
    near = distance <= reach
    return np.where(near, distance, 0), near


@algorithm("Image.rsedTransform")
def rsed_transform(image: Image, neighborhood: int, units: str) -> Image:
    """Each band's highest parabola above a pixel: its value at a non-zero pixel, less the squared distance to it.

    0 where no parabola of the square neighbourhood is above 0. Assumption: a pixel keeps its mask; masked pixels and
    negative ones have no parabola.
    """
    _check_units(units)
    _check_reach(neighborhood, "neighborhood")
    bands = [band.typed(DOUBLE) for band in image.bands]
    margin = Margin.all_round(neighborhood)

    def compute(values: np.ndarray, mask: np.ndarray, geobox: GeoBox) -> list[BandPixels]:
        numbers = np.where(_non_zero(values, mask), np.asarray(values, float), 0)
        return [(_parabolas(numbers, neighborhood), margin.moved(mask, 0, 0))]

    return band_by_band(image, bands, lambda geobox: margin, compute)


def _parabolas(heights: np.ndarray, reach: int) -> np.ndarray:
    """The upper envelope of parabolas of opening 1, at least 0."""
    # The squared distance is the sum of those along both axes, so that columns can follow rows.
    # A parabola reaches the square root of its height, so that farther steps need no look.
    # Only maxima of differences are taken: no rounding depends on the window.
    far = min(reach, math.isqrt(max(int(heights.max(initial=0)), 0)) + 1)
    for axis in (0, 1):
        length = heights.shape[axis] - 2 * reach
        envelope = np.zeros([length if i == axis else side for i, side in enumerate(heights.shape)])
        for step in range(-far, far + 1):
            budget.check()
            cut = (slice(reach + step, reach + step + length), slice(None))[:: 1 - 2 * axis]
            np.maximum(envelope, heights[cut] - step * step, out=envelope)
        heights = envelope
    return heights


def _check_units(units: str) -> None:
    if units != "pixels":
        raise EngineError(f"Unsupported units '{units}'. Only 'pixels' are supported.")


def _position(image: Image, name: str) -> int:
    if name not in image.band_names:
        raise EngineError(missing_band(name, image.band_names))
    return image.band_names.index(name)


def _check_reach(pixels: int, name: str) -> None:
    if not 0 < pixels <= MOST_PX:
        raise EngineError(f"{name} must be 1 to {MOST_PX} pixels, got {pixels}.")
