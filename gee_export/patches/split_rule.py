"""The rule by which patches are divided among train, val and test, and the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, overload

import numpy as np

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.options import Option
from isamap.gee_export.base.windows import Windows
from isamap.gee_export.datasets.index import SPLITS

RATIOS = (8, 1, 1)  # train, val, test (paper CroFuseNet, section II-B)


@dataclass(frozen=True, eq=False)
class SplitWindows(Sequence[tuple[Window, str]]):
    """Windows with the names of their splits; split: their numbers in SPLITS (int8, N)."""

    windows: Windows
    split: np.ndarray

    def __len__(self) -> int:
        return len(self.split)

    @overload
    def __getitem__(self, index: int) -> tuple[Window, str]: ...
    @overload
    def __getitem__(self, index: slice) -> SplitWindows: ...
    def __getitem__(self, index: int | slice) -> tuple[Window, str] | SplitWindows:
        if isinstance(index, slice):
            return self.taken(index)
        return self.windows[index], SPLITS[self.split[index]]

    def __iter__(self) -> Iterator[tuple[Window, str]]:
        return zip(self.windows, (SPLITS[split] for split in self.split.tolist()), strict=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SplitWindows):
            return NotImplemented
        return self.windows == other.windows and np.array_equal(self.split, other.split)

    def taken(self, index: np.ndarray | slice) -> SplitWindows:
        """Those of a slice, of numbers or of a mask."""
        return SplitWindows(self.windows.taken(index), self.split[index])


@dataclass(frozen=True)
class SplitResult:
    """Patches of a region with their splits, in row order, and what the manifest says of the division.

    positions: places that were divided; left_out: those that touch two splits; further facts as each way has them.
    """

    patches: SplitWindows
    info: dict[str, Any]
    origin: tuple[int, int]  # row and col of the first position, from which blocks are counted

    @classmethod
    def of(cls, windows: Sequence[Window], split: np.ndarray, **facts: Any) -> SplitResult:
        """The windows that have a split (its number in SPLITS, else -1); origin (0, 0) where there are none."""
        windows, kept = Windows.of(windows), split >= 0
        info = {"positions": len(windows), "left_out": len(windows) - int(kept.sum())} | facts
        origin = (int(windows.row.min()), int(windows.col.min())) if windows else (0, 0)
        return cls(SplitWindows(windows.taken(kept), split[kept].astype(np.int8)), info, origin)

    @classmethod
    def alike(cls, windows: Sequence[Window], split: str, **facts: Any) -> SplitResult:
        """All windows in one split."""
        return cls.of(windows, np.full(len(windows), SPLITS.index(split), np.int8), **facts)


@dataclass(frozen=True)
class SplitRule:
    """How to divide.

    ratios of train, val and test; the seed; max_patches: at most so many in all regions and periods (None: all);
    guard_px: pixels that lie at least between two splits. 0 only keeps them from sharing one, which already makes
    them disjoint ground and works for small regions; 128 (docs/reference/networks.md, "Spatial splits", one patch of
    CroFuseNet) also keeps neighbours from looking alike, and costs Wuhan no patches (its blocks grow from 480 to 1280
    px instead). hold_out: regions that are test whole; train and val come from the others.
    """

    GROUP: ClassVar[str] = "Split"
    ratios: Annotated[tuple[int, ...], Option("Of train, val and test.", metavar="N N N")] = RATIOS
    seed: Annotated[int, Option("Random seed of sampling and split.", metavar="N")] = 0
    max_patches: Annotated[
        int | None, Option("At most so many, in whole blocks that fill all three splits.", metavar="N")
    ] = None
    guard_px: Annotated[int, Option("Pixels between two splits at least; 0: they share none.", metavar="PIXELS")] = 0
    hold_out: Annotated[
        tuple[str, ...], Option("Regions that are test whole; train and val are the others.", metavar="NAME")
    ] = ()

    def __post_init__(self) -> None:
        if len(self.ratios) != 3 or min(self.ratios) < 0 or self.ratios[0] <= 0:
            raise ValueError(
                f"split ratios {' '.join(map(str, self.ratios))}: expected three numbers of train, val and test "
                "such as 8 1 1, the first above 0"
            )
        if self.seed < 0:
            raise ValueError(f"--seed {self.seed}: expected a whole number from 0")
        if self.max_patches is not None and self.max_patches < 1:
            raise ValueError(f"--max-patches {self.max_patches}: expected at least 1")
        if not 0 <= self.guard_px <= 10_000:
            raise ValueError(f"--guard-px {self.guard_px}: expected 0 to 10000 pixels")
        if self.hold_out and not self.ratios[2]:
            raise ValueError("--hold-out makes test patches: give --ratios a last number above 0, such as 8 1 1")

    def to_json(self) -> dict[str, Any]:
        """The rule as the manifest holds it."""
        return {
            "ratios": list(self.ratios),
            "seed": self.seed,
            "max_patches": self.max_patches,
            "guard_px": self.guard_px,
            "hold_out": list(self.hold_out),
        }

    @property
    def shares(self) -> np.ndarray:
        """Shares of train, val and test, which sum to 1."""
        return np.array(self.ratios) / sum(self.ratios)
