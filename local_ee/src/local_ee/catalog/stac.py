"""STAC items beside GeoTIFFs, read as notes in Earth Engine's names and units (specification 1.0 and 1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from affine import Affine

from local_ee.catalog.sidecar import Notes

SKIPPED_ROLES = frozenset({"thumbnail", "overview", "visual", "metadata"})
SENTINEL2 = "COPERNICUS/S2"
# STAC's scale and offset lead to physical units; Earth Engine stores Sentinel-2 as multiples of them, never below 0
# (reflectance x 10,000, AOT and WVP x 1,000: catalog page of S2_SR_HARMONIZED).
_PER_REFLECTANCE, _PER_UNIT = 10_000.0, {"AOT": 1_000.0, "WVP": 1_000.0}
_SENTINEL2_TYPE = "uint16"
_TILE_LETTERS = 5  # of an MGRS tile; grid:code leaves a zero in front out
# What Earth Search calls assets that have no name of a band
_SENTINEL2_ASSETS = {"scl": "SCL", "aot": "AOT", "wvp": "WVP", "cloud": "MSK_CLDPRB", "snow": "MSK_SNWPRB"}
# True where the numbers are shifted already, though the item still states the offset (earth-search issue 66)
_APPLIED = "earthsearch:boa_offset_applied"
PROPERTIES = {  # STAC property -> Earth Engine property of the Sentinel products
    "eo:cloud_cover": "CLOUDY_PIXEL_PERCENTAGE",
    "s2:mgrs_tile": "MGRS_TILE",
    "s2:processing_baseline": "PROCESSING_BASELINE",
    "sar:instrument_mode": "instrumentMode",
    "sar:polarizations": "transmitterReceiverPolarisation",
    "sat:orbit_state": "orbitProperties_pass",
    "sat:relative_orbit": "relativeOrbitNumber_start",
}


def is_item(document: Mapping[str, Any]) -> bool:
    """True for a STAC item (a GeoJSON feature that names its assets)."""
    return document.get("type") == "Feature" and "assets" in document and "stac_version" in document


def is_container(document: Mapping[str, Any]) -> bool:
    """True for a STAC catalog or collection, which describes no image."""
    return document.get("type") in ("Catalog", "Collection") and "stac_version" in document


def linked_files(item: Mapping[str, Any], path: Path) -> dict[str, Path]:
    """The GeoTIFFs in the item's folder that it links to, by asset key, thumbnails and the like too.

    A link that leads out of the folder is not followed: an item may come from anywhere.
    """
    files = {}
    for key, asset in item["assets"].items():
        href = unquote(urlparse(str(asset.get("href", ""))).path)
        choices = (path.parent / href, path.parent / Path(href).name)  # an item moved with its files keeps old links
        inside = (choice for choice in choices if _is_inside(choice, path.parent))
        local = next((choice for choice in inside if choice.is_file()), None)
        if local is not None and local.suffix.lower() in (".tif", ".tiff"):
            files[key] = local
    return files


def _is_inside(choice: Path, folder: Path) -> bool:
    return choice.is_relative_to(folder) and ".." not in choice.relative_to(folder).parts


def files_of(item: Mapping[str, Any], path: Path) -> dict[str, Path]:
    """The linked files that hold the image's bands, by asset key; ValueError where none lies on this disk."""
    roles = {key: set(asset.get("roles") or ()) for key, asset in item["assets"].items()}
    files = {key: file for key, file in linked_files(item, path).items() if not SKIPPED_ROLES & roles[key]}
    if not files:
        raise ValueError(f"{path}: none of the STAC item's GeoTIFF assets lies beside it; download them or remove it")
    return files


