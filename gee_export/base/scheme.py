"""Label schemes: the classes that a dataset's labels hold, and which class each kind of land is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gee_export.datasets.manifest import UNKNOWN

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

    def number(self, kind: str) -> int:
        """The stored number of a kind of land, 255 where the scheme has none for it."""
        return self.numbers.get(kind, UNKNOWN)


_SEVEN = ("cropland", "woodland", "grassland", "water", "impervious", "bare", "snow_ice")

SCHEMES: dict[str, Scheme] = {
    "isa": Scheme(
        "isa",
        {0: "pervious", 1: "impervious", UNKNOWN: "unknown"},
        1,
        {kind: int(kind == "impervious") for kind in KINDS if kind != "unknown"},
    ),
    # S003 trains on seven classes and leaves wetland, tundra and clouds out (docs/reference/formats.md, "Patch
    # dataset").
    "s003": Scheme(
        "s003",
        dict(enumerate(_SEVEN)) | {UNKNOWN: "unknown"},
        _SEVEN.index("impervious"),
        {kind: number for number, kind in enumerate(_SEVEN)},
    ),
}


def scheme_of(name: str) -> Scheme:
    """A scheme by name; ValueError for unknown ones."""
    if name not in SCHEMES:
        raise ValueError(f"--scheme {name!r}: expected one of {', '.join(SCHEMES)}")
    return SCHEMES[name]
