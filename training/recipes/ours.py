"""Recipes tuned by us; training/LOG.md says what was tried."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from training.models.spectral_index import INDICES
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


def segformer() -> Recipe:
    """SegFormer-B0 with its paper's settings (section 4.1): AdamW 6e-5, poly 1, batch 16.

    Of the authors' published configuration: weight decay 0.01, ten times the rate in the decoder, warm-up. Ours: 200
    epochs, 5 of them warm-up, flips and turns in place of scaled crops, no pretrained encoder (`--backbone` takes one).
    """
    return Recipe(
        "segformer",
        "segformer",
        epochs=200,
        batch=16,
        optimiser="adamw",
        lr=6e-4,
        power=1.0,
        weight_decay=1e-2,
        warmup=5.0,
        rates=("encoder:0.1",),
        augment=MOVES,
    )


def embedding_mlp() -> Recipe:
    """A perceptron of one hidden layer on each pixel's satellite embedding (docs/embeddings.md)."""
    return Recipe(
        "embedding-mlp",
        "mlp",
        bands=("A[0-6][0-9]",),
        epochs=20,
        batch=16,
        optimiser="adamw",
        lr=2e-3,
        weight_decay=1e-2,
        patience=10,
        augment=(),
    )


def index(name: str) -> Recipe:
    """A spectral index (training/models/spectral_index.py) with its threshold chosen on the validation split."""
    return Recipe(name, "index", config={"index": name}, bands=INDICES[name].bands, batch=1, augment=())


# name -> what makes the recipe
RECIPES: dict[str, Callable[[], Recipe]] = {
    "wuhan": wuhan,
    "segformer": segformer,
    "embedding-mlp": embedding_mlp,
    **{name: partial(index, name) for name in INDICES},
}
