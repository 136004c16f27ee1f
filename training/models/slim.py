"""How many filters a pruned network keeps, so that its constructor values alone say its shape (LandCover3m section
3.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor

from isamap.training.models.layers import check_choice
from isamap.training.models.validity import later

SCHEMES = ("inner", "literal", "groups")
WHOLE = "none"
DOWN, NEAREST = "down", "nearest"
WITHIN_BLOCKS = (WHOLE, "inner")  # of networks whose sums stay as they are


@dataclass(frozen=True)
class Slim:
    """Widths of a network of which the share `ratio` of the filters was removed by a scheme of SCHEMES.

    inner: only channels that pass from one convolution to the next within a block. literal: these and, as LandCover3m
    counts them, the filters of block ends, added back to the residual in their places. groups: everything that the sums
    tie together, as one. round_to: what is kept is a multiple of it (docs/reference/networks.md, "Filter pruning").
    rounding: to the nearest multiple, or down, as checkpoints of before have it.
    """

    scheme: str = WHOLE
    ratio: float = 0.0
    round_to: int = 1
    rounding: str = DOWN

    def __post_init__(self) -> None:
        check_choice("prune", self.scheme, (WHOLE, *SCHEMES))
        check_choice("rounding", self.rounding, (DOWN, NEAREST))
        if not 0 <= self.ratio < 1 or self.round_to < 1:
            raise ValueError(f"ratio {self.ratio:g}, round_to {self.round_to}: expected 0 to below 1, and 1 or more")

    def kept(self, filters: int) -> int:
        """How many of `filters` filters stay; at least one, or `round_to` where there are as many.

        LandCover3m zeroes int(ratio N); the other schemes keep (1 - ratio) N, rounded (docs/reference/networks.md,
        "Filter pruning").
        """
        if self.scheme == WHOLE:
            return filters
        # As it was written: the float next to .4 would keep a filter more or less where (1 - .4) N is whole.
        share = Fraction(str(self.ratio))
        exact = filters - int(share * filters) if self.scheme == "literal" else (1 - share) * filters
        multiples = exact / Fraction(self.round_to) + (Fraction(1, 2) if self.rounding == NEAREST else 0)
        return min(max(int(multiples), 1) * self.round_to, filters)

    def inner(self, filters: int) -> int:
        """Width of what only the next convolution reads."""
        return self.kept(filters)

    def outer(self, filters: int) -> int:
        """Width of what is summed or read by several layers."""
        return self.kept(filters) if self.scheme == "groups" else filters

    def added(self, filters: int) -> int:
        """Filters whose results are added to a sum of outer(filters) channels."""
        return self.kept(filters) if self.scheme == "literal" else self.outer(filters)


@dataclass(frozen=True)
class SlimValues:
    """Constructor values of networks that are pruned within blocks only; unstated where nothing was removed."""

    prune: str = later(WHOLE)
    ratio: float = later(0.0)
    round_to: int = later(1)
    rounding: str = later(DOWN)

    @property
    def slim(self) -> Slim:
        """The widths; ValueError for values that are no rule."""
        check_choice("prune", self.prune, WITHIN_BLOCKS)
        return Slim(self.prune, self.ratio, self.round_to, self.rounding)


def places(added: int, channels: int) -> Tensor | None:
    """Where `added` filters go among `channels` (a checkpoint brings the true places); None where all are there."""
    return None if added == channels else torch.arange(added)


def put(sum_BCHW: Tensor, added_BKHW: Tensor, at: Tensor | None) -> Tensor:
    """The sum after adding channel k of the second tensor to channel at[k]."""
    if at is None:
        return sum_BCHW + added_BKHW
    return sum_BCHW.index_add(1, at, added_BKHW.to(sum_BCHW.dtype))
