"""Which patch trains, validates or tests: by spatial blocks (no pixel in two splits) or at random (as CroFuseNet,
leaks).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.class_balance import factor_between, share_by_split
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.index import SPLITS
from isamap.gee_export.patches.split_rule import SplitResult, SplitRule

# Larger blocks keep more patches and divide more coarsely: at nine tenths the search ends with the smallest of them.
KEPT_SHARE = 0.9  # blocks grow until so many patches survive the cut between splits
SHARE_TOLERANCE = 0.2  # of a split's ratio
BALANCED = 1.25  # largest factor between the splits' shares of a class that is good enough
TRIES = 200
WORK_PATCHES = 20_000_000  # patches looked at over all tries of one block size, so that provinces stay quick
TOO_SMALL = "too small for three splits without shared pixels: every patch is in train"
LEAKS = "leaks: overlapping patches share pixels between train and test, so test figures are too good"


def blocks(windows: Sequence[Window], stride: int, rule: SplitRule, shares: np.ndarray | None = None) -> SplitResult:
    """Spatial blocks: whole blocks go to one split and a patch that touches two splits, or their guard, is left out.

    The smallest blocks that keep 90 % of the patches and give every split its share; where no size does (small
    regions), the division with the best of both; all train, with a note, where three splits have no room. The labels
    play no part: see `balanced`.
    """
    return _in_blocks(windows, stride, rule, None)


def balanced(windows: Sequence[Window], stride: int, rule: SplitRule, shares: np.ndarray | None = None) -> SplitResult:
    """`blocks`, of which those are chosen whose splits are most alike in their share of impervious ground.

    shares: of the windows, NaN where unknown; without them as `blocks`.
    """
    return _in_blocks(windows, stride, rule, shares)


def _in_blocks(windows: Sequence[Window], stride: int, rule: SplitRule, shares: np.ndarray | None) -> SplitResult:
    solution = _search(PatchLattice.of(windows, stride, rule.guard_px), rule, shares)
    if solution is None:
        return SplitResult.alike(windows, SPLITS[0], note=TOO_SMALL)
    side, splits = solution
    return SplitResult.of(windows, splits, block_px=side * stride)


def at_random(windows: Sequence[Window], stride: int, rule: SplitRule, shares: np.ndarray | None = None) -> SplitResult:
    """The paper's division: patches at random. Overlapping patches then share pixels between train and test."""
    splits = shuffled(len(windows), rule)
    return SplitResult.of(windows, splits, **({"note": LEAKS} if overlapping(windows) else {}))


Divide = Callable[[Sequence[Window], int, SplitRule, "np.ndarray | None"], SplitResult]
SPLITTERS: dict[str, Divide] = {"blocks": blocks, "balanced": balanced, "random": at_random}
BY_LABELS = ("balanced",)  # need the labels' shares, which are then fetched first


def check(split_kind: str) -> None:
    """ValueError for unknown kinds of split."""
    if split_kind not in SPLITTERS:
        raise ValueError(f"split {split_kind!r}: expected one of {', '.join(SPLITTERS)}")


def shuffled(count: int, rule: SplitRule) -> np.ndarray:
    """The split (0 to 2) of each of so many patches, in the rule's ratios to the nearest patch."""
    order = np.random.default_rng(rule.seed).permutation(count)
    ends = np.round(np.cumsum(rule.shares) * count).astype(int)
    split_of = np.empty(count, int)
    for split, members in enumerate(np.split(order, ends[:2])):
        split_of[members] = split
    return split_of


def overlapping(windows: Sequence[Window]) -> bool:
    """Whether any two windows of one size share a pixel."""
    if len(windows) < 2:
        return False
    from scipy.spatial import cKDTree  # here, so that `isamap export --help` does not load it

    windows = Windows.of(windows)
    corners = np.column_stack([windows.row, windows.col])
    nearest, _ = cKDTree(corners).query(corners, k=2, p=np.inf)
    return bool(nearest[:, 1].min() < windows.height)


