"""Ingestion manifests: what an upload declares, checked before a file is opened.

Source: https://developers.google.com/earth-engine/guides/image_manifest.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine

from local_ee.assets.files import check_policy
from local_ee.assets.store import flat
from local_ee.assets.times import iso_time, milliseconds
from local_ee.errors import EngineError
from local_ee.request import affine_of

FIELDS = {
    "name",
    "id",
    "tilesets",
    "bands",
    "maskBands",
    "missingData",
    "pyramidingPolicy",
    "uriPrefix",
    "properties",
    "startTime",
    "endTime",
}
TILESET_FIELDS = {"id", "sources", "crs", "dataType"}
SOURCE_FIELDS = {"uris", "affineTransform"}
BAND_FIELDS = {"id", "tilesetId", "tilesetBandIndex", "pyramidingPolicy", "missingData"}


@dataclass(frozen=True)
class ManifestSource:
    """One file of a tileset."""

    uri: str
    transform: Affine | None = None


@dataclass(frozen=True)
class Tileset:
    """Files that together cover one grid; crs and dtype override what the files say."""

    id: str
    sources: tuple[ManifestSource, ...]
    crs: str | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class ManifestBand:
    """A band of the asset to be; missing is None where the file's own no-data value counts."""

    id: str
    tileset: str
    index: int
    policy: str
    missing: tuple[float, ...] | None


@dataclass(frozen=True)
class Manifest:
    """A checked manifest; bands is None where every band of the only tileset is meant."""

    name: str
    tilesets: tuple[Tileset, ...]
    bands: tuple[ManifestBand, ...] | None
    masks: Mapping[str, tuple[str, ...]]  # tileset id -> the bands its last band masks (empty: all of the tileset)
    policy: str
    missing: tuple[float, ...] | None
    properties: Mapping[str, Any]
    start: str | None
    end: str | None


def checked_name(document: Mapping[str, Any]) -> str:
    """The asset that a manifest makes; EngineError where it names none."""
    name = str(document.get("name") or document.get("id") or "")
    if not name:
        raise EngineError("The manifest has no name.")
    return name


def parse(document: Mapping[str, Any]) -> Manifest:
    """The manifest of a JSON document; EngineError names the first field that is wrong."""
    document = in_camel_case(document)
    check_fields(document, FIELDS, "manifest")
    name = checked_name(document)
    policy = check_policy(document.get("pyramidingPolicy", ""))
    missing = _missing(document.get("missingData"))
    tilesets = _tilesets(document)
    start, end = checked_times(document)
    return Manifest(
        name,
        tilesets,
        _bands(document, tilesets, policy, missing),
        _mask_bands(document, tilesets),
        policy,
        missing,
        flat(document.get("properties") or {}),
        start,
        end,
    )


def _tilesets(document: Mapping[str, Any]) -> tuple[Tileset, ...]:
    entries = document.get("tilesets") or []
    if not entries:
        raise EngineError("The manifest has no tilesets.")
    prefix = document.get("uriPrefix", "")
    tilesets = tuple(_tileset(tileset, prefix) for tileset in entries)
    ids = [tileset.id for tileset in tilesets]
    if len(set(ids)) != len(ids):
        raise EngineError(f"The manifest's tileset ids are not unique: {ids}.")
    return tilesets


def _tileset(document: Mapping[str, Any], prefix: str) -> Tileset:
    check_fields(document, TILESET_FIELDS, "tileset")
    sources = tuple(_source(source, prefix) for source in document.get("sources") or [])
    if not sources:
        raise EngineError(f"Tileset '{document.get('id', '')}' has no sources.")
    return Tileset(str(document.get("id", "")), sources, document.get("crs"), _dtype(document.get("dataType")))


def _source(document: Mapping[str, Any], prefix: str) -> ManifestSource:
    check_fields(document, SOURCE_FIELDS, "source")
    uris = document.get("uris") or []
    if len(uris) != 1:
        raise EngineError(f"A source has {len(uris)} uris: the local engine reads one GeoTIFF a source.")
    uri = f"{prefix}{uris[0]}"
    if not uri.startswith("gs://") or "/" not in uri[5:]:
        raise EngineError(f"Invalid source uri '{uri}': expected gs://BUCKET/OBJECT.")
    transform = document.get("affineTransform")
    return ManifestSource(uri, affine_of(transform) if transform else None)


