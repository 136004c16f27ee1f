"""Ground that two regions share: a patch never lies on another region's patches of another split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from pyproj import Transformer

from gee_export.base.grid import Window
from gee_export.datasets.region_grid import Ground
from gee_export.patches.split_rule import Division

MARGIN_PX = 1  # straight edges of one zone bend in another: 2 m over a patch of 40 km, drawn in four


def without_shared(grounds: Sequence[Ground], divisions: Mapping[str, Division], guard_px: int) -> dict[str, Division]:
    """Each region without the patches that touch an earlier one's patches of another split; how many is noted.

    The first of two regions keeps its patches, so held-out regions are given first. Patches of one split may lie on
    the same ground twice, on two lattices: that repeats ground, but leaks none.
    """
    found: dict[str, Division] = {}
    for number, ground in enumerate(grounds):
        division = divisions[ground.name]
        for earlier in grounds[:number]:
            if _may_touch(ground, earlier):
                division = _without(ground, division, earlier, found[earlier.name], guard_px)
        found[ground.name] = division
    return found


def _may_touch(one: Ground, other: Ground) -> bool:
    return shapely.box(*one.region.bounds_wsen).buffer(0.05).intersects(shapely.box(*other.region.bounds_wsen))


def _without(ground: Ground, division: Division, earlier: Ground, others: Division, guard_px: int) -> Division:
    if not division.patches or not others.patches:
        return division
    windows, splits = zip(*division.patches, strict=True)
    other_windows, other_splits = zip(*others.patches, strict=True)
    theirs = _seen_from(ground, earlier, _boxes(earlier, other_windows, 0))
    pairs = shapely.STRtree(theirs).query(_boxes(ground, windows, MARGIN_PX + guard_px), predicate="intersects")
    clash = np.array(splits)[pairs[0]] != np.array(other_splits)[pairs[1]]
    lost = set(pairs[0][clash].tolist())
    if not lost:
        return division
    kept = tuple(patch for number, patch in enumerate(division.patches) if number not in lost)
    facts = {"overlapping": division.info.get("overlapping", 0) + len(lost)}
    return Division(kept, division.info | facts, division.origin)


def _boxes(ground: Ground, windows: Sequence[Window], margin_px: float) -> np.ndarray:
    """Rectangles of the windows, a few pixels wider, in the lattice's CRS."""
    edges = np.array([(w.col, w.row, w.col_end, w.row_end) for w in windows], float).T
    left, top = ground.lattice.affine * (edges[0] - margin_px, edges[1] - margin_px)
    right, bottom = ground.lattice.affine * (edges[2] + margin_px, edges[3] + margin_px)
    return shapely.box(left, bottom, right, top)


def _seen_from(ground: Ground, other: Ground, shapes: np.ndarray) -> np.ndarray:
    """Another region's shapes in this one's CRS."""
    if other.lattice.crs == ground.lattice.crs:
        return shapes
    longest = np.diff(shapely.bounds(shapes)[:, [0, 2]], axis=1).max()
    shapes = shapely.segmentize(shapes, longest / 4)
    turn = Transformer.from_crs(str(other.lattice.crs), str(ground.lattice.crs), always_xy=True)
    return shapely.transform(shapes, lambda points: np.column_stack(turn.transform(*points.T)))
