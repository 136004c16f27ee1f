"""Names of recipes and settings of the version before; they go on working for one version, with a note."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from gee_export.base.scheme import scheme_name

RECIPES = {
    "hrnet-s002": "hrnet-crofusenet",
    "hrnet-s002-tiny": "hrnet-crofusenet-tiny",
    "unet-s003": "unet-landcover3m",
    "unet-s003-tiny": "unet-landcover3m-tiny",
}
LOSS_VALUES = {"judge": "discriminator"}


def recipe_name(name: str) -> str:
    """Today's name of a recipe; a note on stderr for a former one."""
    return _noted(name, RECIPES, "recipe")


def loss_value(name: str) -> str:
    """Today's name of a loss's value, such as loss.discriminator; a note on stderr for a former one."""
    return _noted(name, LOSS_VALUES, "setting loss.")


def current(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe as JSON holds it, which an older version may have written, in today's names."""
    values = dict(recipe)
    if isinstance(values.get("name"), str):
        values["name"] = RECIPES.get(values["name"], values["name"])
    if isinstance(values.get("scheme"), str):
        values["scheme"] = scheme_name(values["scheme"])
    if isinstance(values.get("loss_values"), Mapping):
        values["loss_values"] = {LOSS_VALUES.get(key, key): value for key, value in values["loss_values"].items()}
    return values


def _noted(name: str, table: Mapping[str, str], subject: str) -> str:
    if name in table:
        joint = "" if subject.endswith(".") else " "
        print(
            f"note: {subject}{joint}{name} is now called {table[name]}; the next version knows the new name only",
            file=sys.stderr,
        )
    return table.get(name, name)
