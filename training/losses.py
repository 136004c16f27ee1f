"""Losses by name: what a network's `Output` costs against a label of 0, 1, ... and 255 for unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from torch import Tensor
from torch.nn import functional as F

from training.models.output import Output

UNKNOWN = 255


@dataclass(frozen=True)
class CrossEntropy:
    """Mean cross entropy of the final logits over known pixels; 0 where none is known."""

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        return cross_entropy(output.logits_BKHW, label_BHW)


@dataclass(frozen=True)
class CroFuseLoss:
    """Shared branch's cross entropy + alpha x the optical's + beta x the SAR branch's (S002 eq. 11)."""

    alpha: float = 1.0
    beta: float = 0.8

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.beta < 0:
            raise ValueError(f"loss weights alpha {self.alpha} and beta {self.beta}: expected 0 or more")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        if len(output.side_logits) != 2:
            raise ValueError(
                f"loss crofuse needs an optical and a SAR branch, the network has {len(output.side_logits)}"
            )
        optical, sar = output.side_logits
        shared = cross_entropy(output.logits_BKHW, label_BHW)
        return shared + self.alpha * cross_entropy(optical, label_BHW) + self.beta * cross_entropy(sar, label_BHW)


def cross_entropy(logits_BKHW: Tensor, label_BHW: Tensor) -> Tensor:
    """Mean over known pixels, in float32; 0 (with a gradient of 0) where no pixel is known."""
    label = label_BHW.long()
    total = F.cross_entropy(logits_BKHW.float(), label, ignore_index=UNKNOWN, reduction="sum")
    return total / (label != UNKNOWN).sum().clamp(min=1)


def build_loss(name: str, values: Mapping[str, float] | None = None) -> Callable[[Output, Tensor], Tensor]:
    """The named loss with its weights; ValueError for an unknown name or weight."""
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is not known: choose one of {', '.join(LOSSES)}")
    known = {field.name for field in fields(LOSSES[name])}
    if unknown := sorted(set(values or {}) - known):
        raise ValueError(
            f"loss {name} has no weight {', '.join(unknown)}: it knows {', '.join(sorted(known)) or 'none'}"
        )
    return LOSSES[name](**(values or {}))


LOSSES: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "crofuse": CroFuseLoss,
}
