"""Optimisers by name, with a recipe's numbers, and the schedule of their learning rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Weights = Iterable[nn.Parameter]


class Settings(Protocol):
    """What of a recipe (training/recipes) concerns its optimiser; recipes choose among OPTIMISERS themselves."""

    @property
    def optimiser(self) -> str: ...

    @property
    def lr(self) -> float: ...

    @property
    def power(self) -> float: ...

    @property
    def momentum(self) -> float: ...

    @property
    def beta2(self) -> float: ...

    @property
    def weight_decay(self) -> float: ...


def optimiser(recipe: Settings, weights: Weights) -> Optimizer:
    """The recipe's optimiser of these weights."""
    return OPTIMISERS[recipe.optimiser](weights, recipe)


def poly(recipe: Settings, of: Optimizer, steps: int) -> LambdaLR:
    """The rate falls as (1 - step / steps) ** power at every step (CroFuseNet section IV-A)."""
    return LambdaLR(of, lambda step: (1 - min(step, steps) / steps) ** recipe.power)


def _adam(weights: Weights, recipe: Settings) -> Optimizer:
    return torch.optim.Adam(weights, recipe.lr, (recipe.momentum, recipe.beta2), weight_decay=recipe.weight_decay)


def _adamw(weights: Weights, recipe: Settings) -> Optimizer:
    """Weight decay apart from the gradient's averages (Loshchilov and Hutter, 2019)."""
    return torch.optim.AdamW(weights, recipe.lr, (recipe.momentum, recipe.beta2), weight_decay=recipe.weight_decay)


def _sgd(weights: Weights, recipe: Settings) -> Optimizer:
    return torch.optim.SGD(weights, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


OPTIMISERS: dict[str, Callable[[Weights, Settings], Optimizer]] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}
