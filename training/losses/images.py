"""Losses of networks that sharpen the image while they segment, with or without a discriminator of images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor
from torch.nn import functional as F

from isamap.training.losses.costs import area_mean, class_shares, cross_entropy, dice_loss, share_cross_entropy
from isamap.training.models.output import Output
from isamap.training.models.sharpened import SharpOutput

Verdicts = Callable[[Tensor], Tensor]
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class ImageLoss(ABC):
    """What sharpened images cost, beside what their class logits do.

    sharp x the absolute difference of both sharpened images from the true one; edges x that of their steps from pixel
    to pixel; low x that of the sharpened image's block means from the input (low frequencies must stay);
    adversarial x the generator's side of a vanilla GAN. discriminator: its width in channels. The true image is RGB
    at the output's size, standardised as the input is.
    """

    # Off by default: most datasets hold no image at the output's size. Recipes for those that do set sharp .5 and
    # low .1, the only pair that was tried (training/LOG.md, 2026-11-24).
    sharp: float = 0.0
    edges: float = 0.0
    low: float = 0.0
    adversarial: float = 0.0
    dice: float = 0.0
    # Real-ESRGAN's width (docs/reference/networks.md, "Prog-ESRGAN").
    discriminator: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "discriminator", int(self.discriminator))
        if min(vars(self).values()) < 0 or self.discriminator < 1:
            raise ValueError(f"{self}: expected weights of 0 or more and a discriminator of 1 or more channels")

    def __call__(
        self,
        output: Output,
        label_BHW: Tensor,
        *,
        sharp_BCHW: Tensor | None = None,
        valid_BCHW: Tensor | None = None,
        discriminator: Verdicts | None = None,
    ) -> Tensor:
        """Pixels of the true image that are not valid cost nothing; all are where no validity is given."""
        sharp_output = self._sharpened(output)
        total = self.segmented(output, label_BHW)
        if self.dice:
            total = total + self.dice * dice_loss(output.logits_BKHW, label_BHW)
        if self.sharp:
            true = _given(sharp_BCHW, "sharp", "the true image at the output's size")
            total = total + self.sharp * sharpening_loss(sharp_output, true, valid_BCHW)
        if self.edges:
            true = _given(sharp_BCHW, "edges", "the true image at the output's size")
            total = total + self.edges * edge_loss(_given(output.image, "edges", _SHARPENED), true, valid_BCHW)
        if self.low:
            image, image_1x = (
                _given(output.image, "low", _SHARPENED),
                _given(sharp_output.image_1x, "low", "the input's image"),
            )
            # By block means, because the sharpened image may differ from the input within a pixel and nowhere else.
            factor = image.shape[2] // image_1x.shape[2]
            total = total + self.low * F.l1_loss(F.avg_pool2d(image.float(), factor), image_1x.float())
        if self.adversarial:
            verdicts = _given(discriminator, "adversarial", "a discriminator")
            verdict = verdicts(masked(_given(output.image, "adversarial", _SHARPENED), valid_BCHW)).float()
            # softplus(-v) is -log sigmoid(v); written out, the logarithm of a sigmoid that rounds to 0 is not finite.
            total = total + self.adversarial * _verdict_mean(F.softplus(-verdict), valid_BCHW)
        return total

    @abstractmethod
    def segmented(self, output: Output, label_BHW: Tensor) -> Tensor:
        """What the class logits cost."""

    def _sharpened(self, output: Output) -> SharpOutput:
        """The output with its sharpened images; without any where none is weighed; ValueError where one is missing."""
        if isinstance(output, SharpOutput):
            return output
        weights = [name for name in ("sharp", "edges", "low", "adversarial") if getattr(self, name)]
        if weights:
            raise ValueError(f"loss weight {weights[0]} is of networks that sharpen the image: set it to 0")
        return SharpOutput(output.logits_BKHW, output.side_logits, output.image)


@dataclass(frozen=True)
class JointSegLoss(ImageLoss):
    """Loss of a network that segments at three sizes and sharpens the image (docs/reference/networks.md, "JointSeg").

    Cross entropy at 1 m + middle x at 2.5 m + coarse x at 10 m, the coarser ones against the share of each class in
    the pixel; dice x the Dice loss at 1 m; and what the images cost. A network of one step has 2.5 m for 1 m and no
    middle.
    """

    # Ours: the paper's full text could not be had, and no weight is in its abstract (docs/reference/networks.md,
    # "JointSeg: sources").
    middle: float = 0.3
    coarse: float = 0.3

    def segmented(self, output: Output, label_BHW: Tensor) -> Tensor:
        sides = len(output.side_logits)
        if sides not in (1, 2):
            raise ValueError(f"loss jointseg needs logits at three sizes or two, the network has {1 + sides}")
        total = cross_entropy(output.logits_BKHW, label_BHW)
        for weight, logits in zip((self.middle, self.coarse)[-sides:], output.side_logits, strict=True):
            total = total + weight * share_cross_entropy(logits, *class_shares(label_BHW, *logits.shape[1:]))
        return total


@dataclass(frozen=True)
class CascadeLoss(ImageLoss):
    """Loss of a cascade trained end to end: cross entropy at 1 m, and the image losses of both stages."""

    def segmented(self, output: Output, label_BHW: Tensor) -> Tensor:
        return cross_entropy(output.logits_BKHW, label_BHW)


def discriminator_loss(
    discriminator: Verdicts, image_BCHW: Tensor, sharp_BCHW: Tensor | None, valid_BCHW: Tensor | None = None
) -> Tensor:
    """The other side of a vanilla GAN: true images should get high verdicts, sharpened ones low; no other gradient.

    Where the true image is not valid both are 0 and the verdicts do not count.
    """
    sharp = _given(sharp_BCHW, "adversarial", "the true image at the output's size")
    # Both images get the same holes, or the discriminator would tell them apart by holes instead of by sharpness.
    true = discriminator(masked(sharp, valid_BCHW)).float()
    made = discriminator(masked(image_BCHW.detach(), valid_BCHW)).float()
    return _verdict_mean(F.softplus(-true), valid_BCHW) + _verdict_mean(F.softplus(made), valid_BCHW)


def sharpening_loss(output: SharpOutput, sharp_BCHW: Tensor, valid_BCHW: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the sharpened images at 1 m and 2.5 m from the true one (there its area mean)."""
    sharp, valid = sharp_BCHW.float(), _all_of(sharp_BCHW, valid_BCHW)
    image, image_4x = _given(output.image, "sharp", _SHARPENED), _given(output.image_4x, "sharp", _SHARPENED)
    size = image_4x.shape[2:]
    weight = area_mean(valid, *size)
    # A block without a valid pixel has weight 0 below; unclamped it would be 0 / 0, and NaN times 0 stays NaN.
    at_4x = area_mean(sharp * valid, *size) / weight.clamp(min=1e-6)
    fine = _valid_mean((image.float() - sharp).abs(), valid)
    return fine + _valid_mean((image_4x.float() - at_4x).abs(), weight)