@dataclass(frozen=True)
class PatchLattice:
    """Patch positions in strides from the first one, and their reach in strides (fractional), the guard included.

    The guard is counted to the south and east of each patch: two patches whose reaches lie in different blocks are
    then at least so far apart in any direction.
    """

    row: np.ndarray
    col: np.ndarray
    reach: float

    @classmethod
    def of(cls, windows: Sequence[Window], stride: int, guard_px: int = 0) -> PatchLattice:
        windows = Windows.of(windows)
        row, col = windows.row, windows.col
        reach = (windows.height + guard_px) / stride
        return cls((row - row.min()) // stride, (col - col.min()) // stride, reach)

    @property
    def smallest(self) -> int:
        """Side of the smallest block that holds a patch."""
        return math.ceil(self.reach)

    def sides(self) -> list[int]:
        """Block sides to try, in strides: growing by about a sixth."""
        longest = int(max(self.row.max(), self.col.max()) + self.reach)
        sides, side = [], self.smallest
        while side <= max(longest // 2, self.smallest):
            sides.append(side)
            # By a sixth: blocks of nearly equal sides divide alike, and large regions have hundreds of sides.
            side += max(1, side // 6)
        return sides

    def corners(self, side: int) -> tuple[np.ndarray, int]:
        """Block number of the four corners of every patch's reach, and how many blocks there are."""
        span = math.ceil(self.reach) - 1 if self.reach > 1 else 0
        low = np.stack([self.row // side, self.col // side])
        high = np.stack([(self.row + span) // side, (self.col + span) // side])
        across = int(high[1].max()) + 1
        numbers = np.stack([r * across + c for r in (low[0], high[0]) for c in (low[1], high[1])])
        return numbers, (int(high[0].max()) + 1) * across


def _search(lattice: PatchLattice, rule: SplitRule, shares: np.ndarray | None) -> tuple[int, np.ndarray] | None:
    best, best_score = None, -math.inf
    for side in lattice.sides():
        solution = _best_of_tries(lattice, side, rule, shares)
        if solution is None:
            continue
        splits, kept, deviation = solution
        factor = _factor(splits, shares)
        if kept >= KEPT_SHARE and deviation <= SHARE_TOLERANCE and factor <= BALANCED:
            return side, splits
        score = _score(kept, deviation, factor)
        if score > best_score:
            best, best_score = (side, splits), score
    return best


def _score(kept: float, deviation: float, factor: float) -> float:
    """How good a division is: patches kept, less what its splits miss of their ratios and of each other's classes."""
    return kept - max(0.0, deviation - SHARE_TOLERANCE) - max(0.0, math.log(factor / BALANCED))


def _factor(splits: np.ndarray, shares: np.ndarray | None) -> float:
    return 1.0 if shares is None else factor_between(share_by_split(splits, shares))


def _best_of_tries(
    lattice: PatchLattice, side: int, rule: SplitRule, shares: np.ndarray | None
) -> tuple[np.ndarray, float, float] | None:
    """Splits (-1: left out), share kept and worst relative deviation of the best of many seeded assignments."""
    corners, count = lattice.corners(side)
    # Blocks weigh what patches they hold: by area, an outline's empty blocks would take a split's share.
    weight = np.bincount(corners[0], minlength=count)
    # A stream for each side: what one size has drawn does not depend on how many were tried before it.
    rng = np.random.default_rng([rule.seed, side])
    best, best_score = None, -math.inf
    for attempt in range(max(4, min(TRIES, WORK_PATCHES // len(lattice.row)))):
        # Small val and test blocks lose more to their borders than train does, so they are given more ground.
        of_block = _assign(rng.permutation(count), weight, rule.shares, 1 + 0.15 * (attempt % 4))
        splits = _agreed(of_block[corners])
        share = np.bincount(splits[splits >= 0], minlength=3) / max(1, int((splits >= 0).sum()))
        nonempty = rule.shares > 0
        # A split without a patch is worse than any deviation.
        if (share[nonempty] == 0).any():
            continue
        kept = float((splits >= 0).mean())
        deviation = float(np.abs(share[nonempty] / rule.shares[nonempty] - 1).max())
        score = _score(kept, deviation, _factor(splits, shares))
        if score > best_score:
            best, best_score = (splits, kept, deviation), score
    return best


def _assign(order: np.ndarray, weight: np.ndarray, shares: np.ndarray, generosity: float) -> np.ndarray:
    """Split of each block: in the order given, test and val until they hold their share, train the rest."""
    of_block = np.zeros(len(weight), np.int8)
    order = order[weight[order] > 0]
    reached = np.cumsum(weight[order]) / weight.sum()
    test, val = shares[2] * generosity, (shares[1] + shares[2]) * generosity
    # Test before val: where ground is short, it is the one that results are told from.
    of_block[order[reached <= test + 1e-9]] = 2
    of_block[order[(reached > test + 1e-9) & (reached <= val + 1e-9)]] = 1
    return of_block


def _agreed(corner_splits: np.ndarray) -> np.ndarray:
    """A patch's split where its four corners lie in one split, else -1."""
    return np.where((corner_splits == corner_splits[0]).all(axis=0), corner_splits[0], -1)
