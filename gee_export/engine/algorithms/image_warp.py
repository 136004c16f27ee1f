"""Images moved by a vector at every pixel (apidocs ee-image-displace; guides/register for the vectors' sign)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from gee_export.engine.algorithms.image_grid import elsewhere
from gee_export.engine.errors import EngineError
from gee_export.engine.evaluation.registry import algorithm
from gee_export.engine.evaluation.values import Image, derived
from gee_export.engine.raster import lattice
from gee_export.engine.raster.interpolate import interpolated
from gee_export.engine.raster.pixels import Pixels, both, hidden, is_blank, opaque
from gee_export.engine.raster.projection import Projection, code_of, transformer
from gee_export.engine.raster.resample import MOST_PIXELS

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
        return _seen(image, geobox, positions, sight, mode, dtypes)

    def needs(positions: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [positions, (0, 1)]

    return derived(
        [image, displacement],
        bands,
        reading,
        properties=image.properties,
        image_id=image.id,
        needs=needs,
        around=elsewhere,
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
    place, native = lattice.place_of(geobox), displacement.bands[0].projection
    x, y = _moved(*place.centres(), right, up, code_of(geobox.crs), native)
    # Counted from the lattice's origin first: so a pixel looks to the same place whatever window it is asked in.
    us, vs = place.pixels(x, y)
    clear = opaque(mask) & np.isfinite(us) & np.isfinite(vs)
    own = np.meshgrid(np.arange(place.width) + 0.5, np.arange(place.height) + 0.5)
    us, vs = np.where(clear, us - place.col, own[0]), np.where(clear, vs - place.row, own[1])
    return _Sight(us, vs, both(mask, clear))


def _moved(
    x: np.ndarray, y: np.ndarray, right_m: np.ndarray, up_m: np.ndarray, crs: str, native: Projection
) -> tuple[np.ndarray, np.ndarray]:
    """Places of a CRS moved by metres along the axes of another one's."""
    if crs == native.crs:
        return x + right_m / native.unit_m, y + up_m / native.unit_m
    there = transformer(crs, native.crs).transform(x, y)
    moved = there[0] + right_m / native.unit_m, there[1] + up_m / native.unit_m
    return transformer(native.crs, crs).transform(*moved)


def _seen(
    image: Image, geobox: GeoBox, positions: tuple[int, ...], sight: _Sight, mode: str, dtypes: list[np.dtype]
) -> Pixels:
    """The image's bands where a window looks, read on the window's own pixels, as far around as is looked."""
    halo = _HALO[mode]
    left, top = (int(np.floor(axis.min() - 0.5)) - halo for axis in (sight.us, sight.vs))
    right, low = (int(np.floor(axis.max() - 0.5)) + halo + 2 for axis in (sight.us, sight.vs))
    if (right - left) * (low - top) > MOST_PIXELS:
        raise EngineError(f"Output of image computation is too large ({low - top}x{right - left} pixels of the input).")
    around = GeoBox((low - top, right - left), geobox.affine * Affine.translation(left, top), geobox.crs)
    pixels = image.read_at(around, positions)
    us, vs = sight.us - left, sight.vs - top
    out = [
        _sampled(values, mask, us, vs, mode, dtype)
        for values, mask, dtype in zip(pixels.values, pixels.masks, dtypes, strict=True)
    ]
    return Pixels(tuple(values for values, _ in out), tuple(both(mask, sight.mask) for _, mask in out))


def _sampled(
    values: np.ndarray, mask: np.ndarray, us: np.ndarray, vs: np.ndarray, mode: str, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    if is_blank(mask):
        return hidden(dtype, us.shape)
    if mode == "nearest_neighbor":
        at = lattice.floors(vs), lattice.floors(us)
        return values[at].astype(dtype, copy=False), mask[at]
    found, seen = interpolated(values, mask, us, vs, mode)
    return found.astype(dtype, copy=False), seen
