"""Clusters of pixels that are found cell by cell or tile by tile, as Image.Segmentation.KMeans and GMeans do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.image_objects import object_ids
from local_ee.errors import EngineError
from local_ee.evaluation.values import Band, Image, recomputed
from local_ee.raster.blocks import SIDE, blocks
from local_ee.raster.pixel_type import NAMED
from local_ee.raster.pixels import Pixels
from local_ee.raster.segments import NONE

_MOST_SIDE = 1024  # pixels of a cell, or around a tile

# From the values [pixel, band] of a cell to the cluster of each pixel, counted from 0.
Find = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Cells:
    """Cells of so many pixels a side, or tiles with so many pixels around."""

    neighborhood: int
    grid: int | None

    def __post_init__(self) -> None:
        if not 0 <= self.neighborhood <= _MOST_SIDE:
            raise EngineError(f"neighborhoodSize must be 0 to {_MOST_SIDE} pixels, got {self.neighborhood}.")
        if self.grid is not None and not 0 <= self.grid <= _MOST_SIDE:
            raise EngineError(f"gridSize must be 1 to {_MOST_SIDE} pixels, got {self.grid}.")
        if self.grid and self.neighborhood:
            raise EngineError("gridSize and neighborhoodSize exclude each other: give one of them.")

    @property
    def margin(self) -> int:
        return 0 if self.grid else self.neighborhood

    @property
    def side(self) -> int:
        return self.grid or SIDE


def clustered(image: Image, cells: Cells, find: Find, *, unique: bool) -> Image:
    """Band clusters: the cluster of each pixel, unique or counted from 0; what a band masks in part is masked."""
    model, margin, side = image.bands[0], cells.margin, cells.side

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        labels, shown = np.zeros(geobox.shape, np.int32), np.zeros(geobox.shape, bool)
        for block, window, inner in blocks(geobox, margin, side=side):
            member = _members(image, window, find)
            tile = (slice(margin, margin + side),) * 2  # the whole of it, so that its labels depend on no window
            own = np.full(member.shape, NONE, member.dtype)
            own[tile] = member[tile]
            named = _unique(own, window) if unique else np.where(own == NONE, 0, own)
            labels[block], shown[block] = named[inner], own[inner] != NONE
        return Pixels((labels,) * len(positions), (shown,) * len(positions))

    bands = [Band("clusters", NAMED["int32"], model.projection, model.dimensions)]
    return recomputed(image, bands, reading, around=elsewhere)


def _members(image: Image, window: GeoBox, find: Find) -> np.ndarray:
    """The cluster of each pixel of a window, counted from 0; NONE where it is masked."""
    pixels = image.read_at(window, image.everything)
    whole = np.logical_and.reduce([np.asarray(mask) == 1 for mask in pixels.masks])
    member = np.full(window.shape, NONE, np.int64)
    if whole.any():
        member[whole] = find(np.stack([np.asarray(values, float)[whole] for values in pixels.values], axis=1))
    return member


def _unique(member: np.ndarray, window: GeoBox) -> np.ndarray:
    _, rank = np.unique(member[member != NONE], return_inverse=True)
    named = np.zeros(member.shape, np.int32)
    named[member != NONE] = object_ids(member, window)[rank]
    return named
