"""Ground in two splits: no patch may be trained on that another dataset validates or tests (user-wishes.md row 17)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import shapely

from gee_export.datasets.dataset import Dataset

_TOUCH = 0.001  # of a side: patches that only share an edge share no pixel


def check_apart(datasets: Sequence[Dataset]) -> None:
    """ValueError where a training patch of one dataset overlaps a validation or test patch of another.

    Grids of one CRS are compared. Within one dataset the export sees to it; random splits leak and say so themselves.
    """
    divided = [dataset for dataset in datasets if dataset.manifest.split.get("kind") != "random"]
    for one, other in permutations(divided, 2):
        trained, held = _boxes(one, ("train",)), _boxes(other, ("val", "test"))
        shared = sum(_overlapping(trained[crs], held[crs]) for crs in trained.keys() & held.keys())
        if shared:
            raise ValueError(
                f"dataset {one.manifest.name} trains on ground that {other.manifest.name} validates or tests "
                f"(overlapping patches: {shared}): export both with the same area, size, stride, seed and number of "
                "patches, or train on one"
            )


def _boxes(dataset: Dataset, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """The patches' squares on the ground, in the units of each CRS."""
    found: dict[str, list] = defaultdict(list)
    for patch in (patch for split in splits for patch in dataset.in_split(split)):
        geobox = dataset.geobox(patch)
        found[str(geobox.crs)].append(tuple(geobox.boundingbox))
    return {crs: shapely.box(*np.array(edges).T) for crs, edges in found.items()}


def _overlapping(trained: np.ndarray, held: np.ndarray) -> int:
    """How many of the first squares share ground with any of the second."""
    inner = shapely.buffer(trained, -_TOUCH * np.sqrt(shapely.area(trained)), join_style="mitre")
    return len(np.unique(shapely.STRtree(held).query(inner, predicate="intersects")[0]))
