"""Losses by name: what a network's `Output` costs against a label of 0, 1, ... and 255 for unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from math import gcd
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from training.models.output import Output
from training.models.sharpened import SharpOutput

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


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Cross entropy with a weight per class, divided by the sum of the known pixels' weights (S003: impervious 3)."""

    weights: tuple[float, ...] = (1.0, 3.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))
        if len(self.weights) < 2 or min(self.weights) <= 0:
            raise ValueError(f"class weights {self.weights}: expected two or more above 0")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        logits, label = output.logits_BKHW.float(), label_BHW.long()
        if logits.shape[1] != len(self.weights):
            raise ValueError(f"{len(self.weights)} class weights for {logits.shape[1]} classes: give one for each")
        weights = logits.new_tensor(self.weights)
        total = F.cross_entropy(logits, label, weight=weights, ignore_index=UNKNOWN, reduction="sum")
        known = label != UNKNOWN
        # nothing known costs 0; weights have no lower bound, so the sum is not clamped to 1
        weight = weights[label.masked_fill(~known, 0)][known].sum()
        return total / torch.where(weight > 0, weight, 1)


@dataclass(frozen=True)
class DiceFocal:
    """Weighted sum of the squared Dice loss and the focal loss of class `positive` (S001 eqs. 2-4).

    alpha: weight of positive pixels in the focal loss, 1 - alpha of the others; None weighs all alike, as the paper
    does not print it (RetinaNet: 0.25). The focal loss is the mean, without which 0.7 and 0.3 mean nothing.
    """

    dice: float = 0.7
    focal: float = 0.3
    gamma: float = 2.0
    alpha: float | None = None
    smooth: float = 1.0
    positive: int = 1

    def __post_init__(self) -> None:
        if min(self.dice, self.focal, self.gamma) < 0 or self.smooth <= 0:
            raise ValueError(f"{self}: expected weights and gamma of 0 or more and smooth above 0")
        if self.alpha is not None and not 0 < self.alpha < 1:
            raise ValueError(f"alpha {self.alpha}: expected a number between 0 and 1")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        dice = dice_loss(output.logits_BKHW, label_BHW, positive=self.positive, smooth=self.smooth)
        focal = focal_loss(output.logits_BKHW, label_BHW, gamma=self.gamma, alpha=self.alpha, positive=self.positive)
        return self.dice * dice + self.focal * focal


@dataclass(frozen=True)
class SymmetricCrossEntropy:
    """alpha x cross entropy + beta x reverse cross entropy, which wrong labels pull at less (Wang et al., 2019).

    floor: what log 0 counts in the reverse one.
    """

    alpha: float = 0.1
    beta: float = 1.0
    floor: float = -4.0

    def __post_init__(self) -> None:
        if min(self.alpha, self.beta) < 0 or self.floor >= 0:
            raise ValueError(f"{self}: expected alpha and beta of 0 or more and a floor below 0")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        known = label_BHW != UNKNOWN
        chance = _chance_of(output.logits_BKHW, label_BHW, known).exp()
        reverse = -self.floor * _mean(1 - chance, known)
        return self.alpha * cross_entropy(output.logits_BKHW, label_BHW) + self.beta * reverse


@dataclass(frozen=True)
class SoftCrossEntropy:
    """Cross entropy against the impervious share of a pixel, 0 to 1 (255 unknown), of two-class logits.

    Labels of 0 and 1 are shares too: then it is the cross entropy.
    """

    def __call__(self, output: Output, share_BHW: Tensor) -> Tensor:
        if output.logits_BKHW.shape[1] != 2:
            raise ValueError(f"{output.logits_BKHW.shape[1]} classes: an impervious share teaches networks of two")
        known = share_BHW != UNKNOWN
        share = share_BHW.float().masked_fill(~known, 0)
        return share_cross_entropy(output.logits_BKHW, torch.stack((1 - share, share), dim=1), known.float())


