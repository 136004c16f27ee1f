"""Optimisers by name, with a recipe's numbers, the rates of a network's layers, and the schedule of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

Weights = Iterable[nn.Parameter] | Iterable[dict[str, Any]]


class OptimiserSettings(Protocol):
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

    @property
    def schedule(self) -> str: ...

    @property
    def warmup(self) -> float: ...


def optimiser(recipe: OptimiserSettings, weights: Weights) -> Optimizer:
    """The recipe's optimiser of these weights."""
    return OPTIMISERS[recipe.optimiser](weights, recipe)


def layer_groups(network: nn.Module, rates: Sequence[str], lr: float) -> Weights:
    """A network's weights for `optimiser`, in groups where layers have a rate of their own ("encoder:0.1").

    Of several layers that a weight is in, the innermost one's factor counts. ValueError: a layer that is not there.
    """
    if not rates:
        return network.parameters()
    factors = dict(rate_of(word) for word in rates)
    check_layers(network, tuple(factors))
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        inside = [layer for layer in factors if is_in(name, layer)]
        groups.setdefault(factors[max(inside, key=len)] if inside else 1.0, []).append(parameter)
    return [{"params": parameters, "lr": factor * lr} for factor, parameters in groups.items()]


def rate_of(word: str) -> tuple[str, float]:
    """Layer and factor of "layer:factor"; ValueError for another word."""
    layer, colon, factor_word = word.rpartition(":")
    try:
        factor = float(factor_word)
    except ValueError:
        factor = -1.0
    if not (layer and colon and 0 <= factor < math.inf):
        raise ValueError(f"rates={word}: expected LAYER:FACTOR with a factor of 0 or more, such as encoder:0.1")
    return layer, factor


def is_in(name: str, layer: str) -> bool:
    """Whether a parameter's or a module's name is that of a layer, or lies in it."""
    return name == layer or name.startswith(f"{layer}.")


def check_layers(network: nn.Module, layers: Sequence[str]) -> None:
    """ValueError for a layer without weights in the network."""
    names = [name for name, _ in network.named_parameters()]
    for layer in layers:
        if not any(is_in(name, layer) for name in names):
            first = dict.fromkeys(name.partition(".")[0] for name in names)
            raise ValueError(f"the network has no layer {layer}: its layers are {', '.join(first)}")


def schedule(recipe: OptimiserSettings, of: Optimizer, steps: int, *, epoch: int = 1) -> LambdaLR:
    """The rate at every one of so many steps: the recipe's schedule, times step / steps of the warm-up.

    epoch: steps of one. Of groups with rates of their own, each falls in proportion.
    """
    falls, rising = SCHEDULES[recipe.schedule], round(recipe.warmup * epoch)

    def factor(step: int) -> float:
        # Past the end a power of a negative share would be complex; step + 1, as a first rate of 0 would waste a step.
        return falls(min(step, steps) / steps, recipe) * min(1.0, (step + 1) / max(1, rising))

    return LambdaLR(of, factor)


def _poly(share: float, recipe: OptimiserSettings) -> float:
    """CroFuseNet section IV-A."""
    return float((1 - share) ** recipe.power)


def _cosine(share: float, _: OptimiserSettings) -> float:
    """Half a wave, without restarts (Loshchilov and Hutter, 2017)."""
    return (1 + math.cos(math.pi * share)) / 2


def _adam(weights: Weights, recipe: OptimiserSettings) -> Optimizer:
    return torch.optim.Adam(weights, recipe.lr, (recipe.momentum, recipe.beta2), weight_decay=recipe.weight_decay)


def _adamw(weights: Weights, recipe: OptimiserSettings) -> Optimizer:
    """Weight decay apart from the gradient's averages (Loshchilov and Hutter, 2019)."""
    return torch.optim.AdamW(weights, recipe.lr, (recipe.momentum, recipe.beta2), weight_decay=recipe.weight_decay)


def _sgd(weights: Weights, recipe: OptimiserSettings) -> Optimizer:
    return torch.optim.SGD(weights, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)


OPTIMISERS: dict[str, Callable[[Weights, OptimiserSettings], Optimizer]] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}
SCHEDULES: Mapping[str, Callable[[float, OptimiserSettings], float]] = {"poly": _poly, "cosine": _cosine}
