"""Items of Sentinel-2 Level-2A as images of COPERNICUS/S2_SR_HARMONIZED.

Names and units: the collection's page in Earth Engine's catalog; index, times and names were compared with a real image
that geedim's documentation prints (docs/open-archives.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from local_ee.open import items
from local_ee.open.cog import FileAt
from local_ee.open.conversions import Conversion, Harmonised, Plain
from local_ee.open.providers import C1, Provider
from local_ee.open.scenes import Scene, SceneBand

COLLECTION = "COPERNICUS/S2_SR_HARMONIZED"
NEEDED = ("B2", "B3", "B4", "B8", "SCL")  # whose files are looked for before a scene is listed
SHIFTED_SINCE = "04.00"  # the baseline from which 1,000 is added to the numbers of the files
SHIFT = 1_000
_DATATAKE = re.compile(r"GS2[A-D]_(\d{8}T\d{6})_\d{6}_N\d\d\.\d\d")
_STRIP = re.compile(r"S2[A-D]_OPER_MSI_L2A_DS_\w{4}_\d{8}T\d{6}_S(\d{8}T\d{6})_N\d\d\.\d\d")
_GRANULE = re.compile(r"S2[A-D]_OPER_MSI_L2A_TL_\w{4}_\d{8}T\d{6}_A(\d{6})_T(\d\d[C-X][A-Z]{2})_N\d\d\.\d\d")
_PRODUCT = re.compile(r"(S2[A-D]_MSIL2A_\d{8}T\d{6}_N\d{4}_R(\d{3})_T(\d\d[C-X][A-Z]{2})_\d{8}T\d{6})(?:\.SAFE)?")
_BASELINE = re.compile(r"\d\d\.\d\d")
_INDEX = re.compile(r"(\d{8}T\d{6})_(\d{8}T\d{6})_T(\d\d[C-X][A-Z]{2})")
_STAMP = "%Y%m%dT%H%M%S"
_OPTICAL_TYPE = {"AOT": "uint16", "WVP": "uint16", "SCL": "uint8", "MSK_CLDPRB": "uint8", "MSK_SNWPRB": "uint8"}
_NUMBERS = {
    "eo:cloud_cover": "CLOUDY_PIXEL_PERCENTAGE",
    "s2:cloud_shadow_percentage": "CLOUD_SHADOW_PERCENTAGE",
    "s2:dark_features_percentage": "DARK_FEATURES_PERCENTAGE",
    "s2:vegetation_percentage": "VEGETATION_PERCENTAGE",
    "s2:not_vegetated_percentage": "NOT_VEGETATED_PERCENTAGE",
    "s2:water_percentage": "WATER_PERCENTAGE",
    "s2:unclassified_percentage": "UNCLASSIFIED_PERCENTAGE",
    "s2:medium_proba_clouds_percentage": "MEDIUM_PROBA_CLOUDS_PERCENTAGE",
    "s2:high_proba_clouds_percentage": "HIGH_PROBA_CLOUDS_PERCENTAGE",
    "s2:thin_cirrus_percentage": "THIN_CIRRUS_PERCENTAGE",
    "s2:snow_ice_percentage": "SNOW_ICE_PERCENTAGE",
    "s2:nodata_pixel_percentage": "NODATA_PIXEL_PERCENTAGE",
    "s2:degraded_msi_data_percentage": "DEGRADED_MSI_DATA_PERCENTAGE",
    "s2:saturated_defective_pixel_percentage": "SATURATED_DEFECTIVE_PIXEL_PERCENTAGE",
    "s2:reflectance_conversion_factor": "REFLECTANCE_CONVERSION_CORRECTION",
    "s2:mean_solar_zenith": "MEAN_SOLAR_ZENITH_ANGLE",
    "s2:mean_solar_azimuth": "MEAN_SOLAR_AZIMUTH_ANGLE",
    "view:sun_azimuth": "MEAN_SOLAR_AZIMUTH_ANGLE",
}


def day_and_tile(index: str) -> tuple[datetime, str] | None:
    """The datatake's time and the MGRS tile that a system:index names; None where it is none."""
    match = _INDEX.fullmatch(index)
    try:
        return (items_time(match[1]), match[3]) if match else None
    except ValueError:
        return None


def items_time(text: str) -> datetime:
    """A time of Sentinel-2's names, such as 20250731T131909."""
    return items.moment(datetime.strptime(text, _STAMP).isoformat(), "name")


