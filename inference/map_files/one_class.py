"""The sentence about a map of one class only: it may be a desert, or a network that says one class everywhere."""

from __future__ import annotations

from collections.abc import Mapping

REMEDY = (
    "if the place has both, the network is not trained enough (more epochs: `isamap evaluate` shows it) or its "
    "threshold does not fit (`isamap calibrate`)"
)


def one_class_note(amount_by_class: Mapping[str, float]) -> str | None:
    """What to do about a map whose known pixels are all of one class; None where there are two, or none."""
    present = [name for name, amount in amount_by_class.items() if amount]
    if len(present) != 1 or len(amount_by_class) < 2:
        return None
    return f"every known pixel of the map is {present[0]}: {REMEDY}"
