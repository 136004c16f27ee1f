"""Grids of images: reprojection, resampling, default projections and bounds (guides/projections, guides/resample)."""

from __future__ import annotations

import math
from dataclasses import replace

from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_masks import clipped
from local_ee.budget import refusal
from local_ee.errors import EngineError
from local_ee.evaluation.features import ErrorMargin, geometry_of
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, alike, recomputed
from local_ee.raster import resample as resampling
from local_ee.raster.geometry import Geometry, everywhere, rectangle
from local_ee.raster.pixel_type import PixelType
from local_ee.raster.pixels import Pixels, join
from local_ee.raster.projection import WGS84, Projection, projection_of
from local_ee.raster.rasterise import bounds_box

_MODES = ("bilinear", "bicubic")


def grid_of(crs: Projection, transform: list | None, scale: float | None) -> Projection:
    """A projection with a transform (row-major, six numbers) or a scale in metres, of which one may be given."""
    if transform is not None and scale is not None:
        raise EngineError("Cannot specify both 'crsTransform' and 'scale'.")
    if transform is not None:
        if len(transform) != 6:
            raise EngineError(f"A transform has 6 numbers, got {len(transform)}.")
        return Projection(crs.crs, Affine(*(float(coefficient) for coefficient in transform)))
    return crs if scale is None else crs.at_scale(scale)


def elsewhere(geobox: GeoBox) -> None:
    """The window of an input that is read on a grid of its own."""
    return None


@algorithm("Image.reproject")
def reproject(image: Image, crs: Projection, crsTransform: list | None, scale: float | None) -> Image:
    """The image computed on a fixed grid; another output grid resamples that (nearest)."""
    grid = grid_of(crs, crsTransform, scale)

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        dtypes = tuple(image.bands[i].type.dtype for i in positions)
        source = resampling.ResampleSource(grid, lambda window: image.read_at(window, positions), dtypes)
        return resampling.read(source, geobox)

    bands = [band.on(grid) for band in image.bands]
    return recomputed(image, bands, reading, needs=alike, around=elsewhere)


@algorithm("Image.setDefaultProjection")
def set_default_projection(image: Image, crs: Projection, crsTransform: list | None, scale: float | None) -> Image:
    """The image with another default projection; its pixels are computed in whatever grid is asked for."""
    grid = grid_of(crs, crsTransform, scale)
    return _with_grid(image, grid)


def _with_grid(image: Image, grid: Projection, dimensions: tuple[int, int] | None = None) -> Image:
    bands = [band.on(grid, dimensions) for band in image.bands]
    return recomputed(image, bands, image.read_at, needs=alike)


