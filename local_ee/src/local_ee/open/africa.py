"""Items of Digital Earth Africa's Sentinel-1 RTC as images of COPERNICUS/S1_GRD_FLOAT: the second source, in Africa.

Tiles of 1 degree of a datatake, gamma nought in linear power, pixels of 0.0002 degrees (20 m). Where a mask is not 1,
there is no value or radar shadow near. An image's index is its files' name, as a product's name is not told. Its angle
is that of the local slope, not the ellipsoid's, so there is no band `angle`. resolution_meters, which says how fine
Earth Engine's own scenes are, is left out; open:pixel_m says it.
Sources: https://docs.digitalearthafrica.org, "Sentinel-1 SAR Backscatter"; items as opendatacube/datacube-explorer
makes them (cubedash/_stac.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local_ee.open import items
from local_ee.open.cog import FileAt
from local_ee.open.conversions import Plain
from local_ee.open.orbits import CYCLE, OFFSETS, relative_orbit
from local_ee.open.providers import Provider
from local_ee.open.scenes import Scene, SceneBand
from local_ee.open.sentinel1 import COLLECTION, PASSES, one_of
from local_ee.open.stac import Question

PIXEL_M = 20
_INDEX = re.compile(r"s1_rtc_[0-9A-F]{6}_([NS])(\d{2})([EW])(\d{3})_(\d{4}_\d{2}_\d{2})")
_PLATFORM = re.compile(r"sentinel-1([a-d])")


def question_of(index: str) -> Question | None:
    """What finds the image of an index; None where it is no index of this archive."""
    match = _INDEX.fullmatch(index)
    try:
        day = datetime.strptime(match[5], "%Y_%m_%d").replace(tzinfo=UTC) if match else None
    except ValueError:
        day = None
    if match is None or day is None:
        return None
    south, west = int(match[2]) * (-1 if match[1] == "S" else 1), int(match[4]) * (-1 if match[3] == "W" else 1)
    return Question(day, day + timedelta(days=1), (west, south, west + 1, south + 1))


def scene_of(item: Mapping[str, Any], provider: Provider) -> Scene:
    """The item's scene; ValueError where it cannot be used."""
    properties = item.get("properties")
    if not isinstance(properties, Mapping):
        raise ValueError("it has no properties")
    for key in (*provider.bands.values(), "mask"):
        if key not in item["assets"]:
            raise ValueError(f"it lacks the asset {key}")
    bands = tuple(_band(item, provider, name, key) for name, key in provider.bands.items())
    match = provider.files.fullmatch(str(bands[0].file.address))
    if match is None:
        raise ValueError("an asset's address is not one of the archive's")
    begun = items.milliseconds(items.moment(properties.get("datetime"), "datetime"))
    facts = {
        "system:index": match["index"],
        "system:time_start": begun,
        "system:time_end": begun,
        "instrumentMode": "IW",  # as table 1 of its specification says of all
        "transmitterReceiverPolarisation": [band.name for band in bands],
        "orbitProperties_pass": one_of(properties, "sat:orbit_state", PASSES).upper(),
        **_orbits(properties),
        "open:provider": provider.name,
        "open:item": items.item_id(item),
        "open:backscatter": "gamma0",
        "open:pixel_m": PIXEL_M,
        "open:href": str(bands[0].file.address),
    }
    usable = _band(item, provider, "MASK", "mask", dtype="uint8", nodata=0)
    scene_id = f"{COLLECTION}/{match['index']}"
    return Scene(scene_id, provider.name, facts, items.footprint(item), bands, stamp=(match["index"],), usable=usable)


def _band(
    item: Mapping[str, Any],
    provider: Provider,
    name: str,
    key: str,
    *,
    dtype: str = "float32",
    nodata: float | None = None,
) -> SceneBand:
    """A band of the item; where values are float, those that are none are NaN."""
    asset = item["assets"][key]
    file = FileAt(items.file_address(asset, provider))
    return SceneBand(name, file, items.grid_of(asset, item["properties"]), Plain(dtype), nodata)


def _orbits(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Satellite and orbits, as far as the item says them; Sentinel-1C's relative orbit by the rule of its day."""
    match = _PLATFORM.fullmatch(str(properties.get("platform")).lower())
    absolute, relative = (
        items.number(properties, f"sat:{orbit_type}_orbit") for orbit_type in ("absolute", "relative")
    )
    facts: dict[str, Any] = {} if match is None else {"platform_number": match[1].upper()}
    if match is not None and absolute is not None and f"S1{match[1].upper()}" in OFFSETS:
        relative = relative_orbit(f"S1{match[1].upper()}", int(absolute))
        facts["orbitNumber_start"] = int(absolute)
    if relative is not None and 1 <= relative <= CYCLE:
        facts["relativeOrbitNumber_start"] = int(relative)
    return facts