def _bands(
    document: Mapping[str, Any], tilesets: Sequence[Tileset], policy: str, missing: tuple[float, ...] | None
) -> tuple[ManifestBand, ...] | None:
    entries = document.get("bands")
    if not entries:
        if len(tilesets) > 1:
            raise EngineError("The manifest has several tilesets: its bands must be listed.")
        return None
    tileset_ids = {tileset.id for tileset in tilesets}
    bands = tuple(_band(band, index, tilesets, policy, missing) for index, band in enumerate(entries))
    for band in bands:
        if band.tileset not in tileset_ids:
            raise EngineError(f"Band '{band.id}' refers to tileset '{band.tileset}', which the manifest does not have.")
    ids = [band.id for band in bands]
    if len(set(ids)) != len(ids) or not all(ids):
        raise EngineError(f"The manifest's band ids must be unique and not empty: {ids}.")
    return bands


def _band(
    document: Mapping[str, Any],
    index: int,
    tilesets: Sequence[Tileset],
    policy: str,
    missing: tuple[float, ...] | None,
) -> ManifestBand:
    check_fields(document, BAND_FIELDS, "band")
    only = tilesets[0].id if len(tilesets) == 1 else ""
    own = check_policy(document["pyramidingPolicy"]) if document.get("pyramidingPolicy") else policy
    return ManifestBand(
        str(document.get("id", "")),
        str(document.get("tilesetId", only)),
        int(document.get("tilesetBandIndex", index if only and "tilesetId" not in document else 0)),
        own,
        _missing(document["missingData"]) if "missingData" in document else missing,
    )


def _mask_bands(document: Mapping[str, Any], tilesets: Sequence[Tileset]) -> dict[str, tuple[str, ...]]:
    tileset_ids = {tileset.id for tileset in tilesets}
    masks: dict[str, tuple[str, ...]] = {}
    for mask in document.get("maskBands") or []:
        check_fields(mask, {"tilesetId", "bandIds"}, "maskBand")
        tileset = str(mask.get("tilesetId", tilesets[0].id if len(tilesets) == 1 else ""))
        if tileset not in tileset_ids:
            raise EngineError(f"A mask band refers to tileset '{tileset}', which the manifest does not have.")
        if tileset in masks:
            raise EngineError(f"Tileset '{tileset}' has more than one mask band.")
        masks[tileset] = tuple(mask.get("bandIds") or ())
    return masks


def _missing(document: Mapping[str, Any] | None) -> tuple[float, ...] | None:
    """The values that mean no data; empty where the files' own value is to be ignored."""
    if document is None:
        return None
    try:
        return tuple(float(value) for value in document.get("values") or ())
    except (AttributeError, TypeError, ValueError) as error:
        raise EngineError(f"Invalid missingData {document!r}: expected {{'values': [numbers]}}.") from error


def checked_times(document: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Start and end of a manifest; EngineError where they are no times, or in no order."""
    start, end = (_time(document.get(key)) for key in ("startTime", "endTime"))
    if end is not None and start is None:
        raise EngineError("The manifest has an endTime and no startTime.")
    if start is not None and end is not None and milliseconds(end) < milliseconds(start):
        raise EngineError(f"The manifest's endTime {end} lies before its startTime {start}.")
    return start, end


def _time(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, Mapping):  # google.protobuf.Timestamp as an object
        return iso_time(float(value.get("seconds", 0)) * 1000)
    return iso_time(milliseconds(value))


def _dtype(data_type: str | None) -> str | None:
    """dataType of a tileset as a numpy type (reference/rest/v1/ImageManifest, PixelDataType)."""
    if data_type in (None, "", "DATA_TYPE_UNSPECIFIED"):
        return None
    names = {"FLOAT": "float32", "DOUBLE": "float64"}
    name = names.get(str(data_type).upper(), str(data_type).lower())
    if name not in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"):
        raise EngineError(f"Invalid dataType '{data_type}' of a tileset.")
    return name


def in_camel_case(document: Mapping[str, Any]) -> dict[str, Any]:
    """A message with its fields' JSON names: the `earthengine` command sends start_time, which JSON messages may hold.

    Source: https://protobuf.dev/programming-guides/json/.
    """
    return {re.sub(r"_([a-z])", lambda match: match[1].upper(), key): value for key, value in document.items()}


def check_fields(document: Mapping[str, Any], fields: set[str], element: str) -> None:
    """EngineError for a field that is none of these."""
    unknown = sorted(set(document) - fields)
    if unknown:
        raise EngineError(
            f"Unknown or unsupported field '{unknown[0]}' of a {element}: expected {', '.join(sorted(fields))}."
        )
