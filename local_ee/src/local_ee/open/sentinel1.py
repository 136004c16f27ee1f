"""Items of Sentinel-1 RTC as images of COPERNICUS/S1_GRD_FLOAT.

The pixels are gamma nought in linear power, terrain corrected, where Earth Engine's are sigma nought on the ellipsoid;
each image says so (open:backscatter). There is no band of angles.
Source: https://planetarycomputer.microsoft.com/dataset/sentinel-1-rtc.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local_ee.open import items
from local_ee.open.cog import FileAt
from local_ee.open.conversions import Plain
from local_ee.open.orbits import relative_orbit
from local_ee.open.providers import Provider
from local_ee.open.scenes import Scene, SceneBand

COLLECTION = "COPERNICUS/S1_GRD_FLOAT"
NODATA = -32768.0
_NAME = re.compile(r"S1[A-D]_[A-Z]{2}_GRD[A-Z]_1S[A-Z]{2}_(\d{8}T\d{6})_(\d{8}T\d{6})_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}")
PASSES = ("ascending", "descending")
_MODES = ("IW", "EW", "SM", "WV")


def period(index: str) -> tuple[datetime, datetime] | None:
    """Begin and end that a product's name states; None where it is no product's name."""
    match = _NAME.fullmatch(index)
    try:
        return (_moment(match[1]), _moment(match[2])) if match else None
    except ValueError:
        return None


def _moment(text: str) -> datetime:
    return items.moment(datetime.strptime(text, "%Y%m%dT%H%M%S").isoformat(), "name")


def scene_of(item: Mapping[str, Any], provider: Provider) -> Scene:
    """The item's scene; ValueError where it cannot be used."""
    properties = item.get("properties")
    if not isinstance(properties, Mapping):
        raise ValueError("it has no properties")
    name = items.item_id(item)
    bands = tuple(_bands(item, provider))
    if not bands:
        raise ValueError("it has no polarisation")
    match = provider.files.fullmatch(str(bands[0].file.address))
    index = match["product"] if match else name
    start, end = period(index) or (None, None)
    if start is None or end is None:
        raise ValueError("its files' folder is no product's name")
    facts = {
        "system:index": index,
        "system:time_start": items.milliseconds(start),
        "system:time_end": items.milliseconds(end),
        "platform_number": index[2],
        "instrumentMode": one_of(properties, "sar:instrument_mode", _MODES),
        "orbitProperties_pass": one_of(properties, "sat:orbit_state", PASSES).upper(),
        "transmitterReceiverPolarisation": [band.name for band in bands],
        "resolution_meters": 10,
        **_orbits(index),
        "open:provider": provider.name,
        "open:item": name,
        "open:backscatter": "gamma0",
        "open:href": str(bands[0].file.address),
    }
    return Scene(f"{COLLECTION}/{index}", provider.name, facts, items.footprint(item), bands, stamp=(index,))


def _bands(item: Mapping[str, Any], provider: Provider) -> Iterator[SceneBand]:
    for name, key in provider.bands.items():
        if key in item["assets"]:
            asset = item["assets"][key]
            file = FileAt(items.file_address(asset, provider), provider.token)
            yield SceneBand(name, file, items.grid_of(asset, item["properties"]), Plain("float32"), NODATA)


def _orbits(index: str) -> dict[str, int]:
    """Orbit numbers by the product's name: an item may count Sentinel-1C's relative orbit by its former rule."""
    absolute = int(index.split("_")[6])
    relative = relative_orbit(index[:3], absolute)
    return {
        **dict.fromkeys(("orbitNumber_start", "orbitNumber_stop"), absolute),
        **dict.fromkeys(("relativeOrbitNumber_start", "relativeOrbitNumber_stop"), relative),
    }


def one_of(properties: Mapping[str, Any], key: str, allowed: tuple[str, ...]) -> str:
    """A property that is one of some words; ValueError for another."""
    value = properties.get(key)
    if value not in allowed:
        raise ValueError(f"its {key} is none of {', '.join(allowed)}")
    return str(value)
