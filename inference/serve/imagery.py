"""Sentinel-2 in true colour behind a map: tiles of its period's composite, computed by the service's own session."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from gee_export.base.errors import Fault
from gee_export.base.periods import Period
from gee_export.earth_engine.session import is_world
from inference.serve.map_store import StoredMap
from inference.serve.tiles import SIDE_PX, TileAddress
from inference.tiles.jobs import Server

BANDS = ("B4", "B3", "B2")
BRIGHTEST = 0.3  # reflectance that is shown as white
LEAST_ZOOM = 9  # coarser tiles would compose a country
CACHE_BYTES = 64 << 20
MOST_IMAGES = 16


@dataclass
class Imagery:
    """The composites of maps and their tiles, one computed at a time; the latest 64 MB stay in memory."""

    server: Server
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _images: OrderedDict[str, Any] = field(default_factory=OrderedDict, repr=False)
    _tiles: OrderedDict[tuple[str, TileAddress], bytes] = field(default_factory=OrderedDict, repr=False)
    _session: Any = field(default=None, repr=False)

    def tile(self, stored: StoredMap, address: TileAddress) -> bytes | None:
        """The PNG, or None off the map, at coarse zooms and of maps without a period. Fault: the server's."""
        if address.z < LEAST_ZOOM or not _touches(stored, address) or "period_start" not in stored.file.tags:
            return None
        key = (f"{stored.id} {stored.version}", address)
        with self._lock:
            if key not in self._tiles:
                self._keep(key, self._computed(stored, address))
            self._tiles.move_to_end(key)
            return self._tiles[key]

    @property
    def is_simulated(self) -> bool:
        """Whether its pixels come from the simulated world."""
        return self.server.project is None and is_world(self.server.catalog)

    def close(self) -> None:
        """Leaves the session."""
        if self._session is not None:
            self._session.close()

    def _computed(self, stored: StoredMap, address: TileAddress) -> bytes:
        import ee

        self._connect()
        left, top = address.corner_m
        step_m = address.side_m / SIDE_PX
        transform = {
            "scaleX": step_m,
            "shearX": 0,
            "translateX": left,
            "shearY": 0,
            "scaleY": -step_m,
            "translateY": top,
        }
        try:
            picture = ee.data.computePixels(
                {
                    "expression": self._image(stored),
                    "fileFormat": "PNG",
                    "grid": {
                        "dimensions": {"width": SIDE_PX, "height": SIDE_PX},
                        "affineTransform": transform,
                        "crsCode": "EPSG:3857",
                    },
                }
            )
        except ee.EEException as error:
            raise Fault(f"Earth Engine gives no imagery of map {stored.id}: {error}") from error
        return bytes(picture)

    def _connect(self) -> None:
        if self._session is None:
            from gee_export.earth_engine.session import connect

            self._session = connect(self.server.project, catalog=self.server.catalog)

    def _image(self, stored: StoredMap) -> Any:
        """The composite of the map's box and period, with 8 bits a colour."""
        key = f"{stored.id} {stored.version}"
        if key not in self._images:
            from gee_export.sentinel import sentinel2

            tags = stored.file.tags
            period = Period(date.fromisoformat(tags["period_start"]), date.fromisoformat(tags["period_end"]))
            sensed = sentinel2.sensed(stored.bbox, period, sentinel2.Optical(bands=BANDS))
            self._images[key] = sensed.image.visualize(bands=list(BANDS), min=0, max=BRIGHTEST)
            if len(self._images) > MOST_IMAGES:
                self._images.popitem(last=False)
        return self._images[key]

    def _keep(self, key: tuple[str, TileAddress], picture: bytes) -> None:
        self._tiles[key] = picture
        while sum(map(len, self._tiles.values())) > CACHE_BYTES:
            self._tiles.popitem(last=False)


def _touches(stored: StoredMap, address: TileAddress) -> bool:
    from pyproj import Transformer

    to_metres = Transformer.from_crs(4326, 3857, always_xy=True)
    west, south, east, north = to_metres.transform_bounds(*stored.bbox)
    left, top = address.corner_m
    return west < left + address.side_m and east > left and north > top - address.side_m and south < top
