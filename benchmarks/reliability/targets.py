"""The routes of `isamap serve` and of `isamap engine serve`, with requests that each would grant."""

from __future__ import annotations

from typing import Any

from .hostile import Address

MAP = "wuhan"
BBOX = [114.26, 30.54, 114.27, 30.55]
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[114.26, 30.54], [114.27, 30.54], [114.27, 30.55], [114.26, 30.55], [114.26, 30.54]]],
}
_DISTRICTS = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "properties": {"name": "a"}, "geometry": SQUARE}],
}
_JOB = "0" * 16


def _inputs(**inputs: Any) -> dict[str, Any]:
    return {"inputs": inputs}


_PROCESSES: dict[str, dict[str, Any]] = {
    "map": _inputs(checkpoint="run", bbox=BBOX, period="2019-06"),
    "export": _inputs(bbox=BBOX, period="2019-06", size=64, stride=64),
    "train": _inputs(data=["data"], recipe="crofusenet-tiny", epochs=1),
    "assess": _inputs(map=MAP, points=50),
    "publish": _inputs(map=MAP, asset="projects/local/assets/a"),
    "first-network": _inputs(bbox=BBOX, period="2019-06"),
}
_TILES = ("class", "15", "26783", "13447")
SERVICE = (
    *(Address("GET", path) for path in ("/", "/health", "/metrics", "/conformance", "/openapi.json", "/api")),
    *(Address("GET", path) for path in ("/regions", "/checkpoints", "/datasets", "/maps", "/stac", "/collections")),
    *(Address("GET", path, queries=("limit=10",)) for path in ("/jobs", "/processes", "/labels", "/sheets")),
    Address("GET", "/static/{}", ("page.js",)),
    Address("GET", "/regions/{}", ("wuhan",)),
    Address("GET", "/maps/{}", (MAP,)),
    Address("DELETE", "/maps/{}", ("none",)),
    Address("PATCH", "/maps/{}", (MAP,), body={"name": "a map"}),
    Address("GET", "/maps/{}/tilejson.json", (MAP,)),
    Address("GET", "/maps/{}/tiles/{}/{}/{}/{}.png", (MAP, *_TILES), ("", "hide=1")),
    Address("GET", "/maps/{}/tiles/{}/{}/{}/{}.png", (MAP, "probability", *_TILES[1:])),
    Address("GET", "/maps/{}/point", (MAP,), ("lon=114.265&lat=30.545",)),
    Address("GET", "/maps/{}/area", (MAP,), ("bbox=114.26,30.54,114.27,30.55",)),
    Address("POST", "/maps/{}/area", (MAP,), body=SQUARE),
    Address("GET", "/areas", queries=(f"maps={MAP}&bbox=114.26,30.54,114.27,30.55&joined=true",)),
    Address("POST", "/areas", queries=(f"maps={MAP}",), body=_DISTRICTS),
    Address("GET", "/maps/{}/download", (MAP,), ("format=geotiff", "format=gpkg")),
    *(Address("POST", "/processes/{}/execution", (name,), body=body) for name, body in _PROCESSES.items()),
    *(Address("POST", "/processes/{}/estimate", (name,), body=body) for name, body in _PROCESSES.items()),
    Address("POST", "/processes/map/lack", body=_PROCESSES["map"]),
    *(Address("GET", f"/jobs/{{}}{path}", (_JOB,)) for path in ("", "/results", "/log", "/report")),
    Address("GET", "/jobs/{}/files/{}.zip", (_JOB, "dataset")),
    Address("DELETE", "/jobs/{}", (_JOB,)),
    Address("PUT", "/labels/{}", ("mine",), body={"type": "FeatureCollection", "features": []}),
    *(Address("GET", f"/labels/{{}}{path}", ("mine",)) for path in ("", "/download")),
    Address("DELETE", "/labels/{}", ("mine",)),
    Address("POST", "/sheets", body={"job": _JOB}),
    Address("PATCH", "/sheets/{}", (_JOB,), body={"answers": {"1": "impervious"}}),
    Address("GET", "/sheets/{}/download", (_JOB,)),
    Address("GET", "/collections/{}/items", ("maps",), ("limit=3&bbox=114,30,115,31",)),
    Address("GET", "/collections/{}/items/{}", ("maps", MAP)),
)

_P = "/v1/projects/local"
_ADD = {"functionInvocationValue": {"functionName": "Number.add", "arguments": {
    "left": {"constantValue": 1}, "right": {"constantValue": 2}}}}  # fmt: skip
