"""Which ground patches cover, and where it is shared between splits or held twice, over all regions and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS, Transformer

from isamap.gee_export.datasets.dataset import Dataset, Patch

_RIM_PX = 0.01  # boxes that share less than this many pixels along a side only touch


@dataclass(frozen=True)
class Shared:
    """Patches of two splits that show the same ground, and how near splits come to each other.

    nearest_m: by pair of splits ("train-test"), metres between the nearest two patches. tainted: by split val or test,
    its patches that share ground with a split before it. twice: pairs of patches of one period with one and the same
    ground, more than half of the smaller.
    """

    pairs: tuple[tuple[str, str], ...]
    tainted: dict[str, int]
    nearest_m: dict[str, float]
    twice: tuple[tuple[str, str], ...]


def shared_ground(data: Dataset) -> Shared:
    """Ground that patches share with one another, in the metres of the first region's grid where grids differ."""
    boxes, step_m = _boxes(data)
    tree = shapely.STRtree(boxes)
    splits = np.array([patch.split for patch in data.patches])
    left, right = tree.query(boxes, predicate="intersects")
    first = left < right
    left, right = left[first], right[first]
    common = shapely.area(shapely.intersection(boxes[left], boxes[right]))
    least = _RIM_PX * step_m * np.sqrt(shapely.area(boxes[left]))
    pairs = (common > least) & (splits[left] != splits[right])
    smaller = np.minimum(shapely.area(boxes[left]), shapely.area(boxes[right]))
    periods = np.array([patch.period for patch in data.patches])
    regions = np.array([patch.region for patch in data.patches])
    same = (common > 0.999 * smaller) | ((common > 0.5 * smaller) & (regions[left] != regions[right]))
    twice = same & (periods[left] == periods[right])
    return Shared(
        _named(data.patches, left[pairs], right[pairs]),
        _tainted(splits, left[pairs], right[pairs]),
        _nearest(boxes, splits),
        _named(data.patches, left[twice], right[twice]),
    )


def _boxes(data: Dataset) -> tuple[np.ndarray, float]:
    """The patches' outlines in one CRS, and a pixel's side there."""
    grids = data.manifest.grids
    first = next(iter(grids.values()))
    target = CRS.from_user_input(first.crs)
    moves = {
        name: Transformer.from_crs(grid.crs, target, always_xy=True)
        for name, grid in grids.items()
        if CRS.from_user_input(grid.crs) != target
    }

    def outline(patch: Patch) -> shapely.Polygon:
        box = data.geobox(patch).boundingbox
        shape = shapely.box(box.left, box.bottom, box.right, box.top)
        if patch.region not in moves:
            return shape
        return shapely.transform(shape, lambda xy: np.column_stack(moves[patch.region].transform(*xy.T)))

    return np.array([outline(patch) for patch in data.patches], dtype=object), abs(first.affine[0])


def _nearest(boxes: np.ndarray, splits: np.ndarray) -> dict[str, float]:
    distance_of = {}
    for left, right in (("train", "val"), ("train", "test"), ("val", "test")):
        mine, theirs = boxes[splits == left], boxes[splits == right]
        if len(mine) and len(theirs):
            _, metres = shapely.STRtree(mine).query_nearest(theirs, return_distance=True, all_matches=False)
            distance_of[f"{left}-{right}"] = float(metres.min())
    return distance_of


def _tainted(splits: np.ndarray, left_N: np.ndarray, right_N: np.ndarray) -> dict[str, int]:
    """val that shares with train, and test that shares with train or val."""
    touched: dict[str, set[int]] = {"val": set(), "test": set()}
    for left, right in zip(left_N, right_N, strict=True):
        for patch, against in ((left, right), (right, left)):
            if splits[patch] == "test" or (splits[patch] == "val" and splits[against] == "train"):
                touched[splits[patch]].add(int(patch))
    return {split: len(numbers) for split, numbers in touched.items()}


def _named(patches: Sequence[Patch], left_N: np.ndarray, right_N: np.ndarray) -> tuple[tuple[str, str], ...]:
    return tuple((patches[a].id, patches[b].id) for a, b in zip(left_N, right_N, strict=True))
