"""Label products as data: where each lies, which years it stands for, and which codes mean impervious."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gee_export.manifest import UNKNOWN
from gee_export.regions import BoundsWSEN

if TYPE_CHECKING:
    import ee

CLASSES = {0: "pervious", 1: "impervious", UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Edition:
    """One asset of a product, the year it shows, and the years of imagery it is taken for (None: no limit)."""

    asset: str
    year: int
    first_year: int | None
    last_year: int | None

    def covers(self, year: int) -> bool:
        return (self.first_year or year) <= year <= (self.last_year or year)


@dataclass(frozen=True)
class Codes:
    """The rule of a class map: codes that are impervious, codes that are not; every other one is unknown."""

    impervious: tuple[int, ...]
    pervious: tuple[int, ...]

    def __call__(self, classes: ee.Image) -> ee.Image:
        """0 pervious, 1 impervious, 255 unknown."""
        codes = [*self.pervious, *self.impervious]
        values = [0] * len(self.pervious) + [1] * len(self.impervious)
        return classes.remap(codes, values, UNKNOWN)

    def to_json(self) -> dict[str, Any]:
        return {"impervious": list(self.impervious), "pervious": list(self.pervious)}


@dataclass(frozen=True)
class Product:
    """A label product: its editions, its band, and the rule that makes 0, 1 and 255 of it."""

    name: str
    title: str
    editions: tuple[Edition, ...]
    band: str
    scale_m: float
    rule: Codes
    licence: str
    citation: str

    def edition(self, year: int) -> Edition:
        """The edition for imagery of a year; ValueError naming the years there are."""
        for edition in self.editions:
            if edition.covers(year):
                return edition
        spans = ", ".join(f"{e.first_year or ''}-{e.last_year or ''}" for e in self.editions)
        raise ValueError(f"label {self.name!r} has no edition for {year}: it covers {spans}")

    def info(self, year: int) -> dict[str, Any]:
        """What the manifest says of the label for imagery of a year; its `year` is the one that the label shows."""
        edition = self.edition(year)
        return {
            "product": self.name,
            "title": self.title,
            "asset": edition.asset,
            "band": self.band,
            "year": edition.year,
            "scale_m": self.scale_m,
            "codes": self.rule.to_json(),
            "classes": {str(value): name for value, name in CLASSES.items()},
            "licence": self.licence,
            "citation": self.citation,
        }


LABELS: dict[str, Product | None] = {
    "none": None,
    "worldcover": Product(
        name="worldcover",
        title="ESA WorldCover 10 m (v100 is 2020, v200 is 2021; their difference is not change)",
        editions=(Edition("ESA/WorldCover/v100", 2020, None, 2020), Edition("ESA/WorldCover/v200", 2021, 2021, None)),
        band="Map",
        scale_m=10,
        rule=Codes(impervious=(50,), pervious=(10, 20, 30, 40, 60, 70, 80, 90, 95, 100)),
        licence="CC-BY-4.0",
        citation="Zanaga et al. 2021, doi:10.5281/zenodo.5571936; Zanaga et al. 2022, doi:10.5281/zenodo.7254221",
    ),
}


def check(name: str) -> None:
    """ValueError for unknown products."""
    if name not in LABELS:
        raise ValueError(
            f"label product {name!r}: expected one of {', '.join(LABELS)} (`isamap labels` describes them)"
        )


def image(product: Product, year: int, bounds_wsen: BoundsWSEN) -> ee.Image:
    """Band `label` (uint8): 0 pervious, 1 impervious, 255 unknown or outside the product.

    Nearest pixels (Earth Engine's own rule for inputs without `resample`): classes cannot be averaged.
    """
    import ee

    tiles = ee.ImageCollection(product.edition(year).asset).filterBounds(ee.Geometry.BBox(*bounds_wsen))
    classes = tiles.select(product.band).mosaic()
    return product.rule(classes).unmask(UNKNOWN, False).toUint8().rename("label")
