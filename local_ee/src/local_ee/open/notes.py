"""What archives list and the catalog does not give: each scene with its reason, its day and its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import shapely
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from local_ee.catalog import BoundsWSEN
from local_ee.catalog.boxes import touches
from local_ee.open import items
from local_ee.open.scenes import Scene
from local_ee.open.stac import Question


@dataclass(frozen=True)
class Note:
    """A scene that an archive lists and the catalog does not give, and why.

    start_ms: when it begins, since 1970. footprint: where it lies; None where nobody knows.
    """

    collection: str
    provider: str
    scene: str
    reason: str
    start_ms: int
    footprint: BaseGeometry | None

    def is_within(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN | None) -> bool:
        """Whether the scene begins in [start_ms, end_ms) and touches a box (None: the whole world)."""
        footprint = self.footprint or shapely.Polygon()
        return start_ms <= self.start_ms < end_ms and touches(footprint, bounds_wsen)


def of_scene(collection_id: str, scene: Scene, reason: str) -> Note:
    """The note of a scene."""
    return Note(collection_id, scene.provider, scene.index, reason, scene.start_ms, scene.footprint)


def of_twin(collection_id: str, scene: Scene, kept: Scene) -> Note:
    """The note of a scene whose twin is kept; of one archive's two items, which share an index, by the item's name."""
    note = of_scene(collection_id, scene, f"{kept.provider} gives this acquisition ({kept.index})")
    is_same = (scene.provider, scene.index) == (kept.provider, kept.index)
    return replace(note, scene=scene.properties["open:item"]) if is_same else note


def of_item(collection_id: str, provider: str, item: Mapping[str, Any], question: Question, reason: str) -> Note:
    """The note of an item that is no scene; where it says no time or outline, those of the question it answers."""
    properties = item.get("properties")
    try:
        begun = items.moment(properties.get("datetime") if isinstance(properties, Mapping) else None, "datetime")
    except ValueError:
        begun = question.start
    try:
        footprint = items.footprint(item)
    except ValueError:
        footprint = None if question.bounds_wsen is None else box(*question.bounds_wsen)
    return Note(collection_id, provider, str(item.get("id"))[:150], reason, items.milliseconds(begun), footprint)
