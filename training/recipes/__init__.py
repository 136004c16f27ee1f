"""Recipes: functions that each return a complete training configuration; the papers' own, CPU-sized ones, ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from isamap.gee_export.base.suggest import suggest
from isamap.training import plugins
from isamap.training.recipes import cpu, ours, papers, recipe_file
from isamap.training.recipes.papers import PAPER_BANDS
from isamap.training.recipes.recipe import DEVICES, PRECISIONS, Recipe
from isamap.training.recipes.settings import override

__all__ = ["DEVICES", "PAPER_BANDS", "PRECISIONS", "RECIPES", "Recipe", "override", "recipe"]


def recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe with `--set` settings applied; ValueError naming an unknown recipe, key or bad value.

    name: of RECIPES, a TOML file (recipe_file.py), an entry point of another package or its `module:function`.
    """
    return override(_base(name), settings or {})


def _base(name: str) -> Recipe:
    if name in RECIPES:
        return RECIPES[name]()
    if name.endswith(recipe_file.SUFFIX):
        return recipe_file.read(Path(name), _base)
    if plugins.is_address(foreign := plugins.address("recipe", name)):
        return _foreign(foreign)
    choices = [*RECIPES, *plugins.offered("recipe")]
    hint = suggest(name, choices, cutoff=0.6) or f"choose one of {', '.join(choices)}"
    raise ValueError(f"recipe {name!r} is not known: {hint}")


def _foreign(name: str) -> Recipe:
    """A recipe of another package: a `Recipe`, a function that makes one, or the path of a TOML file."""
    entry = plugins.load("recipe", name)
    made = entry() if callable(entry) else entry
    if isinstance(made, (str, Path)) and str(made).endswith(recipe_file.SUFFIX):
        return recipe_file.read(Path(made), _base)
    if not isinstance(made, Recipe):
        raise ValueError(f"recipe {name} is a {type(made).__name__}: expected a Recipe, or a function that makes one")
    return made


_TABLE = papers.RECIPES | ours.RECIPES | cpu.RECIPES
# each recipe, then its variant for CPUs
RECIPES: dict[str, Callable[[], Recipe]] = {
    name: _TABLE[name] for base in (*papers.RECIPES, *ours.RECIPES) for name in (base, f"{base}-tiny") if name in _TABLE
}