def edge_loss(image_BCHW: Tensor, sharp_BCHW: Tensor, valid_BCHW: Tensor | None = None) -> Tensor:
    """Mean absolute difference of the steps to the next pixel, down and right, of an image and the true one."""
    error, valid = image_BCHW.float() - sharp_BCHW.float(), _all_of(sharp_BCHW, valid_BCHW)
    # A step counts only where both of its pixels are valid: one missing end would make an edge of the hole's rim.
    down = _valid_mean(error.diff(dim=2).abs(), valid[:, :, 1:] * valid[:, :, :-1])
    right = _valid_mean(error.diff(dim=3).abs(), valid[..., 1:] * valid[..., :-1])
    return down + right


def masked(image_BCHW: Tensor, valid_BCHW: Tensor | None) -> Tensor:
    """The image with 0 where it is not valid."""
    return image_BCHW if valid_BCHW is None else image_BCHW.masked_fill(~valid_BCHW, 0.0)


def _all_of(sharp_BCHW: Tensor, valid_BCHW: Tensor | None) -> Tensor:
    """Validity as 0 and 1; 1 everywhere where none is given."""
    return sharp_BCHW.new_ones(sharp_BCHW.shape).float() if valid_BCHW is None else valid_BCHW.float()


def _valid_mean(cost: Tensor, weight: Tensor) -> Tensor:
    return (cost * weight).sum() / weight.sum().clamp(min=1e-6)


def _verdict_mean(cost_B1HW: Tensor, valid_BCHW: Tensor | None) -> Tensor:
    return cost_B1HW.mean() if valid_BCHW is None else _valid_mean(cost_B1HW, valid_BCHW.all(dim=1, keepdim=True))


_SHARPENED = "a network that sharpens its image"


def _given(value: _Value | None, weight: str, needed: str) -> _Value:
    if value is None:
        raise ValueError(f"loss weight {weight} needs {needed}: give it or set the weight to 0")
    return value
