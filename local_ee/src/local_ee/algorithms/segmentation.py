"""Superpixels (Image.Segmentation.SNIC, seedGrid)."""

from __future__ import annotations

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee import budget
from local_ee.algorithms.image_grid import elsewhere
from local_ee.algorithms.image_objects import object_ids
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Band, Image, derived
from local_ee.raster import segments, superpixels
from local_ee.raster.blocks import blocks
from local_ee.raster.lattice import place_of
from local_ee.raster.pixel_type import BOOLEAN, DOUBLE, NAMED
from local_ee.raster.pixels import Pixels, opaque

_GRIDS = ("square", "hex")
_MOST_MARGIN = 1024  # pixels
_BYTES = 64  # of a pixel in the queue
_MOST_WEIGHT = 1e100  # of distances against bands; its square is still a number


@algorithm("Image.Segmentation.seedGrid")
def seed_grid(size: int, gridType: str) -> Image:
    """Band seeds: 1 on a grid of pixels `size` apart, counted from the origin of the output's grid; masked elsewhere.

    Assumption (not documented): the first seed lies in the middle of the first cell; every second row of a hexagonal
    grid is moved by half a cell.
    """
    _check_spacing(size)
    if gridType not in _GRIDS:
        raise EngineError(f"Unknown gridType '{gridType}'. Use one of: {', '.join(_GRIDS)}.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        shown = _grid(geobox, size, hexagonal=gridType == "hex")
        return Pixels((np.ones(shown.shape, np.uint8),) * len(positions), (shown,) * len(positions))

    return Image((Band("seeds", BOOLEAN),), reading)


def _check_spacing(size: int) -> None:
    if not 1 <= size <= _MOST_MARGIN // 2:
        raise EngineError(f"size must be 1 to {_MOST_MARGIN // 2} pixels, got {size}.")


def _grid(geobox: GeoBox, size: int, *, hexagonal: bool) -> np.ndarray:
    lattice_window = place_of(geobox)
    rows, cols = (
        lattice_window.row + np.arange(lattice_window.height),
        lattice_window.col + np.arange(lattice_window.width),
    )
    moved = (rows // size % 2 * (size // 2) if hexagonal else np.zeros_like(rows))[:, None]
    on_row = (rows % size == size // 2)[:, None]
    return np.asarray(on_row & ((cols[None, :] - moved) % size == size // 2))


@algorithm("Image.Segmentation.SNIC")
def snic(
    image: Image, size: int, compactness: float, connectivity: int, neighborhoodSize: int | None, seeds: Image | None
) -> Image:
    """Bands clusters, seeds where none are given, and the mean of each band over the pixel's cluster (band_mean).

    A pixel with a masked band has no cluster. Assumptions (not documented): the squared distance to a cluster is that
    of the bands plus compactness squared times that in cells of the seeds' spacing; a cluster's number is made of its
    first seed's row and column; clusters grow in blocks of 256 x 256 pixels of the grid with the neighbourhood around.
    """
    _check_spacing(size)
    if connectivity not in (4, 8):
        raise EngineError(f"connectivity must be 4 or 8, got {connectivity}.")
    margin = 2 * size if neighborhoodSize is None else neighborhoodSize
    if not 0 <= margin <= _MOST_MARGIN:
        raise EngineError(f"neighborhoodSize must be 0 to {_MOST_MARGIN} pixels, got {margin}.")
    source = seed_grid(size, "square") if seeds is None else seeds
    weight = min(compactness / size, _MOST_WEIGHT) ** 2
    model = image.bands[0]
    bands = [Band("clusters", NAMED["int32"], model.projection, model.dimensions)]
    bands += [Band("seeds", BOOLEAN, model.projection, model.dimensions)] if seeds is None else []
    bands += [band.renamed(f"{band.name}_mean").typed(DOUBLE) for band in image.bands]

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        values = [np.zeros(geobox.shape, band.type.dtype) for band in bands]
        masks = [np.zeros(geobox.shape, bool) for _ in bands]
        for block, window, inner in blocks(geobox, margin):
            for k, (value, mask) in enumerate(_clustered(image, source, window, (weight, connectivity), seeds is None)):
                values[k][block], masks[k][block] = value[inner], mask[inner]
        return Pixels(tuple(values[i] for i in positions), tuple(masks[i] for i in positions))

    return derived([image, source], bands, reading, properties=image.properties, image_id=image.id, around=elsewhere)


def _clustered(
    image: Image, source: Image, window: GeoBox, rule: tuple[float, int], show_seeds: bool
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values and masks of all bands of a block with its margin."""
    weight, connectivity = rule
    budget.allocate(window.shape[0] * window.shape[1] * _BYTES * len(image.bands))
    pixels, marks = image.read_at(window, image.everything), source.read_at(window, (0,))
    valid = np.logical_and.reduce([opaque(mask) for mask in pixels.masks])
    planted = (np.asarray(marks.values[0]) != 0) & opaque(marks.masks[0])
    offsets = segments.EIGHT if connectivity == 8 else segments.FOUR
    starts = segments.labelled(planted.astype(np.uint8), planted, offsets)
    spectra = np.stack([np.asarray(values, float) for values in pixels.values])
    labels, means = superpixels.clusters(
        np.where(valid, spectra, 0), valid, starts, weight=weight, connectivity=connectivity
    )
    inside, ids = labels != superpixels.NONE, object_ids(starts, window)
    outputs = [(np.where(inside, ids[labels], 0), inside)]
    outputs += [(planted, planted & valid)] if show_seeds else []
    return outputs + [(np.where(inside, np.append(mean, 0)[labels], 0), inside) for mean in means]
