"""Step 2: facts of Google's collections over Wuhan: grids, partners, overlaps, codes of label products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region, from_bbox
from isamap.gee_export.labelling import label_products
from isamap.gee_export.labelling.label_asset import kind_of
from isamap.gee_export.sentinel import embeddings, scenes, sentinel1, sentinel2
from isamap.gee_export.sentinel.clouds import CLOUDS
from isamap.gee_export.sentinel.level import choose
from isamap.inference.prove.place import NotHere, ProofPlace
from isamap.inference.prove.probe import Probe

if TYPE_CHECKING:
    import ee

BBOX = (114.28, 30.55, 114.32, 30.58)  # Wuchang and the Yangtze
WIDE = (113.9, 30.4, 114.6, 30.8)  # holds the border of two zones
CODES_STEP_M, YEAR = 30, 2019
DEGREE_M = 111_320.0  # of longitude at the equator
ZONE_SCENES = 50  # of a month over the border of two zones


def place_of(bbox: tuple[float, float, float, float] = BBOX) -> Region:
    return from_bbox(bbox, name="prove")


def _unmatched(month: str) -> Callable[[ProofPlace], Any]:
    """Scenes of a month, and those without a partner in Cloud Score+, which are dropped."""

    def ask(place: ProofPlace) -> Any:
        period = Period.parse(month)
        source = choose("auto", sentinel2.COLLECTIONS["L2A"], BBOX, period)
        listing = sentinel2.matched(source, BBOX, period, CLOUDS["cloud_score_plus"])
        return {"level": source.level, "scenes": len(source.scenes), "without partner": len(listing.unmatched)}

    return ask


def _doubled(place: ProofPlace) -> Any:
    """How many of a month's scenes are another tile or processing of an acquisition that is there already."""
    period = Period.parse("2019-06")
    listed = choose("l2a", sentinel2.COLLECTIONS["L2A"], WIDE, period).scenes
    moments = [scene.index[: sentinel2.SENSING_CHARS] for scene in listed]
    return {"scenes": len(moments), "acquisitions": len(set(moments))}


def _angle(place: ProofPlace) -> Any:
    projection = _radar_scene().select("angle").projection().getInfo()
    transform = projection.get("transform", [0, 0, 0, 0, 0, 0])
    return {"crs": projection.get("crs", "none"), "step": round(abs(transform[0]), 3), "rotated": bool(transform[1])}


def _rim(place: ProofPlace) -> Any:
    """Pixels of a slice whose nearest angle is known and whose interpolated one is masked: 0 where nothing is lost."""
    import ee

    scene = _radar_scene()
    angle = scene.select("angle")
    lost = angle.mask().gt(0).And(angle.resample("bilinear").mask().eq(0)).rename("lost")
    total = lost.reduceRegion(ee.Reducer.sum(), scene.geometry(), 2000, bestEffort=True, maxPixels=int(1e7))
    return {"lost pixels of 2 km": total.get("lost").getInfo()}


def _radar_scene() -> ee.Image:
    import ee

    period = Period.parse("2019-06")
    listing = sentinel1.listing(BBOX, period, sentinel1.Radar())
    if not listing.used:
        raise NotHere("no usable Sentinel-1 scene of Wuhan in 2019-06")
    return ee.Image(f"{sentinel1.COLLECTION}/{listing.used[0].index}")


def _scene_properties(place: ProofPlace) -> Any:
    """Whether a list by reduceColumns says of a scene what the scene itself says."""
    import ee

    period = Period.parse("2019-06")
    listed = scenes.listed(scenes.collection(sentinel1.COLLECTION, BBOX, period), period)
    if not listed:
        raise NotHere("no Sentinel-1 scene of Wuhan in 2019-06")
    properties = ee.Image(f"{sentinel1.COLLECTION}/{listed[0].index}").getInfo()["properties"]
    return all(properties.get(name) == value for name, value in listed[0].properties.items())


def _zones(place: ProofPlace) -> Any:
    """Scenes whose tile's name says another zone than their pixels lie in, and whether UTM_ZONE tells it."""
    import ee

    images = scenes.collection(sentinel2.COLLECTIONS["L2A"], WIDE, Period.parse("2019-06")).limit(ZONE_SCENES)
    rows = _columns(images, "B2", "MGRS_TILE")
    return {
        "scenes": len(rows),
        "zones": sorted({crs for _, crs in rows}),
        "unlike": sum(_digits(tile[:2]) != _digits(crs[-2:]) for tile, crs in rows),
        "UTM_ZONE": "UTM_ZONE" in ee.Image(images.first()).propertyNames().getInfo(),
    }


