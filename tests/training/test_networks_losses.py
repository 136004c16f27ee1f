"""Losses of RU-Net++, LandCover3m and JointSeg, soft and noisy labels: closed forms, torch's own where there is one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.losses import (
    CrossEntropy,
    DiceFocal,
    JointSegLoss,
    ShareError,
    SoftCrossEntropy,
    SymmetricCrossEntropy,
    WeightedCrossEntropy,
    area_mean,
    class_shares,
    cross_entropy,
    dice_loss,
    discriminator_loss,
    focal_loss,
    sharpening_loss,
)
from isamap.training.models.output import Output
from isamap.training.models.sharpened import SharpOutput
from tests.support.one_thread import one_thread  # noqa: F401


def scene(classes: int = 2, size: int = 8, *, unknown: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(2, classes, size, size, generator=generator)
    label = torch.randint(0, classes, (2, size, size), generator=generator).to(torch.uint8)
    if unknown:
        label[:, :2] = UNKNOWN
    return logits, label


def sure(label: torch.Tensor, margin: float = 60.0) -> torch.Tensor:
    """Logits that are certain of each pixel's label."""
    return margin * F.one_hot(label.long().clamp(max=1), 2).movedim(-1, 1).float()


def test_class_weights_are_torchs():
    logits, label = scene(7)
    weights = (1.0, 1.0, 1.0, 1.0, 3.0, 1.0, 1.0)
    expected = F.cross_entropy(logits, label.long(), torch.tensor(weights), ignore_index=UNKNOWN)
    torch.testing.assert_close(WeightedCrossEntropy(weights)(Output(logits), label), expected)


def test_dice_is_equation_2():
    """RU-Net++ eq. 2 with squares, over known pixels of the batch."""
    logits, label = scene()
    p, g, known = logits.softmax(1)[:, 1].numpy(), (label == 1).numpy(), (label != UNKNOWN).numpy()
    p, g = p[known].astype(float), g[known].astype(float)
    expected = 1 - (2 * (p * g).sum() + 1) / ((p**2).sum() + (g**2).sum() + 1)
    assert dice_loss(logits, label).item() == pytest.approx(expected, abs=1e-6)


def test_a_perfect_map_costs_nothing_and_an_empty_one_all_of_dice():
    """docs/reference/networks.md, "Losses and measures"."""
    _, label = scene(size=64, unknown=False)
    assert DiceFocal()(Output(sure(label)), label).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(sure(torch.zeros_like(label)), label, smooth=1e-6).item() == pytest.approx(1, abs=1e-6)


def test_focal_is_the_mean_of_equation_3():
    """RU-Net++ eq. 3, gamma 2, alpha 0.25 for impervious and 0.75 for the rest."""
    logits = torch.zeros(1, 2, 1, 2)
    logits[0, 1] = torch.tensor([1.0, -2.0])
    p1, p2 = 1 / (1 + math.exp(-1)), 1 / (1 + math.exp(-2))
    label = torch.tensor([[[1, 0]]])
    expected = (-0.25 * (1 - p1) ** 2 * math.log(p1) - 0.75 * (1 - p2) ** 2 * math.log(p2)) / 2
    assert focal_loss(logits, label, alpha=0.25).item() == pytest.approx(expected, rel=1e-5)


def test_dice_and_focal_are_weighed_as_in_equation_4():
    logits, label = scene()
    expected = 0.7 * dice_loss(logits, label) + 0.3 * focal_loss(logits, label)
    torch.testing.assert_close(DiceFocal()(Output(logits), label), expected)


def test_the_reverse_of_cross_entropy_is_bounded():
    """Wang et al. 2019, eq. 6: -A (1 - p) for a one-hot label, log 0 = A = -4."""
    logits = torch.tensor([[[[0.0]], [[-1000.0]]]])
    label = torch.ones(1, 1, 1, dtype=torch.uint8)
    assert SymmetricCrossEntropy(alpha=0.0)(Output(logits), label).item() == pytest.approx(4.0)
    logits, label = scene()
    torch.testing.assert_close(
        SymmetricCrossEntropy(alpha=2.0, beta=0.0)(Output(logits), label), 2 * cross_entropy(logits, label)
    )


def test_shares_of_0_and_1_are_labels():
    logits, label = scene()
    torch.testing.assert_close(SoftCrossEntropy()(Output(logits), label), cross_entropy(logits, label))


