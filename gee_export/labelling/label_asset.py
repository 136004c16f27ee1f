"""Labels on the server: products, and users' own image assets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.regions import STEP_M, Period, Region
from isamap.gee_export.base.scheme import Scheme
from isamap.gee_export.labelling import label_products, tables
from isamap.gee_export.labelling.label_source import CodeMap, LabelSource, codes_of
from isamap.gee_export.labelling.product import Edition, Product, label_of, share_of
from isamap.gee_export.labelling.rules import BuiltArea, Codes
from isamap.gee_export.sentinel.scenes import ask, nearest_year

if TYPE_CHECKING:
    import ee

IMAGES, TABLE = ("IMAGE", "IMAGE_COLLECTION"), "TABLE"
FINER_PX = 1024  # finer pixels that are averaged in one at most; beyond, the server begins with its own overviews


@dataclass(frozen=True)
class OnServer:
    """A source on the server: its label in the scheme's numbers and, of products of shares, its percent (lazy)."""

    info: Mapping[str, Any]
    label: ee.Image
    share: ee.Image | None
    touches: bool = True

    def read(self, geobox: GeoBox) -> NoReturn:
        raise TypeError(f"label {self.info['product']} lies on the server: fetch its bands")

    @classmethod
    def of(cls, product: Product, scheme: Scheme, year: int, region: Region) -> OnServer:
        """A product's edition over a region; ValueError where the asset is missing or holds nothing there."""
        edition = product.edition(year)
        asset_type = kind_of(edition.asset)
        if asset_type not in IMAGES:
            raise ValueError(f"label asset {edition.asset!r} is a {asset_type}: expected {' or '.join(IMAGES)}")
        scenes = product.scenes(edition, asset_type, region.bounds_wsen)
        if not ask(scenes.size()):
            raise ValueError(
                f"label {product.name!r}: {edition.asset} has no image of {edition.year} over region {region.name!r}"
            )
        images = product.images(scenes, edition, asset_type)
        label = label_of(product, images, scheme, edition.year)
        return cls(product.info(year), label, _share(product, images, label, scheme))


