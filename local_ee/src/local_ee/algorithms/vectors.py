"""Rasters as vectors: a feature for each segment of pixels (guides/reducers_reduce_to_vectors)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation import regions
from local_ee.evaluation.arrays import of_result
from local_ee.evaluation.features import Collection, Feature
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image
from local_ee.raster import segments
from local_ee.raster.geometry import LONLAT, Geometry
from local_ee.raster.geometry import rectangle as corners
from local_ee.raster.pixels import opaque
from local_ee.raster.projection import Projection
from local_ee.raster.reducing import Reducer

_EARTH_RADIUS_M = 6.37e6
_BEND = 0.1  # of a pixel, by which an edge between two projections may be off
_GEOMETRIES = ("polygon", "bb", "centroid")


@dataclass(frozen=True)
class Segments:
    """The labelled pixels of a region's grid, and the samples of the further bands."""

    grid: regions.Grid
    labels: np.ndarray  # [row, column], NONE outside
    values: np.ndarray  # of the first band, by label
    first: np.ndarray  # row and column of the first pixel, by label
    samples: Sequence[tuple[np.ndarray, np.ndarray]]  # values and weights of further bands [row, column]

    @property
    def count(self) -> int:
        return len(self.values)

    def index(self, label: int) -> str:
        """The place of the first pixel on the projection's grid, such as +1204-35: of any region the same."""
        row, col = self.first[label]
        return f"{self.grid.col + int(col):+d}{self.grid.row + int(row):+d}"


@algorithm("Image.reduceToVectors", "Image.reduceToVectorsStreaming")
def reduce_to_vectors(
    image: Image,
    reducer: Reducer | None,
    geometry: Geometry | None,
    scale: float | None,
    geometryType: str,
    eightConnected: bool,
    labelProperty: str | None,
    crs: Projection | None,
    crsTransform: list | None,
    bestEffort: bool,
    maxPixels: int,
    tileScale: float,
    geometryInNativeProjection: bool,
) -> Collection:
    """A feature for each segment of pixels of one value, with that value and the reducer's outputs as properties.

    Pixels take part whose centre is in the region and that the first band does not mask. Assumptions (not
    documented): features come in order of their first pixels and are called by its place; a reducer of one input
    names the properties as reduceRegions does; a segment whose parts meet at corners only has a MultiPolygon; edges
    are straight in the coordinates of the result.
    """
    if geometryType not in _GEOMETRIES:
        raise EngineError(f"Unknown geometry type '{geometryType}'. Use one of: {', '.join(_GEOMETRIES)}.")
    reducer = _checked(image, reducer)
    region = geometry or image.footprint
    if region is None or region.unbounded:
        raise EngineError("The geometry has no bounds: give a region to reduce.")
    projection = regions.working_projection(image, crs, crsTransform, scale)
    grid = regions.grid_over(region, projection, maxPixels, bestEffort)

    def find() -> list[Feature]:
        pieces = _segments(image, region, grid, segments.EIGHT if eightConnected else segments.FOUR)
        geometries = [
            shape if geometryInNativeProjection else _in_degrees(shape, grid.projection)
            for shape in _shapes(pieces, geometryType)
        ]
        properties = _properties(image, reducer, pieces, labelProperty)
        return [Feature(shape, own) for shape, own in zip(geometries, properties, strict=True)]

    return Collection(find)


def _checked(image: Image, reducer: Reducer | None) -> Reducer | None:
    """The reducer, or None for a count of pixels; EngineError where the bands do not fit."""
    if not image.bands:
        raise EngineError("The image has no bands.")
    label = image.bands[0]
    if not label.type.is_integer:
        raise EngineError(f"The first band must be of an integer type, but '{label.name}' is {label.type.precision}.")
    further = len(image.bands) - 1
    if reducer is None or (reducer.name == "countEvery" and not further):
        return None
    if not further or reducer.inputs not in (1, further):
        raise EngineError(f"Need {reducer.inputs}+1 bands for Reducer.{reducer.name}, image has {further + 1}.")
    for band in image.bands[1:]:
        reducer.check(band.name, band.type)
    return reducer


