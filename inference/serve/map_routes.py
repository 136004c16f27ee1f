"""Routes of finished maps: lists, tiles, values at points, areas of polygons, downloads."""

from __future__ import annotations

import os
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from isamap.inference.serve import map_values, request_fields, tiles
from isamap.inference.serve.answer import as_json, base_of, body_of, choice, computed, number
from isamap.inference.serve.districts import districts_of
from isamap.inference.serve.door import Door
from isamap.inference.serve.downloads import FORMATS, Downloads, formats_of
from isamap.inference.serve.gate import owner_of
from isamap.inference.serve.imagery import ImageryTiles
from isamap.inference.serve.library import Library
from isamap.inference.serve.map_store import StoredMap
from isamap.inference.serve.place import box_of, ground_km2, polygon_of
from isamap.inference.serve.problem import Problem
from isamap.inference.serve.tiles import IMAGERY, TileAddress

TILE_AGE_S = 3600
TILE_HEADERS = {
    "cache-control": f"private, max-age={TILE_AGE_S}",
    # "same-site" would do if Chromium took two ports of one address for one site, as its Sec-Fetch-Site does
    "cross-origin-resource-policy": "cross-origin",
}
MOST_AREAS, MOST_COMPARED = 256, 20
# few threads, as each keeps files open and GDAL's memory; imagery apart, whose tiles take seconds
_TILE_THREADS = ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1)), thread_name_prefix="isamap-tiles")
_AREA_THREADS = ThreadPoolExecutor(2, thread_name_prefix="isamap-areas")  # a polygon of slivers takes seconds
_IMAGERY_THREAD = ThreadPoolExecutor(1, thread_name_prefix="isamap-imagery")


