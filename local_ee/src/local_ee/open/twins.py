"""Scenes that two archives hold, or one archive twice: each is kept once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from local_ee.open.scenes import Scene

SAME_S = 20.0  # between the beginnings of one data strip as two baselines state it


def once(scenes: Sequence[Scene], order: Sequence[str]) -> tuple[list[Scene], list[tuple[Scene, Scene]]]:
    """The scenes without their twins, and each twin left out with the scene that is kept for it.

    Of twins the highest rank is kept (baseline, then newest), of equals the first archive's of `order`. Two granules of
    one tile and datatake from different data strips are no twins.
    """
    groups: dict[tuple, list[Scene]] = defaultdict(list)
    for scene in scenes:
        groups[tuple(word for word in scene.stamp if not isinstance(word, datetime))].append(scene)
    kept: list[Scene] = []
    left_out: list[tuple[Scene, Scene]] = []
    for group in groups.values():
        distinct: list[Scene] = []
        for scene in sorted(group, key=lambda each: (each.rank, -order.index(each.provider)), reverse=True):
            twin = next((earlier for earlier in distinct if _near(scene, earlier)), None)
            if twin is None:
                distinct.append(scene)
            else:
                left_out.append((scene, twin))
        kept += distinct
    return kept, left_out


def _near(left: Scene, right: Scene) -> bool:
    times = [[moment for moment in scene.stamp if isinstance(moment, datetime)] for scene in (left, right)]
    return all(abs((a - b).total_seconds()) <= SAME_S for a, b in zip(*times, strict=True))