_IMAGE = {"functionInvocationValue": {"functionName": "Image.constant", "arguments": {"value": {"constantValue": 3}}}}
_GRID = {
    "dimensions": {"width": 4, "height": 4},
    "affineTransform": {"scaleX": 10, "translateX": 240000, "scaleY": -10, "translateY": 3380000},
    "crsCode": "EPSG:32650",
}


def _expression(node: dict[str, Any]) -> dict[str, Any]:
    return {"expression": {"result": "0", "values": {"0": node}}}


_ASSETS = "projects/local/assets"
_TABLE = {"uris": ["gs://fuzz/none.csv"]}
_MANIFEST = {"name": f"{_ASSETS}/i", "tilesets": [{"id": "0", "sources": [{"uris": ["gs://fuzz/none.tif"]}]}]}
_OBJECTS = "/storage/v1/b/{}/o"
ENGINE = (
    *(Address("GET", f"{_P}{path}") for path in ("/algorithms", "/config", "/operations", ":listAssets")),
    Address("GET", "/$discovery/rest", queries=("version=v1",)),
    Address("POST", f"{_P}/value:compute", body=_expression(_ADD)),
    Address("POST", f"{_P}/image:computePixels", body={**_expression(_IMAGE), "fileFormat": "NPY", "grid": _GRID}),
    Address("POST", f"{_P}/thumbnails", body={**_expression(_IMAGE), "fileFormat": "PNG", "grid": _GRID}),
    Address("POST", f"{_P}/maps", body={**_expression(_IMAGE), "fileFormat": "PNG"}),
    Address("GET", f"{_P}/maps/{{}}/tiles/{{}}/{{}}/{{}}", ("0" * 32, "3", "1", "1")),
    Address("GET", f"{_P}/thumbnails/{{}}:getPixels", ("0" * 32,)),
    Address("POST", f"{_P}/table:computeFeatures", body=_expression(_ADD)),
    Address("POST", f"{_P}/assets", queries=("assetId=folder",), body={"type": "FOLDER"}),
    *(Address("GET", f"{_P}/assets/{{}}{verb}", ("folder",)) for verb in ("", ":listAssets", ":listFeatures")),
    Address("POST", f"{_P}/assets/{{}}:getIamPolicy", ("folder",), body={}),
    Address("POST", f"{_P}/assets/{{}}:move", ("none",), body={"destinationName": "projects/local/assets/other"}),
    Address("PATCH", f"{_P}/assets/{{}}", ("folder",), body={"asset": {"properties": {"a": 1}}, "updateMask": "a"}),
    Address("DELETE", f"{_P}/assets/{{}}", ("none",)),
    Address("POST", f"{_P}/image:import", body={"imageManifest": _MANIFEST}),
    Address("POST", f"{_P}/table:import", body={"tableManifest": {"name": f"{_ASSETS}/t", "sources": [_TABLE]}}),
    *(Address(method, f"{_P}/operations/{{}}", ("none",)) for method in ("GET", "DELETE")),
    Address("POST", f"{_P}/operations/{{}}:cancel", ("none",), body={}),
    Address("POST", "/storage/v1/b", queries=("project=local",), body={"name": "fuzz"}),
    Address("GET", "/storage/v1/b", queries=("project=local&prefix=f&maxResults=2",)),
    Address("GET", "/storage/v1/b/{}", ("fuzz",)),
    Address("GET", _OBJECTS, ("fuzz",), ("prefix=a&delimiter=/&matchGlob=**",)),
    Address("GET", f"{_OBJECTS}/{{}}", ("fuzz", "a"), ("alt=media", "generation=1&projection=full")),
    Address("GET", "/download/storage/v1/b/{}/o/{}", ("fuzz", "a"), ("alt=media",)),
    Address("POST", "/upload/storage/v1/b/{}/o", ("fuzz",), ("uploadType=media&name=a", "uploadType=resumable"), {}),
    Address("PATCH", f"{_OBJECTS}/{{}}", ("fuzz", "a"), body={"metadata": {"a": "b"}, "contentType": "text/plain"}),
    Address("DELETE", f"{_OBJECTS}/{{}}", ("fuzz", "a")),
    Address("POST", "/storage/v1/b/{}/o/{}/rewriteTo/b/{}/o/{}", ("fuzz", "a", "fuzz", "b"), body={}),
)
