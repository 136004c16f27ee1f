"""Recipes: functions that each return a complete training configuration; the papers' own, CPU-sized ones, ours."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any

from training.recipes import cpu, ours, papers
from training.recipes.papers import PAPER_BANDS
from training.recipes.recipe import DEVICES, PRECISIONS, Recipe
from training.recipes.settings import override

__all__ = ["DEVICES", "PAPER_BANDS", "PRECISIONS", "RECIPES", "Recipe", "override", "recipe"]


def recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The named recipe with `--set` settings applied; ValueError naming an unknown recipe, key or bad value."""
    if name not in RECIPES:
        near = difflib.get_close_matches(name, RECIPES, 1)
        hint = f"did you mean {near[0]}?" if near else f"choose one of {', '.join(RECIPES)}"
        raise ValueError(f"recipe {name!r} is not known: {hint}")
    return override(RECIPES[name](), settings or {})


RECIPES: dict[str, Callable[[], Recipe]] = {
    "crofusenet": papers.crofusenet,
    "crofusenet-tiny": cpu.crofusenet_tiny,
    "unet": papers.unet,
    "unet-tiny": cpu.unet_tiny,
    "unet64": papers.unet64,
    "unet64-tiny": cpu.unet64_tiny,
    "fcn8s": papers.fcn8s,
    "fcn8s-tiny": cpu.fcn8s_tiny,
    "fcn_resnet50": papers.fcn_resnet50,
    "fcn_resnet50-tiny": cpu.fcn_resnet50_tiny,
    "deeplabv3plus": papers.deeplabv3plus,
    "deeplabv3plus-tiny": cpu.deeplabv3plus_tiny,
    "hrnet-crofusenet": papers.hrnet_crofusenet,
    "hrnet-crofusenet-tiny": cpu.hrnet_crofusenet_tiny,
    "random_forest": papers.random_forest,
    "random_forest-tiny": cpu.random_forest_tiny,
    "svm": papers.svm,
    "svm-tiny": cpu.svm_tiny,
    "runetpp": papers.runetpp,
    "runetpp-tiny": cpu.runetpp_tiny,
    "hrnet": papers.hrnet,
    "hrnet-tiny": cpu.hrnet_tiny,
    "unet-landcover3m": papers.unet_landcover3m,
    "unet-landcover3m-tiny": cpu.unet_landcover3m_tiny,
    "fcdensenet": papers.fcdensenet,
    "fcdensenet-tiny": cpu.fcdensenet_tiny,
    "jointseg": papers.jointseg,
    "jointseg-tiny": cpu.jointseg_tiny,
    "bilinear-unet": papers.bilinear_unet,
    "bilinear-unet-tiny": cpu.bilinear_unet_tiny,
    "progesrgan": papers.progesrgan,
    "progesrgan-tiny": cpu.progesrgan_tiny,
    "wuhan": ours.wuhan,
}
