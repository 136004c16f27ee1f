"""Losses by name: what a network's `Output` costs against a label of 0, 1, ... and 255 for unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from torch import Tensor

from gee_export.base.scheme import UNKNOWN
from training.losses.costs import area_mean, class_shares, cross_entropy, dice_loss, focal_loss, share_cross_entropy
from training.losses.images import CascadeLoss, ImageLoss, JointSegLoss, discriminator_loss, edge_loss, sharpening_loss
from training.losses.labels import (
    CroFuseLoss,
    CrossEntropy,
    DiceFocal,
    SoftCrossEntropy,
    SymmetricCrossEntropy,
    WeightedCrossEntropy,
)
from training.models.output import Output

__all__ = [
    "LOSSES",
    "UNKNOWN",
    "CascadeLoss",
    "CroFuseLoss",
    "CrossEntropy",
    "DiceFocal",
    "ImageLoss",
    "JointSegLoss",
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
    "share_cross_entropy",
    "sharpening_loss",
]


def build_loss(name: str, values: Mapping[str, Any] | None = None) -> Callable[[Output, Tensor], Tensor]:
    """The named loss with its weights; ValueError for an unknown name or weight."""
    if name not in LOSSES:
        raise ValueError(f"loss {name!r} is not known: choose one of {', '.join(LOSSES)}")
    weight_names = {field.name for field in fields(LOSSES[name])}
    if unknown := sorted(set(values or {}) - weight_names):
        raise ValueError(
            f"loss {name} has no weight {', '.join(unknown)}: it knows {', '.join(sorted(weight_names)) or 'none'}"
        )
    return LOSSES[name](**(values or {}))


LOSSES: dict[str, type] = {
    "cross_entropy": CrossEntropy,
    "crofuse": CroFuseLoss,
    "weighted_cross_entropy": WeightedCrossEntropy,
    "dice_focal": DiceFocal,
    "symmetric_cross_entropy": SymmetricCrossEntropy,
    "soft_cross_entropy": SoftCrossEntropy,
    "jointseg": JointSegLoss,
    "cascade": CascadeLoss,
}
