"""Labels on the server: products, and users' own image assets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from odc.geo.geobox import GeoBox

from gee_export import labels
from gee_export.console import Fault
from gee_export.product import Edition, Product, label_of, share_of
from gee_export.regions import Period, Region
from gee_export.rules import BuiltArea, Codes
from gee_export.scenes import ask
from gee_export.scheme import Scheme
from gee_export.source import PERCENT, Source, codes_of

if TYPE_CHECKING:
    import ee

IMAGES = ("IMAGE", "IMAGE_COLLECTION")


@dataclass(frozen=True)
class OnServer:
    """A source on the server: its label in the scheme's numbers and, of products of shares, its percent (lazy)."""

    info: Mapping[str, Any]
    label: ee.Image
    share: ee.Image | None

    def read(self, geobox: GeoBox) -> NoReturn:
        raise TypeError(f"label {self.info['product']} lies on the server: fetch its bands")

    @classmethod
    def of(cls, product: Product, scheme: Scheme, year: int, region: Region) -> OnServer:
        """A product's edition over a region; ValueError where the asset is missing or holds nothing there."""
        edition = product.edition(year)
        images = product.images(edition, kind_of(edition.asset), region.bounds_wsen)
        if not ask(images.size()):
            raise ValueError(
                f"label {product.name!r}: {edition.asset} has no image of {edition.year} over region {region.name!r}"
            )
        share = share_of(product, images) if isinstance(product.rule, BuiltArea) else None
        return cls(product.info(year), label_of(product, images, scheme, edition.year), share)


def product(source: Source, scheme: Scheme, region: Region, period: Period) -> OnServer:
    """A product of `isamap labels` for the period's year, or the source's own."""
    return OnServer.of(labels.LABELS[source.place], scheme, source.year or period.start.year, region)


def asset(source: Source, scheme: Scheme, region: Region, period: Period) -> OnServer:
    """A user's image or collection of images: 0, 1 and 255, or codes, or percent (source.codes_of)."""
    band, codes = codes_of(source)
    year = period.start.year
    own = Product(
        name=source.text,
        title="the user's own",
        editions=(Edition(source.place, year, None, None),),
        band=band,
        scale_m=0,
        rule=rule_of(source, codes, scheme),
        licence="the user's own",
        citation="the user's own",
    )
    found = OnServer.of(own, scheme, year, region)
    kept = ("product", "title", "asset", "band", "codes")
    return OnServer({key: found.info[key] for key in kept}, found.label, found.share)


def rule_of(source: Source, codes: tuple[int, ...] | str | None, scheme: Scheme) -> Codes | BuiltArea:
    """The rule of a user's own raster: the scheme's numbers as they are, impervious codes, or percent."""
    if codes is None:
        return Codes(_as_they_are(scheme), schemes=(scheme.name,))
    if scheme.name != "isa":
        raise ValueError(
            f"label {source.text!r}: codes and percent tell only impervious ground; for scheme {scheme.name} the band "
            f"itself holds {', '.join(f'{number} {name}' for number, name in scheme.classes.items())}"
        )
    if codes == PERCENT:
        return BuiltArea(100)
    return Codes({255: "unknown"} | dict.fromkeys(codes, "impervious"), rest="pervious")


def kind_of(asset_id: str) -> str:
    """IMAGE or IMAGE_COLLECTION, as the server says; ValueError for what is not there or not an image."""
    import ee

    try:
        kind = ee.data.getAsset(asset_id)["type"]
    except ee.EEException as error:
        if "not found" in str(error):
            raise ValueError(
                f"label asset {asset_id!r} was not found: check its id and that this account may read it"
            ) from error
        raise Fault(f"Earth Engine refused to describe {asset_id!r}: {error}") from error
    if kind not in IMAGES:
        raise ValueError(f"label asset {asset_id!r} is a {kind}: expected {' or '.join(IMAGES)}")
    return kind


def _as_they_are(scheme: Scheme) -> dict[int, str]:
    """Each number of a scheme as a kind of land that the scheme gives that number again."""
    if scheme.name == "isa":
        return {0: "pervious", 1: "impervious"}
    return {number: kind for kind, number in scheme.numbers.items()}