def _embedding_zones(place: ProofPlace) -> Any:
    """Embeddings whose UTM_ZONE is another one than that of their pixels."""
    found = scenes.collection(embeddings.COLLECTION, WIDE, Period.parse(str(YEAR)))
    rows = _columns(found, "A00", "UTM_ZONE")
    if not rows:
        raise NotHere(f"no embedding of Wuhan in {YEAR} has the property UTM_ZONE")
    written = [f"{crs[-2:]}{'N' if crs.startswith('EPSG:326') else 'S'}" for _, crs in rows]
    return {"images": len(rows), "unlike": sum(zone != of for (zone, _), of in zip(rows, written, strict=True))}


def _columns(images: ee.ImageCollection, band: str, name: str) -> list[tuple[str, str]]:
    """Of each image that has it, a property, and the code of the grid on which a band lies."""
    import ee

    def with_grid(image: ee.Image) -> ee.Image:
        return ee.Image(image.set("prove_crs", image.select(band).projection().crs()))

    listed = images.map(with_grid).reduceColumns(ee.Reducer.toList(2), [name, "prove_crs"]).get("list").getInfo()
    return [(str(value), str(crs)) for value, crs in listed]


def _digits(text: str) -> int:
    return int(text) if text.isdigit() else -1


def _codes(product: str) -> Callable[[ProofPlace], Any]:
    """How many pixels of 30 m of Wuchang have each code of a product's bands; the stored band's type and grid."""

    def ask(place: ProofPlace) -> Any:
        import ee

        named = label_products.product_named(product)
        edition = named.nearest(YEAR)
        try:
            asset_type = kind_of(edition.asset)
            of_year = named.scenes(edition, asset_type, BBOX)
            first = of_year.limit(1).getInfo()["features"]
            if not first:
                raise NotHere(f"{edition.asset} has no image of Wuchang")
            image = named.images(of_year, edition, asset_type).mosaic()
            counts = image.reduceRegion(
                ee.Reducer.frequencyHistogram(), ee.Geometry.BBox(*BBOX), CODES_STEP_M, bestEffort=True
            ).getInfo()
        except (Fault, ValueError, ee.EEException) as error:
            if any(
                words in str(error).lower()
                for words in ("not found", "does not exist", "is missing", "no image", "placeholder")
            ):
                raise NotHere(f"{edition.asset}: {' '.join(str(error).split())}") from error
            raise
        codes = {
            band: {code: round(count) for code, count in sorted((histogram or {}).items(), key=_number)}
            for band, histogram in (counts or {}).items()
        }
        wanted = edition.band or named.band
        stored = next((band for band in first[0]["bands"] if band["id"] == wanted), first[0]["bands"][0])
        return {"step as listed": _is_near(stored, named.scale_m), **_layout(stored), "codes": codes}

    return ask


def _layout(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The type and grid of a band, as the server tells them of an asset."""
    kind = stored["data_type"]
    limits = [kind[end] for end in ("min", "max") if end in kind]
    step = abs(stored["crs_transform"][0])
    return {"band": stored["id"], "type": kind["precision"], "limits": limits, "crs": stored["crs"], "step": step}


def _is_near(stored: Mapping[str, Any], scale_m: float) -> bool:
    """Whether a band's step is the one that isamap reckons with, to a fifth."""
    step = abs(stored["crs_transform"][0])
    step_m = step * DEGREE_M if stored["crs"] == "EPSG:4326" else step
    return abs(step_m / scale_m - 1) < 0.2


def _number(pair: tuple[str, float]) -> float:
    return float(pair[0]) if pair[0] != "null" else -1.0


PROBES: tuple[Probe, ...] = (
    *(
        Probe(
            f"facts.partners-{month}",
            f"scenes of {month} have partners in Cloud Score+",
            _unmatched(month),
            {"without partner": 0},
            "sentinel2",
            5,
        )
        for month in ("2017-06", "2019-06", "2024-06")
    ),
    Probe("facts.doubled", "scenes that repeat an acquisition", _doubled, None, "sentinel2", 5),
    Probe(
        "facts.properties", "a list by reduceColumns says what the scenes say", _scene_properties, True, "sentinel2", 5
    ),
    Probe("facts.zones", "a scene's tile names the zone of its pixels", _zones, {"unlike": 0}, "sentinel2", 5),
    Probe(
        "facts.embedding-zones",
        "UTM_ZONE of embeddings is the zone of their pixels",
        _embedding_zones,
        {"unlike": 0},
        "embeddings",
        5,
    ),
    Probe("facts.angle-grid", "the grid of the incidence angle", _angle, None, "sentinel1", 5),
    Probe(
        "facts.angle-rim",
        "interpolating the angle masks nothing at a slice's rim",
        _rim,
        {"lost pixels of 2 km": 0},
        "sentinel1",
        20,
    ),
    *(
        Probe(
            f"facts.codes-{product}",
            f"codes, type and grid of {product}",
            _codes(product),
            {"step as listed": True},
            "labels",
            5,
        )
        for product, label_product in label_products.LABELS.items()
        if label_product is not None
    ),
)
