"""What the values of a map mean: class names, colours, and the threshold of impervious."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from isamap.gee_export.base.scheme import UNKNOWN

PROB_STEPS = 254  # prob = round(254 p), so 255 stays free for unknown (docs/reference/formats.md, "Map")
PROBABILITY = "prob"  # name of the band

# class name -> colour, RRGGBB; the two-class pair is fixed by docs/reference/formats.md, "Map", the land cover after
# LandCover3m's seven classes
COLOURS = {
    "pervious": "d9d9d9",
    "impervious": "e31a1c",
    "cropland": "f1c232",
    "woodland": "38761d",
    "grassland": "93c47d",
    "water": "3d85c6",
    "bare": "b7a57a",
    "snow_ice": "f4fbff",
}


class Palette(Protocol):
    """What a file of values and its sidecar say of them: names and colours (RRGGBB) by value, and the band's name."""

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def colours(self) -> tuple[str, ...]: ...

    @property
    def band(self) -> str: ...


@dataclass(frozen=True)
class Legend:
    """Classes by value; `threshold` is the probability from which a two-class map says impervious."""

    names: tuple[str, ...]
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if "impervious" not in self.names:
            raise ValueError(f"classes {', '.join(self.names)}: a map needs the class impervious among them")
        if not 2 <= len(self.names) < UNKNOWN:
            raise ValueError(f"{len(self.names)} classes: a map holds 2 to {UNKNOWN - 1}")
        if not 0 < self.threshold < 1:
            raise ValueError(f"threshold {self.threshold}: expected a probability between 0 and 1")

    @classmethod
    def of(cls, classes: Sequence[str], thresholds: Mapping[str, float]) -> Legend:
        """The legend of a checkpoint's classes and thresholds (0.5 where it names none)."""
        return cls(tuple(classes), float(thresholds.get("impervious", 0.5)))

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Legend:
        """The legend that a map's file states; KeyError where it names no classes."""
        return cls(tuple(tags["classes"].split(",")), float(tags.get("threshold", 0.5)))

    @property
    def impervious(self) -> int:
        """The value of impervious."""
        return self.names.index("impervious")

    @property
    def binary(self) -> bool:
        return len(self.names) == 2

    @property
    def blended(self) -> tuple[int, ...]:
        """Classes whose probabilities are blended: impervious alone decides between two."""
        return (self.impervious,) if self.binary else tuple(range(len(self.names)))

    @property
    def band(self) -> str:
        """Name of the band of classes."""
        return "isa" if self.binary else "class"

    @property
    def colours(self) -> tuple[str, ...]:
        """RRGGBB of each class."""
        return tuple(COLOURS.get(name, "7f7f7f") for name in self.names)


@dataclass(frozen=True)
class ShareLegend:
    """Percents by value, from the colour of pervious ground to that of impervious."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"{percent} %" for percent in range(101))

    @property
    def band(self) -> str:
        """Name of the band."""
        return "impervious"

    @property
    def colours(self) -> tuple[str, ...]:
        """RRGGBB of each percent."""
        low, high = (bytes.fromhex(COLOURS[name]) for name in ("pervious", "impervious"))
        mixed = ([round(a + (b - a) * percent / 100) for a, b in zip(low, high, strict=True)] for percent in range(101))
        return tuple(bytes(colour).hex() for colour in mixed)


@dataclass(frozen=True)
class SetLegend:
    """Sets of two classes by number: 0 none, 1 the first, 2 the second, 3 both (training/checkpoints/conformal.py)."""

    classes: tuple[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        first, second = self.classes
        return "none", first, second, f"{first} or {second}"

    @property
    def band(self) -> str:
        """Name of the band."""
        return "set"

    @property
    def colours(self) -> tuple[str, ...]:
        """RRGGBB of each set: both classes in yellow, none in black."""
        return "000000", *(COLOURS.get(name, "7f7f7f") for name in self.classes), "ffd966"
