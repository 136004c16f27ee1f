"""Part k of n of the tiles: for Slurm arrays, Cloud Run jobs and Batch, whose tasks know only their number."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from inference.tiles.executors import Executor, Outcome
from inference.tiles.spending import Spending
from inference.tiles.tile import Tile
from inference.tiles.work import Work

_FORM = re.compile(r"(\d{1,6})/(\d{1,6})")


@dataclass(frozen=True)
class Numbered:
    """Every n-th tile, beginning with the k-th (from 1): neighbours fall to different parts, so all take as long."""

    number: int
    count: int
    executor: Executor

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            raise ValueError(f"--part {self.number}/{self.count}: expected 1/{self.count} to {self.count}/{self.count}")

    @property
    def words(self) -> str:
        return f"part {self.number} of {self.count} ({self.executor.words})"

    def mine(self, tiles: Sequence[Tile]) -> Sequence[Tile]:
        return tiles[self.number - 1 :: self.count]

    def run(
        self, tiles: Sequence[Tile], work: Work, *, retries: int, spending: Spending | None = None
    ) -> Iterator[Outcome]:
        """All parts share Earth Engine's quota: each takes an n-th of it."""
        return self.executor.run(self.mine(tiles), work.among(self.count), retries=retries, spending=spending)


def part_of(text: str) -> tuple[int, int]:
    """Number and count of `k/n`; ValueError for other text."""
    matched = _FORM.fullmatch(text.strip())
    if matched is None:
        raise ValueError(f"--part {text}: expected k/n, such as 3/8 for the third of eight parts")
    return int(matched[1]), int(matched[2])
