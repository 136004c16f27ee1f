"""Label products: their editions by year, how an edition's images are gathered, and what they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.base.scheme import Scheme
from isamap.gee_export.labelling.rules import LabelRule

if TYPE_CHECKING:
    import ee

REACH = 2  # years before and after the one that an edition shows, of imagery that it is taken for


@dataclass(frozen=True)
class Edition:
    """One asset of a product, the year it shows, and the years of imagery it is taken for (None: no limit).

    `band` names the year's band where a product keeps its years in bands.
    """

    asset: str
    year: int
    first_year: int | None
    last_year: int | None
    band: str | None = None

    def covers(self, year: int) -> bool:
        return (self.first_year or year) <= year <= (self.last_year or year)


def yearly(asset: str, years: Sequence[int], bands: Sequence[str] = ()) -> tuple[Edition, ...]:
    """One edition a year, each for its own year only; the n-th year's band where bands are given."""
    names: Sequence[str | None] = bands or [None] * len(years)
    return tuple(Edition(asset, year, year, year, band) for year, band in zip(years, names, strict=True))


def snapshot(asset: str, year: int) -> tuple[Edition, ...]:
    """The one edition of a year, taken for imagery of at most REACH years before and after it."""
    return (Edition(asset, year, year - REACH, year + REACH),)


def epochs(asset: str, years: Sequence[int]) -> tuple[Edition, ...]:
    """An edition a step of several years, each for imagery of REACH years around it; {} in the id is the year."""
    return tuple(Edition(asset.format(year), year, year - REACH, year + REACH) for year in years)


# images over a place (and of a year, where they are dated), and a band by name or the first -> images of one band
Gather = Callable[["ee.ImageCollection", "str | int"], "ee.ImageCollection"]


def everything(images: ee.ImageCollection, band: str | int) -> ee.ImageCollection:
    """The band of each image."""
    return images.select([band])


def most_frequent(images: ee.ImageCollection, band: str | int) -> ee.ImageCollection:
    """One image: each pixel's most frequent class."""
    import ee

    return ee.ImageCollection([images.select([band]).mode()])


def likeliest(names: Sequence[str]) -> Gather:
    """Gathers one image: the number of the band of `names` with the highest mean (the first of equals)."""

    def gather(images: ee.ImageCollection, band: str | int) -> ee.ImageCollection:
        import ee

        means = images.select(list(names)).mean()
        highest = means.reduce(ee.Reducer.max())
        best = ee.Image.constant(len(names) - 1).updateMask(highest.mask())
        for class_index in reversed(range(len(names) - 1)):
            best = best.where(means.select([class_index]).gte(highest), class_index)
        return ee.ImageCollection([best])

    return gather


@dataclass(frozen=True)
class Product:
    """A label product: its editions, its band (None: the only one), and the rule that turns it into labels.

    counts: what is impervious to the product. dated: a collection's images of the edition's own year count; gather:
    how they become images of one band. caution: what is not verified about it; printed when the product is used.
    """

    name: str
    title: str
    editions: tuple[Edition, ...]
    scale_m: float
    rule: LabelRule
    licence: str
    citation: str
    band: str | None = None
    counts: str = ""
    dated: bool = False
    gather: Gather = everything
    notes: tuple[str, ...] = ()
    caution: str | None = None

    def edition(self, year: int) -> Edition:
        """The edition for imagery of a year; ValueError naming the years there are."""
        for edition in self.editions:
            if edition.covers(year):
                return edition
        shown = self.nearest(year).year
        raise ValueError(
            f"label {self.name!r} has no edition for {year}: it covers {self.years}; "
            f"`{self.name}@{shown}` takes the nearest, {shown}, as it is"
        )

    def nearest(self, year: int) -> Edition:
        """The edition whose year is nearest, the earlier of two."""
        return min(self.editions, key=lambda edition: (abs(edition.year - year), edition.year))

    @property
    def years(self) -> str:
        """Years of imagery that it has editions for, such as 1985-2018, 2020."""
        spans: list[list[int | None]] = []
        for edition in self.editions:
            if spans and edition.first_year is not None and spans[-1][1] == edition.first_year - 1:
                spans[-1][1] = edition.last_year
            else:
                spans.append([edition.first_year, edition.last_year])
        return ", ".join(_span(first, last) for first, last in spans)

    def scenes(self, edition: Edition, asset_type: str, bounds_wsen: BoundsWSEN) -> ee.ImageCollection:
        """The edition's images over a box, of an asset of type IMAGE or IMAGE_COLLECTION."""
        import ee

        if asset_type == "IMAGE":
            return ee.ImageCollection([ee.Image(edition.asset)])
        near = ee.ImageCollection(edition.asset).filterBounds(ee.Geometry.BBox(*bounds_wsen))
        return near.filterDate(f"{edition.year}-01-01", f"{edition.year + 1}-01-01") if self.dated else near

    def images(self, scenes: ee.ImageCollection, edition: Edition, asset_type: str) -> ee.ImageCollection:
        """Images of one band, ready for the rule."""
        band: str | int = edition.band or self.band or 0
        if asset_type == "IMAGE":
            return everything(scenes, band).map(self.rule.whole)
        return self.gather(scenes, band)

    def info(self, year: int) -> dict[str, Any]:
        """What the manifest says of the label for imagery of a year; its `year` is the one that the label shows."""
        edition = self.edition(year)
        facts = {
            "product": self.name,
            "title": self.title,
            "asset": edition.asset,
            "band": edition.band or self.band or "the only one",
            "year": edition.year,
            "scale_m": self.scale_m,
            "codes": self.rule.to_json(),
            "licence": self.licence,
            "citation": self.citation,
        }
        return facts | ({"unverified": self.caution} if self.caution else {})


def _span(first: int | None, last: int | None) -> str:
    if first is None and last is None:
        return "any year"
    return str(first) if first == last else f"{first or ''}-{last or ''}"


def label_of(product: Product, images: ee.ImageCollection, scheme: Scheme, year: int) -> ee.Image:
    """The scheme's numbers, unknown masked, of a product's gathered images."""
    return product.rule.join(images.map(lambda image: product.rule.label(image, scheme, year)))


def share_of(product: Product, images: ee.ImageCollection) -> ee.Image:
    """Impervious percent of a product of shares, unknown masked."""
    return product.rule.join(images.map(product.rule.share))
