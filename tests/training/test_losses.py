"""Losses against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.losses import LOSSES, UNKNOWN, CroFuseLoss, CrossEntropy, build_loss, cross_entropy
from training.models.output import Output


def logits(margin: float, shape=(1, 2, 4, 4)) -> torch.Tensor:
    """Impervious ahead of pervious by `margin` everywhere."""
    values = torch.zeros(shape)
    values[:, 1] = margin
    return values


@given(st.floats(-20, 20))
@settings(max_examples=30, deadline=None)
def test_cross_entropy_of_two_classes_is_the_logistic_loss(margin):
    """S002 eq. 12: -log p with p = 1 / (1 + exp(-margin)) for impervious pixels."""
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    expected = math.log1p(math.exp(-abs(margin))) + max(-margin, 0)
    assert cross_entropy(logits(margin), label).item() == pytest.approx(expected, abs=1e-5)


def test_unknown_pixels_cost_nothing():
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    whole = cross_entropy(logits(1.0), label)
    label[0, :2] = UNKNOWN
    assert cross_entropy(logits(1.0), label).item() == pytest.approx(whole.item())


def test_unknown_pixels_have_no_gradient():
    values = logits(0.5).requires_grad_()
    label = torch.zeros((1, 4, 4), dtype=torch.uint8)
    label[0, 0, 0] = UNKNOWN
    cross_entropy(values, label).backward()
    assert values.grad[0, :, 0, 0].abs().sum() == 0
    assert (values.grad[0, :, 1, 1] != 0).all()


def test_a_batch_without_known_pixels_costs_zero_and_its_gradient_is_finite():
    values = logits(0.5).requires_grad_()
    loss = cross_entropy(values, torch.full((1, 4, 4), UNKNOWN, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(values.grad).all()


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.8), (0.0, 0.0), (1.0, 1.0)])
def test_crofuse_weights_its_three_branches(alpha, beta):
    """S002 eq. 11 and section V-A's cases."""
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    output = Output(logits(0.0), (logits(2.0), logits(-2.0)))
    costs = [math.log(2), math.log1p(math.exp(-2)), math.log1p(math.exp(2))]
    expected = costs[0] + alpha * costs[1] + beta * costs[2]
    assert CroFuseLoss(alpha, beta)(output, label).item() == pytest.approx(expected, rel=1e-6)


def test_the_default_weights_are_the_papers():
    assert CroFuseLoss() == CroFuseLoss(1.0, 0.8)


def test_crofuse_refuses_a_network_of_one_branch():
    with pytest.raises(ValueError, match="needs an optical and a SAR branch, the network has 0"):
        CroFuseLoss()(Output(logits(0.0)), torch.zeros((1, 4, 4)))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls_as_the_right_class_gains(name):
    label = torch.ones((1, 4, 4), dtype=torch.uint8)
    loss = build_loss(name)
    costs = [loss(Output(logits(m), (logits(m), logits(m))), label).item() for m in (-2.0, 0.0, 2.0)]
    assert costs[0] > costs[1] > costs[2] > 0


def test_losses_are_built_by_name():
    assert build_loss("cross_entropy") == CrossEntropy()
    assert build_loss("crofuse", {"beta": 0.5}) == CroFuseLoss(1.0, 0.5)


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("dice", {}, "loss 'dice' is not known"),
        ("crofuse", {"gamma": 1.0}, "has no weight gamma: it knows alpha, beta"),
        ("crofuse", {"alpha": -1.0}, "expected 0 or more"),
    ],
)
def test_wrong_losses_are_refused(name, values, words):
    with pytest.raises(ValueError, match=words):
        build_loss(name, values)
