"""What predicted chances cost against labels of 0, 1, ... and 255 for unknown: the parts that losses add up."""

from __future__ import annotations

from math import gcd

import torch
from torch import Tensor
from torch.nn import functional as F

from isamap.gee_export.base.scheme import UNKNOWN


def cross_entropy(logits_BKHW: Tensor, label_BHW: Tensor, smoothing: float = 0.0) -> Tensor:
    """Mean over known pixels, in float32; 0 (with a gradient of 0) where no pixel is known.

    smoothing: chance that is taken from the label and shared by all classes (Szegedy et al., 2016).
    """
    label = label_BHW.long()
    # A sum divided by the known pixels: PyTorch's own mean is NaN where every pixel is unknown.
    total = F.cross_entropy(
        logits_BKHW.float(), label, ignore_index=UNKNOWN, reduction="sum", label_smoothing=smoothing
    )
    return total / (label != UNKNOWN).sum().clamp(min=1)


def dice_loss(logits_BKHW: Tensor, label_BHW: Tensor, *, positive: int = 1, smooth: float = 1.0) -> Tensor:
    """1 - (2 sum p g + smooth) / (sum p^2 + sum g^2 + smooth) over the batch's known pixels (RU-Net++ eq. 2)."""
    labelled = label_BHW != UNKNOWN
    # Chances in float32: squares of 16-bit ones lose what small roofs weigh.
    p = logits_BKHW.float().softmax(dim=1)[:, positive][labelled]
    g = (label_BHW == positive)[labelled].float()
    return 1 - (2 * (p * g).sum() + smooth) / (p.square().sum() + g.sum() + smooth)


def focal_loss(
    logits_BKHW: Tensor, label_BHW: Tensor, *, gamma: float = 2.0, alpha: float | None = None, positive: int = 1
) -> Tensor:
    """Mean over known pixels of -(1 - p)^gamma log p, p the true class's chance (RU-Net++ eq. 3, p_t for its p_i)."""
    labelled = label_BHW != UNKNOWN
    log_chance = log_chance_of(logits_BKHW, label_BHW, labelled)
    # exp of a rounded log can exceed 1, and a negative base has no real power.
    cost = -((1 - log_chance.exp()).clamp(min=0) ** gamma) * log_chance
    if alpha is not None:
        cost = cost * torch.where(label_BHW == positive, alpha, 1 - alpha)
    return known_mean(cost, labelled)


def share_cross_entropy(logits_BKHW: Tensor, shares_BKHW: Tensor, weight_BHW: Tensor) -> Tensor:
    """Weighted mean of -sum of share x log chance over the classes; 0 where all weights are 0."""
    cost_BHW = -(shares_BKHW * logits_BKHW.float().log_softmax(dim=1)).sum(dim=1)
    total = weight_BHW.sum()
    # No clamp to 1 as in known_mean: weights are known shares of coarser pixels, whose sum may well be below 1.
    return (cost_BHW * weight_BHW).sum() / torch.where(total > 0, total, 1)


def class_shares(label_BHW: Tensor, classes: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Share of each class among a coarser pixel's known ones (B, classes, height, width), and the known share."""
    labelled = label_BHW != UNKNOWN
    one_hot = F.one_hot(label_BHW.long().masked_fill(~labelled, 0), classes).movedim(-1, 1) * labelled[:, None]
    shares, weight = (
        area_mean(one_hot.float(), height, width),
        area_mean(labelled[:, None].float(), height, width),
    )
    # Shares are of what is known; the known share goes along as their weight.
    return shares / weight.clamp(min=1e-6), weight[:, 0]


def area_mean(x_BCHW: Tensor, height: int, width: int) -> Tensor:
    """The mean over each coarser pixel's area; pixels that lie across an edge count on both sides by their parts."""
    # Repeated up to a common multiple first: 2.5 pixels of 1 m have no whole window.
    rows, cols = x_BCHW.shape[2] // gcd(x_BCHW.shape[2], height), x_BCHW.shape[3] // gcd(x_BCHW.shape[3], width)
    repeat = (height * rows // x_BCHW.shape[2], width * cols // x_BCHW.shape[3])
    fine = x_BCHW.repeat_interleave(repeat[0], dim=2).repeat_interleave(repeat[1], dim=3)
    return F.avg_pool2d(fine, (rows, cols))


def log_chance_of(logits_BKHW: Tensor, label_BHW: Tensor, known_BHW: Tensor) -> Tensor:
    """Log chance of each pixel's label; of class 0 where it is unknown."""
    # gather needs a class everywhere; `known_mean` leaves these pixels out again.
    label = label_BHW.long().masked_fill(~known_BHW, 0)
    return logits_BKHW.float().log_softmax(dim=1).gather(1, label[:, None])[:, 0]


def known_mean(cost_BHW: Tensor, known_BHW: Tensor) -> Tensor:
    return (cost_BHW * known_BHW).sum() / known_BHW.sum().clamp(min=1)
