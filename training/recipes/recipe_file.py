"""Recipes as TOML files: the fields of `Recipe` as keys, the network's and the loss's values as two tables.

`base = "unet-tiny"` starts from another recipe; without it `model` must be named, and everything else has the defaults
of `Recipe`. `name` is the file's name where it is left out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from isamap.gee_export.base.suggest import suggest
from isamap.training.losses import full_name as loss_name
from isamap.training.models import full_name as model_name
from isamap.training.recipes.recipe import Recipe
from isamap.training.recipes.settings import override

SUFFIX = ".toml"
MOST_BYTES = 2**20  # of a file of a few lines
TABLES = {"config": "model.", "loss_values": "loss."}
_TEXTS = ("base", "name", "model", "loss")


def read(path: Path, named: Callable[[str], Recipe]) -> Recipe:
    """The recipe in a file; `named` gives the one that it is based on.

    ValueError: no such file, no TOML, an unknown key (with the nearest one), a value of another kind, neither `base`
    nor `model`.
    """
    values = _document(path)
    try:
        return _recipe(values, values.get("name", path.stem), named)
    except ValueError as error:
        raise ValueError(f"recipe {path}: {error}") from error


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"recipe {path}: there is no such file")
    # Looked at before it is read: no file from outside is trusted.
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"recipe {path}: {path.stat().st_size:,} bytes, a recipe has {MOST_BYTES:,} at most")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    # RecursionError: tomllib follows nested arrays by calls, and a file of brackets is a mistake, not a crash.
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"recipe {path} is no TOML: {error}") from error


def _recipe(values: Mapping[str, Any], name: str, named: Callable[[str], Recipe]) -> Recipe:
    _check_form(values)
    if "base" in values:
        base = named(values["base"])
    elif "model" in values:
        base = Recipe(name, model_name(values["model"]))
    else:
        raise ValueError('expected base = "RECIPE", a recipe to start from, or model = "NETWORK"')
    model = model_name(values.get("model", base.model))
    config = base.config if model == base.model else {}
    return override(replace(base, name=name, model=model, config=config), _settings(values))


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """As `--set` takes them: KEY, model.KEY and loss.KEY."""
    settings: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in values.items()
        if key not in TABLES and key not in ("base", "name", "model")
    }
    if "loss" in settings:
        settings["loss"] = loss_name(str(values["loss"]))
    for table, prefix in TABLES.items():
        for key, value in values.get(table, {}).items():
            settings[prefix + key] = tuple(value) if isinstance(value, list) else value
    return settings


def _check_form(values: Mapping[str, Any]) -> None:
    keys = ("base", *Recipe.__dataclass_fields__)
    for key, value in values.items():
        if key not in keys:
            hint = suggest(key, keys, cutoff=0.6) or f"expected {', '.join(keys)}"
            raise ValueError(f"key {key} is not known: {hint}")
        if key in TABLES and not isinstance(value, Mapping):
            raise ValueError(f"{key} = {value!r}: expected a table, such as [{key}]")
        if key in _TEXTS and not isinstance(value, str):
            raise ValueError(f"{key} = {value!r}: expected a text")
