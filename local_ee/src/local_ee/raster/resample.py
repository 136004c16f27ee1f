"""Reads pixels of one grid on another: direct where the lattices agree, else nearest, bilinear or bicubic.

Where the request is coarser than the source, the source is first averaged (or sampled, or voted) to the pyramid level
whose pixels are at most as large as the request's, as Earth Engine does (guides/scale).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.errors import EngineError
from local_ee.raster import lattice
from local_ee.raster.extent import Part, part_of
from local_ee.raster.interpolate import interpolated
from local_ee.raster.pixels import Pixels, hidden, is_blank, is_uniform
from local_ee.raster.projection import Projection, code_of, crs_of
from local_ee.raster.pyramid import in_blocks, reduced

MOST_PIXELS = 1 << 28  # of a source window: beyond it a request is refused instead of exhausting memory
ANALYTIC_FACTOR = 8  # from here on, a pixel of an analytic source's level is reduced from 2 x 2 points, not from all
# A request whose pixels are larger by rounding alone is not larger.
_NEARLY = 1 - 1e-6
_BLOCK_SIDE = 2048  # of a larger window, so that a computation can end between blocks
_OUTSIDE = 4  # pixels from a source's edge, where no method of reading reaches it
_NOISE_DEG = 1e-9  # by which the edges of a grid of the whole globe may lie beyond it
_FAR = 64  # times a source's own size
_HALO = {"nearest": 0, "bilinear": 1, "bicubic": 2}

Fetch = Callable[[GeoBox], Pixels]


@dataclass(frozen=True)
class ResampleSource:
    """Bands on one lattice. fetch reads windows of it; dimensions (rows, columns) where it ends; policies per band
    (MEAN, SAMPLE, MODE, MIN, MAX) where it has a pyramid. analytic: fetch also reads windows of pixels that are 2**n of
    the lattice's, by their centres. smooth: these are the values of its levels. overviews: the coarsest stored copy of
    at most a factor, and how its windows are fetched. overview_m: for requests of larger pixels `fetch` gives a level's
    pixels itself."""

    native: Projection
    fetch: Fetch
    dtypes: tuple[np.dtype, ...]
    dimensions: tuple[int, int] | None = None
    policies: tuple[str, ...] | None = None
    analytic: bool = False
    smooth: bool = False
    overviews: Callable[[int], tuple[int, Fetch] | None] | None = None
    overview_m: float | None = None

    def level(self, factor: int) -> ResampleSource:
        """The same bands on the lattice of factor x factor pixels, as `fetch` reads an analytic source."""
        native = Projection(self.native.crs, self.native.transform * Affine.scale(factor))
        rows, cols = self.dimensions or (None, None)
        dimensions = None if rows is None or cols is None else (-(-rows // factor), -(-cols // factor))
        return replace(self, native=native, dimensions=dimensions)


def read(source: ResampleSource, geobox: GeoBox, method: str = "nearest") -> Pixels:
    """The source's bands on the grid asked for."""
    if not _is_beyond_180(source):
        return _read(source, geobox, method)
    return _merged([_read(_turned(source, turn), geobox, method) for turn in (0, -360, 360)])


def _is_beyond_180(source: ResampleSource) -> bool:
    """Whether its own pixels lie on both sides of the antimeridian: the first column of a DEM tile by half a pixel."""
    if source.dimensions is None or not crs_of(source.native.crs).geographic:
        return False
    west, east = sorted((source.native.transform * (col, 0))[0] for col in (0, source.dimensions[1]))
    return west < -180 - _NOISE_DEG or east > 180 + _NOISE_DEG


def _read(source: ResampleSource, geobox: GeoBox, method: str) -> Pixels:
    at = lattice.on_lattice(source.native, geobox)
    if at is not None:
        return _window(source, at[0], at[1], *geobox.shape)
    source = _at_level(source, geobox)
    at = lattice.on_lattice(source.native, geobox)
    if at is not None:
        return _window(source, at[0], at[1], *geobox.shape)
    if code_of(geobox.crs) == source.native.crs and not (source.native.transform.b or source.native.transform.d):
        return _along_axes(source, geobox, method)
    native = part_of(source.native, source.dimensions, geobox)
    if native is not None:
        return _within(source, geobox, method, native)
    turns = _turns(source, geobox)
    return _merged([_through_nodes(_turned(source, turn), geobox, method) for turn in turns])


def _turns(source: ResampleSource, geobox: GeoBox) -> tuple[int, ...]:
    """The degrees by which a source may be turned around the globe to lie under a window across the antimeridian."""
    if source.dimensions is None or not crs_of(source.native.crs).geographic:
        return (0,)
    mapping = lattice.mapping(source.native, geobox)
    west, east = sorted((source.native.transform * (u, 0))[0] for u in mapping.bounds[:2])
    return (0,) if mapping.has_holes or (west >= -180 and east <= 180) else (0, -360, 360)


