"""Which ground patches cover, and where it is shared between splits or held twice, over all regions and periods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from pyproj import CRS, Transformer

from gee_export.datasets.dataset import Dataset, Patch

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
    """Of all patches with one another, in the metres of the first region's grid where their grids differ."""
    boxes, step_m = _boxes(data)
    tree = shapely.STRtree(boxes)
    splits = np.array([patch.split for patch in data.patches])
    one, other = tree.query(boxes, predicate="intersects")
    first = one < other
    one, other = one[first], other[first]
    common = shapely.area(shapely.intersection(boxes[one], boxes[other]))
    least = _RIM_PX * step_m * np.sqrt(shapely.area(boxes[one]))
    pairs = (common > least) & (splits[one] != splits[other])
    smaller = np.minimum(shapely.area(boxes[one]), shapely.area(boxes[other]))
    periods = np.array([patch.period for patch in data.patches])
    regions = np.array([patch.region for patch in data.patches])
    same = (common > 0.999 * smaller) | ((common > 0.5 * smaller) & (regions[one] != regions[other]))
    twice = same & (periods[one] == periods[other])
    return Shared(
        _named(data.patches, one[pairs], other[pairs]),
        _tainted(splits, one[pairs], other[pairs]),
        _nearest(boxes, splits),
        _named(data.patches, one[twice], other[twice]),
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
    found = {}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        mine, theirs = boxes[splits == one], boxes[splits == other]
        if len(mine) and len(theirs):
            _, metres = shapely.STRtree(mine).query_nearest(theirs, return_distance=True, all_matches=False)
            found[f"{one}-{other}"] = float(metres.min())
    return found


def _tainted(splits: np.ndarray, one: np.ndarray, other: np.ndarray) -> dict[str, int]:
    """val that shares with train, and test that shares with train or val."""
    touched: dict[str, set[int]] = {"val": set(), "test": set()}
    for left, right in zip(one, other, strict=True):
        for patch, against in ((left, right), (right, left)):
            if splits[patch] == "test" or (splits[patch] == "val" and splits[against] == "train"):
                touched[splits[patch]].add(int(patch))
    return {split: len(numbers) for split, numbers in touched.items()}


def _named(patches: Sequence[Patch], one: np.ndarray, other: np.ndarray) -> tuple[tuple[str, str], ...]:
    return tuple((patches[a].id, patches[b].id) for a, b in zip(one, other, strict=True))
