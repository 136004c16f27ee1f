"""Recipes tuned by us; training/LOG.md says what was tried."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from isamap.training.models.spectral_index import INDICES
from isamap.training.recipes import papers
from isamap.training.recipes.papers import LEAST_HIDDEN, MOVES
from isamap.training.recipes.recipe import Recipe

YEAR_BANDS = ("[A-Z]*_*",)  # SOURCE_statistic, of which a month has none; counts (s2_observations) are no ground


def wuhan() -> Recipe:
    """CroFuseNet of half the widths, tuned on the world's Wuhan, on whatever bands the dataset holds.

    CroFuseNet's loss with Dice beside it, AdamW, clipped gradients, averaged weights, mirrored patches.
    """
    return Recipe(
        "wuhan",
        "crofusenet",
        config={"widths": (16, 32, 64, 128, 256), "least_hidden": LEAST_HIDDEN},
        loss="crofuse",
        # Dice stood out among what was tried: MIoU .8348 with it, .8245 without (training/LOG.md, "Settings of wuhan").
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


def utae() -> Recipe:
    """A U-Net that attends to up to eight dates of a period and their days of year (docs/recipes.md#dates).

    Ours: U-TAE (arXiv 2107.07933, section 4.1) trained Adam 1e-3 for 100 epochs of batch 4.
    """
    return Recipe(
        "utae",
        "utae",
        frames=8,
        epochs=100,
        batch=4,
        optimiser="adamw",
        lr=1e-3,
        weight_decay=1e-2,
        clip=1.0,
        ema=0.99,
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


def of_year(base: Callable[[], Recipe]) -> Recipe:
    """A recipe on all statistics of a year (`isamap export --composite`, docs/year.md) in place of a month's bands."""
    recipe = base()
    return replace(recipe, name=f"{recipe.name}-year", bands=YEAR_BANDS)


def index(name: str) -> Recipe:
    """A spectral index (training/models/spectral_index.py) with its threshold chosen on the validation split."""
    return Recipe(name, "index", config={"index": name}, bands=INDICES[name].bands, batch=1, augment=())


# name -> what makes the recipe
RECIPES: dict[str, Callable[[], Recipe]] = {
    "wuhan": wuhan,
    "segformer": segformer,
    "utae": utae,
    "embedding-mlp": embedding_mlp,
    "crofusenet-year": partial(of_year, papers.crofusenet),
    "unet-year": partial(of_year, papers.unet),
    "random_forest-year": partial(of_year, papers.random_forest),
    **{name: partial(index, name) for name in INDICES},
}
