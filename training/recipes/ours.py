"""Recipes tuned by us; training/LOG.md says what was tried."""

from __future__ import annotations

from collections.abc import Callable

from training.recipes.papers import MOVES
from training.recipes.recipe import Recipe


def wuhan() -> Recipe:
    """CroFuseNet of half the widths, tuned on the world's Wuhan, on whatever bands the dataset holds.

    CroFuseNet's loss with Dice beside it, AdamW, clipped gradients, averaged weights, mirrored patches.
    """
    return Recipe(
        "wuhan",
        "crofusenet",
        config={"widths": (16, 32, 64, 128, 256)},
        loss="crofuse",
        loss_values={"alpha": 1.0, "beta": 0.8, "dice": 1.0},
        epochs=60,
        batch=16,
        optimiser="adamw",
        lr=2e-3,
        weight_decay=1e-2,
        clip=1.0,
        ema=0.99,
        patience=20,
        augment=(*MOVES, "blur"),
    )


# name -> what makes the recipe
RECIPES: dict[str, Callable[[], Recipe]] = {
    "wuhan": wuhan,
}
