"""Recipes: functions that each return a complete training configuration; the papers' own, CPU-sized ones, ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gee_export.base.suggest import suggest
from training.recipes import cpu, former_names, ours, papers
from training.recipes.papers import PAPER_BANDS
from training.recipes.recipe import DEVICES, PRECISIONS, Recipe
from training.recipes.settings import override

__all__ = ["DEVICES", "PAPER_BANDS", "PRECISIONS", "RECIPES", "Recipe", "override", "recipe"]


def recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The named recipe with `--set` settings applied; ValueError naming an unknown recipe, key or bad value."""
    name = former_names.recipe_name(name)
    if name not in RECIPES:
        hint = suggest(name, RECIPES, cutoff=0.6) or f"choose one of {', '.join(RECIPES)}"
        raise ValueError(f"recipe {name!r} is not known: {hint}")
    return override(RECIPES[name](), settings or {})


_TABLE = papers.RECIPES | ours.RECIPES | cpu.RECIPES
# each recipe, then its variant for CPUs
RECIPES: dict[str, Callable[[], Recipe]] = {
    name: _TABLE[name] for base in (*papers.RECIPES, *ours.RECIPES) for name in (base, f"{base}-tiny") if name in _TABLE
}
