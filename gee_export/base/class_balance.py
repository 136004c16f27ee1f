"""How unlike the splits of a dataset are in their share of impervious ground."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

SPLITS = 3  # train, val, test
# Ours: 6.7 % impervious in validation chose epochs for a test of 40 %, and nobody was told.
UNLIKE = 2.0  # factor between two splits' shares of a class from which on a sentence says so
LEAST = 0.005  # a smaller share counts as this: of so few pixels factors say nothing
REMEDY = "export with --split balanced, which chooses the blocks by their labels"


def factor_between(shares: Sequence[float] | np.ndarray) -> float:
    """The largest factor between the shares of impervious ground, or of all other; 1 where none is known."""
    known_shares = np.asarray(shares, dtype=np.float64)
    known_shares = known_shares[~np.isnan(known_shares)]
    if not len(known_shares):
        return 1.0
    return max(
        float(np.max(each) / np.min(each))
        for each in (np.maximum(known_shares, LEAST), np.maximum(1 - known_shares, LEAST))
    )


def share_by_split(split_N: np.ndarray, share_N: np.ndarray) -> np.ndarray:
    """Mean impervious share (3) of the patches of train, val and test (their numbers; -1: of none); NaN: unknown."""
    has_share_N = (split_N >= 0) & ~np.isnan(share_N)
    counts = np.bincount(split_N[has_share_N], minlength=SPLITS)
    sums = np.bincount(split_N[has_share_N], weights=share_N[has_share_N], minlength=SPLITS)
    return np.where(counts > 0, sums / np.maximum(counts, 1), math.nan)


def unlike_note(share_of: Mapping[str, float]) -> str | None:
    """What to do about splits that differ by more than the factor UNLIKE; None where they are alike."""
    factor = factor_between(list(share_of.values()))
    if factor <= UNLIKE:
        return None
    listing = ", ".join(f"{share:.1%} of {split}" for split, share in share_of.items() if not math.isnan(share))
    return (
        f"impervious is {listing}, a factor of {factor:.1f} in a class: scores of one say little of another; {REMEDY}"
    )
