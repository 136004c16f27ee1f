"""Rules that turn a product's numbers into labels: codes, years of change, or square metres."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from isamap.gee_export.base.scheme import KINDS, UNKNOWN, Scheme
from isamap.gee_export.labelling import shares

if TYPE_CHECKING:
    import ee

HARD_SHARE_PERCENT = 50  # impervious is what is so for MORE than half of its area (GAIA's own definition)


class LabelRule(ABC):
    """What a product's rule can do, on the server. schemes: those that its labels can be given in."""

    schemes: tuple[str, ...] = ("isa",)

    def whole(self, image: ee.Image) -> ee.Image:
        """An image that is the whole product, its masked pixels given the number that they stand for, everywhere.

        Within the image's own footprint would not do: that of an image around the globe has no inside.
        """
        return image

    @abstractmethod
    def label(self, image: ee.Image, scheme: Scheme, year: int) -> ee.Image:
        """One band of the scheme's numbers from one image of one band; unknown is masked."""

    def share(self, image: ee.Image) -> ee.Image | None:
        """Impervious percent, float, where the product holds it; None where it holds classes."""
        return None

    def join(self, labels: ee.ImageCollection) -> ee.Image:
        """One label of those of overlapping tiles."""
        return labels.mosaic()

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The rule as manifests hold it."""


@dataclass(frozen=True)
class Codes(LabelRule):
    """The rule of a class map: the kind of land of each code (scheme.KINDS), of every other code, of masked pixels.

    Products whose files leave unbuilt ground out (`masked="pervious"`) know it within their tiles only; where tiles
    overlap the built one counts.
    """

    kinds: Mapping[int, str]
    unlisted: str = "unknown"
    masked: str = "unknown"
    schemes: tuple[str, ...] = ("isa",)

    def __post_init__(self) -> None:
        for land_type in (*self.kinds.values(), self.unlisted, self.masked):
            if land_type not in KINDS:
                raise ValueError(f"kind of land {land_type!r}: expected one of {', '.join(KINDS)}")
        if self.masked not in ("unknown", *self.kinds.values()):
            raise ValueError(f"masked pixels stand for {self.masked!r}, which no code of {dict(self.kinds)} means")

    def whole(self, image: ee.Image) -> ee.Image:
        codes = [code for code, land_type in self.kinds.items() if land_type == self.masked]
        return image.unmask(codes[0], False) if self.masked != "unknown" else image

    def label(self, image: ee.Image, scheme: Scheme, year: int) -> ee.Image:
        numbers = [scheme.number(land_type) for land_type in self.kinds.values()]
        label_image = image.remap(list(self.kinds), numbers, scheme.number(self.unlisted))
        if self.masked != "unknown":
            label_image = label_image.unmask(scheme.number(self.masked))  # within the image's own footprint
        return label_image.updateMask(label_image.neq(UNKNOWN))

    def join(self, labels: ee.ImageCollection) -> ee.Image:
        # Where unbuilt ground is masked, an edge's filler would hide what the next tile knows to be built.
        return labels.mosaic() if self.masked == "unknown" else labels.max()

    def numbers(self, values: np.ndarray, valid: np.ndarray, scheme: Scheme) -> np.ndarray:
        """The same rule on this machine: uint8 of values and where they are valid, 255 unknown."""
        label = np.full(values.shape, scheme.number(self.unlisted), np.uint8)
        for code, land_type in self.kinds.items():
            label[values == code] = scheme.number(land_type)
        return np.where(valid, label, np.uint8(scheme.number(self.masked)))

    def undeclared(self, values: np.ndarray) -> np.ndarray:
        """Which values are codes that the rule does not name, where it says nothing of the others (bool)."""
        if self.unlisted != "unknown":
            return np.zeros(values.shape, bool)
        return ~np.isin(values, [*self.kinds, UNKNOWN])

    def percents(self, values: np.ndarray, valid: np.ndarray, scheme: Scheme) -> np.ndarray:
        """Impervious percent of each pixel (0 or 100), uint8, 255 unknown."""
        return shares.of_classes(self.numbers(values, valid, scheme), scheme)

    def to_json(self) -> dict[str, Any]:
        by_kind = {land_type: [code for code, k in self.kinds.items() if k == land_type] for land_type in KINDS}
        codes = {land_type: land_codes for land_type, land_codes in by_kind.items() if land_codes}
        return codes | {"others": self.unlisted, "masked": self.masked}


@dataclass(frozen=True)
class FirstYears(LabelRule):
    """The rule of a product of change: the first year in which each code is impervious; 0 and masked ground never is.

    Impervious in a year is every code whose first year is that year or earlier.
    """

    years: Mapping[int, int]

    def whole(self, image: ee.Image) -> ee.Image:
        return image.unmask(0, False)

    def label(self, image: ee.Image, scheme: Scheme, year: int) -> ee.Image:
        return self._of(year).label(image, scheme, year)

    def join(self, labels: ee.ImageCollection) -> ee.Image:
        return labels.max()

    def to_json(self) -> dict[str, Any]:
        first, last = min(self.years), max(self.years)
        words = f"code {first} is impervious from {self.years[first]}, code {last} from {self.years[last]}; 0 is not"
        return {"first_years": words, "masked": "pervious"}

    def _of(self, year: int) -> Codes:
        kinds = {code: "impervious" if first <= year else "pervious" for code, first in self.years.items()}
        return Codes({0: "pervious", **kinds}, masked="pervious")


@dataclass(frozen=True)
class BuiltArea(LabelRule):
    """The rule of a product of shares: built square metres of each cell of `cell_m2`; above half is impervious."""

    cell_m2: float

    def label(self, image: ee.Image, scheme: Scheme, year: int) -> ee.Image:
        return self.share(image).gt(HARD_SHARE_PERCENT)

    def share(self, image: ee.Image) -> ee.Image:
        """Numbers that are no area of the cell (255, 65535) are no data."""
        inside = image.gte(0).And(image.lte(self.cell_m2))
        return image.updateMask(inside).toFloat().multiply(100 / self.cell_m2)

    def numbers(self, values: np.ndarray, valid: np.ndarray, scheme: Scheme) -> np.ndarray:
        """The same rule on this machine: uint8 of values and where they are valid, 255 unknown."""
        built = values * (100 / self.cell_m2) > HARD_SHARE_PERCENT  # not rounded first: 50.4 is more than half
        return np.where(self._known(values, valid), built, UNKNOWN).astype(np.uint8)

    def percents(self, values: np.ndarray, valid: np.ndarray, scheme: Scheme) -> np.ndarray:
        """Impervious percent of each pixel, uint8, 255 unknown."""
        labelled = self._known(values, valid)
        percent = np.rint(np.where(labelled, values, 0) * (100 / self.cell_m2))
        return np.where(labelled, percent, UNKNOWN).astype(np.uint8)

    def undeclared(self, values: np.ndarray) -> np.ndarray:
        """Which values are no area of the cell, and not the 255 that stands for no data (bool)."""
        return ((values < 0) | (values > self.cell_m2)) & (values != UNKNOWN)

    def _known(self, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
        return valid & (values >= 0) & (values <= self.cell_m2)

    def to_json(self) -> dict[str, Any]:
        return {"built_m2_of": self.cell_m2, "impervious": f"share > {HARD_SHARE_PERCENT} %"}


@dataclass(frozen=True)
class Confidence(LabelRule):
    """The rule of a model's confidence from 0 to 1: impervious above a threshold. It is no share of area."""

    threshold: float

    def label(self, image: ee.Image, scheme: Scheme, year: int) -> ee.Image:
        return image.gt(self.threshold)

    def to_json(self) -> dict[str, Any]:
        return {"impervious": f"confidence > {self.threshold:g}"}
