"""A composite read from the asset that `isamap composite` made: the same pixels, and nothing is composed."""

from __future__ import annotations

from typing import Any

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.periods import Period
from isamap.gee_export.base.regions import Region
from isamap.gee_export.composites.stored import PERIOD, RECIPE, ZONE, StoredComposite
from isamap.gee_export.earth_engine import session
from isamap.gee_export.earth_engine.assets import COLLECTION, info_or_none
from isamap.gee_export.sentinel import composite
from isamap.gee_export.sentinel.composite import Composite, Settings
from isamap.gee_export.sentinel.scenes import ask


class NotHeld(ValueError):
    """The collection has nothing of that ground and period, by whatever settings."""


def composed(region: Region, period: Period, settings: Settings, asset: str | None = None) -> Composite:
    """The composite of a region and period: composed by the server, or read from the collection `asset`.

    ValueError where the collection holds none of this region, period, settings and server, with what it lacks; NotHeld
    where it holds none of this region and period at all.
    """
    if asset is None:
        return composite.build(region, period, settings)
    connected = session.current()
    if connected is None:
        raise ValueError("a composite of an asset needs a connection: call isamap.connect() first")
    source = session.source_of(connected.server, connected.catalog)
    reasons: list[str] = []
    listed = _listed(asset, region.epsg, period)
    for name, stored in listed:
        why = stored.unlike(region, settings, source)
        if not why:
            return _read(name, stored, settings)
        reasons.append(f"{name.rpartition('/')[2]}: {why}")
    none = f"it has no composite of {period} in EPSG:{region.epsg}"
    refusal = NotHeld if all(stored.off_ground(region) for _, stored in listed) else ValueError
    raise refusal(
        f"--composite-asset {asset} does not hold {region.name} in {period}: {'; '.join(reasons[:3]) or none}; make it "
        f"by `isamap composite --asset {asset}` with these settings (a map also reads ground beyond its edges: "
        "--margin), or leave --composite-asset out"
    )


def _listed(asset: str, epsg: int, period: Period) -> list[tuple[str, StoredComposite]]:
    """Id and facts of the collection's composites of a zone and period, by name."""
    import ee

    info = info_or_none(asset)
    if info is None or info.get("type") != COLLECTION:
        refusal = NotHeld if info is None else ValueError
        raise refusal(
            f"--composite-asset {asset} is no image collection that this identity may read: make it by `isamap "
            f"composite --asset {asset}`"
        )
    # Filtered on the server: a collection of years has hundreds of composites, each with long lists of scenes.
    named = f"{period.start}/{period.end}"
    images = ee.ImageCollection(asset).filter(ee.Filter.eq(PERIOD, named)).filter(ee.Filter.eq(ZONE, epsg))
    features = ask(images).get("features", [])
    return sorted(((_id(asset, each), _facts(asset, each)) for each in features), key=lambda pair: pair[0])


def _id(asset: str, feature: dict[str, Any]) -> str:
    return str(feature.get("id") or f"{asset}/{feature['properties']['system:index']}")


def _facts(asset: str, feature: dict[str, Any]) -> StoredComposite:
    try:
        stored = StoredComposite.from_properties(feature["properties"])
        # The digest is made of the facts: an asset whose properties were edited would else be taken for what it is not.
        if stored.recipe != feature["properties"][RECIPE]:
            raise ValueError("its recipe is not that of its facts")
        return stored
    except (ValueError, KeyError) as error:
        raise Fault(f"{_id(asset, feature)} is damaged: {error}; delete it and make it again") from error


def _read(name: str, stored: StoredComposite, settings: Settings) -> Composite:
    import ee

    image, bands = ee.Image(name), settings.stored_bands
    packed = image.select([band.name for band in bands])
    counts = image.select([composite.COUNT_OF[sensor] for sensor in settings.sensors]).unmask(0, False)
    return Composite(
        image=packed.multiply([band.scale for band in bands]),
        packed=packed,
        counts=counts,
        bands=tuple(band.name for band in bands),
        scenes={sensor: stored.scenes[sensor] for sensor in settings.sensors},
        info={sensor: stored.info[sensor] for sensor in settings.sensors},
        backscatter=stored.backscatter if "sentinel1" in settings.sensors else None,
        level=stored.level if "sentinel2" in settings.sensors else None,
        simulated=stored.simulated,
    )
