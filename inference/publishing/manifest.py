"""The ingestion manifest of a map, and the rules that Earth Engine would otherwise refuse it by minutes later."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.earth_engine.assets import NAME_PART, check_asset_name
from isamap.inference.map_files.class_raster import tells_by_value
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Palette
from isamap.inference.map_files.map_file import SETTINGS_TAG, MapFile

# docs/reference/earth-engine.md, "Ingestion manifests" and "Assets and tasks";
# https://developers.google.com/earth-engine/guides/image_manifest
MANIFEST_LIMIT_BYTES = 10 << 20
FILE_LIMIT_BYTES = 100 << 30
TEXT_LIMIT = 1000  # of one property; longer ones (scene ids of a large area) stay in the file's tags
PROPERTY_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
CONTENT_PROPERTY = "content_sha256"
POLICIES = {"MODE", "MEAN", "SAMPLE", "MIN", "MAX"}
HIDDEN_TAGS = {"AREA_OR_POINT", "classes", "period_start", "period_end", SETTINGS_TAG}


def whole(map_file: MapFile) -> MapFile:
    """The map, whose files say by 255 alone what they do not know: an upload takes neither masks nor other values.

    ValueError where they have an alpha band, a mask or another no-data value.
    """
    for path in map_file.files:
        with open_raster(path) as file:
            if not (tells_by_value(file) and file.nodata in (None, UNKNOWN)):
                raise ValueError(
                    f"{path} hides pixels by a mask, alpha or another no-data value than {UNKNOWN}, which its upload "
                    f"would lose: write them as {UNKNOWN} first (gdalwarp -dstnodata {UNKNOWN} {path.name} NEW.tif)"
                )
    return map_file


def build(map_file: MapFile, asset: str, uris: Sequence[str], content_sha256: str) -> dict[str, Any]:
    """The manifest of a map whose files lie at `uris` (gs://), in the order of its `files`.

    MODE pyramid for the class, MEAN for the probability.
    """
    tilesets = [{"id": f"file{band_index}", "sources": [{"uris": [uri]}]} for band_index, uri in enumerate(uris)]
    bands = [
        {
            "id": name,
            "tilesetId": f"file{map_file.files.index(band.path)}",
            "tilesetBandIndex": band.band_number - 1,
            "pyramidingPolicy": "MEAN" if name == PROBABILITY else "MODE",
            "missingData": {"values": [UNKNOWN]},
        }
        for name, band in map_file.bands.items()
    ]
    manifest = {"name": asset, "tilesets": tilesets, "bands": bands, "properties": properties(map_file, content_sha256)}
    for field, tag in (("startTime", "period_start"), ("endTime", "period_end")):
        if tag in map_file.tags:
            manifest[field] = f"{map_file.tags[tag]}T00:00:00Z"
    return manifest


def external(map_file: MapFile, asset: str, uris: Sequence[str], content_sha256: str) -> dict[str, Any]:
    """The manifest of a map that stays at `uris`: as `build`, but no-data and pyramids are those of the files.

    https://developers.google.com/earth-engine/Earth_Engine_asset_from_cloud_geotiff
    """
    manifest = build(map_file, asset, uris, content_sha256)
    fields = ("id", "tilesetId", "tilesetBandIndex")
    return manifest | {"bands": [{name: band[name] for name in fields} for band in manifest["bands"]]}


def of_tiles(tiles: Sequence[MapFile], asset: str, uris: Sequence[str], content_sha256: str) -> dict[str, Any]:
    """The manifest of the tiles of one map and zone as one image: every tile a source of each band's tileset.

    uris: of all files of the first tile, then of the second ... Properties are those that all tiles share.
    https://developers.google.com/earth-engine/guides/image_manifest, "Tilesets": later sources lie on top.
    """
    count = len(tiles[0].files)
    manifest = build(tiles[0], asset, uris[:count], content_sha256)
    for index, tileset in enumerate(manifest["tilesets"]):
        tileset["sources"] = [{"uris": [uri]} for uri in uris[index::count]]
    shared = [set(properties(tile, content_sha256).items()) for tile in tiles]
    common = set.intersection(*shared)
    manifest["properties"] = {name: value for name, value in manifest["properties"].items() if (name, value) in common}
    manifest["properties"]["tiles"] = len(tiles)
    return manifest


def properties(map_file: MapFile, content_sha256: str) -> dict[str, str | int | float]:
    """Flat properties; `{band}_class_*` give the Code Editor's default picture (guides/image_visualization)."""
    legend = map_file.legend
    values: dict[str, str | int | float] = {
        name: text for name, text in map_file.tags.items() if name not in HIDDEN_TAGS and len(text) <= TEXT_LIMIT
    }
    return values | class_properties(legend) | {"prob_scale": 1 / PROB_STEPS, CONTENT_PROPERTY: content_sha256}


def class_properties(legend: Palette) -> dict[str, str]:
    """Values, names and colours of the class band."""
    return {
        f"{legend.band}_class_values": ",".join(str(value) for value in range(len(legend.names))),
        f"{legend.band}_class_names": ",".join(legend.names),
        f"{legend.band}_class_palette": ",".join(legend.colours),
    }


def check(manifest: Mapping[str, Any]) -> None:
    """ValueError, naming the rule, for a manifest that the server would refuse."""
    check_asset_name(manifest["name"])
    size = len(json.dumps(manifest).encode())
    if size > MANIFEST_LIMIT_BYTES:
        raise ValueError(
            f"the manifest has {size:,} bytes, the limit is {MANIFEST_LIMIT_BYTES:,}: fewer sources are needed"
        )
    for tileset in manifest["tilesets"]:
        _check_sources(uri for source in tileset["sources"] for uri in source["uris"])
    _check_bands(manifest)
    _check_properties(manifest["properties"])
    if "startTime" in manifest and manifest["startTime"] >= manifest["endTime"]:
        raise ValueError(f"startTime {manifest['startTime']} is not before endTime {manifest['endTime']}")


def _check_sources(uris: Iterable[str]) -> None:
    for uri in uris:
        if not re.fullmatch(r"gs://[^/]+/.+", uri):
            raise ValueError(f"source {uri!r}: Earth Engine ingests from Cloud Storage, expected gs://BUCKET/OBJECT")


def _check_properties(properties: Mapping[str, Any]) -> None:
    for name, value in properties.items():
        if not PROPERTY_NAME.fullmatch(name):
            raise ValueError(f"property {name!r}: expected a letter, then letters, digits and _")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError(f"property {name} is a {type(value).__name__}: uploads take only text and numbers")


def _check_bands(manifest: Mapping[str, Any]) -> None:
    tilesets = {tileset["id"] for tileset in manifest["tilesets"]}
    for band in manifest["bands"]:
        if not NAME_PART.fullmatch(band["id"]):
            raise ValueError(f"band {band['id']!r}: expected letters, digits, _ and -")
        if band["tilesetId"] not in tilesets:
            raise ValueError(f"band {band['id']} names tileset {band['tilesetId']!r}, which the manifest lacks")
        if "pyramidingPolicy" not in band:  # an external image has the overviews of its files
            continue
        if band["pyramidingPolicy"] not in POLICIES:
            raise ValueError(f"band {band['id']}: pyramiding {band['pyramidingPolicy']}, expected {sorted(POLICIES)}")
        if band["id"].endswith(("isa", "class")) and band["pyramidingPolicy"] not in ("MODE", "SAMPLE"):
            raise ValueError(f"band {band['id']} holds classes: its pyramid must be MODE or SAMPLE, never a mean")
