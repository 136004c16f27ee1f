"""Ground in two splits: no patch may be trained on that another dataset validates or tests (docs/reference/wishes.md,
"Wish 17").
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from math import floor

import numpy as np
import shapely
from odc.geo import CRS

from isamap.gee_export.base.grid import crs_of, ground_step_m
from isamap.gee_export.datasets.dataset import Dataset, Patch

# 128 pixels of 10 m: the side of a patch by default, so blocks are as wide as what is drawn.
BLOCK_M = 1280.0
_TOUCH = 0.001  # of a side: patches that only share an edge share no pixel


def check_apart(datasets: Sequence[Dataset]) -> None:
    """ValueError where a training patch of one dataset overlaps a validation or test patch of another.

    Within one dataset the export sees to it; random splits leak and say so themselves.
    """
    # Random splits share ground by their nature, and the report says so.
    divided = [dataset for dataset in datasets if dataset.manifest.split.get("kind") != "random"]
    for first, second in permutations(divided, 2):
        trained, judged = _boxes(first, ("train",)), _boxes(second, ("val", "test"))
        shared = sum(_overlapping(*_comparable(left, right)) for left in trained.items() for right in judged.items())
        if shared:
            names = distinct_names(first, second)
            raise ValueError(
                f"dataset {names[0]} trains on ground that {names[1]} validates or tests "
                f"(overlapping patches: {shared}): export both with the same area, size, stride, seed and number of "
                "patches, or train on one"
            )


def distinct_names(left: Dataset, right: Dataset) -> tuple[str, str]:
    """The names of two datasets for a message, with their addresses where the names are equal."""
    names = left.manifest.name, right.manifest.name
    if names[0] != names[1]:
        return names
    return f"{names[0]} ({left.storage.url})", f"{names[1]} ({right.storage.url})"


def overlapping_pairs(patches: Sequence[tuple[Dataset, Patch]]) -> np.ndarray:
    """Numbers (2, M) of patches that share ground with one another, each pair in both orders, none with itself."""
    geoboxes = [dataset.geobox(patch) for dataset, patch in patches]
    systems = [crs_of(geobox) for geobox in geoboxes]
    boxes = shapely.box(*np.array([tuple(geobox.boundingbox) for geobox in geoboxes]).T)
    # Two zones meet on the ground but not in their coordinates: only degrees are common to both.
    if len(set(systems)) > 1:
        at_N = np.array([systems.index(each) for each in systems])
        for first in np.unique(at_N):
            boxes[at_N == first] = _turned(systems[first], boxes[at_N == first])
    inner = shapely.buffer(boxes, -_TOUCH * np.sqrt(shapely.area(boxes)), join_style="mitre")
    left, right = shapely.STRtree(boxes).query(inner, predicate="intersects")
    return np.stack([left, right])[:, left != right]


def _boxes(dataset: Dataset, splits: Sequence[str]) -> dict[CRS, np.ndarray]:
    """The patches' squares on the ground, in the units of each CRS."""
    edges_of: dict[CRS, list] = defaultdict(list)
    for patch in (patch for split in splits for patch in dataset.in_split(split)):
        geobox = dataset.geobox(patch)
        edges_of[crs_of(geobox)].append(tuple(geobox.boundingbox))
    return {crs: shapely.box(*np.array(edges).T) for crs, edges in edges_of.items()}


def _comparable(left: tuple[CRS, np.ndarray], right: tuple[CRS, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Squares of two CRSs as they are if it is one, else in degrees."""
    return (left[1], right[1]) if left[0] == right[0] else (_in_degrees(*left), _in_degrees(*right))


def _in_degrees(crs: CRS, boxes: np.ndarray) -> np.ndarray:
    """Without those that lie across the 180th meridian, which have no one place there."""
    turned = _turned(crs, boxes)
    west, _, east, _ = shapely.bounds(turned).T
    return turned[east - west < 180]


def _turned(crs: CRS, boxes: np.ndarray) -> np.ndarray:
    change = crs.transformer_to_crs(CRS("EPSG:4326"))
    return shapely.transform(boxes, lambda places: np.stack(change(*places.T), axis=-1))


def _overlapping(trained: np.ndarray, judged: np.ndarray) -> int:
    """How many of the first squares share ground with any of the second."""
    # Shrunk by a thousandth: squares side by side touch, and rounding would call that shared ground.
    inner = shapely.buffer(trained, -_TOUCH * np.sqrt(shapely.area(trained)), join_style="mitre")
    return len(np.unique(shapely.STRtree(judged).query(inner, predicate="intersects")[0]))


def spatial_blocks(patches: Sequence[tuple[Dataset, Patch]]) -> np.ndarray:
    """For each patch the number of the square on the ground that holds its centre, int64, from 0 on.

    Squares of BLOCK_M (128 pixels of 10 m), or of one patch's side where that is longer, of two where patches overlap,
    so that those which share pixels lie in one square or in neighbours. They are laid out from the CRS's origin, alike
    for every dataset and date: patches of one place and several dates are one block. Made for resampling (intervals of
    scores): errors near each other are alike.
    """
    keys = [square_of(dataset, patch) for dataset, patch in patches]
    numbers = {key: block for block, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def square_of(dataset: Dataset, patch: Patch) -> tuple[str, int, int]:
    """CRS, row and column of the square of `spatial_blocks` that holds a patch's centre."""
    head = dataset.manifest
    box = dataset.geobox(patch)
    grid = head.grids[patch.region].geobox
    least_px = head.size * (2 if head.stride < head.size else 1)
    down_m, right_m = _steps_m(grid)
    # whole pixels: a projection's scale differs a little from place to place, squares must not
    high = max(least_px, round(BLOCK_M / down_m)) * abs(grid.affine.e)
    wide = max(least_px, round(BLOCK_M / right_m)) * abs(grid.affine.a)
    middle = box.boundingbox
    x, y = (middle.left + middle.right) / 2, (middle.bottom + middle.top) / 2
    return str(grid.crs), floor(y / high), floor(x / wide)


# Asked for each patch of a dataset, whose patches share a few grids.
_steps_m = lru_cache(ground_step_m)
