"""Images registered to others: displacements by correlation (guides/register), and images warped by them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage

from local_ee import budget
from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.image_warp import displace
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster.lattice import place_of
from local_ee.raster.matching import correlation, peak
from local_ee.raster.pixel_type import FLOAT
from local_ee.raster.pixels import Pixels, opaque, valid
from local_ee.raster.projection import Projection, code_of, transformer

_MOST_OFFSET, _MOST_PATCH = 256, 1024  # pixels
_LEAST_PATCH = 16
_LEAST_SCORE = 0.2  # of a match
_REACH = 3  # nodes beside one that smooth it
_MARGIN = _REACH + 1  # and one more for the median beside each
_BANDS = ("dx", "dy", "confidence")


@dataclass(frozen=True)
class Search:
    """What is compared: pixels of the working projection, sizes in pixels, nodes every half patch."""

    projection: Projection
    offset: int
    patch: int
    stiffness: float

    @property
    def step(self) -> int:
        return max(self.patch // 2, 1)


@algorithm("Image.displacement")
def displacement(
    image: Image,
    referenceImage: Image,
    maxOffset: float,
    projection: Projection | None,
    patchWidth: float | None,
    stiffness: float,
) -> Image:
    """Bands dx and dy, metres from a place of the reference to the matching place of the image; and confidence, 0 to 1.

    Patches around nodes half a patch apart are found by normalised cross-correlation of all bands together, at the
    coarsest scale of the three projections. Assumptions (Google documents the contract, not the method): a patch is
    at least 16 pixels and twice maxOffset wide; a match far from its neighbours' median, the nearer the stiffer, is
    none; nodes are averaged with a bell of stiffness / 5 nodes, weighted by confidence.
    """
    if not image.bands or len(image.bands) != len(referenceImage.bands):
        raise EngineError(
            f"Images must have the same number of bands, got {len(image.bands)} and {len(referenceImage.bands)}."
        )
    if not 0 <= stiffness <= 10:
        raise EngineError(f"stiffness must be within [0, 10], got {stiffness:g}.")
    target = projection or referenceImage.projection
    search = _search(image, referenceImage, target, (maxOffset, patchWidth, stiffness))

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        bands = _interpolated(image, referenceImage, search, geobox, target)
        return Pixels(tuple(bands[i].astype(np.float32) for i in positions), (valid(geobox.shape),) * len(positions))

    bands = [Band(name, FLOAT, target) for name in _BANDS]
    return derived([referenceImage, image], bands, reading, around=elsewhere)


@algorithm("Image.register")
def register(
    image: Image, referenceImage: Image, maxOffset: float, patchWidth: float | None, stiffness: float
) -> Image:
    """The image warped onto the reference: displacement, then displace (guides/register)."""
    moved = displacement(image, referenceImage, maxOffset, None, patchWidth, stiffness)
    return displace(image, moved, "bicubic", maxOffset * math.sqrt(2))


def _search(image: Image, reference: Image, target: Projection, sizes: tuple[float, float | None, float]) -> Search:
    offset_m, patch_m, stiffness = sizes
    scale = max(each.nominal_scale_m for each in (image.projection, reference.projection, target))
    working = Projection(reference.projection.crs).at_scale(scale)
    if not offset_m > 0:
        raise EngineError(f"maxOffset must be positive, got {offset_m:g}.")
    offset = math.ceil(offset_m / scale)
    patch = max(2 * offset, _LEAST_PATCH) if patch_m is None else max(math.ceil(patch_m / scale), 3)
    for name, size, most in (("maxOffset", offset, _MOST_OFFSET), ("patchWidth", patch, _MOST_PATCH)):
        if size > most:
            raise EngineError(f"{name} spans {size} pixels of {scale:g} m; the local engine takes {most}.")
    return Search(working, offset, patch, stiffness)


def _interpolated(
    image: Image, reference: Image, search: Search, geobox: GeoBox, target: Projection
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """dx, dy and confidence at the pixels of a window, between the nodes around each."""
    lattice_window, home = place_of(geobox), search.projection
    x, y = transformer(code_of(geobox.crs), home.crs).transform(*lattice_window.centres())
    cols, rows = ~home.transform * (x, y)
    top, left = (math.floor(side.min() / search.step) for side in (rows, cols))
    bottom, right = (math.floor(side.max() / search.step) + 1 for side in (rows, cols))
    nodes = _nodes(image, reference, search, (top, left, bottom - top + 1, right - left + 1))
    at = [rows / search.step - top, cols / search.step - left]
    right_px, down_px, confidence = (ndimage.map_coordinates(each, at, order=1, mode="nearest") for each in nodes)
    move = transformer(home.crs, target.crs)
    start = move.transform(x, y)
    end = move.transform(*(home.transform * (cols + right_px, rows + down_px)))
    unit = Projection(target.crs).unit_m
    return (end[0] - start[0]) * unit, (end[1] - start[1]) * unit, confidence


def _nodes(
    image: Image, reference: Image, search: Search, window: tuple[int, int, int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels to the right and downwards, and confidence, at nodes of the working grid (row, column, rows, columns)."""
    row, col, height, width = (
        window[0] - _MARGIN,
        window[1] - _MARGIN,
        window[2] + 2 * _MARGIN,
        window[3] + 2 * _MARGIN,
    )
    half = search.patch // 2
    margin = half + search.offset
    box = search.projection.geobox(
        (height - 1) * search.step + search.patch + 2 * search.offset,
        (width - 1) * search.step + search.patch + 2 * search.offset,
        row=row * search.step - margin,
        col=col * search.step - margin,
    )
    pattern, ground = _values(reference, box), _values(image, box)
    right, down, score = (np.zeros((height, width)) for _ in range(3))
    pace = budget.Pace(height * width)
    for i, j in np.ndindex(height, width):
        pace.step()
        r, c = i * search.step, j * search.step
        outer = np.s_[:, r : r + search.patch + 2 * search.offset, c : c + search.patch + 2 * search.offset]
        top, left = r + search.offset, c + search.offset
        inner = np.s_[:, top : top + search.patch, left : left + search.patch]
        down[i, j], right[i, j], score[i, j] = peak(correlation(pattern[inner], ground[outer]))
    return _smoothed(right - search.offset, down - search.offset, score, search)


