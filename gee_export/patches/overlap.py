"""Ground that two regions share: a patch never lies on another region's patches of another split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from pyproj import Transformer

from gee_export.base.grid import Window
from gee_export.datasets.region_grid import RegionGrid
from gee_export.patches.split_rule import SplitResult

MARGIN_PX = 1  # straight edges of one zone bend in another: 2 m over a patch of 40 km, drawn in four


def without_shared(
    region_grids: Sequence[RegionGrid], split_results: Mapping[str, SplitResult], guard_px: int
) -> dict[str, SplitResult]:
    """Each region without the patches that touch an earlier one's patches of another split; how many is noted.

    The first of two regions keeps its patches, so held-out regions are given first. Patches of one split may lie on
    the same ground twice, on two lattices: that repeats ground, but leaks none.
    """
    results: dict[str, SplitResult] = {}
    for region_index, region_grid in enumerate(region_grids):
        split_result = split_results[region_grid.name]
        for earlier in region_grids[:region_index]:
            if _may_touch(region_grid, earlier):
                split_result = _without(region_grid, split_result, earlier, results[earlier.name], guard_px)
        results[region_grid.name] = split_result
    return results


def _may_touch(left: RegionGrid, right: RegionGrid) -> bool:
    return shapely.box(*left.region.bounds_wsen).buffer(0.05).intersects(shapely.box(*right.region.bounds_wsen))


def _without(
    region_grid: RegionGrid, split_result: SplitResult, earlier: RegionGrid, others: SplitResult, guard_px: int
) -> SplitResult:
    if not split_result.patches or not others.patches:
        return split_result
    windows, splits = zip(*split_result.patches, strict=True)
    other_windows, other_splits = zip(*others.patches, strict=True)
    theirs = _seen_from(region_grid, earlier, _boxes(earlier, other_windows, 0))
    pairs = shapely.STRtree(theirs).query(_boxes(region_grid, windows, MARGIN_PX + guard_px), predicate="intersects")
    clash = np.array(splits)[pairs[0]] != np.array(other_splits)[pairs[1]]
    lost = set(pairs[0][clash].tolist())
    if not lost:
        return split_result
    kept = tuple(patch for patch_index, patch in enumerate(split_result.patches) if patch_index not in lost)
    facts = {"overlapping": split_result.info.get("overlapping", 0) + len(lost)}
    return SplitResult(kept, split_result.info | facts, split_result.origin)


def _boxes(region_grid: RegionGrid, windows: Sequence[Window], margin_px: float) -> np.ndarray:
    """Rectangles of the windows, a few pixels wider, in the lattice's CRS."""
    edges = np.array([(w.col, w.row, w.col_end, w.row_end) for w in windows], float).T
    left, top = region_grid.lattice.affine * (edges[0] - margin_px, edges[1] - margin_px)
    right, bottom = region_grid.lattice.affine * (edges[2] + margin_px, edges[3] + margin_px)
    return shapely.box(left, bottom, right, top)


def _seen_from(region_grid: RegionGrid, neighbour: RegionGrid, shapes: np.ndarray) -> np.ndarray:
    """Another region's shapes in this one's CRS."""
    if neighbour.lattice.crs == region_grid.lattice.crs:
        return shapes
    longest = np.diff(shapely.bounds(shapes)[:, [0, 2]], axis=1).max()
    shapes = shapely.segmentize(shapes, longest / 4)
    turn = Transformer.from_crs(str(neighbour.lattice.crs), str(region_grid.lattice.crs), always_xy=True)
    return shapely.transform(shapes, lambda points: np.column_stack(turn.transform(*points.T)))