def notes_of(item: Mapping[str, Any], path: Path, asset_id: str) -> Notes:
    """The item's dates, band names, units and grids as notes; ValueError naming the file and the field."""
    is_optical = asset_id.startswith(SENTINEL2)
    is_shifted = is_optical and bool(item.get("properties", {}).get(_APPLIED))
    types: dict[str, str] = {}
    names: dict[Path, tuple[str, ...]] = {}
    grids: dict[Path, tuple[str | None, Affine | None]] = {}
    units: dict[str, dict[str, float]] = {"scale": {}, "offset": {}, "nodata": {}}
    for key, file in files_of(item, path).items():
        asset = item["assets"][key]
        bands = _bands(asset)
        if len(bands) > 1 and not all(band.get("name") for band in bands):
            raise ValueError(f"{path}: asset {key!r} has {len(bands)} bands and not a name for each")
        named = tuple(earth_engine_name(str(band.get("name") or key), asset_id) for band in bands)
        if named:
            names[file] = named
        grids[file] = _grid({**item.get("properties", {}), **asset}, path)
        for name, band in zip(named, bands, strict=True):
            fields = {**asset, **band}
            _add_units(units, name, fields, _PER_UNIT.get(name, _PER_REFLECTANCE) if is_optical else 1.0)
            if is_shifted:
                units["offset"].pop(name, None)
            if is_optical and name in units["scale"]:
                types[name] = _SENTINEL2_TYPE
    return Notes(path, _properties(item, path), names, grids, **units, types=types)


def earth_engine_name(name: str, asset_id: str) -> str:
    """STAC's spelling of a band in Earth Engine's: B02 -> B2 for Sentinel-2, vv -> VV for Sentinel-1."""
    if asset_id.startswith(SENTINEL2):
        return "B" + name[2:].upper() if name.upper().startswith("B0") else _SENTINEL2_ASSETS.get(name, name)
    return name.upper() if asset_id.startswith("COPERNICUS/S1") and name.upper() in ("VV", "VH", "HH", "HV") else name


def _bands(asset: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One object a band: STAC 1.1's `bands`, or 1.0's `eo:bands` and `raster:bands` merged by position."""
    if asset.get("bands"):
        return [dict(band) for band in asset["bands"]]
    optical, raster = asset.get("eo:bands") or [], asset.get("raster:bands") or []
    count = max(len(optical), len(raster))
    padded = zip(_padded(optical, count), _padded(raster, count), strict=True)
    return [{**pixel, **band} for band, pixel in padded]


def _padded(items: list[dict[str, Any]], count: int) -> Iterable[dict[str, Any]]:
    return [*items, *({} for _ in range(count - len(items)))]


def _add_units(units: dict[str, dict[str, float]], name: str, band: Mapping[str, Any], per_unit: float) -> None:
    scale, offset = (band.get(f"raster:{key}", band.get(key)) for key in ("scale", "offset"))
    if scale is not None or offset is not None:
        units["scale"][name] = float(1.0 if scale is None else scale) * per_unit
        units["offset"][name] = float(offset or 0.0) * per_unit
    nodata = band.get("nodata")
    if nodata is not None:
        units["nodata"][name] = float(nodata)  # STAC writes "nan" as a string, which float() reads


def _grid(fields: Mapping[str, Any], path: Path) -> tuple[str | None, Affine | None]:
    code = fields.get("proj:code") or (f"EPSG:{fields['proj:epsg']}" if fields.get("proj:epsg") else None)
    transform = fields.get("proj:transform")
    if transform is not None and len(transform) < 6:
        raise ValueError(f"{path}: proj:transform holds {len(transform)} numbers; expected 6 or 9")
    return code or fields.get("proj:wkt2"), Affine(*transform[:6]) if transform else None


def _properties(item: Mapping[str, Any], path: Path) -> dict[str, Any]:
    item_properties = item.get("properties") or {}
    properties = {key: value for key, value in item_properties.items() if isinstance(value, str | int | float | list)}
    properties.update({name: item_properties[key] for key, name in PROPERTIES.items() if key in item_properties})
    code = item_properties.get("grid:code")
    if isinstance(code, str) and code.startswith("MGRS-"):
        properties.setdefault("MGRS_TILE", code.removeprefix("MGRS-").zfill(_TILE_LETTERS))
    if "orbitProperties_pass" in properties:
        properties["orbitProperties_pass"] = str(properties["orbitProperties_pass"]).upper()
    start = item_properties.get("datetime") or item_properties.get("start_datetime")
    if start is not None:
        properties["system:time_start"] = _milliseconds(start, path)
    if item_properties.get("end_datetime"):
        properties["system:time_end"] = _milliseconds(item_properties["end_datetime"], path)
    return properties


def _milliseconds(text: Any, path: Path) -> int:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ValueError(f"{path}: datetime {text!r} is not RFC 3339, for example 2019-06-02T02:55:51Z") from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
