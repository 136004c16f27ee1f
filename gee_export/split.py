"""Which patch trains, validates or tests: by spatial blocks (no pixel in two splits) or at random (as S002, leaks)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gee_export.grid import Window
from gee_export.index import SPLITS

RATIOS = (8, 1, 1)  # train, val, test (paper S002, section III-A)
KEPT_SHARE = 0.9  # blocks grow until so many patches survive the cut between splits
SHARE_TOLERANCE = 0.2  # of a split's ratio
TRIES = 200
WORK_PATCHES = 20_000_000  # patches looked at over all tries of one block size, so that provinces stay quick
BLOCKS_PER_SPLIT = 2  # with --max-patches, val and test come from at least this many places where N allows


@dataclass(frozen=True)
class Division:
    """Patches with their splits, in row order, and what the manifest says of the division."""

    patches: tuple[tuple[Window, str], ...]
    info: dict[str, Any]
    origin: tuple[int, int]  # row and col of the first position, from which blocks are counted


@dataclass(frozen=True)
class Rule:
    """How to divide: ratios of train, val and test, the seed, and at most how many patches (None: all)."""

    ratios: tuple[int, int, int] = RATIOS
    seed: int = 0
    max_patches: int | None = None

    def __post_init__(self) -> None:
        if len(self.ratios) != 3 or min(self.ratios) < 0 or self.ratios[0] <= 0:
            raise ValueError(f"split ratios {self.ratios}: expected three numbers such as 8 1 1, the first above 0")
        if self.max_patches is not None and self.max_patches < 1:
            raise ValueError(f"--max-patches {self.max_patches}: expected at least 1")

    def to_json(self) -> dict[str, Any]:
        return {"ratios": list(self.ratios), "seed": self.seed, "max_patches": self.max_patches}

    @property
    def shares(self) -> np.ndarray:
        return np.array(self.ratios) / sum(self.ratios)


def blocks(windows: Sequence[Window], stride: int, rule: Rule) -> Division:
    """Spatial blocks: whole blocks go to one split and a patch that touches two splits is left out.

    The smallest blocks that keep 90 % of the patches and give every split its share; where no size does (small
    regions), the division with the best of both; all train, with a note, where three splits have no room.
    """
    if _is_limited(windows, rule):
        return _limited(windows, stride, rule)
    found = _search(_Lattice.of(windows, stride), rule)
    if found is None:
        return _all_train(windows)
    side, splits = found
    kept = [(window, SPLITS[split]) for window, split in zip(windows, splits, strict=True) if split >= 0]
    return _division(windows, kept, _info(windows, kept) | {"block_px": side * stride})


def at_random(windows: Sequence[Window], stride: int, rule: Rule) -> Division:
    """The paper's division: patches at random. Overlapping patches then share pixels between train and test."""
    everywhere, limits = windows, {}
    if _is_limited(windows, rule):
        limited = _limited(windows, stride, rule)
        limits = {key: limited.info[key] for key in ("not_taken", "block_px", "positions") if key in limited.info}
        windows = [window for window, _ in limited.patches]
    order = np.random.default_rng(rule.seed).permutation(len(windows))
    ends = np.round(np.cumsum(rule.shares) * len(windows)).astype(int)
    split_of = np.empty(len(windows), int)
    for split, part in enumerate(np.split(order, ends[:2])):
        split_of[part] = split
    kept = [(window, SPLITS[split]) for window, split in zip(windows, split_of, strict=True)]
    note = "leaks: overlapping patches share pixels between train and test, so test figures are too good"
    return _division(everywhere, kept, _info(windows, kept) | {"note": note} | limits)


Divide = Callable[[Sequence[Window], int, Rule], Division]
SPLITTERS: dict[str, Divide] = {"blocks": blocks, "random": at_random}


def check(kind: str) -> None:
    """ValueError for unknown kinds of split."""
    if kind not in SPLITTERS:
        raise ValueError(f"split {kind!r}: expected one of {', '.join(SPLITTERS)}")


