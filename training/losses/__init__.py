"""Losses by name: what a network's `Output` costs against a label of 0, 1, ... and 255 for unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.losses.costs import (
    area_mean,
    class_shares,
    cross_entropy,
    dice_loss,
    focal_loss,
    share_cross_entropy,
)
from isamap.training.losses.images import (
    CascadeLoss,
    ImageLoss,
    JointSegLoss,
    discriminator_loss,
    edge_loss,
    sharpening_loss,
)
from isamap.training.losses.labels import (
    CroFuseLoss,
    CrossEntropy,
    DiceFocal,
    ShareError,
    SoftCrossEntropy,
    SymmetricCrossEntropy,
    WeightedCrossEntropy,
)
from isamap.training.models.output import Output
from isamap.training.plugins import address, is_address, load

__all__ = [
    "LOSSES",
    "UNKNOWN",
    "CascadeLoss",
    "CroFuseLoss",
    "CrossEntropy",
    "DiceFocal",
    "ImageLoss",
    "JointSegLoss",
    "ShareError",
    "SoftCrossEntropy",
    "SymmetricCrossEntropy",
    "WeightedCrossEntropy",
    "area_mean",
    "build_loss",
    "class_shares",
    "cross_entropy",
    "dice_loss",
    "discriminator_loss",
    "edge_loss",
    "focal_loss",
    "full_name",
    "loss_named",
    "share_cross_entropy",
    "sharpening_loss",
]


def build_loss(name: str, values: Mapping[str, Any] | None = None) -> Callable[[Output, Tensor], Tensor]:
    """The named loss with its weights; ValueError for an unknown name or weight."""
    loss = loss_named(name)
    weight_names = {field.name for field in fields(loss)}
    if unknown := sorted(set(values or {}) - weight_names):
        raise ValueError(
            f"loss {name} has no weight {', '.join(unknown)}: it knows {', '.join(sorted(weight_names)) or 'none'}"
        )
    return loss(**(values or {}))


def loss_named(name: str) -> type:
    """The class of a loss, ours or of another package (training/plugins.py); ValueError for a name of neither."""
    if name in LOSSES:
        return LOSSES[name]
    if not is_address(foreign := full_name(name)):
        raise ValueError(f"loss {name!r} is not known: choose one of {', '.join(LOSSES)}")
    loss = load("loss", foreign)
    if not (isinstance(loss, type) and is_dataclass(loss)):
        raise ValueError(f"loss {foreign} is no dataclass: its weights must be the fields of one")
    return loss


def full_name(name: str) -> str:
    """The name that a recipe keeps: ours as it is, of another package's entry point its `module:Class`."""
    return name if name in LOSSES else address("loss", name)


LOSSES: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "crofuse": CroFuseLoss,
    "weighted_cross_entropy": WeightedCrossEntropy,
    "dice_focal": DiceFocal,
    "symmetric_cross_entropy": SymmetricCrossEntropy,
    "soft_cross_entropy": SoftCrossEntropy,
    "share_error": ShareError,
    "jointseg": JointSegLoss,
    "cascade": CascadeLoss,
}