def product(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> OnServer:
    """A product of `isamap labels` for the period's year, or the source's own."""
    return OnServer.of(label_products.product_named(source.address), scheme, source.year or period.start.year, region)


def asset(source: LabelSource, scheme: Scheme, region: Region, period: Period) -> OnServer:
    """A user's image or collection of images (0, 1 and 255, or codes, or percent: source.codes_of), or features."""
    asset_type = kind_of(source.address)
    if asset_type == TABLE:
        return features(source, scheme, region)
    band, codes = codes_of(source)
    year = _year_of(source, asset_type, region, period)
    own = Product(
        name=source.text,
        title="the user's own",
        editions=(Edition(source.address, year or period.start.year, None, None),),
        band=band,
        scale_m=0,  # not known: its pixels may be finer than any grid
        rule=rule_of(source, codes, scheme),
        licence="the user's own",
        citation="the user's own",
        dated=year is not None,
    )
    on_server = OnServer.of(own, scheme, year or period.start.year, region)
    kept = ("product", "title", "asset", "band", "codes", *(("year",) if year else ()))
    return OnServer({key: on_server.info[key] for key in kept}, on_server.label, on_server.share)


def _year_of(source: LabelSource, asset_type: str, region: Region, period: Period) -> int | None:
    """The year of a collection's images that is nearest to the period's; None for images without dates."""
    import ee

    if asset_type == "IMAGE":
        return None
    near = ee.ImageCollection(source.address).filterBounds(ee.Geometry.BBox(*region.bounds_wsen))
    return nearest_year(near, period.start.year)


def rule_of(source: LabelSource, codes: CodeMap | str | None, scheme: Scheme) -> Codes | BuiltArea:
    """The rule of a user's own raster: the scheme's numbers as they are, impervious codes, or percent."""
    if codes is None:
        return Codes(_as_they_are(scheme), schemes=(scheme.name,))
    if scheme.name != "isa":
        raise ValueError(
            f"label {source.text!r}: codes and percent tell only impervious ground; for scheme {scheme.name} the band "
            f"itself holds {', '.join(f'{value} {name}' for value, name in scheme.classes.items())}"
        )
    if isinstance(codes, str):  # PERCENT
        return BuiltArea(100)
    kinds = {255: "unknown"} | dict.fromkeys(codes.impervious, "impervious") | dict.fromkeys(codes.unknown, "unknown")
    if codes.pervious is None:
        return Codes(kinds, unlisted="pervious")
    return Codes(kinds | dict.fromkeys(codes.pervious, "pervious"))


def _share(product: Product, images: ee.ImageCollection, label: ee.Image, scheme: Scheme) -> ee.Image | None:
    """Percent of a product that holds it, or whose pixels may be finer than the grid's; None of others."""
    percent = label.eq(scheme.impervious).multiply(100)
    if isinstance(product.rule, BuiltArea):
        percent = share_of(product, images)
    elif product.scale_m >= STEP_M:
        return None
    return percent if product.scale_m >= STEP_M else averaged(percent, images.first().projection())


def averaged(percent: ee.Image, projection: ee.Projection) -> ee.Image:
    """The mean of all finer pixels of a projection under each pixel; masked where under half of them are known."""
    import ee

    def mean(image: ee.Image) -> ee.Image:
        own = image.setDefaultProjection(projection)
        return own.reduceResolution(ee.Reducer.mean(), bestEffort=True, maxPixels=FINER_PX)

    # A mean skips masked pixels, so that a corner alone would speak for the whole pixel.
    return mean(percent).updateMask(mean(percent.mask()).gte(0.5))


def features(source: LabelSource, scheme: Scheme, region: Region) -> OnServer:
    """Buildings or roads of a table on the server; ground without a feature is pervious.

    Option: width=METRES (whole) for lines. A pixel is impervious where its centre lies in a feature, at any step; its
    share is that of the square metres in it.
    """
    import ee

    if scheme.name != "isa":
        raise ValueError(f"label {source.text!r}: features tell only impervious ground, scheme {scheme.name} classes")
    source.refuse_options(("width",))
    near = ee.FeatureCollection(source.address).filterBounds(ee.Geometry.BBox(*region.bounds_wsen))
    width_m = width_of(source, ask(near.limit(1)).get("features", []), region)
    info = {"product": source.text, "title": "features of the user's choice", "asset": source.address}
    info |= tables.facts(source.text.partition("#")[0])
    ground = painted(near, width_m)
    # North up from the zone's origin: one lattice of metres, whatever window is asked for.
    metre = ee.Projection(f"EPSG:{region.epsg}", [1, 0, 0, 0, -1, 0])
    return OnServer(info | {"width_m": width_m}, ground, averaged(ground.multiply(100), metre))


def width_of(source: LabelSource, first: Sequence[Mapping[str, Any]], region: Region) -> float | None:
    """Metres that a table's lines are wide, None for polygons; ValueError where they cannot be drawn."""
    if not first:
        raise ValueError(f"label {source.text!r} has no feature over region {region.name!r}: its coverage is uneven")
    form = (first[0].get("geometry") or {}).get("type", "no geometry")
    words = source.options.get("width")
    if "Polygon" in form and words is None:
        return None
    if "LineString" not in form or words is None or not words.isdigit() or not 0 < int(words) <= 200:
        raise ValueError(
            f"label {source.text!r} holds {form}: expected polygons, or lines with their width in whole metres of 1 to "
            f"200, such as {source.address}#width=6"
        )
    return float(words)


def painted(near: ee.FeatureCollection, width_m: float | None) -> ee.Image:
    """1 where a pixel's centre lies in a feature (lines: within half their width), 0 elsewhere."""
    import ee

    if width_m is not None:
        near = near.map(lambda feature: feature.buffer(width_m / 2))
    return ee.Image(0).toByte().paint(near, 1)


def kind_of(asset_id: str) -> str:
    """What the server says an asset is, such as IMAGE, IMAGE_COLLECTION or TABLE; ValueError where it is not there.

    The simulated world's placeholders count as not there: their numbers say nothing of the ground.
    """
    import ee

    try:
        document = ee.data.getAsset(asset_id)
    except ee.EEException as error:
        if "not found" in str(error):
            raise ValueError(
                f"label asset {asset_id!r} was not found: check its id, that this account may read it, and without "
                "--project that the local engine's catalog holds it (docs/labels.md)"
            ) from error
        raise Fault(f"Earth Engine refused to describe {asset_id!r}: {error}") from error
    if document.get("properties", {}).get("placeholder"):
        raise ValueError(
            f"label asset {asset_id!r}: the simulated world has a placeholder of it, whose numbers say nothing of the "
            "ground: choose a product that it draws (docs/labels.md), or give --project"
        )
    return document["type"]


def _as_they_are(scheme: Scheme) -> dict[int, str]:
    """Each number of a scheme as a kind of land that the scheme gives that number again."""
    if scheme.name == "isa":
        return {0: "pervious", 1: "impervious"}
    return {value: land_type for land_type, value in scheme.numbers.items()}
