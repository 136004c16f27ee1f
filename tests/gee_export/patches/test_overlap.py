"""Ground that two regions share: the patches that are left out, against every pair of patches."""

from __future__ import annotations

import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from isamap.gee_export.base import regions
from isamap.gee_export.base.regions import Region
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.patches.overlap import MARGIN_PX, without_shared
from isamap.gee_export.patches.split_rule import SplitResult

SIZE, STRIDE = 8, 6


def boxes(region_grid, windows, margin_px):
    """Rectangles of the windows in the lattice's CRS, one at a time."""
    return [
        shapely.box(
            *region_grid.lattice.affine * (window.col - margin_px, window.row_end + margin_px),
            *region_grid.lattice.affine * (window.col_end + margin_px, window.row - margin_px),
        )
        for window in windows
    ]


def turned(shapes, source, target):
    turn = Transformer.from_crs(str(source.lattice.crs), str(target.lattice.crs), always_xy=True)
    dense = [shapely.segmentize(shape, 10 * SIZE / 4) for shape in shapes]
    return [shapely.transform(each, lambda points: np.column_stack(turn.transform(*points.T))) for each in dense]


@settings(max_examples=12, deadline=None)
@given(
    left=st.integers(-1500, 1500),
    top=st.integers(-1500, 1500),
    side=st.integers(300, 1800),
    zone=st.sampled_from([32649, 32650, 32651]),
    guard_px=st.sampled_from([0, 7]),
    seed=st.integers(0, 99),
)
def test_patches_on_another_split_are_left_out_and_no_other(left, top, side, zone, guard_px, seed):
    single = RegionGrid.of(Region("one", 32650, (750_000, 3_398_000, 752_000, 3_400_000), (750_000, 3_400_000)))
    box = Region("any", 32650, (750_000 + left, 3_398_000 + top, 750_000 + left + side, 3_398_000 + top + side), (0, 0))
    two = RegionGrid.of(regions.from_bbox(box.bounds_wsen, name="two", epsg=zone))
    rng, results = np.random.default_rng(seed), {}
    for region_grid in (single, two):
        windows = region_grid.positions(SIZE, STRIDE)
        results[region_grid.name] = SplitResult.of(windows, rng.integers(0, 3, len(windows)))
    theirs = turned(boxes(single, results["one"].patches.windows, 0), single, two)
    splits = np.array([split for _, split in results["one"].patches])
    tree, expected = shapely.STRtree(theirs), []
    shapes = boxes(two, results["two"].patches.windows, MARGIN_PX + guard_px)
    for patch, shape in zip(results["two"].patches, shapes, strict=True):
        if (splits[tree.query(shape, predicate="intersects")] == patch[1]).all():
            expected.append(patch)
    assert list(without_shared([single, two], results, guard_px)["two"].patches) == expected
