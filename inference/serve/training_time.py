"""How long training takes by measured rates (training_rates.toml, written by benchmarks/training_rates.py)."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

TABLE = "training_rates.toml"
START_MIN = 0.25  # until the first step


def epoch_minutes(recipe: str, pixels: float) -> float | None:
    """Of one epoch of a dataset whose patches have so many pixels together; None for a recipe that was not measured.

    All patches count as trained, also those that are validated on. By processor time, crofusenet-tiny took 0.63 and
    unet-tiny 0.72 of that in all (22 November 2026, 64 patches of 64 pixels to train and 16 to validate, of 88).
    """
    px_per_s = rates()["px_per_s"].get(recipe)
    return None if px_per_s is None else pixels / px_per_s / 60


def source() -> str:
    """What the rates are of, in words."""
    table = rates()
    return f"{table['device']} (benchmarks/training_rates.py, {table['date']})"


@cache
def rates() -> dict[str, Any]:
    """The table that is shipped."""
    return tomllib.loads(files(__package__).joinpath(TABLE).read_text(encoding="utf-8"))
