"""Images moved by a vector at every pixel (apidocs ee-image-displace; guides/register for the vectors' sign)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, derived
from local_ee.raster import lattice
from local_ee.raster.interpolate import interpolated
from local_ee.raster.pixels import Pixels, both, hidden, is_blank, opaque
from local_ee.raster.projection import Projection, code_of, transformer
from local_ee.raster.resample import MOST_PIXELS

_HALO = {"nearest_neighbor": 0, "bilinear": 1, "bicubic": 2}


@algorithm("Image.displace")
def displace(image: Image, displacement: Image, mode: str, maxOffset: float | None) -> Image:
    """The pixel at a place is what `image` has at that place plus the displacement, metres of its own projection's CRS.

    The first band points along the CRS's x, the second along its y. Assumptions (not documented): the image is read
    on the output's pixels; a CRS of degrees counts 111,319 m each; without a displacement, or with one longer than
    maxOffset, a pixel is masked; beside masked pixels see interpolate.interpolated.
    """
    if mode not in _HALO:
        raise EngineError(f"Unknown interpolation mode '{mode}'. Use one of: {', '.join(_HALO)}.")
    if len(displacement.bands) < 2:
        raise EngineError(f"A displacement image needs 2 bands, got {len(displacement.bands)}.")
    keep = mode == "nearest_neighbor"
    bands = [band if keep else band.typed(band.type.floating()) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        dtypes = [bands[i].type.dtype for i in positions]
        sight = _sight(displacement, geobox, maxOffset)
        if not sight.valid.any():
            nothing = [hidden(dtype, tuple(geobox.shape)) for dtype in dtypes]
            return Pixels(tuple(values for values, _ in nothing), tuple(mask for _, mask in nothing))
        samples = _seen(image, geobox, positions, sight, _edges(geobox, sight, maxOffset, mode), mode)
        values = (array.astype(dtype, copy=False) for (array, _), dtype in zip(samples, dtypes, strict=True))
        return Pixels(tuple(values), tuple(both(mask, sight.mask) for _, mask in samples))

    def needs(positions: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [positions, (0, 1)]

    def around(geobox: GeoBox) -> GeoBox | None:
        """Said before anything is read, so that what several windows look at is computed once for all of them."""
        if maxOffset is None:
            return None
        margin, (height, width) = _margin(geobox, maxOffset, mode), geobox.shape
        return _grown(geobox, -margin, -margin, width + margin, height + margin)

    return derived(
        [image, displacement],
        bands,
        reading,
        properties=image.properties,
        image_id=image.id,
        needs=needs,
        around=around,
    )


@dataclass(frozen=True)
class _Sight:
    """Where each pixel of a window looks: columns and rows from the window's corner (centres at half integers)."""

    us: np.ndarray
    vs: np.ndarray
    mask: np.ndarray

    @property
    def valid(self) -> np.ndarray:
        return opaque(self.mask)


def _sight(displacement: Image, geobox: GeoBox, most: float | None) -> _Sight:
    pixels = displacement.read_at(geobox, (0, 1))
    right, up = (values.astype(float) for values in pixels.values)
    mask = both(*pixels.masks)
    if most is not None:
        mask = both(mask, np.maximum(np.abs(right), np.abs(up)) <= most)
    window, native = lattice.place_of(geobox), displacement.bands[0].projection
    x, y = _moved(*window.centres(), right, up, code_of(geobox.crs), native)
    # Counted from the lattice's origin first: so a pixel looks to the same place whatever window it is asked in.
    us, vs = window.pixels(x, y)
    clear = opaque(mask) & np.isfinite(us) & np.isfinite(vs)
    own = np.meshgrid(np.arange(window.width) + 0.5, np.arange(window.height) + 0.5)
    us, vs = np.where(clear, us - window.col, own[0]), np.where(clear, vs - window.row, own[1])
    return _Sight(us, vs, both(mask, clear))


def _moved(
    x: np.ndarray, y: np.ndarray, right_m: np.ndarray, up_m: np.ndarray, crs: str, native: Projection
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a CRS moved by metres along the axes of another one's."""
    if crs == native.crs:
        return x + right_m / native.unit_m, y + up_m / native.unit_m
    native_xy = transformer(crs, native.crs).transform(x, y)
    moved = native_xy[0] + right_m / native.unit_m, native_xy[1] + up_m / native.unit_m
    return transformer(native.crs, crs).transform(*moved)


def _margin(geobox: GeoBox, most_m: float, mode: str) -> int:
    """How many pixels around a window displacements of so many metres can reach."""
    step_m = min(abs(geobox.affine.a), abs(geobox.affine.e)) * Projection(code_of(geobox.crs)).unit_m
    return int(np.ceil(most_m / step_m)) + _HALO[mode] + 2


def _grown(geobox: GeoBox, left: int, top: int, right: int, low: int) -> GeoBox:
    """Columns from left to right and rows from top to low, counted from the window's corner."""
    return GeoBox((low - top, right - left), geobox.affine * Affine.translation(left, top), geobox.crs)


def _edges(geobox: GeoBox, sight: _Sight, most_m: float | None, mode: str) -> tuple[int, int, int, int]:
    """The pixels to read (see _grown): those that can be seen or, where that is not known, those that are."""
    halo, (height, width) = _HALO[mode], geobox.shape
    left, top = (int(np.floor(axis.min() - 0.5)) - halo for axis in (sight.us, sight.vs))
    right, low = (int(np.floor(axis.max() - 0.5)) + halo + 2 for axis in (sight.us, sight.vs))
    if most_m is not None:
        margin = _margin(geobox, most_m, mode)
        left, top = min(left, -margin), min(top, -margin)
        right, low = max(right, width + margin), max(low, height + margin)
    if (right - left) * (low - top) > MOST_PIXELS:
        raise EngineError(f"Output of image computation is too large ({low - top}x{right - left} pixels of the input).")
    return left, top, right, low


def _seen(
    image: Image, geobox: GeoBox, positions: tuple[int, ...], sight: _Sight, edges: tuple[int, int, int, int], mode: str
) -> list[tuple[np.ndarray, np.ndarray]]:
    """The image's bands where a window looks, read on the window's own pixels, as far around as is looked."""
    pixels = image.read_at(_grown(geobox, *edges), positions)
    us, vs = sight.us - edges[0], sight.vs - edges[1]
    return [_sampled(values, mask, us, vs, mode) for values, mask in zip(pixels.values, pixels.masks, strict=True)]


def _sampled(
    values: np.ndarray, mask: np.ndarray, us: np.ndarray, vs: np.ndarray, mode: str
) -> tuple[np.ndarray, np.ndarray]:
    if is_blank(mask):
        return hidden(values.dtype, us.shape)
    if mode == "nearest_neighbor":
        at = lattice.floors(vs), lattice.floors(us)
        return values[at], mask[at]
    return interpolated(values, mask, us, vs, mode)
