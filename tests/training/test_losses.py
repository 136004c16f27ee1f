"""Losses against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from isamap.gee_export.base.scheme import UNKNOWN
from isamap.training.losses import (
    LOSSES,
    CroFuseLoss,
    CrossEntropy,
    WeightedCrossEntropy,
    build_loss,
    cross_entropy,
    dice_loss,
)
from isamap.training.models.output import Output


def logits(margin: float, shape=(1, 2, 4, 4)) -> torch.Tensor:
    """Impervious ahead of pervious by `margin` everywhere."""
    values = torch.zeros(shape)
    values[:, 1] = margin
    return values


@given(st.floats(-20, 20))
@settings(max_examples=30, deadline=None)
def test_cross_entropy_of_two_classes_is_the_logistic_loss(margin):
    """CroFuseNet eq. 12: -log p with p = 1 / (1 + exp(-margin)) for impervious pixels."""
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    expected = math.log1p(math.exp(-abs(margin))) + max(-margin, 0)
    assert cross_entropy(logits(margin), label).item() == pytest.approx(expected, abs=1e-5)


def test_unknown_pixels_cost_nothing():
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    full = cross_entropy(logits(1.0), label)
    label[0, :2] = UNKNOWN
    assert cross_entropy(logits(1.0), label).item() == pytest.approx(full.item())


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.8), (0.0, 0.0), (1.0, 1.0)])
def test_crofuse_weights_its_three_branches(alpha, beta):
    """CroFuseNet eq. 11 and section V-A's cases."""
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    output = Output(logits(0.0), (logits(2.0), logits(-2.0)))
    costs = [math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(2))]
    expected = costs[0] + alpha * costs[1] + beta * costs[2]
    assert CroFuseLoss(alpha, beta)(output, label).item() == pytest.approx(expected, rel=1e-6)


def test_crofuse_refuses_a_network_of_one_branch():
    with pytest.raises(ValueError, match="needs an optical and a SAR branch, the network has 0"):
        CroFuseLoss()(Output(logits(0.0)), torch.zeros((1, 4, 4)))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls_as_the_right_class_gains(name):
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    loss = build_loss(name)
    costs = [loss(Output(logits(m), (logits(m), logits(m))), label).item() for m in (-2.0, 0.0, 2.0)]
    assert costs[0] > costs[1] > costs[2] > 0


def scene() -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of three classes and a label, some of it unknown."""
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 3, (2, 5, 6), generator=generator)
    label[0, :2] = UNKNOWN
    return torch.randn(2, 3, 5, 6, generator=generator), label


@pytest.mark.parametrize("weights", [None, (1.0, 2.0, 0.5)])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_smoothed_labels_cost_what_torch_says(weights, smoothing):
    """torch.nn.functional.cross_entropy's mean over known pixels, by class weights where there are any."""
    values, label = scene()
    arguments = None if weights is None else torch.tensor(weights)
    expected = F.cross_entropy(values, label, weight=arguments, ignore_index=UNKNOWN, label_smoothing=smoothing)
    loss = CrossEntropy(smoothing) if weights is None else WeightedCrossEntropy(weights, smoothing)
    torch.testing.assert_close(loss(Output(values), label.to(torch.uint8)), expected)


def test_dice_is_added_by_its_weight():
    values, label = scene()
    label = label.to(torch.uint8)
    extra = 0.5 * dice_loss(values, label)
    torch.testing.assert_close(CrossEntropy(dice=0.5)(Output(values), label), cross_entropy(values, label) + extra)
    output = Output(values, (values, -values))
    torch.testing.assert_close(CroFuseLoss(dice=0.5)(output, label), CroFuseLoss()(output, label) + extra)


def test_crofuse_smooths_all_three_branches():
    values, label = scene()
    branches = [values, 2 * values, -values]
    expected = sum(w * cross_entropy(v, label, 0.1) for w, v in zip((1, 1, 0.8), branches, strict=True))
    torch.testing.assert_close(CroFuseLoss(smoothing=0.1)(Output(values, tuple(branches[1:])), label), expected)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("dice", {}, "loss 'dice' is not known"),
        ("crofuse", {"gamma": 1.0}, "has no weight gamma: it knows alpha, beta"),
        ("crofuse", {"alpha": -1.0}, "expected 0 or more"),
        ("cross_entropy", {"smoothing": 1.0}, "smoothing 1.0: expected 0 to below 1"),
        ("weighted_cross_entropy", {"smoothing": -0.1}, "smoothing -0.1: expected 0 to below 1"),
        ("cross_entropy", {"dice": -1.0}, "dice -1.0: expected 0 or more"),
        ("cascade", {"discriminator": 0}, "a discriminator of 1 or more channels"),
    ],
)
def test_wrong_losses_are_refused(name, values, words):
    with pytest.raises(ValueError, match=words):
        build_loss(name, values)


def test_class_weights_of_another_number_of_classes_say_how_to_give_them():
    """`hrnet` on two classes: its seven weights do not fit, and the sentence is all that the user has."""
    loss = WeightedCrossEntropy((1, 1, 1, 1, 3, 1, 1))
    with pytest.raises(ValueError, match=r"--set loss.weights=1,1$"):
        loss(Output(torch.zeros(1, 2, 2, 2)), torch.zeros(1, 2, 2, dtype=torch.uint8))
