"""Routes of the STAC catalogue: one collection of all finished maps, an item each (STAC API 1.0.0)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from isamap.inference.catalog import stac_item
from isamap.inference.map_files.legend import PROBABILITY
from isamap.inference.map_files.map_file import SHARE
from isamap.inference.serve import site_routes
from isamap.inference.serve.answer import GEOJSON, as_json, base_of, computed, whole
from isamap.inference.serve.library import Library
from isamap.inference.serve.map_store import StoredMap
from isamap.inference.serve.problem import Problem

COLLECTION = "maps"
MOST_ITEMS = 500
MOST_KEPT = 1000
EVERYWHERE = [-180.0, -90.0, 180.0, 90.0]


@dataclass(frozen=True)
class StacRoutes:
    """The maps of a library as STAC."""

    library: Library
    _made: OrderedDict[tuple[str, str, str], dict[str, Any]] = field(default_factory=OrderedDict, repr=False)

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/stac", self.catalog),
            Route("/collections", self.collections),
            Route("/collections/{collection}", self.collection),
            Route("/collections/{collection}/items", self.items),
            Route("/collections/{collection}/items/{item}", self.item),
        ]

    async def catalog(self, request: Request) -> Response:
        document = site_routes.landing()
        base = base_of(request)
        links = [{"rel": rel, "href": f"{base}/stac", "type": "application/json"} for rel in ("self", "root")]
        child = {"rel": "child", "href": f"{base}/collections/{COLLECTION}", "type": "application/json"}
        others = [
            link | {"href": base + link["href"]} for link in document["links"] if link["rel"] not in ("self", "root")
        ]
        return as_json(document | {"links": [*links, child, *others]})

    async def collections(self, request: Request) -> Response:
        base = base_of(request)
        links = [{"rel": "self", "href": f"{base}/collections", "type": "application/json"}]
        links.append({"rel": "root", "href": f"{base}/stac", "type": "application/json"})
        return as_json({"collections": [await computed(self._collection, base)], "links": links})

    async def collection(self, request: Request) -> Response:
        _check_collection(request)
        return as_json(await computed(self._collection, base_of(request)))

    async def items(self, request: Request) -> Response:
        """Items page by page: `limit` of them from `offset` on, inside `bbox` if there is one."""
        _check_collection(request)
        limit, offset = max(1, whole(request, "limit", 100, MOST_ITEMS)), whole(request, "offset", 0, 1 << 31)
        base, box = base_of(request), _box(request)
        maps = [each for each in await computed(self.library.maps.maps) if box is None or _meets(each, box)]
        shown = maps[offset : offset + limit]
        path = f"{base}/collections/{COLLECTION}/items"
        links = [{"rel": "self", "href": path, "type": GEOJSON}, {"rel": "root", "href": f"{base}/stac"}]
        if offset + limit < len(maps):
            links.append({"rel": "next", "href": f"{path}?limit={limit}&offset={offset + limit}", "type": GEOJSON})
        features = await computed(lambda: [self._item(each, base) for each in shown])
        document = {"type": "FeatureCollection", "features": features, "links": links}
        return as_json(document | {"numberMatched": len(maps), "numberReturned": len(shown)}, media=GEOJSON)

    async def item(self, request: Request) -> Response:
        _check_collection(request)
        id = request.path_params["item"]
        stored = await computed(self.library.maps.map, id)
        if stored is None:
            raise Problem(404, f"Item {id[:50]!r} is not there.")
        return as_json(await computed(self._item, stored, base_of(request)), media=GEOJSON)

    def _item(self, stored: StoredMap, base: str) -> dict[str, Any]:
        """The item, made once for each version of a map, as its files are read whole for their checksums."""
        key = (stored.id, stored.version, base)
        if key not in self._made:
            self._made[key] = _item(stored, base)
            if len(self._made) > MOST_KEPT:
                self._made.popitem(last=False)
        return self._made[key]

    def _collection(self, base: str) -> dict[str, Any]:
        maps = self.library.maps.maps()
        boxes = [each.bbox for each in maps]
        west, south, east, north = zip(*boxes, strict=True) if boxes else ((value,) for value in EVERYWHERE)
        moments = [stac_item.period_of(each.file.tags) for each in maps]
        path = f"{base}/collections/{COLLECTION}"
        return {
            "type": "Collection",
            "stac_version": "1.0.0",
            "stac_extensions": [],
            "id": COLLECTION,
            "title": "Maps of this service",
            "description": f"{_simulation(maps)}Impervious surface and land cover, made by isamap.",
            "license": "various",
            "keywords": ["impervious surface", "land cover"],
            "extent": {
                "spatial": {"bbox": [[min(west), min(south), max(east), max(north)]]},
                "temporal": {
                    "interval": [
                        [min(start for start, _ in moments), max(end for _, end in moments)]
                        if moments
                        else [None, None]
                    ]
                },
            },
            "links": [
                {"rel": "self", "href": path, "type": "application/json"},
                {"rel": "root", "href": f"{base}/stac", "type": "application/json"},
                {"rel": "parent", "href": f"{base}/stac", "type": "application/json"},
                {"rel": "items", "href": f"{path}/items", "type": GEOJSON},
            ],
        }


def _simulation(maps: Sequence[StoredMap]) -> str:
    """What the collection's description begins with, where input or training of some maps was simulated."""
    words = ""
    if any(each.shows_no_real_place for each in maps):
        words = "Some are SIMULATED and say nothing about real places. "
    if any(each.is_simulated and not each.shows_no_real_place for each in maps):
        words += "Some are of networks that learned from SIMULATED images. "
    return words


def _item(stored: StoredMap, base: str) -> dict[str, Any]:
    """The item that `isamap stac` writes, with addresses of this service."""
    path = f"{base}/collections/{COLLECTION}"
    links = [
        {"rel": "self", "href": f"{path}/items/{stored.id}", "type": GEOJSON},
        {"rel": "root", "href": f"{base}/stac", "type": "application/json"},
        {"rel": "parent", "href": path, "type": "application/json"},
        {"rel": "collection", "href": path, "type": "application/json"},
        {
            "rel": "tiles",
            "href": f"{base}/maps/{stored.id}/tilejson.json",
            "type": "application/json",
            "title": "TileJSON of the classes",
        },
    ]
    file = stored.pixels()
    document = stac_item.item(file, stac_item.files_beside(file, file.path.parent), links, of=COLLECTION)
    assets = document["assets"]
    address, numbers = f"{base}/maps/{stored.id}/download", stored.numbers
    beside = assets.get(SHARE if numbers == SHARE else PROBABILITY)
    document["assets"] = {
        "data": next(iter(assets.values())) | {"href": f"{address}?format=geotiff"},
        **({numbers: beside | {"href": f"{address}?format={numbers}"}} if beside else {}),
        "thumbnail": {"href": f"{address}?format=png", "type": "image/png", "roles": ["thumbnail"]},
    }
    return document


def _check_collection(request: Request) -> None:
    name = request.path_params["collection"]
    if name != COLLECTION:
        raise Problem(404, f"Collection {name[:50]!r} is not there: expected {COLLECTION}.")


def _box(request: Request) -> tuple[float, ...] | None:
    text = request.query_params.get("bbox")
    if text is None:
        return None
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise Problem(400, f"bbox={text[:50]!r}: expected west,south,east,north in degrees.")
    return values


def _meets(stored: StoredMap, box: tuple[float, ...]) -> bool:
    west, south, east, north = stored.bbox
    return west <= box[2] and east >= box[0] and south <= box[3] and north >= box[1]
