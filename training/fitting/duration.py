"""How long a training takes on processors, told before it starts: its operations over what this machine multiplies."""

from __future__ import annotations

import sys
import time

import torch

from isamap.training.fitting.plan import FitPlan
from isamap.training.gpu import gpu_of
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.cost import flop
from isamap.training.models.output import Network
from isamap.training.recipes import Recipe

BACKWARD = 3  # forward and backward take three times the operations of forward alone
SIDE, REPEATS = 512, 3  # of the product of matrices that is timed: a few milliseconds
CONVOLUTION_SHARE = 0.35  # of that speed, what convolutions with their normalisations and activations reach
# A quarter of an hour is waited for without being warned.
TOLD_FROM_H = 0.25


def say_hours(plan: FitPlan) -> None:
    """Prints on the standard error about how long a training without a GPU takes, where that is long."""
    if isinstance(plan.network, PixelClassifier) or (plan.recipe.device != "cpu" and gpu_of()):
        return
    size_px = plan.source.datasets[0].manifest.size
    hours = training_hours(plan.network, plan.recipe, plan.steps_per_epoch * plan.recipe.batch, size_px)
    if hours < TOLD_FROM_H:
        return
    words = f"{hours:,.0f} hours" if hours >= 2 else f"{hours * 60:.0f} minutes"
    print(
        f"note: no GPU is used: {plan.recipe.epochs} epochs of {plan.recipe.name} take about {words} here; a -tiny "
        "recipe (`isamap models`) or fewer epochs take less, and a stopped run continues",
        file=sys.stderr,
        flush=True,
    )


def training_hours(network: Network, recipe: Recipe, samples: int, size_px: int) -> float:
    """About how many hours all epochs of so many samples take on this machine's processors, if none is saved."""
    operations = BACKWARD * flop(network, recipe.crop or size_px, dates=recipe.frames)
    return recipe.epochs * samples * operations / (CONVOLUTION_SHARE * operations_per_s()) / 3600


def operations_per_s() -> float:
    """Multiplications and additions a second of a product of matrices by all threads that torch may use."""
    left, right, seconds = torch.ones(SIDE, SIDE), torch.ones(SIDE, SIDE), []
    for _ in range(REPEATS):
        begun_s = time.perf_counter()
        left @ right
        # The least of three counts: the others only show what else the machine did.
        seconds.append(time.perf_counter() - begun_s)
    return 2 * SIDE**3 / max(min(seconds), 1e-6)
