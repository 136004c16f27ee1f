"""Writes the table of rates by which the service says what training takes: optimiser steps of each recipe's network.

    python benchmarks/training_rates.py [--steps 2] [--recipes NAME ...] [--out inference/serve/training_rates.toml]

Forward, backward and Adam's step on two random patches of 128 pixels and 12 bands, in processor time of one thread
times the processors, so that a busy machine gives the same rates. Reading, augmenting and validating are not in it:
inference/serve/training_time.py says what they came to. Recipes without such steps (indices, trees) are left
out. Recipes that the table has already are not measured again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from isamap.gee_export.base.platform.machine import processor_name
from isamap.training.models import build, model_named
from isamap.training.models.classical import PixelClassifier
from isamap.training.recipes import RECIPES, Recipe

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12", "VV", "VH")
SIDE_PX, PATCHES = 128, 2
HEAD = "# Measured rates of training (benchmarks/training_rates.py): pixels of patches a second, by recipe.\n"


def rate(recipe: Recipe, steps: int) -> float:
    """Pixels a second that this machine's processors train."""
    torch.manual_seed(0)
    bands = BANDS if not recipe.bands or not recipe.bands[0].startswith("A") else tuple(f"A{n:02}" for n in range(64))
    network = build(recipe.model, bands, recipe.config).train()
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    patches = torch.randn(PATCHES, len(bands), SIDE_PX, SIDE_PX)
    seconds = 0.0
    for step in range(steps + 1):
        begun = time.process_time()
        optimiser.zero_grad()
        network(patches).logits_BKHW.float().square().mean().backward()
        optimiser.step()
        seconds += time.process_time() - begun if step else 0.0  # the first takes memory and chooses kernels
    return steps * PATCHES * SIDE_PX**2 / seconds * (os.cpu_count() or 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES))
    parser.add_argument("--out", type=Path, default=Path("inference/serve/training_rates.toml"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rates = tomllib.loads(options.out.read_text())["px_per_s"] if options.out.exists() else {}
    for name in options.recipes:
        recipe = RECIPES[name]()
        if name not in rates and not issubclass(model_named(recipe.model).network, PixelClassifier):
            rates[name] = float(f"{rate(recipe, options.steps):.3g}")
            print(f"{name} = {rates[name]:.0f}", flush=True)
            write(rates, options.out)


def write(rates: dict[str, float], path: Path) -> None:
    """The table, in the recipes' order."""
    machine = f'device = "{os.cpu_count()} cores of {processor_name()}"\ndate = "{datetime.now(UTC):%Y-%m-%d}"\n'
    rows = [f"{name} = {rates[name]:.0f}" for name in RECIPES if name in rates]
    path.write_text(f"{HEAD}{machine}\n[px_per_s]\n" + "\n".join(rows) + "\n")


if __name__ == "__main__":
    main()
