"""CPU-sized variants: networks whose step on a 128-px patch takes about 60 ms on one thread, for a few hundred patches.

They take whatever bands the dataset holds. Larger steps than the papers', as there are few of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from isamap.training.recipes import ours, papers
from isamap.training.recipes.recipe import Recipe

# a quarter of CroFuseNet's: CroFuseNet has 2.3 M parameters
WIDTHS = (8, 16, 32, 64, 128)
# what all share in place of the recipe's own
BUDGET: Mapping[str, Any] = {
    "bands": (), "epochs": 20, "batch": 8, "accumulate": 1, "lr": 2e-3, "patience": 10, "crop": 0
}  # fmt: skip
# U-Net's validation MIoU was .218 at .05 and .328 at .02, HRNet's first loss at .05 39 (training/LOG.md, 2026-11-21).
_LANDCOVER3M: Mapping[str, Any] = {"lr": 0.02, "augment": papers.MOVES}
_AVERAGED: Mapping[str, Any] = {"ema": 0.98}  # a shorter memory than the recipe's: there are few steps


@dataclass(frozen=True)
class Shrunk:
    """What makes a recipe's smaller network, and where it differs from BUDGET."""

    base: Callable[[], Recipe]
    config: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self) -> Recipe:
        base = self.base()
        config = dict(base.config) | dict(self.config)
        return replace(base, name=f"{base.name}-tiny", config=config, **(dict(BUDGET) | dict(self.changes)))


def of_year_tiny(base: Callable[[], Recipe]) -> Recipe:
    """A CPU-sized recipe on all statistics of a year."""
    return replace(base(), name=base().name.replace("-tiny", "-year-tiny"), bands=ours.YEAR_BANDS)


crofusenet_tiny = Shrunk(papers.crofusenet, {"widths": WIDTHS})
unet_tiny = Shrunk(papers.unet, {"widths": WIDTHS})
random_forest_tiny = Shrunk(papers.random_forest, {"trees": 20, "pixels": 20_000})

# name -> what makes the recipe; widths are a quarter of the recipe's but where a comment says otherwise
RECIPES: dict[str, Callable[[], Recipe]] = {
    "crofusenet-tiny": crofusenet_tiny,
    "unet-tiny": unet_tiny,
    "unet64-tiny": Shrunk(papers.unet64, {"widths": tuple(2 * width for width in WIDTHS)}),
    "fcn8s-tiny": Shrunk(papers.fcn8s, {"fc": 128, "base": 16}),
    "fcn_resnet50-tiny": Shrunk(papers.fcn_resnet50, {"width": 64, "base": 8}),
    "deeplabv3plus-tiny": Shrunk(papers.deeplabv3plus, {"width": 64, "early": 12, "base": 16}),
    "hrnet-crofusenet-tiny": Shrunk(papers.hrnet_crofusenet, {"width": 12}),
    "random_forest-tiny": random_forest_tiny,
    "svm-tiny": Shrunk(papers.svm, {"pixels": 4_000}),
    "runetpp-tiny": Shrunk(papers.runetpp, {"base": 8, "aspp_mid": 32, "window": 128}),
    "hrnet-tiny": Shrunk(papers.hrnet, {"width": 8, "window": 128}, _LANDCOVER3M),  # a third of the width
    # an eighth of the widths
    "unet-landcover3m-tiny": Shrunk(papers.unet_landcover3m, {"widths": WIDTHS}, _LANDCOVER3M),
    # its smallest published size
    "fcdensenet-tiny": Shrunk(papers.fcdensenet, {"size": "56"}, _LANDCOVER3M),
    "jointseg-tiny": Shrunk(
        papers.jointseg,
        {"widths": (16, 32, 48), "blocks": 1, "middle": 12, "middle_blocks": 1, "fine": 8, "fine_blocks": 1},
        _AVERAGED,
    ),
    # as many parameters as jointseg-tiny
    "bilinear-unet-tiny": Shrunk(papers.bilinear_unet, {"widths": (8, 16, 32, 64)}, _AVERAGED),
    # six levels: 20 pixels of 10 m around a tile, where jointseg-tiny sees 32 and four levels 6
    "bilinear-unet-deep-tiny": Shrunk(papers.bilinear_unet_deep, {"widths": (6, 8, 16, 24, 32, 48)}, _AVERAGED),
    "progesrgan-tiny": Shrunk(
        papers.progesrgan,
        {"features": 8, "growth": 4, "blocks": 1, "widths": (4, 8, 16)},
        {**_AVERAGED, "loss_values": {"sharp": 1.0, "adversarial": 0.1, "discriminator": 8}},
    ),
    "segformer-tiny": Shrunk(ours.segformer, {"base": 16, "decoder": 64}, {"warmup": 1.0, "rates": ()}),  # half of B0
    "utae-tiny": Shrunk(ours.utae, {"widths": (8, 16, 32), "heads": 4}, _AVERAGED),  # half the heads
    "crofusenet-year-tiny": partial(of_year_tiny, crofusenet_tiny),
    "unet-year-tiny": partial(of_year_tiny, unet_tiny),
    "random_forest-year-tiny": partial(of_year_tiny, random_forest_tiny),
}
