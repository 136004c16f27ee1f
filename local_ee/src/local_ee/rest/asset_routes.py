"""The REST methods of assets: describe, list, make, change, share, remove.

Reference: https://developers.google.com/earth-engine/reference/rest/v1/projects.assets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import shapely
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from local_ee.assets.asset import Asset
from local_ee.assets.store import ROOT, AssetStore, canonical, flat, missing
from local_ee.assets.times import iso_time, milliseconds
from local_ee.catalog import AssetInfo, SourceImage
from local_ee.catalog.stack import CatalogStack
from local_ee.errors import EngineError
from local_ee.raster.pixel_type import of_dtype
from local_ee.raster.projection import code_of
from local_ee.wire import Call, Params, Reply, Route

PAGE = 1000
MAX_ASSETS, MAX_BYTES = 10_000, 250 * 10**9  # guides/usage
CONDITION = re.compile(r'(startTime|endTime)\s*(>=|<=|>|<|=)\s*"([^"]+)"|intersects\("(.*?)"\)')
PROPERTY_PATH = re.compile(r'properties\."?([^"]+)"?')
OWNERS = {"role": "roles/owner", "members": ["user:local"]}


class AssetRoutes:
    """Answers over the user's assets, and over the public ids of the catalog behind them."""

    def __init__(self, store: AssetStore, catalog: CatalogStack) -> None:
        self._store = store
        self._catalog = catalog  # holds the store's assets too

    @property
    def routes(self) -> tuple[Route, ...]:
        project = "projects/{project}"
        asset = f"{project}/assets/{{asset:path}}"
        return (
            Route("GET", f"{project}:listAssets", self._list),
            Route("GET", f"{asset}:listAssets", self._list),
            Route("GET", f"{asset}:listImages", self._list_images),
            Route("POST", f"{asset}:copy", self._copy),
            Route("POST", f"{asset}:move", self._move),
            Route("POST", f"{asset}:getIamPolicy", self._get_policy),
            Route("POST", f"{asset}:setIamPolicy", self._set_policy),
            Route("POST", f"{asset}:testIamPermissions", self._permissions),
            Route("POST", f"{project}/assets", self._create),
            Route("GET", asset, self._get),
            Route("PATCH", asset, self._patch),
            Route("DELETE", asset, self._delete),
        )

    def _get(self, call: Call, params: Params) -> Reply:
        return Reply.of(self._described(_id(params)))

    def _described(self, asset_id: str) -> dict[str, Any]:
        asset = self._store.find(asset_id)
        if asset is not None:
            return self._owned(asset)
        image = self._catalog.image(asset_id)
        if image is not None:
            return public_image(image)
        info = self._catalog.describe(asset_id)
        if info is None:
            raise missing(asset_id)
        return public_asset(info)

    def _owned(self, asset: Asset) -> dict[str, Any]:
        document = owned_asset(asset)
        if ROOT.fullmatch(asset.id):
            owned = list(self._below(asset.id))
            document["quota"] = {
                "assetCount": str(len(owned)),
                "maxAssets": str(MAX_ASSETS),
                "sizeBytes": str(sum(each.size_bytes for each in owned)),
                "maxSizeBytes": str(MAX_BYTES),
            }
        return document

    def _below(self, parent: str) -> Iterator[Asset]:
        for asset in self._store.children(parent):
            yield asset
            yield from self._below(asset.id)

    def _list(self, call: Call, params: Params) -> Reply:
        return Reply.of(self._page(call, params, "assets"))

    def _list_images(self, call: Call, params: Params) -> Reply:
        return Reply.of(self._page(call, params, "images"))

    def _page(self, call: Call, params: Params, key: str) -> dict[str, Any]:
        parent = _id(params)
        info = self._catalog.describe(parent)
        if info is None:
            raise missing(parent)
        size = min(int(call.query.get("pageSize") or PAGE), PAGE)
        begin = int(call.query.get("pageToken") or 0)
        children = list(islice(self._children(parent, info, call.query), begin, begin + size + 1))
        answer: dict[str, Any] = {key: children[:size]}
        if len(children) > size:
            answer["nextPageToken"] = str(begin + size)
        return answer

    def _children(self, parent: str, info: AssetInfo, query: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        start_ms, end_ms, region = asked(query)
        if info.type == "IMAGE_COLLECTION":
            try:
                images = self._catalog.images(parent, start_ms, end_ms, region.bounds if region else None)
            except ValueError as error:
                raise EngineError(str(error)) from error
            return (self._described(image.id) for image in images if not region or image.footprint.intersects(region))
        if info.type != "FOLDER":
            raise EngineError(f"Asset '{parent}' of type {info.type} holds no assets.")
        owned = [self._owned(asset) for asset in self._store.children(parent)]
        return owned or [public_asset(info) for info in self._catalog.contents(parent)]

    def _create(self, call: Call, params: Params) -> Reply:
        body = call.json()
        asset_id = canonical(f"projects/{params['project']}/assets/{call.query.get('assetId', '')}")
        return Reply.of(
            owned_asset(self._store.create(asset_id, str(body.get("type", "")), body.get("properties") or {}))
        )

    def _patch(self, call: Call, params: Params) -> Reply:
        body = call.json()
        asset = self._store.get(_id(params))
        fields = body.get("asset") or {}
        paths = _paths(body.get("updateMask")) or ["properties", "start_time", "end_time"]
        return Reply.of(owned_asset(self._store.update(asset.id, changes(asset, fields, paths))))

    def _delete(self, call: Call, params: Params) -> Reply:
        self._store.delete(_id(params))
        return Reply.of({})

    def _copy(self, call: Call, params: Params) -> Reply:
        body = call.json()
        target = str(body.get("destinationName", ""))
        return Reply.of(owned_asset(self._store.copy(_id(params), target, overwrite=bool(body.get("overwrite")))))

    def _move(self, call: Call, params: Params) -> Reply:
        return Reply.of(owned_asset(self._store.move(_id(params), str(call.json().get("destinationName", "")))))

    def _get_policy(self, call: Call, params: Params) -> Reply:
        return Reply.of(self._policy(self._store.get(_id(params))))

    def _set_policy(self, call: Call, params: Params) -> Reply:
        asked_for = (call.json().get("policy") or {}).get("bindings") or []
        bindings = tuple(binding for binding in asked_for if binding.get("role") != OWNERS["role"])
        return Reply.of(self._policy(self._store.update(_id(params), {"readers": bindings})))

    def _policy(self, asset: Asset) -> dict[str, Any]:
        return {"bindings": [OWNERS, *asset.readers], "etag": asset.updated}

    def _permissions(self, call: Call, params: Params) -> Reply:
        self._store.get(_id(params))
        return Reply.of({"permissions": call.json().get("permissions", [])})


def owned_asset(asset: Asset) -> dict[str, Any]:
    """EarthEngineAsset of a stored asset."""
    document: dict[str, Any] = {
        "type": asset.type,
        "name": asset.id,
        "id": asset.id,
        "updateTime": asset.updated,
        "properties": dict(asset.properties),
    }
    document |= {key: time for key, time in (("startTime", asset.start), ("endTime", asset.end)) if time}
    if asset.bands:
        document["bands"] = [
            {**_band(band.name, band.dtype, band.grid), "pyramidingPolicy": band.policy} for band in asset.bands
        ]
        document["geometry"] = mapping(asset.footprint)
    if asset.uris:
        document["cloudStorageLocation"] = {"uris": list(asset.uris)}
    if asset.files:
        document["sizeBytes"] = str(asset.size_bytes)
    return document


def public_asset(info: AssetInfo) -> dict[str, Any]:
    """EarthEngineAsset of a catalog's folder or collection."""
    return {"type": info.type, "name": _public_name(info.id), "id": info.id, "properties": dict(info.properties)}


def public_image(image: SourceImage) -> dict[str, Any]:
    """EarthEngineAsset of a catalog's image."""
    properties = {key: value for key, value in image.properties.items() if not key.startswith("system:")}
    document = {
        "type": "IMAGE",
        "name": _public_name(image.id),
        "id": image.id,
        "properties": properties,
        "bands": [_band(band.name, band.dtype, band.grid) for band in image.bands],
        "geometry": mapping(image.footprint),
    }
    for key, field in (("system:time_start", "startTime"), ("system:time_end", "endTime")):
        if image.properties.get(key) is not None:
            document[field] = iso_time(image.properties[key])
    return document


def changes(asset: Asset, fields: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """The fields of Asset that an update mask changes; a property that is named and not among `fields` is removed."""
    changed: dict[str, Any] = {}
    properties, own = dict(asset.properties), fields.get("properties") or {}
    for path in paths:
        match = PROPERTY_PATH.fullmatch(path)
        if path == "properties":
            properties = dict(own)
        elif match:
            properties.pop(match[1], None)
            if own.get(match[1]) is not None:
                properties[match[1]] = own[match[1]]
        elif path in ("start_time", "startTime"):
            changed["start"] = _checked_time(fields.get("startTime") or fields.get("start_time"))
        elif path in ("end_time", "endTime"):
            changed["end"] = _checked_time(fields.get("endTime") or fields.get("end_time"))
        elif path == "bands":
            changed["bands"] = _renamed(asset, fields.get("bands") or [])
        else:
            raise EngineError(f"Cannot update '{path}' of an asset.")
    return {**changed, "properties": flat(properties)}


def asked(query: Mapping[str, str]) -> tuple[int | None, int | None, BaseGeometry | None]:
    """Period [start, end) in ms since 1970 and region of a listing's filter; EngineError for other conditions."""
    start, end, region = query.get("startTime"), query.get("endTime"), query.get("region")
    start_ms = milliseconds(start) if start else None
    end_ms = milliseconds(end) if end else None
    for condition in filter(None, re.split(r"\s+AND\s+", query.get("filter", ""))):
        match = CONDITION.fullmatch(condition.strip())
        if match is None:
            raise EngineError(f"Unsupported condition of a listing's filter: {condition}")
        name, _, time, geometry = match.groups()
        if geometry is not None:
            region = geometry.replace("'", '"')
        elif name == "startTime":
            start_ms = milliseconds(time)
        else:
            end_ms = milliseconds(time)
    return start_ms, end_ms, region_of(region) if region else None


def region_of(text: str) -> BaseGeometry:
    """A region in GeoJSON or WKT; EngineError for another text."""
    try:
        return shapely.from_geojson(text) if text.lstrip().startswith("{") else shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise EngineError(f"Invalid region '{text}': expected GeoJSON or WKT.") from error


def _renamed(asset: Asset, bands: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    if len(bands) != len(asset.bands):
        raise EngineError(f"{len(bands)} bands given for an image of {len(asset.bands)}.")
    return tuple(replace(band, name=str(resource["id"])) for band, resource in zip(asset.bands, bands, strict=True))


def _checked_time(time: str | None) -> str | None:
    return iso_time(milliseconds(time)) if time else None


def _band(name: str, dtype: str, grid: Any) -> dict[str, Any]:
    band_type = of_dtype(dtype)
    affine = grid.affine
    data_type: dict[str, Any] = {"precision": band_type.precision.upper()}
    if band_type.minimum is not None:
        data_type["range"] = {"min": band_type.minimum, "max": band_type.maximum}
    return {
        "id": name,
        "dataType": data_type,
        "grid": {
            "crsCode": code_of(grid.crs),
            "dimensions": {"width": grid.shape[1], "height": grid.shape[0]},
            "affineTransform": {
                "scaleX": affine.a,
                "shearX": affine.b,
                "translateX": affine.c,
                "shearY": affine.d,
                "scaleY": affine.e,
                "translateY": affine.f,
            },
        },
    }


def _id(params: Params) -> str:
    return canonical(f"projects/{params['project']}/assets/{params.get('asset', '')}")


def _public_name(asset_id: str) -> str:
    return asset_id if asset_id.startswith("projects/") else f"projects/earthengine-public/assets/{asset_id}"


def _paths(mask: Any) -> list[str]:
    """The fields of an update mask: a text with commas (https://protobuf.dev/programming-guides/json/), or the client's
    message of `paths`.
    """
    paths = mask.get("paths") if isinstance(mask, Mapping) else mask
    if isinstance(paths, str):
        paths = paths.split(",")
    if not isinstance(paths or [], list) or not all(isinstance(path, str) for path in paths or []):
        raise EngineError("Invalid updateMask: expected names of fields with commas between.")
    return paths or []