@dataclass(frozen=True)
class _Lattice:
    """Patch positions in strides from the first one, and their reach in strides (fractional)."""

    row: np.ndarray
    col: np.ndarray
    reach: float

    @classmethod
    def of(cls, windows: Sequence[Window], stride: int) -> _Lattice:
        row = np.array([window.row for window in windows])
        col = np.array([window.col for window in windows])
        return cls((row - row.min()) // stride, (col - col.min()) // stride, windows[0].height / stride)

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
            side += max(1, side // 6)
        return sides

    def corners(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Block number of the first and the last row and column of every patch, and how many blocks there are."""
        span = math.ceil(self.reach) - 1 if self.reach > 1 else 0
        low = np.stack([self.row // side, self.col // side])
        high = np.stack([(self.row + span) // side, (self.col + span) // side])
        across = int(high[1].max()) + 1
        numbers = np.stack([r * across + c for r in (low[0], high[0]) for c in (low[1], high[1])])
        return numbers, np.array([(int(high[0].max()) + 1) * across])


def _search(lattice: _Lattice, rule: Rule) -> tuple[int, np.ndarray] | None:
    best, best_score = None, -math.inf
    for side in lattice.sides():
        found = _best_of_tries(lattice, side, rule)
        if found is None:
            continue
        splits, kept, deviation = found
        if kept >= KEPT_SHARE and deviation <= SHARE_TOLERANCE:
            return side, splits
        score = kept - max(0.0, deviation - SHARE_TOLERANCE)
        if score > best_score:
            best, best_score = (side, splits), score
    return best


def _best_of_tries(lattice: _Lattice, side: int, rule: Rule) -> tuple[np.ndarray, float, float] | None:
    """Splits (-1: left out), share kept and worst relative deviation of the best of many seeded assignments."""
    corners, (count,) = lattice.corners(side)
    weight = np.bincount(corners[0], minlength=count)
    rng = np.random.default_rng([rule.seed, side])
    best, best_score = None, -math.inf
    for number in range(max(4, min(TRIES, WORK_PATCHES // len(lattice.row)))):
        # Small val and test blocks lose more to their borders than train does, so they are given more ground.
        of_block = _assign(rng.permutation(count), weight, rule.shares, 1 + 0.15 * (number % 4))
        splits = _agreed(of_block[corners])
        share = np.bincount(splits[splits >= 0], minlength=3) / max(1, int((splits >= 0).sum()))
        wanted = rule.shares > 0
        if (share[wanted] == 0).any():
            continue
        kept = float((splits >= 0).mean())
        deviation = float(np.abs(share[wanted] / rule.shares[wanted] - 1).max())
        score = kept - max(0.0, deviation - SHARE_TOLERANCE)
        if score > best_score:
            best, best_score = (splits, kept, deviation), score
    return best


def _assign(order: np.ndarray, weight: np.ndarray, shares: np.ndarray, generosity: float) -> np.ndarray:
    """Split of each block: in the order given, test and val until they hold their share, train the rest."""
    of_block = np.zeros(len(weight), np.int8)
    order = order[weight[order] > 0]
    reached = np.cumsum(weight[order]) / weight.sum()
    test, val = shares[2] * generosity, (shares[1] + shares[2]) * generosity
    of_block[order[reached <= test + 1e-9]] = 2
    of_block[order[(reached > test + 1e-9) & (reached <= val + 1e-9)]] = 1
    return of_block


def _agreed(corner_splits: np.ndarray) -> np.ndarray:
    """A patch's split where its four corners lie in one split, else -1."""
    return np.where((corner_splits == corner_splits[0]).all(axis=0), corner_splits[0], -1)


def _is_limited(windows: Sequence[Window], rule: Rule) -> bool:
    return rule.max_patches is not None and rule.max_patches < len(windows)


def _limited(windows: Sequence[Window], stride: int, rule: Rule) -> Division:
    """At most N patches in whole, scattered blocks that fill all three splits."""
    lattice = _Lattice.of(windows, stride)
    side = _side_for(lattice, rule)
    corners, (count,) = lattice.corners(side)
    inside = (corners == corners[0]).all(axis=0)
    weight = np.bincount(corners[0][inside], minlength=count)
    chosen = _choose(np.random.default_rng([rule.seed, side]).permutation(count), weight, rule)
    splits = np.where(inside, chosen[corners[0]], -1)
    if len(set(splits[splits >= 0].tolist())) < int((rule.shares > 0).sum()):
        return _all_train(windows[: rule.max_patches])
    kept = [(window, SPLITS[split]) for window, split in zip(windows, splits, strict=True) if split >= 0]
    untaken = {"left_out": 0, "not_taken": len(windows) - len(kept)}
    return _division(windows, kept, _info(windows, kept) | untaken | {"block_px": side * stride})


def _side_for(lattice: _Lattice, rule: Rule) -> int:
    """The largest block of which val and test each get a few."""
    smallest_share = min(share for share in rule.shares if share > 0)
    patches = rule.max_patches * smallest_share / BLOCKS_PER_SPLIT
    return max(lattice.smallest, int(math.sqrt(max(patches, 1))) + lattice.smallest - 1)


def _choose(order: np.ndarray, weight: np.ndarray, rule: Rule) -> np.ndarray:
    """Split of each block, -1 where it is not taken: test, val, then train up to their shares of N."""
    chosen = np.full(len(weight), -1)
    queue = [block for block in order if weight[block] > 0]
    room = rule.max_patches
    for split in (2, 1, 0):
        held, target = 0, rule.max_patches * rule.shares[split] if split else room
        while queue and rule.shares[split] > 0 and weight[queue[0]] <= room and (held == 0 or held < target):
            if held and held + weight[queue[0]] > target * (1 + SHARE_TOLERANCE):
                break
            block = queue.pop(0)
            chosen[block], held, room = split, held + weight[block], room - weight[block]
    return chosen


def _all_train(windows: Sequence[Window]) -> Division:
    kept = [(window, SPLITS[0]) for window in windows]
    note = "too small for three splits without shared pixels: every patch is in train"
    return _division(windows, kept, _info(windows, kept) | {"note": note})


def _division(windows: Sequence[Window], kept: list[tuple[Window, str]], info: dict[str, Any]) -> Division:
    return Division(tuple(kept), info, (min(w.row for w in windows), min(w.col for w in windows)))


def _info(windows: Sequence[Window], kept: Sequence[tuple[Window, str]]) -> dict[str, Any]:
    return {"positions": len(windows), "left_out": len(windows) - len(kept)}
