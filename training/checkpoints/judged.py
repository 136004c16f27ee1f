"""How a checkpoint did on ground of known classes: `origin.judged` of checkpoint.json, and its table in the card.

{"fingerprint": of the checkpoint that was judged, "about": words on the table,
 "grounds": {GROUND: {PREDICTOR: {"oa", "f1", "auc", "intervals": {measure: [low, high]}, "from_others": ...}}}}

from_others: F1 at the threshold that is best on all other grounds, with its interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEASURES = ("oa", "f1", "auc")
_HEAD = "| ground | predictor | OA | F1 of impervious | AUC | F1 at the other grounds' threshold |"


def judged_of(facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What was measured of this very checkpoint; None for one that was calibrated or changed since.

    facts: the object in checkpoint.json.
    """
    judged: Mapping[str, Any] | None = facts.get("origin", {}).get("judged")
    return judged if judged and judged["fingerprint"] == facts["fingerprint"] else None


def judged_table(grounds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """A Markdown table: a row for each ground and predictor, with intervals; the first predictor is bold."""
    lines = [_HEAD, "|---|---|---|---|---|---|"]
    for ground, predictors in grounds.items():
        for index, (name, figures) in enumerate(predictors.items()):
            cells = [_cell(figures[each], figures["intervals"][each]) for each in _MEASURES] + [_elsewhere(figures)]
            first = (ground, f"**{name}**") if index == 0 else ("", name)
            lines.append(f"| {' | '.join((*first, *cells))} |")
    return "\n".join(lines)


def _elsewhere(figures: Mapping[str, Any]) -> str:
    found = figures.get("from_others")
    return _cell(found["f1"], found["f1_interval"]) if found else "-"


def _cell(value: float, interval: tuple[float, float] | None) -> str:
    return short(value) + ("" if interval is None else " [" + ", ".join(map(short, interval)) + "]")


def short(value: float) -> str:
    """A share in two digits, as tables print it: .97."""
    return f"{value:.2f}".removeprefix("0") if value < 1 else f"{value:.2f}"
