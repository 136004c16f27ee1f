"""Losses of class logits against labels or shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.losses.costs import (
    cross_entropy,
    dice_loss,
    focal_loss,
    known_mean,
    log_chance_of,
    share_cross_entropy,
)
from isamap.training.models.output import Output


@dataclass(frozen=True)
class CrossEntropy:
    """Mean cross entropy of the final logits over known pixels + dice x the squared Dice loss of class 1.

    smoothing: chance taken from each label and shared by all classes.
    """

    smoothing: float = 0.0
    dice: float = 0.0

    def __post_init__(self) -> None:
        _check_smoothing(self.smoothing)
        _check_weights(self, "dice")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        total = cross_entropy(output.logits_BKHW, label_BHW, self.smoothing)
        return total + self.dice * dice_loss(output.logits_BKHW, label_BHW) if self.dice else total


@dataclass(frozen=True)
class CroFuseLoss:
    """Shared branch's cross entropy + alpha x the optical's + beta x the SAR branch's (CroFuseNet eq. 11).

    Ours: + dice x the shared branch's squared Dice loss; smoothing of all labels.
    """

    # The paper's weights; its Figure 9 (section V-A) compares them with others, which crofusenet-fig9 runs again.
    alpha: float = 1.0
    beta: float = 0.8
    dice: float = 0.0
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_smoothing(self.smoothing)
        _check_weights(self, "alpha", "beta", "dice")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        if len(output.side_logits) != 2:
            raise ValueError(
                f"loss crofuse needs an optical and a SAR branch, the network has {len(output.side_logits)}"
            )
        shared, optical, sar = (
            cross_entropy(logits, label_BHW, self.smoothing) for logits in (output.logits_BKHW, *output.side_logits)
        )
        total = shared + self.alpha * optical + self.beta * sar
        return total + self.dice * dice_loss(output.logits_BKHW, label_BHW) if self.dice else total


@dataclass(frozen=True)
class WeightedCrossEntropy:
    """Cross entropy with a weight per class, divided by the sum of the known pixels' weights (LandCover3m: impervious
    3).

    smoothing: chance taken from each label and shared by all classes.
    """

    weights: tuple[float, ...] = (1.0, 3.0)
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        _check_smoothing(self.smoothing)
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))
        if len(self.weights) < 2 or min(self.weights) <= 0:
            raise ValueError(f"class weights {self.weights}: expected two or more above 0")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        logits, label = output.logits_BKHW.float(), label_BHW.long()
        if logits.shape[1] != len(self.weights):
            ones = ",".join("1" * logits.shape[1])
            raise ValueError(
                f"{len(self.weights)} class weights for {logits.shape[1]} classes: give one for each, such as "
                f"--set loss.weights={ones}"
            )
        weights = logits.new_tensor(self.weights)
        kept: dict[str, Any] = {"ignore_index": UNKNOWN, "reduction": "sum", "label_smoothing": self.smoothing}
        # Summed here and divided below: PyTorch's own weighted mean is NaN where every pixel is unknown.
        total = F.cross_entropy(logits, label, weight=weights, **kept)
        labelled = label != UNKNOWN
        # nothing known costs 0; weights have no lower bound, so the sum is not clamped to 1
        weight = weights[label.masked_fill(~labelled, 0)][labelled].sum()
        return total / torch.where(weight > 0, weight, 1)


@dataclass(frozen=True)
class DiceFocal:
    """Weighted sum of the squared Dice loss and the focal loss of class `positive` (RU-Net++ eqs. 2-4).

    alpha: weight of positive pixels in the focal loss, 1 - alpha of the others; None weighs all alike, as the paper
    does not print it (RetinaNet: 0.25). The focal loss is the mean, without which 0.7 and 0.3 mean nothing.
    """

    # Weights of equation 4; gamma and the 1 above and below the fraction: docs/reference/paper-rows.md, rows 61 to 63.
    dice: float = 0.7
    focal: float = 0.3
    gamma: float = 2.0
    alpha: float | None = None
    smooth: float = 1.0
    positive: int = 1

    def __post_init__(self) -> None:
        # Command lines give floats, and a class is indexed by a whole number.
        object.__setattr__(self, "positive", int(self.positive))
        if min(self.dice, self.focal, self.gamma) < 0 or self.smooth <= 0:
            raise ValueError(f"{self}: expected weights and gamma of 0 or more and smooth above 0")
        if self.alpha is not None and not 0 < self.alpha < 1:
            raise ValueError(f"alpha {self.alpha}: expected a number between 0 and 1")

    def __call__(self, output: Output, label_BHW: Tensor) -> Tensor:
        if not 0 <= self.positive < output.logits_BKHW.shape[1]:
            raise ValueError(f"loss.positive={self.positive}: the network knows {output.logits_BKHW.shape[1]} classes")
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
        labelled = label_BHW != UNKNOWN
        chance = log_chance_of(output.logits_BKHW, label_BHW, labelled).exp()
        # The reverse sum has one term that is not 0: log 0, replaced by the floor, times what the label's class lacks.
        # By the logits its gradient is p (1 - p), which fades where the network is sure of another class; that of cross
        # entropy is 1 - p, so a wrong label pulls hardest there.
        reverse = -self.floor * known_mean(1 - chance, labelled)
        return self.alpha * cross_entropy(output.logits_BKHW, label_BHW) + self.beta * reverse


@dataclass(frozen=True)
class SoftCrossEntropy:
    """Cross entropy against the impervious share of a pixel, 0 to 1 (255 unknown), of two-class logits.

    Labels of 0 and 1 are shares too: then it is the cross entropy.
    """

    def __call__(self, output: Output, share_BHW: Tensor) -> Tensor:
        share, labelled = _known_share(output, share_BHW)
        return share_cross_entropy(output.logits_BKHW, torch.stack((1 - share, share), dim=1), labelled.float())


@dataclass(frozen=True)
class ShareError:
    """Mean square error of the impervious share, 0 to 1 (255 unknown), of two-class logits + absolute x the mean
    absolute error.

    The square alone has its minimum at the mean share, as the cross entropy of shares has, and weighs large errors
    more than that; the absolute error moves it to the median.
    """

    absolute: float = 0.0

    def __post_init__(self) -> None:
        _check_weights(self, "absolute")

    def __call__(self, output: Output, share_BHW: Tensor) -> Tensor:
        share, labelled = _known_share(output, share_BHW)
        error = (output.logits_BKHW.float().softmax(dim=1)[:, 1] - share).abs()
        return known_mean(error.square() + self.absolute * error, labelled)


def _known_share(output: Output, share_BHW: Tensor) -> tuple[Tensor, Tensor]:
    """The share, 0 where it is unknown, and where it is known; ValueError for other than two classes."""
    if output.logits_BKHW.shape[1] != 2:
        raise ValueError(f"{output.logits_BKHW.shape[1]} classes: an impervious share teaches networks of two")
    labelled = share_BHW != UNKNOWN
    return share_BHW.float().masked_fill(~labelled, 0), labelled


def _check_smoothing(smoothing: float) -> None:
    if not 0 <= smoothing < 1:
        raise ValueError(f"loss smoothing {smoothing}: expected 0 to below 1")


def _check_weights(loss: object, *names: str) -> None:
    if min(getattr(loss, name) for name in names) < 0:
        values = " and ".join(f"{name} {getattr(loss, name)}" for name in names)
        raise ValueError(f"loss weights {values}: expected 0 or more")
