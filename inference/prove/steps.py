"""The steps of a proof in order, what each may cost, and where its assumptions stand."""

from __future__ import annotations

from collections.abc import Mapping

from isamap.inference.prove import (
    assets,
    constants,
    cost,
    exports,
    facts,
    graphs,
    pictures,
    reducers,
    refusals,
    rights,
    scripts,
    tables,
    tiles,
)
from isamap.inference.prove.probe import Probe

STEPS: Mapping[str, tuple[Probe, ...]] = {
    "rights": rights.PROBES,
    "constants": (*constants.PROBES, *reducers.PROBES, *pictures.PROBES, *tables.PAGES),
    "facts": facts.PROBES,
    "graphs": graphs.PROBES,
    "cost": cost.PROBES,
    "refusals": refusals.PROBES,
    "exports": (*tables.FILES, *exports.PROBES),
    "assets": (*assets.PROBES, *tiles.PROBES, *tables.STORED),
    "scripts": scripts.PROBES,
}
TITLES: Mapping[str, str] = {
    "rights": "who asks, and what this identity may do",
    "constants": "rules of single algorithms",
    "facts": "facts of Google's collections",
    "graphs": "every setting of composites and labels",
    "cost": "what composites take",
    "refusals": "how the server refuses",
    "exports": "Export tasks",
    "assets": "assets, pyramids, sharing, external images",
    "scripts": "what viewers ask",
}


def eecu_hours(step: str) -> float:
    """The most that a step may cost."""
    return sum(probe.eecu_s for probe in STEPS[step]) / 3600
