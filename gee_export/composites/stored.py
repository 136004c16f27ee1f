"""What an asset says of the composite that it holds: all that decides its pixels, and what it was made of."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import STEP_M, BoundsWSEN, Region
from isamap.gee_export.earth_engine.assets import plain_part
from isamap.gee_export.sentinel.composite import SENSORS, Composite, Settings, option_types, owner_of

# Part of the recipe, so that composites of another layout are never taken for these.
FORMAT = 1
RECIPE, PERIOD, ZONE = "isamap_recipe", "isamap_period", "isamap_epsg"
_FACTS, _CHUNK, _MOST_CHUNKS = "isamap_facts_", 1000, 60  # of one property of an asset (publishing.manifest.TEXT_LIMIT)
_LONG = 100  # entries
_MOST_BYTES = 8 << 20  # of the facts once they are unpacked: an asset is somebody else's word
_BANDS = ("bands", "extras", "sensors")  # settings that say which bands there are, and not what they hold


@dataclass(frozen=True)
class StoredComposite:
    """A composite of a rectangle and period, on the zone's 10-m grid, as an asset keeps it.

    settings: the composite's (Settings.to_json); source: where its pixels come from (session.source_of). The rest is
    what the server said when it was made, as in `Composite`.
    """

    region: str
    epsg: int
    bounds_m: BoundsWSEN
    period: Period
    settings: Mapping[str, Any]
    source: Mapping[str, str]
    scenes: Mapping[str, tuple[str, ...]]
    info: Mapping[str, Any]
    backscatter: str | None
    level: str | None
    simulated: bool

    @classmethod
    def of(cls, ground: Region, period: Period, settings: Settings, source: Mapping[str, str]) -> StoredComposite:
        """What is asked for; `made_of` adds what it was made of."""
        return cls(
            ground.name, ground.epsg, ground.bounds_m, period, settings.to_json(), source, {}, {}, None, None, False
        )

    def made_of(self, made: Composite) -> StoredComposite:
        """With the facts of the composite."""
        return replace(
            self,
            scenes=made.scenes,
            info=made.info,
            backscatter=made.backscatter,
            level=made.level,
            simulated=made.simulated,
        )

    @property
    def recipe(self) -> str:
        """32 hexadecimal digits that are equal for equal place, period, settings and source."""
        # Without what the server said: a recipe must be known before anything is composed.
        ingredients = [FORMAT, self.epsg, list(self.bounds_m), _days(self.period), self.settings, dict(self.source)]
        return hashlib.sha256(json.dumps(ingredients, sort_keys=True).encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """Of the image in its collection, the same in every run."""
        return f"{plain_part(self.region)}_{self.period.label}_{self.recipe[:12]}"

    def properties(self) -> dict[str, Any]:
        """Of the asset: what it is found by, its time, and the facts in pieces of text that an asset takes."""
        # Whole lists of scenes where they fit; else their number and hash, which differ where composites do.
        packed = self._packed() or replace(self, scenes=_counted(self.scenes), info=_lean(self.info))._packed()
        if packed is None:
            raise ValueError(
                f"the facts of {self.region} in {self.period} are longer than an asset's properties: give a smaller "
                "region or a shorter period"
            )
        starts = range(0, len(packed), _CHUNK)
        pieces = {f"{_FACTS}{at:02d}": packed[start : start + _CHUNK] for at, start in enumerate(starts)}
        return {
            RECIPE: self.recipe,
            PERIOD: _days(self.period),
            ZONE: self.epsg,
            "composite_version": self.settings.get("composite_version", 1),
            "simulated": "true" if self.simulated else "false",
            "system:time_start": self.period.start_ms,
            "system:time_end": self.period.end_ms,
            **pieces,
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, Any]) -> StoredComposite:
        """Of an asset's properties; ValueError where `properties` did not write them."""
        try:
            names = sorted(name for name in properties if name.startswith(_FACTS))
            # An object and not zlib.decompress: only that one takes a limit for what it unpacks.
            unpacker = zlib.decompressobj()
            packed = base64.b64decode("".join(str(properties[name]) for name in names), validate=True)
            document = json.loads(unpacker.decompress(packed, _MOST_BYTES))
            left, bottom, right, top = map(float, document["bounds_m"])
            first, _, last = str(document["period"]).partition("/")
            return cls(
                **document
                | {
                    "epsg": int(document["epsg"]),
                    "bounds_m": (left, bottom, right, top),
                    "period": Period(date.fromisoformat(first), date.fromisoformat(last)),
                    "scenes": {str(sensor): tuple(map(str, ids)) for sensor, ids in document["scenes"].items()},
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError, zlib.error, RecursionError) as error:
            raise ValueError(f"no facts of `isamap composite` ({type(error).__name__}: {error})") from error

    def unlike(self, region: Region, settings: Settings, source: Mapping[str, str]) -> str:
        """Why it cannot stand for the composite of a region by these settings, in words; empty where it can."""
        if dict(self.source) != dict(source):
            return f"its pixels come from {_words(self.source)}, not from {_words(source)}"
        stored_settings = Settings.from_json(self.settings)
        names = {band.name for band in stored_settings.stored_bands}
        if missing := [band.name for band in settings.stored_bands if band.name not in names]:
            return f"it has no band {', '.join(missing)}"
        if differing := _differences(stored_settings, settings):
            return f"it was made by other settings ({'; '.join(differing)})"
        return self.off_ground(region)

    def off_ground(self, region: Region) -> str:
        """Why it does not hold the region's pixels, in words; empty where it does."""
        left, bottom, right, top = self.bounds_m
        west, south, east, north = region.bounds_m
        # Pixels must coincide: interpolated ones would be another composite.
        if any((value - edge) % STEP_M for value, edge in ((west, left), (north, top))):
            return "its pixels lie beside the region's"
        beyond_m = max(left - west, bottom - south, east - right, north - top)
        return f"{beyond_m:,.0f} m of the ground that is read lie beyond it" if beyond_m > 0 else ""

    def _packed(self) -> str | None:
        """The facts as text; None where they are too many."""
        document = {name: getattr(self, name) for name in self.__dataclass_fields__}
        document |= {"period": _days(self.period)}
        raw = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
        text = base64.b64encode(zlib.compress(raw, 9)).decode()
        return text if len(text) <= _CHUNK * _MOST_CHUNKS and len(raw) <= _MOST_BYTES else None


def _days(period: Period) -> str:
    return f"{period.start}/{period.end}"


def _differences(held: Settings, asked: Settings) -> list[str]:
    """Each setting that differs, in words; those of sensors that are not asked do not matter."""
    left, right, others = held.to_json(), asked.to_json(), SENSORS.keys() - set(asked.sensors)
    names = [
        name
        for name in option_types()
        if name not in _BANDS and (owner_of(name) not in others or name == "composite_version")
    ]
    return [
        f"{name} is {left.get(name)} there, {right.get(name)} asked"
        for name in names
        if left.get(name) != right.get(name)
    ]


def _words(source: Mapping[str, str]) -> str:
    return " ".join(dict.fromkeys(map(str, source.values())))


def _counted(scenes: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Of each sensor one text that stands for its scenes: an asset has no room for the names of thousands."""
    return {sensor: (f"{len(ids)} scenes, sha256 {_digest(ids)}",) for sensor, ids in scenes.items()}


def _lean(info: Mapping[str, Any]) -> dict[str, Any]:
    """Each sensor's facts without long lists of scenes."""
    return {sensor: {name: _brief(value) for name, value in facts.items()} for sensor, facts in info.items()}


def _brief(value: Any) -> Any:
    is_long = isinstance(value, list | dict) and len(value) > _LONG
    return f"{len(value)}, sha256 {_digest(value)}" if is_long else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
