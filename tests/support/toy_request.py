"""A small record of options, nested as the real ones are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from isamap.gee_export.base.options import Option


@dataclass(frozen=True)
class Cut:
    size: Annotated[int, Option("Side in pixels.", group="Patches")] = 128
    ratios: Annotated[tuple[int, ...], Option("Of the splits.", group="Patches")] = (8, 1, 1)
    ways: Annotated[str, Option("How.", choices=("stream", "batch"), name="mode")] = "stream"

    def __post_init__(self) -> None:
        if self.size < 8:
            raise ValueError(f"--size {self.size}: expected at least 8")


@dataclass(frozen=True)
class Toy:
    bbox: Annotated[
        tuple[float, float, float, float] | None, Option("Box in degrees.", metavar="W S E N", group="Where")
    ] = None
    month: Annotated[tuple[str, ...], Option("Months.", metavar="YYYY-MM")] = ()
    cut: Cut = field(default_factory=Cut)
    settings: Annotated[tuple[str, ...] | Mapping[str, Any], Option("Others.", flag="--set")] = ()
    share: Annotated[bool, Option("Percents, too.")] = False
    lr: Annotated[float | None, Option("A rate.")] = None
