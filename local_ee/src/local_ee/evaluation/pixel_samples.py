"""Samples of an image: pixels of a region with their values and places, all of them or some that a seed draws.

Which pixels a seed draws is decided by a hash of the pixel's place, so that it depends on nothing else; they are not
the ones that Google's servers draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.errors import EngineError
from local_ee.evaluation import regions
from local_ee.evaluation.arrays import of_pixels
from local_ee.evaluation.features import Feature
from local_ee.evaluation.values import Image
from local_ee.raster.geometry import LONLAT, Geometry
from local_ee.raster.projection import Projection, projection_of, transformer

_MOST_WAITING = 100_000  # pixels beyond four times those wanted, before the highest are let go
_CELL = 64  # pixels of the side of what is read at once, where few cells have pixels
_FEW_CELLS = 12  # of the 64 of a tile


@dataclass(frozen=True)
class Samples:
    """Pixels of a region: values and validity by band (pixel, band), and the place of each pixel on its grid."""

    names: tuple[str, ...]
    values: Sequence[np.ndarray]
    valid: np.ndarray
    x: np.ndarray
    y: np.ndarray
    crs: str

    @property
    def complete(self) -> np.ndarray:
        """Where no band is masked, bool."""
        return np.asarray(self.valid.all(axis=1))

    def pick(self, keep: np.ndarray) -> Samples:
        """Some of the pixels."""
        return Samples(
            self.names,
            [values[keep] for values in self.values],
            self.valid[keep],
            self.x[keep],
            self.y[keep],
            self.crs,
        )

    @property
    def lonlat(self) -> tuple[np.ndarray, np.ndarray]:
        """Centres of the pixels in degrees."""
        lon, lat = transformer(self.crs, LONLAT).transform(self.x, self.y)
        return lon, lat

    def draws(self, seed: int) -> np.ndarray:
        """A number from 0 to 1 for each pixel, by its place and the seed alone."""
        return _uniform(self.x, self.y, seed)

    def features(self, *, geometries: bool, common: Mapping[str, Any] | None = None, prefix: str = "") -> list[Feature]:
        """A feature for each pixel; bands without a value are left out."""
        columns = [values.tolist() for values in self.values]
        lon, lat = self.lonlat if geometries else (self.x, self.y)
        budget.check_value(len(self.x) * budget.ELEMENT_BYTES * (2 + len(columns)))
        made = []
        for i in range(len(self.x)):
            properties = {**(common or {}), "system:index": f"{prefix}{i}"}
            properties |= {n: column[i] for n, column, ok in zip(self.names, columns, self.valid[i], strict=True) if ok}
            point = Geometry(shapely.Point(float(lon[i]), float(lat[i]))) if geometries else None
            made.append(Feature(point, properties))
        return made


def _uniform(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Steele's SplitMix64 of two coordinates and a seed, as from Samples.draws; x and y may be an axis each."""
    state = np.full(x.shape, seed & (2**64 - 1), np.uint64)
    for axis_N in (x, y):
        # Whole numbers: a coordinate's rounding, which its window decides, must not draw another number.
        micrometres = np.rint(axis_N * 1e6).astype(np.int64)
        state = (state ^ micrometres.astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        state = state ^ (state >> np.uint64(31))
    # A float64 holds 53 bits: of more, the largest would become 1.
    return (state >> np.uint64(11)).astype(float) / 2**53


def pixels_of(image: Image, region: Geometry | None, projection: Projection) -> Samples:
    """All pixels whose centre lies in the region (points take their pixel), in rows."""
    area, grid = _area(image, region, projection)
    parts = [tile_pixels for tile in grid.tiles() if (tile_pixels := _tile_pixels(image, area, tile)) is not None]
    return _joined(image, parts, projection)


def drawn_pixels(image: Image, region: Geometry | None, projection: Projection, seed: int, share: Share) -> Samples:
    """Some of these pixels; the others are not read where they lie far from all that are drawn."""
    area, grid = _area(image, region, projection)
    draws = _Draws(share)
    for tile_index, tile in enumerate(grid.tiles()):
        budget.check()
        inside = regions.pixels_in(area, tile)
        if inside.any():
            draws.add(tile_index, np.flatnonzero(inside), _draws_of(tile, seed)[inside])
    drawn = draws.chosen()
    tiles = enumerate(grid.tiles())
    parts = [_drawn_of(image, tile, drawn[tile_index]) for tile_index, tile in tiles if tile_index in drawn]
    return _joined(image, parts, projection)


@dataclass(frozen=True)
class Share:
    """Which numbers from 0 to 1 are drawn: those below a bound, or the `count` lowest."""

    below: float = 1.0
    count: int | None = None


class _Draws:
    """The pixels of tiles that are drawn, as their numbers come."""

    def __init__(self, share: Share) -> None:
        self._share, self._below = share, share.below
        self._parts: list[np.ndarray] = []
        self._size = 0

    def add(self, tile: int, places: np.ndarray, draws: np.ndarray) -> None:
        """The drawn ones of a tile's pixels, which are places in it."""
        keep = draws < self._below
        rows = np.empty(int(keep.sum()), [("tile", np.int64), ("place", np.int64), ("draw", float)])
        rows["tile"], rows["place"], rows["draw"] = tile, places[keep], draws[keep]
        self._parts.append(rows)
        self._size += len(rows)
        budget.allocate(rows.nbytes)
        if self._share.count is not None and self._size > 4 * self._share.count + _MOST_WAITING:
            self._prune(self._share.count)

    def _prune(self, count: int) -> None:
        """Leaves the `count` lowest; a number above all of them is not drawn from now on."""
        every = np.concatenate(self._parts)
        # Sorted again into the order in which they came, tile by tile, by which `chosen` splits them.
        lowest = every[np.sort(np.argsort(every["draw"], kind="stable")[: max(count, 0)])]
        self._parts, self._size = [lowest], len(lowest)
        if count > 0 and len(lowest) == count:
            self._below = min(self._below, float(lowest["draw"].max()))

    def chosen(self) -> dict[int, np.ndarray]:
        """The places that are drawn in each tile, in order."""
        if self._share.count is not None and self._parts:
            self._prune(self._share.count)
        every = np.concatenate(self._parts) if self._parts else np.empty(0, [("tile", np.int64), ("place", np.int64)])
        ends = np.flatnonzero(np.diff(every["tile"])) + 1
        return {int(of_tile["tile"][0]): of_tile["place"] for of_tile in np.split(every, ends) if len(of_tile)}


def _draws_of(tile: GeoBox, seed: int) -> np.ndarray:
    """The number of each pixel [row, column]."""
    return _uniform(*_axes(tile), seed)


def _axes(tile: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates x [1, column] and y [row, 1] of centres."""
    rows, columns = (np.arange(length) + 0.5 for length in tile.shape)
    x, _ = tile.affine * (columns, np.full(len(columns), 0.5))
    _, y = tile.affine * (np.full(len(rows), 0.5), rows)
    return x[None, :], y[:, None]


def _area(image: Image, region: Geometry | None, projection: Projection) -> tuple[Geometry, regions.Grid]:
    area = region or image.footprint
    if area is None or area.unbounded:
        raise EngineError("The geometry has no bounds: give a region to sample.")
    grid = regions.grid_over(area, projection, float("inf"), False)
    budget.check_pixels(grid.height * grid.width)
    return area, grid


def _joined(image: Image, parts: Sequence[Samples], projection: Projection) -> Samples:
    if not parts:
        empty = np.zeros(0)
        none = [np.zeros(0, band.type.dtype) for band in image.bands]
        return Samples(image.band_names, none, np.zeros((0, len(image.bands)), bool), empty, empty, projection.crs)
    return Samples(
        image.band_names,
        [np.concatenate(bands) for bands in zip(*(piece.values for piece in parts), strict=True)],
        np.concatenate([piece.valid for piece in parts]),
        np.concatenate([piece.x for piece in parts]),
        np.concatenate([piece.y for piece in parts]),
        projection.crs,
    )


def _tile_pixels(image: Image, region: Geometry, tile: GeoBox) -> Samples | None:
    budget.check()
    inside = regions.pixels_in(region, tile)
    return _read(image, tile, *np.nonzero(inside)) if inside.any() else None


def _drawn_of(image: Image, tile: GeoBox, places: np.ndarray) -> Samples:
    """A tile's pixels at places in it, in order: read cell by cell where few cells have any."""
    rows, columns = np.divmod(places, tile.shape[1])
    cells = rows // _CELL * tile.shape[1] + columns // _CELL
    if len(np.unique(cells)) > _FEW_CELLS:
        cells = np.zeros_like(cells)
    order = np.argsort(cells, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(cells[order])) + 1)
    parts = [_around(image, tile, rows[group], columns[group]) for group in groups]
    return _joined(image, parts, projection_of(tile)).pick(np.argsort(order))


def _around(image: Image, tile: GeoBox, rows: np.ndarray, columns: np.ndarray) -> Samples:
    """Some pixels, read with those that lie between them."""
    budget.check()
    top, left = int(rows.min()), int(columns.min())
    window = tile[top : int(rows.max()) + 1, left : int(columns.max()) + 1]
    return _read(image, window, rows - top, columns - left)


def _read(image: Image, window: GeoBox, rows: np.ndarray, columns: np.ndarray) -> Samples:
    pixels = image.read_at(window, image.everything)
    x, y = window.affine * (columns + 0.5, rows + 0.5)
    valid = np.column_stack([np.asarray(mask)[rows, columns] != 0 for mask in pixels.masks])
    budget.allocate(len(rows) * (16 + 9 * len(pixels.values)))
    values = [of_pixels(np.asarray(each)[rows, columns]) for each in pixels.values]
    return Samples(image.band_names, values, valid, x, y, str(window.crs))