def _turned(source: ResampleSource, degrees: int) -> ResampleSource:
    """The same pixels, farther east on a lattice that goes around the globe."""
    if not degrees:
        return source
    native = Projection(source.native.crs, Affine.translation(degrees, 0) * source.native.transform)

    def fetch(window: GeoBox) -> Pixels:
        return source.fetch(GeoBox(window.shape, Affine.translation(-degrees, 0) * window.affine, window.crs))

    return replace(source, native=native, fetch=fetch)


def _merged(copies: Sequence[Pixels]) -> Pixels:
    """Pixels of the first, and where it has none those of the next."""
    merged = copies[0]
    for other in copies[1:]:
        if all(is_blank(mask) for mask in other.masks):
            continue
        pairs = [
            (np.where(mask > 0, values, more), np.where(mask > 0, mask, beneath))
            for values, mask, more, beneath in zip(merged.values, merged.masks, other.values, other.masks, strict=True)
        ]
        merged = Pixels(tuple(values for values, _ in pairs), tuple(mask for _, mask in pairs))
    return merged


def native_window(source: ResampleSource, geobox: GeoBox, method: str = "nearest") -> GeoBox | None:
    """The source's own pixels that `read` will ask for; None where it asks for none, for too many or for a level."""
    if source.dimensions is None or (source.policies is not None and level_of(source.native, geobox)):
        return None
    at = lattice.on_lattice(source.native, geobox)
    if at is not None:
        row, col, (height, width) = *at, geobox.shape.yx
    else:
        mapping = lattice.mapping(source.native, geobox)
        if mapping.has_holes or _is_outside(source, mapping.bounds):
            return None
        rows, cols = mapping.whole()
        reach = _HALO[method] + (method != "nearest")
        row, col = int(rows.min()) - reach, int(cols.min()) - reach
        height, width = int(rows.max()) + reach + 1 - row, int(cols.max()) + reach + 1 - col
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + height, source.dimensions[0]), min(col + width, source.dimensions[1])
    if bottom <= top or right <= left or (bottom - top) * (right - left) > MOST_PIXELS:
        return None
    return source.native.geobox(bottom - top, right - left, row=top, col=left)


def _within(source: ResampleSource, geobox: GeoBox, method: str, part: Part) -> Pixels:
    """The source's bands on the part of a grid that they reach, and nothing around it."""
    window = geobox[part]
    if 0 in window.shape.yx:
        return _nothing(source, geobox.shape.yx)
    pixels = _through_nodes(source, window, method)
    if all(is_blank(mask) for mask in pixels.masks):
        return _nothing(source, geobox.shape.yx)
    return Pixels(
        *(tuple(_placed(array, part, geobox) for array in arrays) for arrays in (pixels.values, pixels.masks))
    )


def _placed(array: np.ndarray, part: Part, geobox: GeoBox) -> np.ndarray:
    out = np.zeros(geobox.shape.yx, array.dtype)
    out[part] = array
    return out


def _window(source: ResampleSource, row: int, col: int, height: int, width: int) -> Pixels:
    """A window of the source's own lattice; nothing is read where the source has no pixel."""
    if height * width > MOST_PIXELS:
        raise EngineError(f"Output of image computation is too large ({height}x{width} pixels of the input).")
    if source.dimensions is not None:
        rows, cols = source.dimensions
        if row >= rows or col >= cols or row + height <= 0 or col + width <= 0:
            return _nothing(source, (height, width))

    def block(rows: int, cols: int, top: int, left: int) -> Pixels:
        return source.fetch(source.native.geobox(rows, cols, row=row + top, col=col + left))

    return in_blocks(block, (height, width), (_BLOCK_SIDE, _BLOCK_SIDE))


def _nothing(source: ResampleSource, shape: tuple[int, int]) -> Pixels:
    bands = [hidden(dtype, shape) for dtype in source.dtypes]
    return Pixels(tuple(values for values, _ in bands), tuple(mask for _, mask in bands))


def _along_axes(source: ResampleSource, geobox: GeoBox, method: str) -> Pixels:
    us, vs = lattice.axes(source.native, lattice.place_of(geobox))
    if method != "nearest":
        across, down = np.broadcast_arrays(us[None, :], vs[:, None])
        return _interpolate(source, (across, down), method)
    cols, rows = lattice.floors(us), lattice.floors(vs)
    row, col = int(rows.min()), int(cols.min())
    window = _window(source, row, col, int(rows.max()) - row + 1, int(cols.max()) - col + 1)
    picked = np.ix_(rows - row, cols - col)
    return _gather(window, lambda array: array[picked], geobox)


