"""What is learned from a dataset: which of its layers, in which classes, from how many dates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from isamap.gee_export.base.scheme import CLASSES, SCHEMES, SEVEN, UNKNOWN
from isamap.gee_export.datasets.manifest import DatasetManifest
from isamap.training.models.sharpened import RGB

# of a target: the cache's layer that is read, and the layers that the dataset must hold
LAYERS: dict[str, str] = {"label": "labels", "fine": "fine_labels", "share": "shares"}
VISIBLE = ("visible",)
# Sentinel-2's names first: b1 to b3 are the order of drivers that know no names.
_VISIBLE_NAMES = (("B4", "B3", "B2"), ("R", "G", "B"), ("red", "green", "blue"), ("b1", "b2", "b3"))
# Sentinel-2 passes some 70 times a year: more dates would only repeat some.
MOST_DATES = 64


@dataclass(frozen=True)
class LearningTarget:
    """What a network learns of a dataset's patches.

    scheme: "isa" (pervious, impervious) or "landcover3m" (seven classes). layer: "label", "fine" (the finer image's
    labels) or "share" (impervious share, 0 to 1). frames: dates given to the network, 0 for the composite. days:
    whether each date's day of year is its last band. sharp: names of the finer image's bands that are wanted as the
    true image, VISIBLE for its red, green and blue; they are standardised as the image's bands `sharp_as`, in the same
    order.
    """

    scheme: str = "isa"
    layer: str = "label"
    frames: int = 0
    days: bool = False
    sharp: tuple[str, ...] = ()
    sharp_as: tuple[str, ...] = RGB

    def __post_init__(self) -> None:
        for name, allowed in (("scheme", SCHEMES), ("layer", LAYERS)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} {getattr(self, name)!r} is not known: choose one of {', '.join(allowed)}")
        if self.layer == "share" and self.scheme != "isa":
            raise ValueError(f"shares are of impervious ground: scheme {self.scheme} is learned from labels")
        if not 0 <= self.frames <= MOST_DATES:
            raise ValueError(f"frames={self.frames}: expected 0 (the composite) to {MOST_DATES} dates")

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, by number."""
        return SCHEMES[self.scheme].names

    @property
    def fine(self) -> bool:
        """Whether the dataset's finer layers are needed."""
        return self.layer == "fine" or bool(self.sharp)


COMPOSITE_LABELS = LearningTarget()


def class_numbers(head: DatasetManifest, target: LearningTarget) -> np.ndarray:
    """For each stored number 0..255 of the target's layer its class, or 255; uint8 (256,).

    "isa" of seven classes: 1 where impervious, else 0. Shares in percent: 1 from 50 on. Numbers that are no class stay
    as they are, to be noticed where they are counted. ValueError: seven classes wanted of a dataset of two.
    """
    # A table of all 256 numbers: labels become classes by one look-up a pixel, whatever the dataset's numbers are.
    number_of = np.arange(256, dtype=np.uint8)
    if target.layer == "share":
        # As maps decide: half of a pixel makes it impervious.
        number_of[:101] = np.arange(101) >= 50
        return number_of
    stored_classes = _held_classes(head)
    if target.scheme == "landcover3m":
        if tuple(stored_classes.get(value) for value in range(len(SEVEN))) != SEVEN:
            raise ValueError(
                f"dataset {head.name} does not hold the seven classes of scheme landcover3m: "
                "export it with --scheme landcover3m, or train with --set scheme=isa"
            )
        return number_of
    number_of[list(stored_classes)] = 0
    impervious = [value for value, name in stored_classes.items() if name == "impervious"]
    number_of[impervious or [1]], number_of[UNKNOWN] = 1, UNKNOWN
    return number_of


def _held_classes(head: DatasetManifest) -> Mapping[int, str]:
    """Names of the stored numbers; the finer labels of a dataset that has no others say only their scheme."""
    if head.label is not None:
        return {int(value): name for value, name in head.label.get("classes", {}).items()}
    scheme = head.asked.get("fine", {}).get("label", {}).get("scheme", "isa")
    return dict(enumerate(SCHEMES[scheme].names if scheme in SCHEMES else CLASSES))


def visible(names: Sequence[str]) -> tuple[str, ...]:
    """The red, green and blue bands among a finer image's; ValueError where their names do not tell."""
    by_name = {name.lower(): name for name in names}
    for triple in _VISIBLE_NAMES:
        if all(name.lower() in by_name for name in triple):
            return tuple(by_name[name.lower()] for name in triple)
    expected = " or ".join(" ".join(triple) for triple in _VISIBLE_NAMES)
    raise ValueError(
        f"the finer image's bands {', '.join(names)} do not tell red, green and blue: export it with --fine-bands "
        f"named {expected}"
    )