def _segments(image: Image, region: Geometry, grid: regions.Grid, offsets: Sequence[segments.Offset]) -> Segments:
    shape = grid.height, grid.width
    budget.check_pixels(grid.height * grid.width)
    budget.allocate(grid.height * grid.width * (16 + sum(9 for _ in image.bands)))
    values = [np.zeros(shape, band.type.dtype) for band in image.bands]
    weights = [np.zeros(shape, np.float32) for _ in image.bands]
    pace = budget.Pace(grid.tile_count)
    for tile, window in zip(grid.tiles(), _windows(grid), strict=True):
        pace.step()
        inside = regions.pixels_in(region, tile)
        if not inside.any():
            continue
        pixels = image.read_at(tile, image.everything)
        for i, (value, mask) in enumerate(zip(pixels.values, pixels.masks, strict=True)):
            values[i][window], weights[i][window] = value, np.where(inside, mask, 0)
    labels = segments.labelled(values[0], opaque(weights[0]), offsets)
    _, first = np.unique(labels[labels != segments.NONE], return_index=True)
    pixels_of = np.argwhere(labels != segments.NONE)[first]
    samples = list(zip(values[1:], weights[1:], strict=True))
    return Segments(grid, labels, values[0][tuple(pixels_of.T)], pixels_of, samples)


def _windows(grid: regions.Grid) -> list[tuple[slice, slice]]:
    """The tiles of a grid as slices, in the same order."""
    return [
        np.s_[row : row + regions.TILE, col : col + regions.TILE]
        for row in range(0, grid.height, regions.TILE)
        for col in range(0, grid.width, regions.TILE)
    ]


def _properties(image: Image, reducer: Reducer | None, pieces: Segments, label: str | None) -> list[dict[str, Any]]:
    """The label's value and the reducer's outputs; outputs without a value are left out."""
    inside = pieces.labels != segments.NONE
    own = pieces.labels[inside]
    budget.check_value(pieces.count * budget.ELEMENT_BYTES)
    if reducer is None:
        columns = {"count": np.bincount(own, minlength=pieces.count).tolist()}
    else:
        samples = [(values[inside], weights[inside]) for values, weights in pieces.samples]
        samples = [(values, weights if reducer.weighted else weights != 0) for values, weights in samples]
        columns = _columns(image.band_names[1:], reducer, samples, own, pieces.count)
    records = []
    for i, value in enumerate(pieces.values.tolist()):
        record = {name: values[i] for name, values in columns.items() if values[i] is not None}
        labelled = {label: value} if label else {}
        records.append({**labelled, **record, "system:index": pieces.index(i)})
    return records


def _columns(
    names: Sequence[str], reducer: Reducer, samples: Sequence[Any], labels: np.ndarray, count: int
) -> dict[str, list[Any]]:
    """The outputs by property: of one reduction of all bands, or of one for each band."""
    if reducer.inputs == len(samples):
        results = segments.plain_results(segments.reduced(reducer, samples, labels, count))
        return {name: [of_result(row[k]) for row in results] for k, name in enumerate(reducer.outputs)}
    columns: dict[str, list[Any]] = {}
    for name, sample in zip(names, samples, strict=True):
        results = segments.plain_results(segments.reduced(reducer, [sample], labels, count))
        columns |= {key: [of_result(row[k]) for row in results] for k, key in enumerate(reducer.keys(name))}
    return columns


def _shapes(pieces: Segments, geometry_type: str) -> list[Geometry]:
    """A geometry in the grid's projection for each segment."""
    projection, row, col = pieces.grid.projection, pieces.grid.row, pieces.grid.col
    window = projection.geobox(pieces.grid.height, pieces.grid.width, row=row, col=col)
    if geometry_type == "polygon":
        return [Geometry(shape, projection.crs, False) for shape in segments.outlines(pieces.labels, window.affine)]
    if geometry_type == "bb":
        boxes = segments.boxes(pieces.labels)
        ends = [window.affine * corner for top, left, h, w in boxes for corner in ((left, top), (left + w, top + h))]
        return [Geometry(_box(*pair), projection.crs, False) for pair in zip(ends[::2], ends[1::2], strict=True)]
    rows, cols = np.nonzero(pieces.labels != segments.NONE)
    own = pieces.labels[rows, cols]
    count = np.bincount(own, minlength=pieces.count)
    middles = (np.bincount(own, axis + 0.5, minlength=pieces.count) / np.maximum(count, 1) for axis in (cols, rows))
    return [Geometry(shapely.Point(window.affine * each), projection.crs) for each in zip(*middles, strict=True)]


def _box(first: tuple[float, float], second: tuple[float, float]) -> shapely.Polygon:
    (x, y), (x2, y2) = first, second
    return corners(min(x, x2), min(y, y2), max(x, x2), max(y, y2))


def _in_degrees(geometry: Geometry, projection: Projection) -> Geometry:
    """In degrees, its edges cut only where the Earth's bend would move them by more than a part of a pixel."""
    if isinstance(geometry.shape, shapely.Point) or projection.crs == LONLAT:
        return geometry.in_crs(LONLAT)
    step_m = math.sqrt(8 * _EARTH_RADIUS_M * _BEND * projection.nominal_scale_m)
    shape = shapely.segmentize(geometry.shape, step_m / projection.unit_m)
    return geometry.moved(shape, LONLAT)