def _through_nodes(source: ResampleSource, geobox: GeoBox, method: str) -> Pixels:
    mapping = lattice.mapping(source.native, geobox)
    if _is_outside(source, mapping.bounds):
        return _nothing(source, geobox.shape.yx)
    if mapping.has_holes and source.dimensions is None:
        raise EngineError(
            f"Unable to transform edge from {code_of(geobox.crs)} to {source.native.crs}: the grid reaches outside of "
            "it."
        )
    if method != "nearest":
        return _interpolate(source, _near(source, mapping, *mapping.exact()), method)
    rows, cols = mapping.whole()
    cols, rows = _near(source, mapping, cols, rows)
    row, col = int(rows.min()), int(cols.min())
    height, width = int(rows.max()) - row + 1, int(cols.max()) - col + 1
    window = _window(source, row, col, height, width)
    flat = (rows - row) * np.int64(width) + (cols - col)
    return _gather(window, lambda array: np.take(array, flat), geobox)


def _near(
    source: ResampleSource, mapping: lattice.Mapping, cols: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same places; those far outside of a source that is small beside the request, a little outside of it."""
    if source.dimensions is None:
        return cols, rows
    (height, width), (u_min, u_max, v_min, v_max) = source.dimensions, mapping.bounds
    if not mapping.has_holes and u_max - u_min < _FAR * width and v_max - v_min < _FAR * height:
        return cols, rows
    return np.clip(cols, -_OUTSIDE, width + _OUTSIDE), np.clip(rows, -_OUTSIDE, height + _OUTSIDE)


def _is_outside(source: ResampleSource, bounds: tuple[float, float, float, float]) -> bool:
    if source.dimensions is None:
        return False
    (rows, cols), (u_min, u_max, v_min, v_max) = source.dimensions, bounds
    # Bicubic reads two pixels around a place.
    return u_min > cols + 2 or v_min > rows + 2 or u_max < -2 or v_max < -2


def _gather(window: Pixels, take: Callable[[np.ndarray], np.ndarray], geobox: GeoBox) -> Pixels:
    def taken(array: np.ndarray) -> np.ndarray:
        if is_uniform(array):
            return np.broadcast_to(array[:1, :1], tuple(geobox.shape))
        return take(np.ascontiguousarray(array))

    return Pixels(tuple(map(taken, window.values)), tuple(map(taken, window.masks)))


def _interpolate(source: ResampleSource, coordinates: tuple[np.ndarray, np.ndarray], method: str) -> Pixels:
    """Bilinear or bicubic around pixel centres. Where neighbours are masked, see interpolate.interpolated."""
    us, vs = coordinates
    halo = _HALO[method]
    col, row = math.floor(us.min() - 0.5) - halo, math.floor(vs.min() - 0.5) - halo
    width, height = math.floor(us.max() - 0.5) + halo + 2 - col, math.floor(vs.max() - 0.5) + halo + 2 - row
    window = _window(source, row, col, height, width)
    bands = []
    for values, mask in zip(window.values, window.masks, strict=True):
        if is_blank(mask):
            bands.append(hidden(values.dtype if values.dtype.kind == "f" else np.float32, us.shape))
        else:
            bands.append(interpolated(values, mask, us - col, vs - row, method))
    return Pixels(tuple(values for values, _ in bands), tuple(mask for _, mask in bands))


def _at_level(source: ResampleSource, geobox: GeoBox) -> ResampleSource:
    """The pyramid level to read for a request: the coarsest whose pixels are not larger than the request's."""
    policies = source.policies
    if policies is None:
        return source
    level = level_of(source.native, geobox)
    if level < 1:
        return source
    factor = 1 << level
    coarse = source.level(factor)
    if source.smooth or (source.overview_m and _scale_m(geobox) * _NEARLY > source.overview_m):
        return coarse
    fine, step = _finer(source, factor)

    def fetch(window: GeoBox) -> Pixels:
        at = lattice.on_lattice(coarse.native, window)
        if at is None:
            raise ValueError("a level of the pyramid is read by windows of its own lattice")
        return reduced(lambda r, c, h, w: _window(fine, r, c, h, w), (*at, *window.shape.yx), step, policies)

    return ResampleSource(coarse.native, fetch, source.dtypes, coarse.dimensions)


def _finer(source: ResampleSource, factor: int) -> tuple[ResampleSource, int]:
    """What a level of factor x factor pixels is made of, and of how many of its pixels a side."""
    stored = source.overviews(factor) if source.overviews is not None else None
    if stored is not None:
        return replace(source.level(stored[0]), fetch=stored[1]), factor // stored[0]
    step = 2 if source.analytic and factor >= ANALYTIC_FACTOR else factor
    return (source if step == factor else source.level(factor // step)), step


def level_of(native: Projection, geobox: GeoBox) -> int:
    """How often the native pixels are doubled before they would be larger than the request's."""
    ratio = _scale_m(geobox) / native.nominal_scale_m
    # A ratio of 4 that rounding has made a little less is still two doublings.
    return int(math.log2(ratio) + 1e-6) if ratio >= 2 else 0


def _scale_m(geobox: GeoBox) -> float:
    return Projection(code_of(geobox.crs), geobox.affine).nominal_scale_m
