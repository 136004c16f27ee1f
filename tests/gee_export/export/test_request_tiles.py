"""Requests of a layer: the cells that patches touch, shrunk to what they need, against one patch at a time."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.regions import Month, Region
from isamap.gee_export.datasets.region_grid import RegionGrid
from isamap.gee_export.export.job import ExportJob
from isamap.gee_export.export.plan import ExportPlan
from isamap.gee_export.export.request_tiles import RequestTiles
from isamap.gee_export.patches.split_rule import SplitResult

places = st.sets(st.tuples(st.integers(0, 40), st.integers(-20, 20)), min_size=1, max_size=60)


def tiled(windows, side):
    """Windows and needs by the definition: nearly equal cells of at most `side` from the first patch's corner."""
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    tall, wide = (
        math.ceil(length / math.ceil(length / side))
        for length in (max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)
    )
    shared: dict[tuple[int, int], list[Window]] = {}
    needs = []
    for window in windows:
        cells = [
            (r, c)
            for r in range((window.row - row) // tall, (window.row_end - 1 - row) // tall + 1)
            for c in range((window.col - col) // wide, (window.col_end - 1 - col) // wide + 1)
        ]
        for r, c in cells:
            shared.setdefault((r, c), []).append(window.overlap(Window(row + r * tall, col + c * wide, tall, wide)))
        needs.append(cells)
    order = {cell: index for index, cell in enumerate(sorted(shared))}
    return [hull(shared[cell]) for cell in order], [tuple(order[cell] for cell in cells) for cells in needs]


def hull(windows):
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    return Window(row, col, max(w.row_end for w in windows) - row, max(w.col_end for w in windows) - col)


@pytest.mark.long
@settings(max_examples=100, deadline=None)
@given(places=places, size=st.integers(4, 40), stride=st.integers(3, 30), side=st.integers(5, 120))
def test_requests_and_needs_are_those_of_one_patch_at_a_time(places, size, stride, side):
    windows = [Window(row * stride, col * stride, size, size) for row, col in sorted(places)]
    tiling = RequestTiles.of(SplitResult.alike(windows, "train"), side)
    assert (list(tiling.windows), list(tiling.needs)) == tiled(windows, side)


@pytest.mark.long
def test_a_plan_of_many_patches_takes_little_memory():
    """160,000 patches: 4,000,000 of a belt of provinces then take less than 2 GB."""
    region_grid = RegionGrid.of(Region("wide", 32650, (0, 0, 320_480, 320_480), (0, 320_480)))
    tracemalloc.start()
    plan = ExportPlan.of(ExportJob((region_grid,), (Month(2019, 6).period,)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    positions = plan.split_results["wide"].info["positions"]
    assert positions == 160_000 and peak / positions < 500


def test_patches_of_a_plan_are_made_by_number_as_in_order():
    region_grids = [
        RegionGrid.of(Region(name, 32650, (left, 0, left + 4000, 4000), (left, 4000)))
        for name, left in (("west", 0), ("east", 90_000))
    ]
    plan = ExportPlan.of(
        ExportJob(tuple(region_grids), (Month(2019, 6).period, Month(2019, 7).period), size=64, stride=40)
    )
    listed = list(plan.patches)
    order = np.random.default_rng(0).permutation(len(listed)).tolist()
    assert [plan.patches[index] for index in order] == [listed[index] for index in order]
    assert len({patch.id for patch in listed}) == len(listed) and plan.patches[-1] == listed[-1]
