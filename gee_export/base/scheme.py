"""Label schemes: the classes that labels hold, their numbers, and the number for unknown. The one home of all three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

UNKNOWN = 255  # a label or an impervious share that nobody knows

# What products tell apart. `pervious` is ground that a product only calls not built; `unknown` is cloud or no data.
KINDS = (
    "cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice",
    "wetland", "moss", "pervious", "unknown",
)  # fmt: skip


@dataclass(frozen=True)
class Scheme:
    """`classes`: names by stored number; `impervious`: the number that is; kinds that are left out are unknown."""

    name: str
    classes: Mapping[int, str]
    impervious: int
    numbers: Mapping[str, int]

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in the order of their numbers, without unknown."""
        return tuple(name for value, name in sorted(self.classes.items()) if value != UNKNOWN)

    def number(self, land_type: str) -> int:
        """The stored number of a kind of land, 255 where the scheme has none for it."""
        return self.numbers.get(land_type, UNKNOWN)


_SEVEN = ("cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice")

SCHEMES: dict[str, Scheme] = {
    "isa": Scheme(
        "isa",
        {0: "pervious", 1: "impervious", UNKNOWN: "unknown"},
        1,
        {land_type: int(land_type == "impervious") for land_type in KINDS if land_type != "unknown"},
    ),
    # The national 3-m land cover trains on seven classes and leaves wetland, tundra and clouds out (its section 2.2).
    "landcover3m": Scheme(
        "landcover3m",
        dict(enumerate(_SEVEN)) | {UNKNOWN: "unknown"},
        _SEVEN.index("impervious"),
        {land_type: value for value, land_type in enumerate(_SEVEN)},
    ),
}


CLASSES, SEVEN = SCHEMES["isa"].names, SCHEMES["landcover3m"].names


def scheme_of(name: str) -> Scheme:
    """A scheme by its name; ValueError for unknown ones."""
    if name not in SCHEMES:
        raise ValueError(f"--scheme {name!r}: expected one of {', '.join(SCHEMES)}")
    return SCHEMES[name]
