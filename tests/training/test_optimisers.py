"""Optimisers: their steps by hand, their schedule in closed form."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from isamap.training.recipes import Recipe
from isamap.training.recipes.optimisers import OPTIMISERS, optimiser, schedule

START, GRADIENTS = 2.0, (0.5, -0.25, 1.0)


def stepped(**settings) -> list[float]:
    """A weight after each step of a fixed series of gradients."""
    recipe = Recipe("r", "unet", lr=0.1, **settings)
    weight = nn.Parameter(torch.tensor(START, dtype=torch.float64))
    selection, actual = optimiser(recipe, [weight]), []
    for gradient in GRADIENTS:
        weight.grad = torch.tensor(gradient, dtype=torch.float64)
        selection.step()
        actual.append(weight.item())
    return actual


def test_sgd_with_momentum_and_weight_decay():
    """v = 0.9 v + g + 5e-4 w; w = w - lr v (docs/reference/networks.md, "HRNet: training")."""
    weight, speed, expected = START, 0.0, []
    for gradient in GRADIENTS:
        speed = 0.9 * speed + gradient + 5e-4 * weight
        weight -= 0.1 * speed
        expected.append(weight)
    assert stepped(optimiser="sgd", momentum=0.9, weight_decay=5e-4) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_adam_with_its_two_averages(name):
    """Kingma and Ba, 2015, algorithm 1; weight decay in the gradient (Adam) or beside it (AdamW)."""
    weight, mean, square, expected = START, 0.0, 0.0, []
    for step, gradient in enumerate(GRADIENTS, 1):
        if name == "adamw":
            weight -= 0.1 * 0.01 * weight
        else:
            gradient += 0.01 * weight
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        weight -= 0.1 * (mean / (1 - 0.9**step)) / ((square / (1 - 0.99**step)) ** 0.5 + 1e-8)
        expected.append(weight)
    actual = stepped(optimiser=name, momentum=0.9, beta2=0.99, weight_decay=0.01)
    assert actual == pytest.approx(expected)


@pytest.mark.parametrize("name", OPTIMISERS)
def test_the_rate_falls_to_nothing_and_stays_there(name):
    recipe = Recipe("r", "unet", lr=0.1, power=0.9, optimiser=name)
    selection = optimiser(recipe, [nn.Parameter(torch.zeros(1))])
    falling, rates = schedule(recipe, selection, 10), []
    for _ in range(12):
        rates.append(selection.param_groups[0]["lr"])
        selection.step()
        falling.step()
    assert rates == pytest.approx([0.1 * (1 - min(step, 10) / 10) ** 0.9 for step in range(12)])
