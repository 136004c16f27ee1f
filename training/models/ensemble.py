"""Several trained networks as one: the mean of their probabilities (Hansen and Salamon 1990, IEEE TPAMI 12(10))."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from isamap.training.models.output import Network, Output, check_bands, log_mean


@dataclass(frozen=True)
class EnsembleConfig:
    """members: of each one its model's name and constructor values; window, lattice: of maps."""

    members: Sequence[Mapping[str, Any]] = ()
    window: int = 128
    lattice: int = 96

    def __post_init__(self) -> None:
        object.__setattr__(self, "members", tuple(dict(member) for member in self.members))
        if len(self.members) < 2:
            raise ValueError(f"an ensemble of {len(self.members)}: it needs two networks or more")


class Ensemble(Network):
    """The mean probability of all members, as logits.

    made: makes a member of its name, bands and values: training.models.build, which knows this class and sets it.
    """

    made: ClassVar[Callable[..., Network]]

    def __init__(self, bands: Sequence[str], config: EnsembleConfig) -> None:
        super().__init__()
        self.bands, self.config = check_bands(bands), config
        self.window, self.lattice = config.window, config.lattice
        self.members = nn.ModuleList(
            self.made(member["model"], self.bands, member["config"]) for member in self.config.members
        )
        scales = {member.scale for member in self._networks}
        if len(scales) > 1:
            raise ValueError(f"an ensemble of networks with {sorted(scales)} output pixels for each of the input's")
        (self.scale,) = scales

    @property
    def _networks(self) -> list[Any]:
        return list(self.members)

    @property
    def multiple(self) -> int:
        return math.lcm(*(member.multiple for member in self._networks))

    @property
    def halo(self) -> int | None:
        """The widest reach; None where a member looks at its whole window."""
        reaches = [member.halo for member in self._networks]
        return None if None in reaches else max(reaches)

    @property
    def dates(self) -> bool:
        """Whether all take several dates."""
        return all(getattr(member, "dates", False) for member in self._networks)

    def forward(self, x: Tensor) -> Output:
        return Output(log_mean(member(x).logits_BKHW for member in self._networks))
