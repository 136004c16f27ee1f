"""The tables that `isamap models` prints, counted: the networks with what they cost, then the recipes.

`python -m isamap.training.listing` keeps them in training/model_table.json, which the command reads.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache

import torch

from isamap.training import model_table
from isamap.training.models import build, model_named, parameter_count
from isamap.training.models.classical import PixelClassifier
from isamap.training.models.configurations import CONFIGURATIONS, Configuration
from isamap.training.models.cost import flop
from isamap.training.models.output import Network, is_sar
from isamap.training.recipes import RECIPES, Recipe

_M2_PER_KM2 = 1e6
_NETWORK_HEAD = (
    "network", "paper", "inputs", "scale", "parameters", "patch", "GFLOP/patch", "step m", "GFLOP/km2", "field px",
)  # fmt: skip
_RECIPE_HEAD = ("recipe", "network", "bands", "epochs", "batch", "settings")
_NUMBERS = ("scale", "parameters", "patch", "GFLOP/patch", "step m", "GFLOP/km2", "field px", "epochs", "batch")


@dataclass(frozen=True)
class Listed:
    """What a configuration costs; flop and field_px are None where they have no meaning.

    flop: 2 x multiply-add, convolutions and matrix products only, of one patch. field_px: side of the square of input
    pixels that an aligned tile of the network's smallest step depends on, None for the whole window.
    """

    name: str
    configuration: Configuration
    scale: int
    parameters: int
    flop: int | None
    field_px: int | None

    @property
    def flop_per_km2(self) -> float | None:
        """FLOP for a square kilometre at the configuration's ground step, tiles not overlapping."""
        patch_m2 = (self.configuration.side_px * self.configuration.step_m) ** 2
        return None if self.flop is None else self.flop / patch_m2 * _M2_PER_KM2


def table() -> str:
    """One row for every configuration of training/models/configurations.py, then one for every recipe."""
    networks = [_NETWORK_HEAD, *(_cells(listed(name)) for name in CONFIGURATIONS)]
    recipes = [_RECIPE_HEAD, *(_recipe_cells(name, make()) for name, make in RECIPES.items())]
    notes = (
        "FLOP = 2 x multiply-add, convolutions and matrix products only, tiles not overlapping. field: input pixels a "
        "side that a tile depends on.\nRandom forests and support vectors have as many numbers as the data ask for."
    )
    return "\n".join([*_lined_up(networks), notes, "", *_lined_up(recipes)])


def rows() -> list[Listed]:
    """What every configuration costs, for other programs."""
    return [listed(name) for name in CONFIGURATIONS]


def kept() -> str:
    """The text of training/model_table.json."""
    contents = {"table": table().splitlines(), "rows": [asdict(row) for row in rows()]}
    return json.dumps(contents, indent=1, ensure_ascii=False) + "\n"


@cache  # a network is counted for seconds, and listed in the table and in the rows
def listed(name: str) -> Listed:
    """What one configuration costs, counted on torch's meta device."""
    setup = CONFIGURATIONS[name]
    with torch.device("meta"):
        network = build(setup.model, setup.bands, setup.config).eval()
    counted = None if isinstance(network, PixelClassifier) else flop(network, setup.side_px, dates=setup.dates)
    return Listed(name, setup, network.scale, parameter_count(network), counted, _field_px(network))


def _field_px(network: Network) -> int | None:
    return None if network.halo is None else network.multiple + 2 * network.halo


def _cells(row: Listed) -> tuple[str, ...]:
    setup = row.configuration
    per_km2 = row.flop_per_km2
    return (
        row.name,
        setup.paper,
        _inputs(setup),
        str(row.scale),
        f"{row.parameters:,}" if row.parameters else "fitted",
        str(setup.side_px),
        "-" if row.flop is None else f"{row.flop / 1e9:,.3f}",
        f"{setup.step_m:g}",
        "-" if per_km2 is None else f"{per_km2 / 1e9:,.1f}",
        "window" if row.field_px is None else f"{row.field_px:,}",
    )


def _inputs(setup: Configuration) -> str:
    """Numbers of optical and radar bands, and of dates."""
    radar = sum(map(is_sar, setup.bands))
    parts = [f"{len(setup.bands) - radar} optical"] * (radar < len(setup.bands)) + [f"{radar} SAR"] * (radar > 0)
    return " + ".join(parts) + (f", {setup.dates} dates" if setup.dates else "")


def _recipe_cells(name: str, recipe: Recipe) -> tuple[str, ...]:
    bands = ",".join(recipe.bands) or "the dataset's"
    steps = ("-", "-") if _is_of_pixels(recipe) else (str(recipe.epochs), str(recipe.batch))
    return (name, recipe.model, bands, *steps, _brief(recipe))


def _is_of_pixels(recipe: Recipe) -> bool:
    """Whether it is fitted at once, without steps."""
    return issubclass(model_named(recipe.model).network, PixelClassifier)


def _brief(recipe: Recipe) -> str:
    """What differs most between recipes, in words."""
    words = [] if _is_of_pixels(recipe) else [f"{recipe.optimiser} {recipe.lr:g}", recipe.loss]
    words += [f"{key}={getattr(recipe, key):g}" for key in ("ema", "clip", "crop", "frames") if getattr(recipe, key)]
    words += [f"{key}={value}" for key, value in (("scheme", recipe.scheme), ("target", recipe.target)) if _told(value)]
    return ", ".join([*words, *(f"{key}={_value(value)}" for key, value in recipe.config.items())])


def _told(value: str) -> bool:
    return value not in ("isa", "label")


def _value(value: object) -> str:
    return "-".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _lined_up(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    right = [title in _NUMBERS for title in rows[0]]
    return [
        "  ".join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ).rstrip()
        for row in rows
    ]


if __name__ == "__main__":
    model_table.FILE.write_text(kept(), encoding="utf-8")
