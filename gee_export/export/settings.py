"""Composite settings as options, and as words `name=value`: names checked, values of their types."""

from __future__ import annotations

import types
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from isamap.gee_export.base.options import Option
from isamap.gee_export.base.suggest import suggest
from isamap.gee_export.sentinel import open_archives
from isamap.gee_export.sentinel.clouds import CLOUDS
from isamap.gee_export.sentinel.composite import (
    EVERY,
    SENSORS,
    SHORT,
    USUAL_SENSORS,
    Settings,
    option_types,
    owner_of,
    sensor_names,
)
from isamap.gee_export.sentinel.sentinel2 import REDUCERS
from isamap.gee_export.sentinel.speckle import SPECKLE
from isamap.gee_export.sentinel.statistics import PRESETS
from isamap.gee_export.sentinel.terrain import MODELS

TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
# Given as nothing, these would quietly stand for the preset's or ask a server for an image without a name.
NEVER_EMPTY = ("statistics", "least_dates", "sentinel1", "sentinel2", "dem", "embedding", "embedding_bands")


def names() -> tuple[str, ...]:
    """The composite settings that --set takes."""
    return tuple(option_types())


@dataclass(frozen=True)
class CompositeOptions:
    """The composite's settings: the usual ones, and every other one by name."""

    GROUP: ClassVar[str] = "Composite"
    sensors: Annotated[
        tuple[str, ...],
        Option("What the bands are of, in this order; embeddings: the year's.", choices=(*SENSORS, *SHORT),
               metavar=f"[{'|'.join(SENSORS)}]"),
    ] = USUAL_SENSORS  # fmt: skip
    composite: Annotated[
        str | None,
        Option("month: one value a pixel; the others: bands of a year's statistics (docs/year.md).", choices=PRESETS),
    ] = None
    speckle: Annotated[str | None, Option("Filter of Sentinel-1 (lee if not given).", choices=SPECKLE)] = None
    terrain: Annotated[str | None, Option("Terrain flattening of Sentinel-1 (gamma0).", choices=("none", *MODELS))] = (
        None
    )
    clouds: Annotated[
        str | None, Option("Cloud mask of Sentinel-2 (cloud_score_plus if not given).", choices=CLOUDS)
    ] = None
    reducer: Annotated[str | None, Option("Of Sentinel-2's clear pixels.", choices=REDUCERS)] = None
    settings: Annotated[
        tuple[str, ...] | Mapping[str, Any],
        Option("Any composite setting, e.g. kernel_px=5 clear=0.7.", metavar="NAME=VALUE", flag="--set"),
    ] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "sensors", sensor_names(self.sensors))

    @property
    def usual(self) -> dict[str, str | None]:
        """The settings that have options of their own."""
        names = ("composite", "speckle", "terrain", "clouds", "reducer")
        return {name: getattr(self, name) for name in names}

    def chosen(self, bands: tuple[str, ...] = (), *, archives: bool = False) -> Settings:
        """The composite's settings, with these bands of Sentinel-2 (none: its own); archives: as `chosen`."""
        return chosen(self.settings, archives=archives, bands=bands or None, sensors=self.sensors, **self.usual)

    def refuse(self) -> None:
        """ValueError for settings where there is no composite."""
        names = [name for name, value in self.usual.items() if value is not None] + ["set"] * bool(self.settings)
        names += ["sensors"] * (self.sensors != USUAL_SENSORS)
        if names:
            raise ValueError(f"--image takes the place of Sentinel's composite: leave out --{' --'.join(names)}")


def chosen(words: Sequence[str] | Mapping[str, Any], *, archives: bool = False, **named: Any) -> Settings:
    """Settings of `name=value` words (or of values by name) and of options with names of their own (None: not given).

    Tuples are written with commas, `none` is no value. archives: of what the public archives can give, with their
    defaults (open_archives.LIMITS). ValueError for unknown names (with the nearest), values of another type, and
    options given in both ways.
    """
    values = {name: value for name, value in named.items() if value is not None}
    kinds = option_types()
    for name, value in words.items() if isinstance(words, Mapping) else map(_pair, words):
        if name not in kinds:
            hint = suggest(name, kinds) or f"expected one of {', '.join(kinds)}"
            raise ValueError(f"--set {name}: no composite setting has this name, {hint}")
        if name in values:
            raise ValueError(f"{name} is given twice: give it once, by its option or by --set")
        values[name] = _typed(name, value, kinds[name]) if isinstance(value, str) else value
        if name in NEVER_EMPTY and not values[name]:
            raise ValueError(f"--set {name}={_text(name, value)}: expected at least one, leave it out for the usual")
    sensors = sensor_names(values.get("sensors", USUAL_SENSORS))
    _check_owners(values.keys() & kinds.keys(), sensors)
    if archives:
        values |= open_archives.defaults(values, sensors)
    return Settings.of(**values)


def _check_owners(names: Collection[str], sensors: Collection[str]) -> None:
    """ValueError for a setting of a sensor that is left out."""
    for name in names:
        if (owner := owner_of(name)) not in (*sensors, EVERY):
            raise ValueError(
                f"{name} is a setting of {owner}, which --sensors leaves out: leave it out, or add {owner}"
            )


def _pair(word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals or not name:
        raise ValueError(f"--set {word}: expected NAME=VALUE, such as kernel_px=5")
    return name, text


def _typed(name: str, text: str, value_type: Any) -> Any:
    if get_origin(value_type) in (Union, types.UnionType):
        if text.lower() == "none":
            return None
        value_type = next(member for member in get_args(value_type) if member is not type(None))
    if get_origin(value_type) is tuple:
        return tuple(_typed(name, word, get_args(value_type)[0]) for word in text.split(",") if word)
    if hasattr(value_type, "read"):  # a value too long for words: the file that holds it
        return value_type.read(text)
    try:
        return TRUTHS[text.lower()] if value_type is bool else value_type(text)
    except (KeyError, ValueError) as error:
        words = {int: "a whole number", float: "a number", bool: "true or false"}
        raise ValueError(f"--set {name}={text}: expected {words.get(value_type, value_type)}") from error


def written(words: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Settings as `name=value` words in the order of their names; files by name, objects of Python left out."""
    pairs = dict(words) if isinstance(words, Mapping) else dict(map(_pair, words))
    texts = {name: _text(name, value) for name, value in pairs.items()}
    return [f"{name}={text}" for name, text in sorted(texts.items()) if text is not None]


def _text(name: str, value: Any) -> str | None:
    """A setting's value as `_typed` reads it; None of objects that no word holds."""
    if isinstance(value, str):
        kinds = option_types().get(name)
        is_file = any(hasattr(field_type, "read") for field_type in get_args(kinds) or (kinds,))
        return Path(value).name if is_file else value
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return None