def _values(image: Image, box: GeoBox) -> np.ndarray:
    """Bands [band, row, column]; NaN where they are masked."""
    budget.allocate(box.shape[0] * box.shape[1] * 16 * len(image.bands))
    pixels = image.read_at(box, image.everything)
    pairs = zip(pixels.values, pixels.masks, strict=True)
    return np.stack([np.where(opaque(mask), np.asarray(values, float), np.nan) for values, mask in pairs])


def _smoothed(
    right: np.ndarray, down: np.ndarray, score: np.ndarray, search: Search
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outliers left out, and the others averaged with their neighbours; without the nodes of the margin."""
    weight = np.where(score > _LEAST_SCORE, score, 0.0)
    tolerance = 1 + search.offset * (10 - search.stiffness) / 10
    for each in (right, down):
        matches = np.where(weight > 0, each, np.nan)
        middle = ndimage.generic_filter(matches, _median, size=3, mode="constant", cval=np.nan)
        weight = np.where(np.abs(each - middle) <= tolerance, weight, 0.0)
    sigma = max(search.stiffness / 5, 0.3)
    steps = np.arange(-_REACH, _REACH + 1)
    bell = np.exp(-(steps**2) / (2 * sigma**2))
    inner = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    total = _bell_sums(weight, bell)
    means = [_quotient(_bell_sums(each * weight, bell), total)[inner] for each in (right, down)]
    confidence = _quotient(total, _bell_sums((weight > 0).astype(float), bell))
    return means[0], means[1], np.clip(confidence, 0, 1)[inner]


def _quotient(top: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(top, below, out=np.zeros_like(top), where=below > 0)


def _bell_sums(values: np.ndarray, bell: np.ndarray) -> np.ndarray:
    rows = ndimage.correlate1d(values, bell, axis=0, mode="constant")
    return np.asarray(ndimage.correlate1d(rows, bell, axis=1, mode="constant"))


def _median(values: np.ndarray) -> float:
    matches = values[np.isfinite(values)]
    return float(np.median(matches)) if len(matches) else np.nan
