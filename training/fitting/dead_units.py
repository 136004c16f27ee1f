"""Hidden units of channel attention that answer nothing before the first step, counted on training patches and told."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from isamap.training.fitting.plan import FitPlan
from isamap.training.models.layers import SqueezeExcitation
from isamap.training.models.output import Network

PATCHES, SIDE = 8, 128  # of the count: one forward pass that takes seconds in the largest network


@dataclass(frozen=True)
class DeadUnits:
    """units: ReLU units that every image leaves at 0, of all_units; blocks: those of dead units alone, of all_blocks.

    A dead unit gets no gradient, and a block of dead units weights its channels alike in every image.
    """

    units: int
    all_units: int
    blocks: int
    all_blocks: int

    def __str__(self) -> str:
        return (
            f"channel attention starts with {self.units} of {self.all_units} hidden units that give 0 on all patches "
            f"looked at; {self.blocks} of {self.all_blocks} blocks have none that answers"
        )


def say_dead_units(plan: FitPlan) -> None:
    """Prints on the standard error how many units start dead; nothing where none does or there is no attention."""
    if not _blocks(plan.network):
        return
    dead = dead_units(plan.network, _first_images(plan))
    if dead.units:
        remedy = "; a larger model.least_hidden or another seed gives others" if dead.blocks else ""
        print(f"note: {dead}{remedy}", file=sys.stderr, flush=True)


def dead_units(network: Network, x_BCHW: Tensor) -> DeadUnits:
    """The count for standardised images, as training's first forward pass has it; network and random state stay."""
    # A copy in training mode: a forward pass moves the running statistics of the real one.
    sketch, hidden = copy.deepcopy(network).train(), []
    for block in _blocks(sketch):
        block.squeeze.register_forward_hook(lambda _, __, squeezed: hidden.append((squeezed <= 0).all(dim=0)))
    # Dropout would draw from the run's own numbers and change the training that is looked at.
    with torch.no_grad(), torch.random.fork_rng():
        sketch(x_BCHW)
    return DeadUnits(
        units=int(sum(dead.sum() for dead in hidden)),
        all_units=sum(len(dead) for dead in hidden),
        blocks=sum(bool(dead.all()) for dead in hidden),
        all_blocks=len(hidden),
    )


def _blocks(network: nn.Module) -> list[SqueezeExcitation]:
    return [module for module in network.modules() if isinstance(module, SqueezeExcitation)]


def _first_images(plan: FitPlan) -> Tensor:
    """Standardised corners of the first training patches, as large as its crops but at most SIDE."""
    multiple = plan.network.multiple
    patches = plan.train.__getitems__(range(min(PATCHES, len(plan.train))))
    image_BCHW = plan.source.prepare(patches).image_BCHW
    side = max(multiple, min(plan.recipe.crop or SIDE, SIDE) // multiple * multiple)
    return image_BCHW[..., :side, :side]
