"""How long training takes by measured rates (training_rates.toml, written by benchmarks/training_rates.py)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

TABLE = "training_rates.toml"
FURTHER = 1.5  # validating, reading and augmenting beside the steps: 1.2 to 1.5 times them on two cores
START_MIN = 0.5  # until the first step


def epoch_minutes(recipe: str, pixels: float) -> float | None:
    """Of one epoch over patches of so many pixels together; None for a recipe that was not measured."""
    px_per_s = rates()["px_per_s"].get(recipe)
    return None if px_per_s is None else FURTHER * pixels / px_per_s / 60


def source() -> str:
    """What the rates are of, in words."""
    table = rates()
    return f"{table['device']} (benchmarks/training_rates.py, {table['date']})"


@cache
def rates() -> dict[str, Any]:
    """The table that is shipped."""
    return tomllib.loads(files(__package__).joinpath(TABLE).read_text(encoding="utf-8"))
