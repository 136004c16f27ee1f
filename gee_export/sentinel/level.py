"""Sentinel-2's two levels: surface reflectance (L2A), or top-of-atmosphere (L1C) where Earth Engine lacks the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import SENTINEL2_L2A_GLOBAL, Period
from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.sentinel import scenes
from isamap.gee_export.sentinel.scenes import Scene

L2A, L1C = "L2A", "L1C"
COLLECTIONS = {L2A: "COPERNICUS/S2_SR_HARMONIZED", L1C: "COPERNICUS/S2_HARMONIZED"}
ASKED = ("auto", "l2a", "l1c")
# since 2022-01-25 their numbers are 1000 higher (catalog pages of the harmonized collections)
UNHARMONIZED = ("COPERNICUS/S2_SR", "COPERNICUS/S2")


@dataclass(frozen=True)
class LevelChoice:
    """The level and collection that a composite is made of, and its scenes of the place and period.

    acquisitions: how many (moment and tile) each level holds, where both were asked.
    """

    level: str
    collection: str
    scenes: tuple[Scene, ...]
    acquisitions: Mapping[str, int] = field(default_factory=dict)


def choose(requested: str, l2a: str, bounds_wsen: BoundsWSEN, period: Period) -> LevelChoice:
    """The requested level, L2A or L1C, never both; `auto` takes L1C where L2A has no scene.

    Of periods that begin before 2019, when Earth Engine's L2A was not global yet, `auto` takes L1C also where L2A
    lacks some of L1C's acquisitions: half a month would be another composite than the whole month. l2a: the id of the
    L2A collection; a collection of the user's own has no L1C to fall back to. ValueError for scenes of both levels.
    """
    ids = COLLECTIONS | {L2A: l2a}
    if requested == "l1c":
        return _source(L1C, ids, bounds_wsen, period)
    if requested == "l2a" or l2a != COLLECTIONS[L2A]:
        return _source(L2A, ids, bounds_wsen, period)
    best = _held(L2A, ids, bounds_wsen, period)
    if best and best.scenes and period.start >= SENTINEL2_L2A_GLOBAL:
        return best
    alternative = _held(L1C, ids, bounds_wsen, period)
    if best is None or alternative is None:
        return best or alternative or _source(L2A, ids, bounds_wsen, period)
    counts = {source.level: _acquisitions(source.scenes) for source in (best, alternative)}
    choice = alternative if counts[L1C] > counts[L2A] else best
    return LevelChoice(choice.level, choice.collection, choice.scenes, counts if any(counts.values()) else {})


def _held(level: str, ids: Mapping[str, str], bounds_wsen: BoundsWSEN, period: Period) -> LevelChoice | None:
    """The level's scenes; None where the server does not hold the collection (a folder of the user's)."""
    try:
        return _source(level, ids, bounds_wsen, period)
    except Fault as error:
        if "not found" not in str(error):
            raise
        return None


def _source(level: str, ids: Mapping[str, str], bounds_wsen: BoundsWSEN, period: Period) -> LevelChoice:
    scene_list = scenes.listed(scenes.collection(ids[level], bounds_wsen, period), period)
    _refuse_mixed(scene_list, level, ids[level])
    return LevelChoice(level, ids[level], scene_list)


def _acquisitions(scene_list: Sequence[Scene]) -> int:
    """Different moments and tiles: the same one may be there in several processings."""
    return len({(scene.index[:15], scene.index.rpartition("_")[2]) for scene in scene_list})


def _refuse_mixed(scene_list: Sequence[Scene], level: str, collection: str) -> None:
    rival = L1C if level == L2A else L2A
    wrong = [scene.index for scene in scene_list if f"MSI{rival}" in str(scene.get("PRODUCT_ID"))]
    if wrong:
        raise ValueError(
            f"collection {collection} holds {rival} scenes such as {wrong[0]} among {level}: one composite needs one "
            "level of Sentinel-2"
        )


def check(requested: str, l2a: str) -> None:
    """ValueError for unknown levels, and collections whose numbers change their meaning in 2022."""
    if requested not in ASKED:
        raise ValueError(f"level {requested!r}: expected one of {', '.join(ASKED)}")
    if l2a in UNHARMONIZED:
        raise ValueError(
            f"Sentinel-2 collection {l2a}: its numbers are 1000 higher since 2022-01-25; expected {l2a}_HARMONIZED"
        )
    if l2a == COLLECTIONS[L1C]:
        raise ValueError(f"Sentinel-2 collection {l2a} is level L1C: ask for level l1c instead")
