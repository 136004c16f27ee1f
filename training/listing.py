"""The table that `isamap models` prints."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from training.models import MODELS, build, parameter_count
from training.recipes import RECIPES

BANDS = ("B2", "B3", "B4", "B8", "VV", "VH")
PATCH_PX = 128
_PIXELS_PER_KM2 = 10_000


def table() -> str:
    """One row a recipe: network, parameters, GFLOP of a 128-px patch and of a km2, reach, where it comes from.

    FLOP = 2 x multiply-add, convolutions and matrix products only, for the paper's six bands at 10 m, no overlap.
    """
    head = (
        f"{'recipe':<16} {'network':<11} {'parameters':>11} {'GFLOP/patch':>12} {'GFLOP/km2':>10} {'reach':>8}  source"
    )
    return "\n".join([head, *(_row(name) for name in RECIPES)])


def _row(name: str) -> str:
    chosen = RECIPES[name]()
    network = build(chosen.model, BANDS, chosen.config).eval()
    flop = flop_of_patch(network)
    reach = "window" if network.halo is None else f"{network.halo} px"
    per_km2 = flop / PATCH_PX**2 * _PIXELS_PER_KM2
    return (
        f"{name:<16} {chosen.model:<11} {parameter_count(network):>11,} {flop / 1e9:>12.3f} {per_km2 / 1e9:>10.2f} "
        f"{reach:>8}  {MODELS[chosen.model].paper}"
    )


def flop_of_patch(network: torch.nn.Module) -> int:
    """Floating-point operations of one forward pass of a 128-px patch."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, len(network.bands), PATCH_PX, PATCH_PX))
    return counter.get_total_flops()
