"""Which patches stand for a dataset: of every split some, from the least to the most impervious."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gee_export.datasets.dataset import Patch
from gee_export.datasets.index import SPLITS

PER_SPLIT = 4
_WHOLE = 0.95  # valid share of patches that are preferred


def picked(patches: Sequence[Patch], per_split: int = PER_SPLIT) -> list[Patch]:
    """`per_split` patches of each split, evenly over its impervious shares; whole ones where there are."""
    selection: list[Patch] = []
    for split in SPLITS:
        mine = [patch for patch in patches if patch.split == split]
        complete = [patch for patch in mine if patch.valid_share >= _WHOLE]
        mine = sorted(complete if len(complete) >= per_split else mine, key=lambda p: (p.impervious_share or 0.0, p.id))
        if mine:
            places = np.unique(np.linspace(0, len(mine) - 1, min(per_split, len(mine))).round().astype(int))
            selection += [mine[rank] for rank in places]
    return selection
