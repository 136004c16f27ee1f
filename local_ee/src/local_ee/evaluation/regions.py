"""Reductions of the pixels of a region: by tiles, without holding the region."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation.arrays import of_pixels, of_result
from local_ee.evaluation.values import Image
from local_ee.raster.accumulate import Samples
from local_ee.raster.compound import plain
from local_ee.raster.geometry import Geometry
from local_ee.raster.pixels import as_weight, is_blank
from local_ee.raster.projection import WGS84, Projection
from local_ee.raster.rasterise import centres_inside, covered_share
from local_ee.raster.reducing import Reducer

TILE = 512
LEAST_SHARE = 0.005  # of a pixel: less covered is outside (guides/reducers_reduce_region)


@dataclass(frozen=True)
class Grid:
    """Where a region is reduced: whole pixels of a projection."""

    projection: Projection
    row: int
    col: int
    height: int
    width: int

    @property
    def tile_count(self) -> int:
        return -(-self.height // TILE) * -(-self.width // TILE)

    def tiles(self) -> Iterator[GeoBox]:
        """Windows aligned to the lattice, row by row."""
        for row in range(self.row, self.row + self.height, TILE):
            for col in range(self.col, self.col + self.width, TILE):
                height, width = min(TILE, self.row + self.height - row), min(TILE, self.col + self.width - col)
                yield self.projection.geobox(height, width, row=row, col=col)


def working_projection(
    image: Image, crs: Projection | None, transform: list[Any] | None, scale: float | None
) -> Projection:
    """The projection to reduce in: the image's own unless one is given; a scale without crs rescales the native one.

    guides/reducers_reduce_region: composites without a scale cannot be aggregated sensibly, so the caller must say one.
    """
    if transform is not None:
        if scale is not None:
            raise EngineError("Cannot specify both 'crsTransform' and 'scale'.")
        if len(transform) != 6:
            raise EngineError(f"The crsTransform must have 6 numbers, got {len(transform)}.")
        return Projection((crs or image.projection).crs, Affine(*(float(coefficient) for coefficient in transform)))
    base = crs or image.projection
    if scale is None:
        if crs is None and base == WGS84:
            raise EngineError(
                "The default WGS84 projection is invalid for aggregations. Specify a scale or crs & crs_transform."
            )
        return base
    factor = scale / base.nominal_scale_m
    return Projection(base.crs, base.transform * Affine.scale(factor))


def grid_over(region: Geometry, projection: Projection, most_pixels: float, best_effort: bool) -> Grid:
    """The pixels under a region's bounds; fewer and larger ones where allowed, else Earth Engine's refusal."""
    if not most_pixels >= 1:
        raise EngineError(f"maxPixels must be at least 1, got {most_pixels:g}.")
    while True:
        grid = covering(region, projection)
        count = grid.height * grid.width
        if count <= most_pixels:
            return grid
        if not best_effort:
            raise EngineError(
                f"Too many pixels in the region. Found {count}, but maxPixels allows only {int(most_pixels)}. "
                "Ensure that you are not aggregating at a higher resolution than you intended; that is the most "
                "frequent cause of this error. If not, then you may set the 'maxPixels' argument to a limit suitable "
                "for your computation; set 'bestEffort' to true to aggregate at whatever scale results in 'maxPixels' "
                "total pixels; or both."
            )
        # A little more than the root: whole rows and columns are rounded up.
        projection = Projection(
            projection.crs, projection.transform * Affine.scale(math.sqrt(count / most_pixels) * 1.001)
        )


def extent(image: Image) -> GeoBox | None:
    """The grid of the image's first band: whole, or as far as the image's footprint; None where neither has an end."""
    grid = image.bands[0].grid if image.bands else None
    footprint = image.footprint if image.bands and grid is None else None
    if footprint is None or footprint.unbounded:
        return grid
    cover = covering(footprint, image.projection)
    return cover.projection.geobox(cover.height, cover.width, row=cover.row, col=cover.col)


def covering(region: Geometry, projection: Projection) -> Grid:
    """The whole pixels of a projection that cover a region's bounds."""
    left, bottom, right, top = region.in_crs(projection.crs).drawn.bounds
    inverse = ~projection.transform
    cols, rows = zip(*(inverse * corner for corner in ((left, top), (right, bottom))), strict=True)
    # A bound that lies on the lattice but for rounding takes in no further row or column.
    row, col = math.floor(min(rows) + 1e-9), math.floor(min(cols) + 1e-9)
    height, width = math.ceil(max(rows) - 1e-9) - row, math.ceil(max(cols) - 1e-9) - col
    return Grid(projection, row, col, max(height, 1), max(width, 1))


