"""The rule by which a training counts as finished: validation no longer rises."""

from __future__ import annotations

import json
from pathlib import Path

from gee_export.base.errors import Fault

HISTORY = "history.json"
# a network has converged when the best validation MIoU rises by less than RISE over the last LATE of its epochs
LATE, RISE = 0.2, 0.005
RULE = (
    f"A network counts as converged when, on the mean of its seeds, the best validation MIoU rises by less than "
    f"{RISE:g} over the last {LATE:.0%} of its epochs."
)


def late_rise(folder: Path) -> float | None:
    """By how much the best validation MIoU of a run rose over the last LATE of its epochs; None without epochs.

    A run of one epoch rose by all it reached. Fault: a damaged history.
    """
    path = folder / HISTORY
    if not path.exists():
        return None
    try:
        values = [float(epoch["val_miou"]) for epoch in json.loads(path.read_text())]
    except (ValueError, KeyError, TypeError) as error:
        raise Fault(f"{path} is damaged: remove the run's folder, then the same command makes it again") from error
    if not values:
        return None
    late = max(1, round(LATE * len(values)))
    return max(values) - max(values[:-late], default=0.0)
