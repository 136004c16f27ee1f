"""Losses of sharpened images where the true one has holes, their edges, and the cascade's."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from isamap.training.losses import (
    CascadeLoss,
    JointSegLoss,
    cross_entropy,
    dice_loss,
    discriminator_loss,
    edge_loss,
    sharpening_loss,
)
from isamap.training.models.output import Output
from isamap.training.models.sharpened import SharpOutput
from tests.support.one_thread import one_thread  # noqa: F401

HEIGHT, WIDTH = 4, 6


def random(channels: int, factor: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 * seed + factor)
    return torch.randn(2, channels, HEIGHT * factor, WIDTH * factor, generator=generator)


def made(**changes: torch.Tensor) -> SharpOutput:
    """Outputs of a scene of 4 x 6 pixels of 10 m."""
    images = {"image": random(3, 10), "image_4x": random(3, 4), "image_1x": random(3, 1)} | changes
    return SharpOutput(random(2, 10, 5), (random(2, 4, 5), random(2, 1, 5)), **images)


LABEL = (random(1, 10, 7)[:, 0] > 0).to(torch.uint8)
SHARP = random(3, 10, 1)
# whole 20 x 20 m blocks are missing, so that pixels of 2.5 m are missing as a whole too
HOLES = torch.ones(SHARP.shape, dtype=torch.bool)
HOLES[0, :, :20, :20] = False
HOLES[1, 1, -20:, 20:40] = False


@pytest.mark.parametrize("loss", [JointSegLoss(sharp=1.0, edges=1.0), CascadeLoss(sharp=1.0, edges=1.0)])
def test_what_lies_in_the_holes_of_the_true_image_changes_nothing(loss):
    costs = [
        loss(made(), LABEL, sharp_BCHW=torch.where(HOLES, SHARP, fill), valid_BCHW=HOLES) for fill in (0.0, 1000.0)
    ]
    assert costs[0].item() == costs[1].item()


def test_only_valid_pixels_count_in_the_mean():
    """Against numpy's masked mean at both sizes; holes are whole pixels of 2.5 m here."""
    output = made()
    fine = (output.image - SHARP).abs()[HOLES].mean()
    holes_4x = F.interpolate(HOLES.float(), (4 * HEIGHT, 4 * WIDTH), mode="nearest") > 0
    at_4x = F.interpolate(SHARP, scale_factor=2, mode="nearest")  # 0.5 m: five of them are 2.5 m
    coarse = (output.image_4x - F.avg_pool2d(at_4x, 5)).abs()[holes_4x].mean()
    torch.testing.assert_close(sharpening_loss(output, SHARP, HOLES), fine + coarse)


def test_a_coarser_pixel_is_the_mean_of_what_is_valid_in_it():
    """A constant with scattered holes is that constant at 2.5 m."""
    scattered = random(3, 10, 2) > 0
    true = torch.where(scattered, 3.0, 0.0)
    output = made(image=true, image_4x=torch.full_like(random(3, 4), 3.0))
    assert sharpening_loss(output, true, scattered).item() == pytest.approx(0, abs=1e-5)


def test_a_true_image_that_is_all_missing_costs_nothing_and_its_gradient_is_finite():
    output = made(image=random(3, 10).requires_grad_())
    cost = JointSegLoss(sharp=1.0, edges=1.0, middle=0, coarse=0)(
        output, torch.full_like(LABEL, 255), sharp_BCHW=SHARP, valid_BCHW=torch.zeros_like(HOLES)
    )
    cost.backward()
    assert cost.item() == 0 and torch.isfinite(output.image.grad).all()


def test_edges_are_steps_between_neighbours():
    """A shifted level costs nothing; one step of 2 between columns costs 2 at every 1 of 59 steps to the right."""
    assert edge_loss(SHARP + 5, SHARP).item() == pytest.approx(0, abs=1e-5)
    step = SHARP.clone()
    step[..., 30:] += 2
    assert edge_loss(step, SHARP).item() == pytest.approx(2 / 59, rel=1e-4)


def test_the_cascade_adds_its_parts():
    """docs/reference/networks.md, "Prog-ESRGAN": cross entropy at 1 m, absolute difference of both stages' images,
    vanilla GAN.
    """
    output = made()
    plain = CascadeLoss()(output, LABEL)
    torch.testing.assert_close(plain, cross_entropy(output.logits_BKHW, LABEL))
    full = CascadeLoss(sharp=1.0, edges=0.5, adversarial=0.1, dice=0.7)(
        output, LABEL, sharp_BCHW=SHARP, discriminator=lambda image: image.mean(dim=1, keepdim=True)
    )
    verdict = output.image.mean(dim=1)
    expected = plain + sharpening_loss(output, SHARP) + 0.5 * edge_loss(output.image, SHARP)
    expected = expected + 0.1 * F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))
    torch.testing.assert_close(full, expected + 0.7 * dice_loss(output.logits_BKHW, LABEL))


def test_a_network_that_does_not_sharpen_is_refused():
    with pytest.raises(ValueError, match="loss weight sharp is of networks that sharpen the image: set it to 0"):
        CascadeLoss(sharp=1.0)(Output(random(2, 10)), LABEL, sharp_BCHW=SHARP)


def test_the_discriminator_sees_neither_image_where_the_true_one_is_missing():
    seen = []

    def discriminator(image: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image[:, :1]

    JointSegLoss(adversarial=1.0)(made(), LABEL, valid_BCHW=HOLES, discriminator=discriminator)
    discriminator_loss(discriminator, made().image, SHARP, HOLES)
    assert len(seen) == 3 and all((image[~HOLES] == 0).all() and (image[HOLES] != 0).all() for image in seen)


def test_verdicts_of_missing_pixels_do_not_count():
    """A discriminator that is right everywhere but in the holes pays as one that is right everywhere."""
    is_known = HOLES.all(dim=1, keepdim=True)
    verdict = torch.where(is_known, 3.0, -50.0)
    actual = discriminator_loss(lambda image: verdict if image is not None else image, SHARP, SHARP, HOLES)
    expected = F.softplus(torch.tensor(-3.0)) + F.softplus(torch.tensor(3.0))
    torch.testing.assert_close(actual, expected)
