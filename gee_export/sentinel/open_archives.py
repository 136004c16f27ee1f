"""Which composites the public archives (`--catalog open`) can give, and what takes the place of what they lack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from isamap.gee_export.earth_engine.archives import holds
from isamap.gee_export.sentinel.clouds import CLOUDS
from isamap.gee_export.sentinel.composite import Settings, owner_of
from isamap.gee_export.sentinel.sentinel2 import Optical

UNDECIDED = "auto"  # of the level: the archives hold one


@dataclass(frozen=True)
class Limit:
    """A composite setting of which the archives can give some values; the first is taken where the user says none."""

    setting: str
    values: tuple[str, ...]
    why: str

    def check(self, value: str) -> None:
        """ValueError for a value that the archives cannot give, with those that they can."""
        if value not in self.values:
            raise ValueError(
                f"--catalog open: {self.setting} {value} cannot be had, because {self.why}; give "
                f"{self.setting} {' or '.join(self.values)}"
            )


# SCL first, the archives' default: it is a file of each scene, and needs no other collection or weights.
_MASKS = sorted((name for name, mask in CLOUDS.items() if mask.archived), key=lambda name: name != "scl")
LIMITS = (
    Limit("clouds", tuple(_MASKS), "the archives hold neither Cloud Score+ nor s2cloudless nor QA60"),
    Limit("level", ("l2a",), "the archives' L1C are JPEG 2000 files, which are not read in parts"),
    Limit("terrain", ("none",), "the archives' Sentinel-1 is gamma0, flattened with a terrain model already"),
)


def defaults(given: Mapping[str, Any], sensors: tuple[str, ...]) -> dict[str, str]:
    """The settings that the archives decide where the user has not; ValueError for a given one they cannot have."""
    providers = {}
    for limit in LIMITS:
        value = given.get(limit.setting)
        if value not in (None, UNDECIDED):
            limit.check(value)
        elif owner_of(limit.setting) in sensors:
            providers[limit.setting] = limit.values[0]
    return providers


def check_sources(settings: Settings) -> None:
    """ValueError for a sensor's collection that no public archive holds."""
    for sensor, collection in settings.collections.items():
        if not holds(collection):
            raise ValueError(
                f"--catalog open: no public archive holds {collection}: leave {sensor} out of --sensors, or a "
                "collection of your own out of --set"
            )


def fitted(settings: Settings, level: str | None = None) -> tuple[Settings, tuple[str, ...]]:
    """A checkpoint's settings as the archives can make them, and each change in words.

    A mask only chooses which pixels are seen and gamma0 is gamma0 whoever flattened it, so these give way. level: the
    one that the checkpoint was trained on, where its settings leave that open; reflectance of L1C is another, so
    ValueError there.
    """
    level_name = settings.optical.level if settings.optical.level != UNDECIDED else (level or "l2a").lower()
    by_name = {limit.setting: limit for limit in LIMITS}
    if "sentinel2" in settings.sensors:
        by_name["level"].check(level_name)
    optical = replace(settings.optical, level="l2a", clouds=_nearest(by_name["clouds"], settings.optical.clouds))
    radar = replace(settings.radar, terrain="none", terrain_buffer_m=0.0)
    made = replace(settings, optical=optical, radar=radar)
    check_sources(made)
    return made, tuple(_changes(settings, made))


def optical(options: Optical) -> Optical:
    """Options that nobody chose, as the archives can give them."""
    return replace(options, level="l2a", clouds=LIMITS[0].values[0])


def words(settings: Settings) -> str:
    """The one line that a command prints of what it chose itself."""
    parts = [f"clouds {settings.optical.clouds}", "Sentinel-2 L2A"] if "sentinel2" in settings.sensors else []
    parts += ["Sentinel-1 gamma0 as it is"] * ("sentinel1" in settings.sensors)
    return f"--catalog open: {', '.join(parts)}" if parts else ""


def _nearest(limit: Limit, value: str) -> str:
    return value if value in limit.values else limit.values[0]


def _changes(asked: Settings, made: Settings) -> list[str]:
    """Each setting that differs, of the sensors that are there; a level that was open is no change."""
    texts = []
    for sensor, before, now in (("sentinel2", asked.optical, made.optical), ("sentinel1", asked.radar, made.radar)):
        for option in fields(before) if sensor in asked.sensors else ():
            old, new = getattr(before, option.name), getattr(now, option.name)
            if old not in (new, UNDECIDED):
                texts.append(f"{option.name} {new} in place of {old}")
    return texts
