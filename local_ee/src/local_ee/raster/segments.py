"""Segments: connected pixels of one value; their labels, sizes, outlines, and the reduction of the pixels of each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import rasterio.features
import shapely
from affine import Affine
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from local_ee import budget
from local_ee.raster.accumulate import Reduced, Samples
from local_ee.raster.compound import plain
from local_ee.raster.reducing import Reducer

NONE = -1  # the label of pixels without a segment
FOUR = ((0, 1), (1, 0))  # offsets (row, column) of neighbours; the opposite ones follow
EIGHT = (*FOUR, (1, 1), (1, -1))
_EDGE_BYTES = 24  # of a pair of neighbours
_TOGETHER = 64  # pixels of segments that are reduced side by side

Offset = tuple[int, int]


def labelled(values: np.ndarray, valid: np.ndarray, offsets: Sequence[Offset]) -> np.ndarray:
    """Labels 0, 1 ... of the segments in order of their first pixels, row by row; NONE where a pixel is not valid."""
    budget.allocate(values.size * _EDGE_BYTES * max(len(offsets), 1))
    positions = np.arange(values.size, dtype=np.int32 if values.size < 2**31 else np.int64).reshape(values.shape)
    pairs = [_alike(values, valid, positions, offset) for offset in offsets if offset != (0, 0)]
    rows = np.concatenate([first for first, _ in pairs] or [positions[:0].ravel()])
    cols = np.concatenate([second for _, second in pairs] or [positions[:0].ravel()])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, cols)), shape=(values.size, values.size))
    components = connected_components(graph, directed=False)[1].reshape(values.shape)
    labels = np.full(values.shape, NONE, np.int64)
    _, first_pixel, inverse = np.unique(components[valid], return_index=True, return_inverse=True)
    order = np.empty(len(first_pixel), np.int64)
    order[np.argsort(first_pixel)] = np.arange(len(first_pixel))
    labels[valid] = order[inverse]
    return labels


def _alike(
    values: np.ndarray, valid: np.ndarray, positions: np.ndarray, offset: Offset
) -> tuple[np.ndarray, np.ndarray]:
    """Positions of valid pixels and of their neighbours of the same value."""
    here, beside = _shifted(offset, values.shape)
    same = valid[here] & valid[beside] & (values[here] == values[beside])
    return positions[here][same], positions[beside][same]


def _shifted(offset: Offset, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """The pixels that have a neighbour at an offset, and those neighbours."""
    here = tuple(
        slice(max(0, -step), max(0, length - max(0, step))) for step, length in zip(offset, shape, strict=True)
    )
    beside = tuple(
        slice(max(0, step), max(0, length + min(0, step))) for step, length in zip(offset, shape, strict=True)
    )
    return here, beside


def sizes(labels: np.ndarray) -> np.ndarray:
    """The number of pixels of each pixel's segment; 0 where there is none."""
    counts = np.bincount(labels[labels != NONE].ravel(), minlength=1)
    return np.where(labels != NONE, counts[labels], 0)


def boxes(labels: np.ndarray) -> np.ndarray:
    """First row, first column, height and width of each segment, int [label, 4]."""
    rows, cols = np.nonzero(labels != NONE)
    mine = labels[rows, cols]
    count = int(mine.max()) + 1 if len(mine) else 0
    low = np.full((count, 2), np.iinfo(np.int64).max)
    high = np.full((count, 2), -1)
    for axis, where in enumerate((rows, cols)):
        np.minimum.at(low[:, axis], mine, where)
        np.maximum.at(high[:, axis], mine, where)
    return np.column_stack([low, high - low + 1])


def reduced(reducer: Reducer, inputs: Sequence[Samples], labels: np.ndarray, count: int) -> list[list[Reduced]]:
    """The reducer's outputs over the pixels of each of `count` segments; pixels in order, row by row.

    inputs: values and weights of the pixels [pixel] of every input; labels: of the same pixels. What a segment gives
    depends on its own pixels alone, never on the segments beside it, so that any window gives the same.
    """
    order = np.argsort(labels, kind="stable")
    order = order[np.count_nonzero(labels == NONE) :]
    lengths = np.bincount(labels[labels != NONE], minlength=count)
    starts = np.concatenate([[0], np.cumsum(lengths)])[:-1]
    results: list[list[Reduced]] = [[] for _ in range(count)]
    for length in np.unique(lengths):
        budget.check()
        members = np.flatnonzero(lengths == length)
        if length > _TOGETHER or not reducer.pixels:
            for member in members:
                budget.check()
                results[member] = _one(reducer, inputs, order[starts[member] : starts[member] + length])
            continue
        picked = order[starts[members] + np.arange(length)[:, None]][:, None, :]  # [pixel, 1, segment]
        running = reducer.start()
        running.add([(values[picked], weights[picked]) for values, weights in inputs])
        outputs = running.result()
        for index, member in enumerate(members):
            results[member] = [(values[0, index], valid[0, index]) for values, valid in outputs]
    return results


def _one(reducer: Reducer, inputs: Sequence[Samples], picked: np.ndarray) -> list[Reduced]:
    running = reducer.start()
    running.add([(values[picked], weights[picked]) for values, weights in inputs])
    return running.result()


def plain_results(results: Sequence[Sequence[Reduced]]) -> list[list[object]]:
    """Reduced values as plain ones, null where nothing was reduced."""
    return [[plain(*output) for output in outputs] for outputs in results]


def outlines(labels: np.ndarray, affine: Affine) -> list[shapely.Polygon | shapely.MultiPolygon]:
    """The area of each segment along the pixels' edges, in order of the labels; parts that meet only at corners are
    several polygons."""
    parts: dict[int, list[shapely.Polygon]] = {}
    shapes = budget.abandonable(
        lambda: list(
            rasterio.features.shapes(labels.astype(np.int32), mask=labels != NONE, connectivity=4, transform=affine)
        )
    )
    for outline, label in shapes:
        rings = outline["coordinates"]
        polygon = shapely.orient_polygons(shapely.Polygon(rings[0], rings[1:]))
        parts.setdefault(int(label), []).append(polygon)
    return [own[0] if len(own) == 1 else shapely.MultiPolygon(own) for _, own in sorted(parts.items())]