def test_the_share_is_where_the_soft_loss_is_least():
    margin = torch.linspace(-4, 4, 801)
    logits = torch.stack((torch.zeros_like(margin), margin)).reshape(1, 2, 1, -1)
    costs = [SoftCrossEntropy()(Output(logits[..., i : i + 1]), torch.full((1, 1, 1), 0.3)).item() for i in range(801)]
    assert torch.sigmoid(margin[costs.index(min(costs))]).item() == pytest.approx(0.3, abs=0.003)


@pytest.mark.parametrize("size", [4, 10])
def test_area_means_by_whole_factors_are_poolings(size):
    x = torch.randn(1, 2, 20, 20)
    torch.testing.assert_close(area_mean(x, size, size), F.avg_pool2d(x, 20 // size))


def test_area_means_between_grids_keep_the_mean_and_split_pixels():
    """1 m to 2.5 m: the third of five pixels lies half in each of two."""
    x = torch.arange(5.0).reshape(1, 1, 1, 5).expand(1, 1, 5, 5)
    got = area_mean(x, 2, 2)
    torch.testing.assert_close(got[0, 0, 0], torch.tensor([(0 + 1 + 0.5 * 2) / 2.5, (0.5 * 2 + 3 + 4) / 2.5]))


def test_class_shares_count_known_pixels_only():
    label = torch.zeros(1, 10, 10, dtype=torch.uint8)
    label[0, :5], label[0, 5:, :5] = 1, UNKNOWN
    shares, weight = class_shares(label, 2, 1, 1)
    torch.testing.assert_close(shares[0, :, 0, 0], torch.tensor([25 / 75, 50 / 75]))
    assert weight.item() == pytest.approx(0.75)


def joint(seed: int = 0) -> tuple[SharpOutput, torch.Tensor]:
    """Outputs of a 4 x 6 pixel scene at 10 m, and a label at 1 m."""
    generator = torch.Generator().manual_seed(seed)

    def random(channels: int, factor: int) -> torch.Tensor:
        return torch.randn(2, channels, 4 * factor, 6 * factor, generator=generator)

    images = {"image": random(3, 10), "image_4x": random(3, 4), "image_1x": random(3, 1)}
    label = (torch.rand(2, 40, 60, generator=generator) > 0.7).to(torch.uint8)
    return SharpOutput(random(2, 10), (random(2, 4), random(2, 1)), **images), label


def test_jointseg_adds_three_sizes_with_fractions_at_10_m():
    """docs/reference/networks.md, "JointSeg": CE at 1 m + 0.3 CE at 2.5 m + 0.3 BCE of the 10 x 10-pooled label."""
    output, label = joint()
    middle, coarse = output.side_logits
    share_4x = area_mean(label[:, None].float(), 16, 24)[:, 0]
    share_1x = F.avg_pool2d(label[:, None].float(), 10)[:, 0]
    expected = cross_entropy(output.logits_BKHW, label) + 0.3 * (
        F.binary_cross_entropy_with_logits(middle[:, 1] - middle[:, 0], share_4x)
        + F.binary_cross_entropy_with_logits(coarse[:, 1] - coarse[:, 0], share_1x)
    )
    torch.testing.assert_close(JointSegLoss()(output, label), expected)


def test_sharpening_is_off_unless_asked_for_and_needs_the_true_image():
    output, label = joint()
    sharp = torch.randn(2, 3, 40, 60)
    plain = JointSegLoss()(output, label)
    with_sharp = JointSegLoss(sharp=0.5)(output, label, sharp_BCHW=sharp)
    torch.testing.assert_close(with_sharp, plain + 0.5 * sharpening_loss(output, sharp))
    with pytest.raises(ValueError, match="weight sharp needs the true image at the output's size"):
        JointSegLoss(sharp=0.5)(output, label)


def test_low_frequencies_must_stay_the_inputs():
    output, label = joint()
    plain = JointSegLoss()(output, label)
    blocks = F.l1_loss(F.avg_pool2d(output.image, 10), output.image_1x)
    torch.testing.assert_close(JointSegLoss(low=2.0)(output, label), plain + 2 * blocks)


def test_both_sides_of_the_adversarial_game():
    """Vanilla GAN: -log D for the generator, -log D(true) - log(1 - D(made)) for the discriminator, D = sigmoid."""
    output, label = joint()
    plain = JointSegLoss()(output, label)

    def discriminator(image: torch.Tensor) -> torch.Tensor:
        return image.mean(dim=1, keepdim=True)

    verdict = output.image.mean(dim=1)
    generator = F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
    torch.testing.assert_close(
        JointSegLoss(adversarial=0.1)(output, label, discriminator=discriminator), plain + 0.1 * generator
    )
    sharp = torch.randn(2, 3, 40, 60)
    true = sharp.mean(dim=1)
    expected = F.binary_cross_entropy_with_logits(true, torch.ones_like(true))
    expected = expected + F.binary_cross_entropy_with_logits(verdict, torch.zeros_like(verdict))
    torch.testing.assert_close(discriminator_loss(discriminator, output.image, sharp), expected)


def test_the_error_of_shares_is_the_mean_square_and_absolute_error_of_known_pixels():
    logits, share = scene()[0], torch.rand(scene()[1].shape)
    share[:, 0] = UNKNOWN
    p, known = logits.double().softmax(dim=1)[:, 1].numpy(), share.numpy() != UNKNOWN
    error = np.abs(p - share.double().numpy())[known]
    cost = ShareError(absolute=0.5)(Output(logits), share).item()
    assert cost == pytest.approx((error**2).mean() + 0.5 * error.mean(), rel=1e-5)


def test_the_discriminators_loss_does_not_teach_the_generator():
    made = torch.zeros(1, 3, 8, 8, requires_grad=True)
    weight = torch.ones(1, requires_grad=True)
    discriminator_loss(lambda image: weight * image, made, torch.ones(1, 3, 8, 8)).backward()
    assert made.grad is None and weight.grad is not None


LOSSES = {
    "plain": CrossEntropy(),
    "weighted": WeightedCrossEntropy(),
    "dice_focal": DiceFocal(),
    "symmetric": SymmetricCrossEntropy(),
    "soft": SoftCrossEntropy(),
    "share_error": ShareError(absolute=0.5),
}


@pytest.mark.parametrize("name", LOSSES)
def test_unknown_pixels_have_no_gradient(name):
    logits, label = scene()
    logits.requires_grad_()
    LOSSES[name](Output(logits), label).backward()
    assert logits.grad[:, :, :2].abs().sum() == 0
    assert (logits.grad[:, :, 2:] != 0).all() and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", LOSSES)
def test_a_batch_without_known_pixels_has_a_finite_gradient_of_zero(name):
    logits, label = scene()
    logits.requires_grad_()
    LOSSES[name](Output(logits), torch.full_like(label, UNKNOWN)).backward()
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_jointseg_of_one_step_has_no_middle():
    """Logits of two sizes: cross entropy at the finer one and the weighted shares of the coarser one."""
    output, label = joint()
    fine, (_, coarse) = output.logits_BKHW, output.side_logits
    made = JointSegLoss(middle=7.0, coarse=0.5)(Output(fine, (coarse,)), label)
    both = JointSegLoss(middle=0.0, coarse=0.5)(output, label)
    torch.testing.assert_close(made, both)


def test_jointseg_without_known_pixels_costs_nothing():
    output, label = joint()
    assert JointSegLoss()(output, torch.full_like(label, UNKNOWN)).item() == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: WeightedCrossEntropy((1.0,)), "expected two or more above 0"),
        (lambda: WeightedCrossEntropy()(Output(scene(3)[0]), scene(3)[1]), "2 class weights for 3 classes"),
        (lambda: DiceFocal(alpha=1.5), "expected a number between 0 and 1"),
        (lambda: SymmetricCrossEntropy(floor=0.0), "a floor below 0"),
        (lambda: SoftCrossEntropy()(Output(scene(3)[0]), scene(3)[1]), "teaches networks of two"),
        (lambda: ShareError(absolute=-1.0), "loss weights absolute -1.0: expected 0 or more"),
        (lambda: JointSegLoss(low=-1.0), "expected weights of 0 or more"),
        (lambda: JointSegLoss()(Output(scene()[0]), scene()[1]), "logits at three sizes or two, the network has 1"),
        (lambda: JointSegLoss(adversarial=1.0)(*joint()), "adversarial needs a discriminator"),
    ],
)
def test_wrong_losses_are_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_focal_without_focus_is_cross_entropy():
    logits, label = scene(3)
    torch.testing.assert_close(focal_loss(logits, label, gamma=0.0), cross_entropy(logits, label))