@dataclass(frozen=True)
class JointSegLoss:
    """Of a network that segments at three sizes and sharpens the image (models.md 2.2b).

    Cross entropy at 1 m + middle x at 2.5 m + coarse x at 10 m, the coarser ones against the share of each class in
    the pixel; dice x the Dice loss at 1 m; sharp x the absolute difference of both sharpened images from the true
    one; low x that of the sharpened image's block means from the input (low frequencies must stay);
    adversarial x the generator's side of a vanilla GAN. `sharp_BCHW` is the true RGB at 1 m, standardised as the
    input is.
    """

    middle: float = 0.3
    coarse: float = 0.3
    dice: float = 0.0
    sharp: float = 0.0
    low: float = 0.0
    adversarial: float = 0.0

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise ValueError(f"{self}: expected weights of 0 or more")

    def __call__(
        self,
        output: SharpOutput,
        label_BHW: Tensor,
        *,
        sharp_BCHW: Tensor | None = None,
        discriminator: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        total = self._segmented(output, label_BHW)
        if self.sharp:
            total = total + self.sharp * sharpening_loss(output, _given(sharp_BCHW, "sharp", "the true image at 1 m"))
        if self.low:
            factor = output.image.shape[2] // output.image_1x.shape[2]
            total = total + self.low * F.l1_loss(F.avg_pool2d(output.image.float(), factor), output.image_1x.float())
        if self.adversarial:
            verdict = _given(discriminator, "adversarial", "a discriminator")(output.image)
            total = total + self.adversarial * F.softplus(-verdict.float()).mean()
        return total

    def _segmented(self, output: SharpOutput, label_BHW: Tensor) -> Tensor:
        if len(output.side_logits) != 2:
            raise ValueError(
                f"loss jointseg needs logits at three sizes, the network has {1 + len(output.side_logits)}"
            )
        total = cross_entropy(output.logits_BKHW, label_BHW)
        for weight, logits in zip((self.middle, self.coarse), output.side_logits, strict=True):
            total = total + weight * share_cross_entropy(logits, *class_shares(label_BHW, *logits.shape[1:]))
        if self.dice:
            total = total + self.dice * dice_loss(output.logits_BKHW, label_BHW)
        return total


def discriminator_loss(discriminator: Callable[[Tensor], Tensor], image_BCHW: Tensor, sharp_BCHW: Tensor) -> Tensor:
    """The other side of a vanilla GAN: true images should get high verdicts, sharpened ones low; no other gradient."""
    true, made = discriminator(sharp_BCHW).float(), discriminator(image_BCHW.detach()).float()
    return F.softplus(-true).mean() + F.softplus(made).mean()


def sharpening_loss(output: SharpOutput, sharp_BCHW: Tensor) -> Tensor:
    """Mean absolute difference of the sharpened images at 1 m and 2.5 m from the true one (there its area mean)."""
    at_4x = area_mean(sharp_BCHW.float(), *output.image_4x.shape[2:])
    return F.l1_loss(output.image.float(), sharp_BCHW.float()) + F.l1_loss(output.image_4x.float(), at_4x)


def dice_loss(logits_BKHW: Tensor, label_BHW: Tensor, *, positive: int = 1, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum p g + smooth) / (sum p^2 + sum g^2 + smooth) over the batch's known pixels (S001 eq. 2)."""
    known = label_BHW != UNKNOWN
    p = logits_BKHW.float().softmax(dim=1)[:, positive][known]
    g = (label_BHW == positive)[known].float()
    return 1 - (2 * (p * g).sum() + smooth) / (p.square().sum() + g.sum() + smooth)


def focal_loss(
    logits_BKHW: Tensor, label_BHW: Tensor, *, gamma: float = 2.0, alpha: float | None = None, positive: int = 1
) -> Tensor:
    """Mean over known pixels of -(1 - p)^gamma log p, p the true class's chance (S001 eq. 3, p_t for its p_i)."""
    known = label_BHW != UNKNOWN
    log_chance = _chance_of(logits_BKHW, label_BHW, known)
    cost = -((1 - log_chance.exp()).clamp(min=0) ** gamma) * log_chance
    if alpha is not None:
        cost = cost * torch.where(label_BHW == positive, alpha, 1 - alpha)
    return _mean(cost, known)


def share_cross_entropy(logits_BKHW: Tensor, shares_BKHW: Tensor, weight_BHW: Tensor) -> Tensor:
    """Weighted mean of -sum of share x log chance over the classes; 0 where all weights are 0."""
    cost_BHW = -(shares_BKHW * logits_BKHW.float().log_softmax(dim=1)).sum(dim=1)
    total = weight_BHW.sum()
    return (cost_BHW * weight_BHW).sum() / torch.where(total > 0, total, 1)


def class_shares(label_BHW: Tensor, classes: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Share of each class among a coarser pixel's known ones (B, classes, height, width), and the known share."""
    known = label_BHW != UNKNOWN
    one_hot = F.one_hot(label_BHW.long().masked_fill(~known, 0), classes).movedim(-1, 1) * known[:, None]
    shares, weight = area_mean(one_hot.float(), height, width), area_mean(known[:, None].float(), height, width)
    return shares / weight.clamp(min=1e-6), weight[:, 0]


def area_mean(x_BCHW: Tensor, height: int, width: int) -> Tensor:
    """The mean over each coarser pixel's area; pixels that lie across an edge count on both sides by their parts."""
    rows, cols = x_BCHW.shape[2] // gcd(x_BCHW.shape[2], height), x_BCHW.shape[3] // gcd(x_BCHW.shape[3], width)
    repeat = (height * rows // x_BCHW.shape[2], width * cols // x_BCHW.shape[3])
    fine = x_BCHW.repeat_interleave(repeat[0], dim=2).repeat_interleave(repeat[1], dim=3)
    return F.avg_pool2d(fine, (rows, cols))


def cross_entropy(logits_BKHW: Tensor, label_BHW: Tensor) -> Tensor:
    """Mean over known pixels, in float32; 0 (with a gradient of 0) where no pixel is known."""
    label = label_BHW.long()
    total = F.cross_entropy(logits_BKHW.float(), label, ignore_index=UNKNOWN, reduction="sum")
    return total / (label != UNKNOWN).sum().clamp(min=1)


def _chance_of(logits_BKHW: Tensor, label_BHW: Tensor, known_BHW: Tensor) -> Tensor:
    """Log chance of each pixel's label; of class 0 where it is unknown."""
    label = label_BHW.long().masked_fill(~known_BHW, 0)
    return logits_BKHW.float().log_softmax(dim=1).gather(1, label[:, None])[:, 0]


def _mean(cost_BHW: Tensor, known_BHW: Tensor) -> Tensor:
    return (cost_BHW * known_BHW).sum() / known_BHW.sum().clamp(min=1)


def _given(value: object, weight: str, what: str) -> Any:
    if value is None:
        raise ValueError(f"loss weight {weight} needs {what}: give it or set the weight to 0")
    return value


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
    "weighted_cross_entropy": WeightedCrossEntropy,
    "dice_focal": DiceFocal,
    "symmetric_cross_entropy": SymmetricCrossEntropy,
    "soft_cross_entropy": SoftCrossEntropy,
    "jointseg": JointSegLoss,
}