def scene_of(item: Mapping[str, Any], provider: Provider) -> Scene | None:
    """The item's scene; None where its baseline is not taken from this archive, ValueError where it cannot be used."""
    properties = item.get("properties")
    if not isinstance(properties, Mapping):
        raise ValueError("it has no properties")
    name = items.item_id(item)
    baseline = _text(properties, "s2:processing_baseline", _BASELINE)[0]
    if provider.before and baseline >= provider.before:
        return None
    product, orbit, tile = _text(properties, "s2:product_uri", _PRODUCT).groups()
    taken, begun = (
        _text(properties, *each)[1] for each in (("s2:datatake_id", _DATATAKE), ("s2:datastrip_id", _STRIP))
    )
    index = f"{taken}_{begun}_T{tile}"
    bands = tuple(_bands(item, provider, baseline))
    generated = items.moment(properties.get("s2:generation_time"), "s2:generation_time")
    facts = {
        "system:index": index,
        "system:time_start": items.milliseconds(items.moment(properties.get("datetime"), "datetime")),
        "MGRS_TILE": tile,
        "PRODUCT_ID": product,
        "SENSING_ORBIT_NUMBER": int(orbit),
        "PROCESSING_BASELINE": baseline,
        "GENERATION_TIME": items.milliseconds(generated),
        "DATATAKE_IDENTIFIER": properties["s2:datatake_id"],
        "DATASTRIP_ID": properties["s2:datastrip_id"],
        "SPACECRAFT_NAME": f"Sentinel-{product[1:3]}",
        **_granule(properties, begun),
        **_measured(properties),
        "open:provider": provider.name,
        "open:item": name,
        "open:offset": -_shift(baseline),
        "open:href": str(bands[0].file.address),
    }
    facts["system:time_end"] = facts["system:time_start"]
    return Scene(
        f"{COLLECTION}/{index}",
        provider.name,
        facts,
        items.footprint(item),
        bands,
        stamp=(taken, tile, items_time(begun)),
        rank=(baseline, generated),
    )


def _bands(item: Mapping[str, Any], provider: Provider, baseline: str) -> Iterator[SceneBand]:
    """The bands that the item has, in Earth Engine's order; ValueError where one that every composite needs lacks."""
    assets = item["assets"]
    lacking = [provider.bands[name] for name in NEEDED if provider.bands[name] not in assets]
    if lacking:
        raise ValueError(f"it lacks the asset {lacking[0]}")
    for name, key in provider.bands.items():
        if key in assets:
            asset = assets[key]
            convert: Conversion = (
                Plain(_OPTICAL_TYPE[name]) if name in _OPTICAL_TYPE else Harmonised(-_checked_shift(asset, baseline))
            )
            pyramid = "MODE" if name == "SCL" else "MEAN"
            file = FileAt(items.file_address(asset, provider), provider.token)
            # 0 is no data in all bands but these, where it is a probability.
            masked = None if name.startswith("MSK_") else 0.0
            yield SceneBand(name, file, items.grid_of(asset, item["properties"]), convert, masked, pyramid=pyramid)


def _shift(baseline: str) -> int:
    # As texts: baselines have two digits before and after the point.
    return SHIFT if baseline >= SHIFTED_SINCE else 0


def _checked_shift(asset: Mapping[str, Any], baseline: str) -> int:
    """What the files' numbers are raised by; ValueError where Collection 1's item says otherwise."""
    stated = asset.get("raster:bands")
    band = stated[0] if isinstance(stated, list) and stated and isinstance(stated[0], Mapping) else {}
    scale, offset = items.number(band, "scale"), items.number(band, "offset")
    is_c1 = f"/{C1.collection}/" in str(asset.get("href"))
    if is_c1 and scale and offset is not None and round(-offset / scale) != _shift(baseline):
        raise ValueError(f"it states an offset of {offset} though its baseline is {baseline}")
    return _shift(baseline)


def _granule(properties: Mapping[str, Any], begun: str) -> dict[str, Any]:
    for key in ("s2:tile_id", "s2:granule_id"):
        value = properties.get(key)
        match = _GRANULE.fullmatch(value) if isinstance(value, str) else None
        if match:
            return {"GRANULE_ID": f"L2A_T{match[2]}_A{match[1]}_{begun}"}
    return {}


def _measured(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Shares of classes and angles, where the item says them."""
    facts: dict[str, Any] = {
        name: value for key, name in _NUMBERS.items() if (value := items.number(properties, key)) is not None
    }
    elevation = items.number(properties, "view:sun_elevation")
    if elevation is not None:
        facts["MEAN_SOLAR_ZENITH_ANGLE"] = 90 - elevation
    for key, name in (("view:incidence_angle", "ZENITH"), ("view:azimuth", "AZIMUTH")):
        angle = items.number(properties, key)
        if angle is not None:
            facts |= {f"MEAN_INCIDENCE_{name}_ANGLE_{band}": angle for band in C1.bands if band not in _OPTICAL_TYPE}
    if properties.get("sat:orbit_state") in ("ascending", "descending"):
        facts["SENSING_ORBIT_DIRECTION"] = properties["sat:orbit_state"].upper()
    if properties.get("s2:datatake_type") in ("INS-NOBS", "INS-EOBS", "INS-DASC", "INS-RAW", "INS-VIC"):
        facts["DATATAKE_TYPE"] = properties["s2:datatake_type"]
    return facts


def _text(properties: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> re.Match[str]:
    value = properties.get(key)
    match = pattern.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"its {key} is not of the usual form")
    return match
