"""Tie points between two images of one grid: windows of one found in the other, to a fraction of a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import fft

from isamap.gee_export.coregistration.structure import Structure

WHOLE, HALF = 0.9, 0.5  # usable shares of a window: one image must be nearly whole, the other may have holes
LEAST_PEAK = 0.04  # correlation; unrelated textures of 96-px windows reach .02
SECOND_PX = 3  # a peak nearer than this is the same one
# Windows without any texture have energies of rounding alone, and a correlation of noise.
_FLAT = 1e-9


@dataclass(frozen=True)
class SearchWindows:
    """Square windows of 2 half_px a side every step_px, searched for up to search_px away."""

    half_px: int
    step_px: int
    search_px: int

    def __post_init__(self) -> None:
        if min(self.half_px, self.step_px) < 1 or self.search_px < 2:
            raise ValueError(f"windows {self}: sizes must be positive, the search 2 pixels at least")

    @classmethod
    def of(cls, shape: tuple[int, int], *, half_px: int, search_px: int) -> SearchWindows:
        """Windows that overlap by half; smaller ones, and a shorter search, in images too small for several."""
        side = min(shape)
        half = max(8, min(half_px, side // 6))
        return cls(half, half, max(2, min(search_px, (side - 2 * half) // 4)))

    def centres(self, length: int) -> range:
        # A window near the rim could not be searched to all sides, and would favour the inside.
        margin = self.half_px + self.search_px
        return range(margin, length - margin + 1, self.step_px)


@dataclass(frozen=True)
class TiePoints:
    """Matches [N]: place (x, y) in the fixed image, vector (dx, dy) to the same thing in the moving one (CRS units).

    peak: correlation there; ratio: to the second-best peak; tried: windows looked at, also those without a match.
    """

    x: np.ndarray
    y: np.ndarray
    dx: np.ndarray
    dy: np.ndarray
    peak: np.ndarray
    ratio: np.ndarray
    tried: int

    def __len__(self) -> int:
        return len(self.x)

    @property
    def distinct(self) -> np.ndarray:
        """The mask of matches that stand out from chance."""
        return self.peak >= LEAST_PEAK

    def where(self, selection: np.ndarray) -> TiePoints:
        arrays = {f.name: getattr(self, f.name)[selection] for f in fields(self) if f.name != "tried"}
        return TiePoints(**arrays, tried=self.tried)

    def moved(self, dx: np.ndarray, dy: np.ndarray) -> TiePoints:
        """The same points with a vector added: what was found beyond a correction that was made before."""
        return TiePoints(self.x, self.y, self.dx + dx, self.dy + dy, self.peak, self.ratio, self.tried)


def joined(parts: Sequence[TiePoints]) -> TiePoints:
    """The points of several tiles."""
    names = [f.name for f in fields(TiePoints) if f.name != "tried"]
    arrays = {name: np.concatenate([getattr(tile_points, name) for tile_points in parts]) for name in names}
    return TiePoints(**arrays, tried=sum(tile_points.tried for tile_points in parts))


def matched(fixed: Structure, moving: Structure, geobox: GeoBox, *, windows: SearchWindows) -> TiePoints:
    """Tie points of two images of a grid, each as `structure.structure` gives it."""
    matches, tried = [], 0
    for row in windows.centres(geobox.shape[0]):
        for col in windows.centres(geobox.shape[1]):
            tried += 1
            match = _match(fixed, moving, (row, col), windows)
            if match is not None:
                matches.append((col, row, *match))
    cols, rows, right, down, peak, ratio = np.array(matches, float).reshape(-1, 6).T
    affine = geobox.affine
    x, y = affine.a * cols + affine.c, affine.e * rows + affine.f
    return TiePoints(x, y, affine.a * right, affine.e * down, peak, ratio, tried)


def _match(
    fixed: Structure, moving: Structure, centre: tuple[int, int], windows: SearchWindows
) -> tuple[float, float, float, float] | None:
    """Pixels right and down, peak and ratio; None without structure, without data, or with the peak at the rim.

    Holes in one image do not favour any place of the other; an edge of the data that both share would favour none
    but "no shift", so one of the two must be whole.
    """
    near, far = (
        tuple(slice(c - reach, c + reach) for c in centre)
        for reach in (windows.half_px, windows.half_px + windows.search_px)
    )
    shares = fixed.usable[near].mean(), moving.usable[far].mean()
    if max(shares) < WHOLE or min(shares) < HALF:
        return None
    surface = correlated(fixed.channels[:, *near], moving.channels[:, *far])
    return None if surface is None else peak_of(surface)


def correlated(template_CHW: np.ndarray, area_CHW: np.ndarray) -> np.ndarray | None:
    """Normalised correlation of a window with every place of a larger area, all channels together, -1 to 1."""
    height, width = template_CHW.shape[1:]
    shape = tuple(have - size + 1 for have, size in zip(area_CHW.shape[1:], (height, width), strict=True))
    template = template_CHW - template_CHW.mean(axis=(1, 2), keepdims=True)
    own = float((template.astype(float) ** 2).sum())
    if own <= _FLAT:
        return None
    # By Fourier transforms: a window of 96 px has 33 x 33 places, sums one by one a thousand products a pixel.
    size = tuple(fft.next_fast_len(side, real=True) for side in area_CHW.shape[1:])
    spectrum = fft.rfft2(area_CHW, size) * np.conj(fft.rfft2(template, size))
    product = fft.irfft2(spectrum.sum(axis=0), size)[: shape[0], : shape[1]]
    # Normalised by the window under each place: without it bright structure would win everywhere.
    energy = _sums(area_CHW.astype(float) ** 2, height, width) - _sums(area_CHW, height, width) ** 2 / (height * width)
    energy = energy.sum(axis=0)
    return product / np.sqrt(own * energy) if energy.min() > _FLAT else None


def _sums(values_CHW: np.ndarray, height: int, width: int) -> np.ndarray:
    """Sums over every window of a size, by running sums."""
    total = np.pad(values_CHW.astype(float), ((0, 0), (1, 0), (1, 0))).cumsum(axis=1).cumsum(axis=2)
    rows = total[:, height:] - total[:, :-height]
    return rows[:, :, width:] - rows[:, :, :-width]


def peak_of(surface: np.ndarray) -> tuple[float, float, float, float] | None:
    """The top of a correlation surface by a quadratic through its 3 x 3 neighbourhood, from the surface's middle.

    Pixels right and down, height, and ratio to the highest place outside; None where the top is no hill inside.
    """
    row, col = map(int, np.unravel_index(surface.argmax(), surface.shape))
    if row in (0, surface.shape[0] - 1) or col in (0, surface.shape[1] - 1):
        return None
    _, right, down, right2, both, down2 = _QUADRATIC @ surface[row - 1 : row + 2, col - 1 : col + 2].ravel()
    curvature = 4 * right2 * down2 - both**2
    # A ridge or a saddle fits a long edge anywhere along it, so it is no point.
    if right2 >= 0 or curvature <= 0:
        return None
    offset = (both * down - 2 * down2 * right) / curvature, (both * right - 2 * right2 * down) / curvature
    # Beyond the neighbourhood that it was fitted to, a quadratic says nothing.
    if max(map(abs, offset)) > 1:
        return None
    middle = (surface.shape[0] - 1) // 2, (surface.shape[1] - 1) // 2
    return col - middle[1] + offset[0], row - middle[0] + offset[1], float(surface[row, col]), _ratio(surface, row, col)


def _ratio(surface: np.ndarray, row: int, col: int) -> float:
    outside = surface.copy()
    outside[max(0, row - SECOND_PX) : row + SECOND_PX + 1, max(0, col - SECOND_PX) : col + SECOND_PX + 1] = -1
    return float(surface[row, col] / max(outside.max(), 1e-3))


_DOWN, _RIGHT = (axis.ravel() for axis in np.mgrid[-1:2, -1:2])
_QUADRATIC = np.linalg.pinv(
    np.stack([np.ones(9), _RIGHT, _DOWN, _RIGHT**2, _RIGHT * _DOWN, _DOWN**2], axis=1)
)  # least squares of c0 + c1 right + c2 down + c3 right^2 + c4 right down + c5 down^2
