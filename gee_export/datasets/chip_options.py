"""What chips are, as options of `isamap chips` and `import_chips`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.datasets.packing import Unit


@dataclass(frozen=True)
class ChipOptions:
    """What chips are: names of all their bands in order, the unit of their numbers, pixels of step_m metres.

    impervious: the labels' numbers of impervious ground; unknown: those of no known class; others are pervious.
    """

    bands: Annotated[tuple[str, ...], Option("Names of all bands in their order.")]
    unit: Annotated[str, Option("reflectance, dB, NAME=SCALE or NAME=SCALE,OFFSET of the numbers.")] = "dn"
    impervious: Annotated[tuple[int, ...], Option("The labels' numbers of impervious ground.")] = (1,)
    unknown: Annotated[tuple[int, ...], Option("Those of no known class.")] = (UNKNOWN,)
    step_m: Annotated[float, Option("Ground size of a pixel in metres.")] = 10.0
    seed: Annotated[int, Option("Of the splits, where no folder says them.")] = 0

    def __post_init__(self) -> None:
        if not self.bands or len(set(self.bands)) < len(self.bands):
            raise ValueError(f"--bands {' '.join(self.bands)}: name all bands of the chips in their order, each once")
        if not self.impervious or set(self.impervious) & set(self.unknown):
            raise ValueError("--impervious and --unknown are numbers of the labels, none of them in both")
        if not 0.01 <= self.step_m <= 1000:
            raise ValueError(f"--step-m {self.step_m:g}: expected metres, 0.01 to 1000")
        Unit.parse(self.unit)
