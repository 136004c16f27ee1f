"""Ground that two regions share: a patch never lies on another region's patches of another split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely

from isamap.gee_export.base import regions
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.patches.split_rule import SplitResult

MARGIN_PX = 1  # straight edges of one zone bend in another: 2 m over a patch of 40 km, drawn in four
SQUARE_PATCHES = 16  # patches side by side: squares of so many tell cheaply which patches may touch another region's
BEND = 0.02  # of a square's side, by which it is widened: more than its edges bend in another zone


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
    # Wider than a patch and its guard: this only saves the exact comparison where regions are far apart.
    return shapely.box(*left.region.bounds_wsen).buffer(0.05).intersects(shapely.box(*right.region.bounds_wsen))


def _without(
    region_grid: RegionGrid, split_result: SplitResult, earlier: RegionGrid, others: SplitResult, guard_px: int
) -> SplitResult:
    if not split_result.patches or not others.patches:
        return split_result
    margin_px = MARGIN_PX + guard_px
    # Squares of many patches first: provinces have millions, and nearly all of them lie far from the neighbour.
    mine, theirs = _near(region_grid, split_result.patches.windows, earlier, others.patches.windows, margin_px)
    if not len(mine):
        return split_result
    near, neighbours = split_result.patches.taken(mine), others.patches.taken(theirs)
    shapes = _seen_from(region_grid, earlier, _boxes(earlier, neighbours.windows, 0))
    pairs = shapely.STRtree(shapes).query(_boxes(region_grid, near.windows, margin_px), predicate="intersects")
    lost = np.unique(mine[pairs[0][near.split[pairs[0]] != neighbours.split[pairs[1]]]])
    if not len(lost):
        return split_result
    kept = split_result.patches.taken(np.delete(np.arange(len(split_result.patches)), lost))
    facts = {"overlapping": split_result.info.get("overlapping", 0) + len(lost)}
    return SplitResult(kept, split_result.info | facts, split_result.origin)


def _near(
    region_grid: RegionGrid, windows: Windows, earlier: RegionGrid, others: Windows, margin_px: int
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the windows of either region that lie in squares of many patches which touch the other's squares."""
    squares, square_of = _squares(windows)
    other_squares, other_square_of = _squares(others)
    theirs = _seen_from(region_grid, earlier, _boxes(earlier, other_squares, BEND * other_squares.height))
    boxes = _boxes(region_grid, squares, margin_px + BEND * squares.height)
    pairs = shapely.STRtree(theirs).query(boxes, predicate="intersects")
    return np.flatnonzero(np.isin(square_of, pairs[0])), np.flatnonzero(np.isin(other_square_of, pairs[1]))


def _squares(windows: Windows) -> tuple[Windows, np.ndarray]:
    """Squares that hold windows whole, and the number of each window's square."""
    side = SQUARE_PATCHES * windows.height
    corners = np.column_stack([windows.row // side, windows.col // side])
    unique, square_of = np.unique(corners, axis=0, return_inverse=True)
    row, col = unique.T * side
    return Windows(row, col, side + windows.height, side + windows.width), square_of.ravel()


def _boxes(region_grid: RegionGrid, windows: Windows, margin_px: float) -> np.ndarray:
    """Rectangles of the windows, a few pixels wider, in the lattice's CRS."""
    affine = region_grid.lattice.affine
    left, top = affine * (windows.col - margin_px, windows.row - margin_px)
    right, bottom = affine * (windows.col_end + margin_px, windows.row_end + margin_px)
    return shapely.box(left, bottom, right, top)


def _seen_from(region_grid: RegionGrid, neighbour: RegionGrid, shapes: np.ndarray) -> np.ndarray:
    """Another region's shapes in this one's CRS."""
    if neighbour.lattice.crs == region_grid.lattice.crs:
        return shapes
    longest = np.diff(shapely.bounds(shapes)[:, [0, 2]], axis=1).max()
    return regions.reprojected(shapes, str(neighbour.lattice.crs), str(region_grid.lattice.crs), longest / 4)
