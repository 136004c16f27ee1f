"""At most so many patches: whole, scattered blocks of all regions together, so that all splits are filled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.patches.split import SHARE_TOLERANCE, TOO_SMALL, PatchLattice
from isamap.gee_export.patches.split_rule import SplitResult

BLOCKS_PER_SPLIT = 2  # val and test come from at least this many places where the number allows


@dataclass(frozen=True)
class Budget:
    """patches: at most so many; shares: of train, val and test (of 1); seed; guard_px: see division.Rule."""

    patches: int
    shares: np.ndarray
    seed: int = 0
    guard_px: int = 0


def limited(tracts: Mapping[str, Sequence[Window]], stride: int, budget: Budget) -> dict[str, SplitResult]:
    """Each region's patches: blocks are taken from the regions in turn, in random order.

    Where the number is too small for blocks of every split that is wanted, the first patches of each region, all of
    the largest split, with a note.
    """
    cuts = {name: _Cut.of(windows, stride, budget) for name, windows in tracts.items() if windows}
    _choose([(cut, block) for turn in _turns(cuts, budget.seed) for cut, block in turn], budget)
    if len({int(split) for cut in cuts.values() for split in cut.split_of if split >= 0}) < (budget.shares > 0).sum():
        return _first_ones(tracts, budget)
    return {
        name: cuts[name].split_result(stride) if name in cuts else SplitResult.alike([], SPLITS[0]) for name in tracts
    }


@dataclass(frozen=True)
class _Cut:
    """A region cut into blocks: the block of each patch (-1: in none whole), patches and split of each block."""

    windows: Sequence[Window]
    side: int
    block_of: np.ndarray
    weight: np.ndarray
    split_of: np.ndarray

    @classmethod
    def of(cls, windows: Sequence[Window], stride: int, budget: Budget) -> _Cut:
        lattice = PatchLattice.of(windows, stride, budget.guard_px)
        side = _side_for(lattice, budget)
        corners, count = lattice.corners(side)
        # A patch across two blocks would bring the same pixels into two splits.
        inside = (corners == corners[0]).all(axis=0)
        weight = np.bincount(corners[0][inside], minlength=count)
        return cls(windows, side, np.where(inside, corners[0], -1), weight, np.full(count, -1))

    def split_result(self, stride: int) -> SplitResult:
        splits = np.where(self.block_of >= 0, self.split_of[self.block_of], -1)
        facts = {"left_out": 0, "not_taken": int((splits < 0).sum()), "block_px": self.side * stride}
        return SplitResult.of(self.windows, splits, **facts)


def _side_for(lattice: PatchLattice, budget: Budget) -> int:
    """The largest block of which val and test each get a few."""
    patches = budget.patches * min(share for share in budget.shares if share > 0) / BLOCKS_PER_SPLIT
    return max(lattice.smallest, int(math.sqrt(max(patches, 1))) + lattice.smallest - 1)


def _turns(cuts: Mapping[str, _Cut], seed: int):
    """The regions' blocks that hold patches, each region's in random order, one of every region a turn."""
    orders = []
    for cut in cuts.values():
        order = np.random.default_rng([seed, cut.side]).permutation(len(cut.weight))
        orders.append([(cut, block) for block in order if cut.weight[block]])
    for turn in zip_longest(*orders):
        yield [pair for pair in turn if pair is not None]


def _choose(queue: list[tuple[_Cut, int]], budget: Budget) -> None:
    """Marks the blocks that are taken: test, val, then train up to their shares of the number."""
    room = budget.patches
    # Test first: of few blocks it must not get what training leaves over.
    for split in (2, 1, 0):
        if not budget.shares[split]:
            continue
        taken, target = 0, budget.patches * budget.shares[split] if split else room
        # One block at least, however large: a split without a patch could not be used at all.
        while queue and (taken == 0 or taken < target):
            cut, block = queue[0]
            weight = cut.weight[block]
            if weight > room or (taken and taken + weight > target * (1 + SHARE_TOLERANCE)):
                break
            queue.pop(0)
            cut.split_of[block], taken, room = split, taken + weight, room - weight


def _first_ones(tracts: Mapping[str, Sequence[Window]], budget: Budget) -> dict[str, SplitResult]:
    split, left, results = int(np.argmax(budget.shares)), budget.patches, {}
    for region_index, (name, windows) in enumerate(tracts.items()):
        # What a small region cannot give, the later ones may.
        most = -(-left // (len(tracts) - region_index))
        splits = np.where(np.arange(len(windows)) < most, split, -1)
        left -= int((splits >= 0).sum())
        results[name] = SplitResult.of(windows, splits, note=TOO_SMALL)
    return results
