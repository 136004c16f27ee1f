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

from inference.serve import map_values, tiles
from inference.serve.answer import as_json, base_of, body_of, choice, computed, number
from inference.serve.downloads import FORMATS, Downloads
from inference.serve.imagery import Imagery
from inference.serve.library import Library
from inference.serve.map_store import StoredMap
from inference.serve.place import box_of, ground_km2, polygon_of
from inference.serve.problem import Problem
from inference.serve.tiles import IMAGERY, LAYERS, TileAddress

TILE_AGE_S = 3600
TILE_HEADERS = {
    "cache-control": f"private, max-age={TILE_AGE_S}",
    # "same-site" would do if Chromium took two ports of one address for one site, as its Sec-Fetch-Site does
    "cross-origin-resource-policy": "cross-origin",
}
MOST_AREAS = 256
# few threads, as each keeps files open and GDAL's memory; imagery apart, whose tiles take seconds
_TILE_THREADS = ThreadPoolExecutor(min(8, 2 * (os.cpu_count() or 1)), thread_name_prefix="isamap-tiles")
_IMAGERY_THREAD = ThreadPoolExecutor(1, thread_name_prefix="isamap-imagery")


@dataclass(frozen=True)
class MapRoutes:
    """What a library's maps answer."""

    library: Library
    imagery: Imagery
    downloads: Downloads
    _areas: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)

    def routes(self) -> list[Route]:
        """By path."""
        return [
            Route("/maps", self.maps),
            Route("/maps/{map}", self.map),
            Route("/maps/{map}/tilejson.json", self.tilejson),
            Route("/maps/{map}/tiles/{layer}/{z:int}/{x:int}/{y:int}.png", self.tile),
            Route("/maps/{map}/point", self.point),
            Route("/maps/{map}/area", self.area, methods=["GET", "POST"]),
            Route("/maps/{map}/download", self.download),
        ]

    async def maps(self, request: Request) -> Response:
        stored = await computed(self.library.maps.maps)
        return as_json({"maps": [each.document() for each in stored]})

    async def map(self, request: Request) -> Response:
        stored = await self._map(request)
        return as_json(stored.document() | {"area_km2": await computed(self._whole, stored), "links": _links(stored)})

    async def tilejson(self, request: Request) -> Response:
        layer = choice(request, "layer", LAYERS, tiles.CLASS)
        return as_json(tiles.tilejson(await self._map(request), layer, base_of(request)))

    async def tile(self, request: Request) -> Response:
        """A PNG, or 204 off the map."""
        stored, layer = await self._map(request), request.path_params["layer"]
        if layer not in LAYERS:
            raise Problem(404, f"Layer {layer[:50]!r} is not there: expected {', '.join(LAYERS)}.")
        try:
            address = TileAddress(*(request.path_params[name] for name in "zxy"))
        except ValueError as error:
            raise Problem(404, str(error)) from error
        tag = f'"{stored.version}"'
        headers = TILE_HEADERS | {"etag": tag}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        if layer == IMAGERY:
            picture = await computed(self.imagery.tile, stored, address, pool=_IMAGERY_THREAD)
        else:
            picture = await computed(tiles.tile, stored, layer, address, pool=_TILE_THREADS)
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
        area_km2 = ground_km2(polygon)
        if area_km2 > limits.area_km2:
            raise Problem(
                422, f"The polygon has {area_km2:,.0f} km2, at most {limits.area_km2:,.0f} are counted at once."
            )
        return as_json(await computed(map_values.areas_in, stored, polygon))

    async def download(self, request: Request) -> Response:
        stored, format = await self._map(request), choice(request, "format", FORMATS, "geotiff")
        path = await computed(self.downloads.file, stored, format)
        suffix, media_type = FORMATS[format]
        return FileResponse(path, media_type=media_type, filename=f"{stored.id}.{suffix}")

    async def _map(self, request: Request) -> StoredMap:
        id = request.path_params["map"]
        stored = await computed(self.library.maps.map, id)
        if stored is None:
            raise Problem(404, f"Map {id[:50]!r} is not there: GET /maps lists them.")
        return stored

    def _whole(self, stored: StoredMap) -> Any:
        """km2 by class of the whole map, counted once."""
        key = f"{stored.id} {stored.version}"
        if key not in self._areas:
            self._areas[key] = map_values.whole_areas(stored)
            if len(self._areas) > MOST_AREAS:
                self._areas.popitem(last=False)
        return self._areas[key]


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
        for layer in LAYERS
    ]
    files = [
        {"rel": "enclosure", "href": f"{path}/download?format={name}", "type": media, "title": name}
        for name, (_, media) in FORMATS.items()
    ]
    return [
        {"rel": "self", "href": path, "type": "application/json"},
        {"rel": "item", "href": f"/collections/maps/items/{stored.id}", "type": "application/geo+json"},
        *tilejsons,
        *files,
    ]