def reduced(image: Image, reducer: Reducer, region: Geometry, grid: Grid) -> dict[str, Any]:
    """The reducer's outputs by band, as plain values; null where no pixel is in the region."""
    budget.check_pixels(grid.height * grid.width)
    pace = budget.Pace(grid.tile_count)
    many = reducer.inputs > 1
    for band in image.bands:
        reducer.check(band.name, band.type)
    running = [reducer.start() for _ in range(1 if many else len(image.bands))]
    for tile in grid.tiles():
        pace.step()
        share = _share_of(region, tile, reducer)
        if is_blank(share):
            continue
        inside = share > 0
        pixels = image.read_at(tile, image.everything)
        samples = [
            _samples(values, mask, share, inside, reducer)
            for values, mask in zip(pixels.values, pixels.masks, strict=True)
        ]
        if many:
            running[0].add(_common(samples))
        else:
            for each, sample in zip(running, samples, strict=True):
                each.add([sample])
    results = [value for each in running for value in each.result()]
    keys = list(reducer.outputs) if many else [key for band in image.band_names for key in reducer.keys(band)]
    return {key: of_result(plain(*result)) for key, result in zip(keys, results, strict=True)}


def _share_of(region: Geometry, tile: GeoBox, reducer: Reducer) -> np.ndarray:
    """Weighted reducers take pixels by their covered share, others by their centres; points take their pixel."""
    is_area = region.shape.area != 0 or region.unbounded
    return covered_share(region, tile) if reducer.weighted and is_area else pixels_in(region, tile)


def pixels_in(region: Geometry, tile: GeoBox) -> np.ndarray:
    """bool [row, column]: pixels with their centre in a region; points and lines take the pixels that they touch."""
    if region.shape.area == 0 and not region.unbounded:
        return _pixels_of_points(region, tile)
    return centres_inside(region, tile)


def _pixels_of_points(region: Geometry, tile: GeoBox) -> np.ndarray:
    from rasterio.features import rasterize

    shape = region.in_crs(str(tile.crs)).shape
    burnt = rasterize([(shape, 1)], tuple(tile.shape), transform=tile.affine, dtype="uint8", all_touched=True)
    inside: np.ndarray = burnt.astype(bool)
    return inside


def _samples(values: np.ndarray, mask: np.ndarray, share: np.ndarray, inside: np.ndarray, reducer: Reducer) -> Samples:
    """Values and weights of the pixels inside: weight = min(mask, covered share) where the reducer weighs."""
    samples, own = of_pixels(values[inside]), mask[inside]
    if not reducer.weighted:
        return samples, own != 0
    if share.dtype == bool and own.dtype == bool:
        return samples, own
    weights = np.minimum(as_weight(own), as_weight(share[inside]))
    return samples, np.where(as_weight(share[inside]) >= LEAST_SHARE, weights, np.float32(0))


def _common(samples: list[Samples]) -> list[Samples]:
    """Samples of several inputs count where all of them are valid."""
    weight = np.minimum.reduce([np.asarray(weights, np.float32) for _, weights in samples])
    return [(values, weight) for values, _ in samples]