@dataclass(frozen=True)
class MapRoutes:
    """What a library's maps answer. door: says who may change which map."""

    library: Library
    imagery: ImageryTiles
    downloads: Downloads
    door: Door
    _areas: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/maps", self.maps),
            Route("/areas", self.areas),
            Route("/areas", self.districts, methods=["POST"]),
            Route("/maps/{map}", self.map),
            Route("/maps/{map}", self.rename, methods=["PATCH"]),
            Route("/maps/{map}", self.delete, methods=["DELETE"]),
            Route("/maps/{map}/tilejson.json", self.tilejson),
            Route("/maps/{map}/tiles/{layer}/{z}/{x}/{y}.png", self.tile),
            Route("/maps/{map}/point", self.point),
            Route("/maps/{map}/area", self.area, methods=["GET", "POST"]),
            Route("/maps/{map}/download", self.download),
        ]

    async def maps(self, request: Request) -> Response:
        stored = await computed(self.library.maps.maps)
        return as_json({"maps": [each.document() for each in stored]})

    async def map(self, request: Request) -> Response:
        stored = await self._map(request)
        return as_json(stored.document() | await computed(self._whole, stored) | {"links": _links(stored)})

    async def rename(self, request: Request) -> Response:
        """Gives a map another name for people: {"name": "..."}; Problem 403 for another token's."""
        stored, document = await self._own_map(request), await body_of(request)
        if not isinstance(document, dict) or set(document) != {"name"}:
            raise Problem(400, 'Send {"name": "..."}: nothing else of a map can be changed.')
        name = await computed(request_fields.title, document)
        if not name:
            raise Problem(422, "name: expected at least one character.")
        await computed(self.library.maps.rename, stored, name)
        return as_json((await self._map(request)).document())

    async def delete(self, request: Request) -> Response:
        """Removes a map; its job makes it again when it is asked for again. Problem 403 for another token's."""
        stored = await self._own_map(request)
        await computed(self.library.maps.delete, stored)
        await computed(self.library.settings.jobs.dismiss, str(stored.record.get("job", "")))
        return Response(status_code=204)

    async def areas(self, request: Request) -> Response:
        """km2 by class in a box, of each of several maps on the ground that all of them know; joined=true: of all as
        one map.
        """
        maps = await self._several(request)
        polygon = await computed(_box, request, self.library.settings.limits)
        self._check_area(polygon)
        is_joined = choice(request, "joined", ("true", "false"), "false") == "true"
        count = map_values.areas_in if is_joined else map_values.common_areas
        return as_json(await computed(count, maps, polygon, pool=_AREA_THREADS))

    async def districts(self, request: Request) -> Response:
        """km2 by class in each polygon of a GeoJSON FeatureCollection, of several maps as one."""
        maps, document = await self._several(request), await body_of(request)
        districts = await computed(districts_of, document, self.library.settings.limits)
        return as_json(await computed(map_values.district_areas, maps, districts, pool=_AREA_THREADS))

    async def _several(self, request: Request) -> list[StoredMap]:
        ids = request.query_params.get("maps", "").split(",")
        if not 1 <= len(ids) <= MOST_COMPARED:
            raise Problem(400, f"maps: expected 1 to {MOST_COMPARED} ids of GET /maps, with commas between.")
        return [await self._stored(id) for id in ids]

    async def tilejson(self, request: Request) -> Response:
        stored = await self._map(request)
        layer = choice(request, "layer", tiles.layers_of(stored), tiles.CLASS)
        return as_json(tiles.tilejson(stored, layer, base_of(request)))

    async def tile(self, request: Request) -> Response:
        """A PNG, or 204 off the map."""
        stored, layer = await self._map(request), request.path_params["layer"]
        if layer not in (layers := tiles.layers_of(stored)):
            raise Problem(404, f"Layer {layer[:50]!r} is not there: expected {', '.join(layers)}.")
        try:
            address = TileAddress.of(*(request.path_params[name] for name in "zxy"))
        except ValueError as error:
            raise Problem(404, str(error)) from error
        # Of the map and not of the tile: a browser asks for hundreds, and none has to be drawn to answer 304.
        tag = f'"{stored.version}"'
        headers = TILE_HEADERS | {"etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if layer == IMAGERY:
            picture = await computed(self.imagery.tile, stored, address, pool=_IMAGERY_THREAD)
        else:
            picture = await computed(tiles.tile, stored, layer, address, _hidden(request, stored), pool=_TILE_THREADS)
        return Response(picture, 200, headers, "image/png") if picture else Response(status_code=204, headers=headers)

    async def point(self, request: Request) -> Response:
        stored = await self._map(request)
        lon, lat = number(request, "lon"), number(request, "lat")
        if not (-180 <= lon <= 180 and -90 <= lat <= 90):
            raise Problem(400, f"lon={lon:g} lat={lat:g}: expected degrees of -180 to 180 and -90 to 90.")
        maps = await computed(self.library.maps.maps)
        document = await computed(map_values.point_document, stored, maps, lon, lat)
        if document is None:
            raise Problem(404, "The map knows nothing of this point: choose one on the map.")
        return as_json(document)

    async def area(self, request: Request) -> Response:
        """km2 by class in a polygon (POST) or a box (GET)."""
        stored, limits = await self._map(request), self.library.settings.limits
        if request.method == "POST":
            polygon = await computed(polygon_of, await body_of(request), limits)
        else:
            polygon = await computed(_box, request, limits)
        self._check_area(polygon)
        return as_json(await computed(map_values.areas_in, [stored], polygon, pool=_AREA_THREADS))

    async def download(self, request: Request) -> Response:
        stored = await self._map(request)
        format = choice(request, "format", formats_of(stored), "geotiff")
        path = await computed(self.downloads.file, stored, format)
        suffix, media_type = FORMATS[format]
        return FileResponse(path, media_type=media_type, filename=f"{stored.id}.{suffix}")

    def _check_area(self, polygon: Any) -> None:
        area_km2, most = ground_km2(polygon), self.library.settings.limits.area_km2
        if area_km2 > most:
            raise Problem(422, f"The polygon has {area_km2:,.0f} km2, at most {most:,.0f} are counted at once.")

    async def _own_map(self, request: Request) -> StoredMap:
        """The map, of whoever started its job, of an operator, or of everybody where there are no tokens."""
        stored = await self._map(request)
        made_by = str(stored.record.get("job", ""))
        job = await computed(self.library.settings.jobs.job, made_by) if made_by else None
        if not self.door.may_end(owner_of(request), job.owner if job is not None else ""):
            raise Problem(403, "Another token made this map: only that one, or an operator's, may change it.")
        return stored

    async def _map(self, request: Request) -> StoredMap:
        return await self._stored(request.path_params["map"])

    async def _stored(self, id: str) -> StoredMap:
        stored = await computed(self.library.maps.map, id)
        if stored is None:
            raise Problem(404, f"Map {id[:50]!r} is not there: GET /maps lists them.")
        return stored

    def _whole(self, stored: StoredMap) -> Any:
        """`whole_areas` of the map, counted once."""
        key = f"{stored.id} {stored.version}"
        if key not in self._areas:
            self._areas[key] = map_values.whole_areas(stored)
            if len(self._areas) > MOST_AREAS:
                self._areas.popitem(last=False)
        return self._areas[key]


def _hidden(request: Request, stored: StoredMap) -> tuple[int, ...]:
    """Values of classes that the query leaves out; Problem 400 for others."""
    words = request.query_params.get("hide", "")
    values = {str(each["value"]): each["value"] for each in stored.classes}
    unknown = [word for word in words.split(",") if word and word not in values]
    if unknown:
        raise Problem(400, f"hide={unknown[0][:20]!r}: expected values of the map's classes, {', '.join(values)}.")
    return tuple(values[word] for word in words.split(",") if word)


def _box(request: Request, limits: Any) -> Any:
    import shapely

    text = request.query_params.get("bbox", "")
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    return shapely.box(*box_of(values, limits))


def _links(stored: StoredMap) -> list[dict[str, str]]:
    path = f"/maps/{stored.id}"
    tilejsons = [
        {"rel": "tiles", "href": f"{path}/tilejson.json?layer={layer}", "type": "application/json", "title": layer}
        for layer in tiles.layers_of(stored)
    ]
    files = [
        {"rel": "enclosure", "href": f"{path}/download?format={name}", "type": media, "title": name}
        for name, (_, media) in ((name, FORMATS[name]) for name in formats_of(stored))
    ]
    return [
        {"rel": "self", "href": path, "type": "application/json"},
        {"rel": "item", "href": f"/collections/maps/items/{stored.id}", "type": "application/geo+json"},
        *tilejsons,
        *files,
    ]