@algorithm("Image.resample")
def resample(image: Image, mode: str) -> Image:
    """The image interpolated, not taken nearest, when it is next reprojected; without effect on composites."""
    if mode not in _MODES:
        raise EngineError(f"Unknown resampling mode '{mode}'. Use 'bilinear' or 'bicubic'.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        parts: dict[int, Pixels] = {}
        for projection in dict.fromkeys(image.bands[i].projection for i in positions):
            mine = tuple(i for i in positions if image.bands[i].projection == projection)
            pixels = _interpolated(image, projection, mine, geobox, mode)
            parts |= {i: pixels.pick([k]) for k, i in enumerate(mine)}
        return join([parts[i] for i in positions])

    bands = [band if band.projection == WGS84 else band.typed(_interpolated_type(band.type)) for band in image.bands]
    return recomputed(image, bands, reading, needs=alike, around=elsewhere)


def _interpolated_type(source_type: PixelType) -> PixelType:
    """Assumption: interpolated whole numbers are float."""
    return source_type.floating()


def _interpolated(image: Image, native: Projection, positions: tuple[int, ...], geobox: GeoBox, mode: str) -> Pixels:
    if native == WGS84:
        return image.read_at(geobox, positions)
    level = resampling.level_of(native, geobox)
    native = Projection(native.crs, native.transform * Affine.scale(1 << level))
    dtypes = [_interpolated_type(image.bands[i].type).dtype for i in positions]
    source = resampling.ResampleSource(native, lambda window: image.read_at(window, positions), tuple(dtypes))
    pixels = resampling.read(source, geobox, mode)
    values = tuple(
        array.astype(band_dtype, copy=False) for array, band_dtype in zip(pixels.values, dtypes, strict=True)
    )
    return Pixels(values, pixels.masks)


@algorithm("Image.clipToBoundsAndScale")
def clip_to_bounds_and_scale(
    input: Image,
    geometry: Geometry | None,
    width: int | None,
    height: int | None,
    maxDimension: int | None,
    scale: float | None,
) -> Image:
    """The image within the bounding box of a geometry (in the image's own projection), on a grid of a size or scale.

    Assumption (not documented): the box grows to whole pixels, all of which are there (so wxee's tests say): of a grid
    whose origin is a multiple of the scale, or the image's own; with a size, the grid begins at the box's corner.
    """
    native = input.projection
    region = geometry or input.footprint
    if region is None or region.unbounded:
        raise refusal("Unable to export unbounded image.")  # Google's sentence, without an algorithm's name
    left, bottom, right, top = bounds_box(region, native.crs).bounds
    if scale is not None:
        native = native.at_scale(scale)
    elif maxDimension is not None or width is not None or height is not None:
        step_x, step_y = _steps(right - left, top - bottom, width, height, maxDimension)
        _check_area(step_x * step_y)
        native = Projection(native.crs, Affine(step_x, 0, left, 0, -step_y, top))
    grid, shape = _covering(native, (left, bottom, right, top))
    pixels = rectangle(*grid.geobox(*shape).boundingbox)
    return _with_grid(clipped(input, Geometry(pixels, native.crs, False)), grid, shape)


def _steps(across: float, down: float, width: int | None, height: int | None, most: int | None) -> tuple[float, float]:
    for size in (width, height, most):
        if size is not None and size < 1:
            raise EngineError(f"The size of an image must be at least 1 pixel, got {size}.")
    if most is not None:
        step = max(across, down) / most
        return step, step
    if width is not None and height is not None:
        return across / width, down / height
    if width is not None:
        return across / width, across / width
    if height is None:
        raise ValueError("_steps needs a width, a height or the most of both")
    return down / height, down / height


def _covering(native: Projection, bounds: tuple[float, float, float, float]) -> tuple[Projection, tuple[int, int]]:
    """The window of a lattice that covers a box, and its rows and columns."""
    _check_area((bounds[2] - bounds[0]) + (bounds[3] - bounds[1]) + 1)
    inverse = ~native.transform
    corners = [inverse * corner for corner in ((bounds[0], bounds[3]), (bounds[2], bounds[1]))]
    cols, rows = zip(*corners, strict=True)
    _check_area(abs(sum(cols)) + abs(sum(rows)) + 1)
    col, row = math.floor(min(cols) + 1e-6), math.floor(min(rows) + 1e-6)
    width, height = math.ceil(max(cols) - 1e-6) - col, math.ceil(max(rows) - 1e-6) - row
    window = native.geobox(max(height, 1), max(width, 1), row=row, col=col)
    return projection_of(window), window.shape.yx


def _check_area(area: float) -> None:
    if not (math.isfinite(area) and area):
        raise EngineError("The area has no size in the image's projection, so it cannot be cut into pixels.")


@algorithm("Image.geometry")
def geometry(feature: Image, maxError: ErrorMargin | None, proj: Projection | None, geodesics: bool | None) -> Geometry:
    """The footprint; the whole Earth for constants."""
    footprint = geometry_of(feature) or everywhere()
    if proj is not None:
        footprint = footprint.in_crs(proj.crs)
    return footprint if geodesics is None else replace(footprint, geodesic=geodesics)
