"""Image.cumulativeCost: the cheapest way from each pixel to a source (guides/image_cumulative_cost)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from odc.geo.geobox import GeoBox
from scipy import ndimage
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from local_ee import budget
from local_ee.algorithms.image_grid import elsewhere
from local_ee.errors import EngineError
from local_ee.evaluation.registry import algorithm
from local_ee.evaluation.values import Image, derived
from local_ee.raster.blocks import blocks
from local_ee.raster.geometry import LONLAT
from local_ee.raster.lattice import place_of
from local_ee.raster.pixel_type import DOUBLE
from local_ee.raster.pixels import Pixels, opaque
from local_ee.raster.projection import Projection, projection_of, transformer

MOST_REACH = 1024  # pixels
_RADIUS_M = 6_378_137.0  # of the sphere (apidocs ee-image-cumulativecost)
_STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))
_PAIR_BYTES = 24


@algorithm("Image.cumulativeCost")
def cumulative_cost(cost: Image, source: Image, maxDistance: float, geodeticDistance: bool) -> Image:
    """The total cost of the cheapest path over pixels and their eight neighbours to a source, costs being per metre.

    Assumptions (not documented): a step costs the mean of both pixels times the distance of their centres; a pixel is
    masked where no path leads to it, or where the nearest source is farther than maxDistance; paths are sought within
    maxDistance around blocks of 256 x 256 pixels of the grid. Several cost bands are refused.
    """
    if len(cost.bands) != 1 or len(source.bands) != 1:
        raise EngineError(
            f"The local engine takes one cost band and one source band, got {len(cost.bands)} and {len(source.bands)}."
        )
    if not maxDistance > 0:
        raise EngineError(f"maxDistance must be positive, got {maxDistance:g}.")

    def reading(geobox: GeoBox, positions: tuple[int, ...]) -> Pixels:
        reach = _reach(maxDistance, geobox)
        values, valid = np.zeros(geobox.shape), np.zeros(geobox.shape, bool)
        for block, window, inner in blocks(geobox, math.ceil(reach)):
            budget.check()
            total, reachable = _computed(cost, source, window, (reach, geodeticDistance))
            values[block], valid[block] = total[inner], reachable[inner]
        return Pixels((values,) * len(positions), (valid,) * len(positions))

    return derived(
        [cost, source],
        [band.typed(DOUBLE) for band in cost.bands],
        reading,
        properties=cost.properties,
        image_id=cost.id,
        around=elsewhere,
    )


def _reach(distance_m: float, geobox: GeoBox) -> float:
    """The distance in pixels."""
    reach = distance_m / projection_of(geobox).nominal_scale_m
    if reach > MOST_REACH:
        raise EngineError(
            f"maxDistance spans {reach:.0f} pixels of the output; the local engine takes {MOST_REACH}. Use a larger "
            "scale or a smaller distance."
        )
    return reach


def _computed(cost: Image, source: Image, window: GeoBox, options: tuple[float, bool]) -> tuple[np.ndarray, np.ndarray]:
    """Total costs of a window, and where there is one."""
    reach, geodetic = options
    costs, origin = cost.read_at(window, (0,)), source.read_at(window, (0,))
    passable = opaque(costs.masks[0])
    sources = (np.asarray(origin.values[0]) != 0) & opaque(origin.masks[0]) & passable
    price = np.where(passable, np.asarray(costs.values[0], float), 0)
    if (price < 0).any():
        raise EngineError("Costs must not be negative.")
    if not sources.any():
        return np.zeros(window.shape), np.zeros(window.shape, bool)
    totals = _cheapest(price, passable, sources, window, geodetic)
    near = ndimage.distance_transform_edt(~sources) <= reach
    reachable = np.isfinite(totals) & near
    return np.where(reachable, totals, 0), reachable


def _cheapest(
    price: np.ndarray, passable: np.ndarray, sources: np.ndarray, window: GeoBox, geodetic: bool
) -> np.ndarray:
    """E. W. Dijkstra's shortest paths from the sources over the graph of neighbours."""
    # Each pixel is a node and each pair of passable neighbours an edge, whose length is the mean price times metres.
    # One search from all sources together gives every pixel the cost of its nearest one.
    # Free pixels make edges of length 0, which the sparse graph keeps because they are stored.
    budget.allocate(price.size * _PAIR_BYTES * len(_STEPS))
    nodes = np.arange(price.size).reshape(price.shape)
    rows, cols, lengths = [], [], []
    for step, metres in zip(_STEPS, _distances(window, geodetic), strict=True):
        here, beside = _pairs(step)
        open_ways = passable[here] & passable[beside]
        rows.append(nodes[here][open_ways])
        cols.append(nodes[beside][open_ways])
        lengths.append(((price[here] + price[beside]) / 2 * metres)[open_ways])
    graph = coo_matrix((np.concatenate(lengths), (np.concatenate(rows), np.concatenate(cols))), (price.size,) * 2)
    starts = nodes[sources]
    totals = budget.abandonable(lambda: dijkstra(graph.tocsr(), directed=False, indices=starts, min_only=True))
    return totals.reshape(price.shape)


def _pairs(step: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that have a neighbour a step (down, right) away, and those neighbours."""
    down, right = step
    rows = slice(0, -down or None), slice(down, None)
    cols = (slice(0, -right or None), slice(right, None)) if right >= 0 else (slice(1, None), slice(0, -1))
    return (rows[0], cols[0]), (rows[1], cols[1])


def _distances(window: GeoBox, geodetic: bool) -> Iterator[np.ndarray]:
    """Metres between the centres of neighbours, for each step: on the sphere, or in the plane of the projection."""
    lattice_window = place_of(window)
    x, y = lattice_window.centres()
    if not geodetic:
        unit = Projection(lattice_window.crs).unit_m
        for step in _STEPS:
            here, beside = _pairs(step)
            yield np.hypot(x[beside] - x[here], y[beside] - y[here]) * unit
        return
    lon, lat = np.radians(transformer(lattice_window.crs, LONLAT).transform(x, y))
    for step in _STEPS:
        here, beside = _pairs(step)
        square = (
            np.sin((lat[beside] - lat[here]) / 2) ** 2
            + np.cos(lat[here]) * np.cos(lat[beside]) * np.sin((lon[beside] - lon[here]) / 2) ** 2
        )
        yield 2 * _RADIUS_M * np.arcsin(np.sqrt(square))
