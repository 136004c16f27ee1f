"""Samples as two papers took them: how many points, and what the papers do not say.

docs/reference/papers.md names the papers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """points: in all; by_class: of each class, where the paper gives them; notes: what the paper leaves open."""

    title: str
    design: str
    points: int
    by_class: Mapping[str, int]
    notes: tuple[str, ...]


# LandCover3m, table 1
_TABLE_1 = {
    "cropland": 336, "woodland": 437, "grassland": 303, "water": 97, "impervious": 191, "bare": 566, "snow_ice": 10,
}  # fmt: skip

SAMPLES: Mapping[str, Preset] = {
    "runetpp": Preset(
        "RU-Net++, section 3.2.3: 200 random points, read by experts in Google Earth",
        "simple",
        200,
        {},
        (
            "RU-Net++ drew its points within 78 selected images and does not say how those were selected",
            "it writes of 200 points in all and prints five matrices of 200 each (table 5); here 200 are drawn at "
            "random over the whole map",
            "it does not say how many experts read each point, nor what they saw of the map",
        ),
    ),
    "landcover3m": Preset(
        "LandCover3m, section 2.3 and table 1: 1,940 points of seven classes",
        "stratified",
        1940,
        _TABLE_1,
        (
            "LandCover3m took 1,692 points of a global validation sample and added 248 of water and impervious on "
            "OpenStreetMap's features: together no probability sample, so no area follows from it; here the same "
            "numbers are drawn at random within the map's own classes, which is one",
            "it does not say who read the points again for 2017, nor whether they saw the map",
        ),
    ),
}


def preset_named(name: str) -> Preset:
    """The preset of a name; ValueError for others."""
    if name not in SAMPLES:
        raise ValueError(f"--preset {name!r}: expected {' or '.join(SAMPLES)}")
    return SAMPLES[name]


def counts_of(preset: Preset, classes: tuple[str, ...]) -> dict[str, int]:
    """Points of each of a map's classes; a map of impervious and pervious ground gets the other classes as one.

    ValueError where the map's classes are neither the paper's nor those two.
    """
    if set(classes) <= set(preset.by_class):
        return {name: preset.by_class[name] for name in classes}
    if set(classes) == {"pervious", "impervious"}:
        built = preset.by_class["impervious"]
        return {name: built if name == "impervious" else preset.points - built for name in classes}
    raise ValueError(
        f"the preset counts points of {', '.join(preset.by_class)}; the map has {', '.join(classes)}: give --points"
    )
