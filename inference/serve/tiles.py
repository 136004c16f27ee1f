"""Tiles of a map for web maps: 256-pixel PNGs in Web Mercator, read through the map's own overviews."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gee_export.base.rasters import open_raster
from gee_export.base.scheme import UNKNOWN
from inference.legend import PROB_STEPS
from inference.map_file import MapBand
from inference.serve.map_store import StoredMap

CLASS, PROBABILITY, IMAGERY = "class", "probability", "imagery"
LAYERS = (CLASS, PROBABILITY, IMAGERY)
SIDE_PX = 256
MOST_ZOOM = 24
EQUATOR_M = 40_075_016.686  # of Web Mercator, EPSG:3857
FARTHER = 4  # zooms out from the one at which the whole map is one tile
OPEN_FILES = 8  # of each thread
WHITE, RED = (255, 255, 255), (227, 26, 28)
_files = threading.local()
_loading = threading.Lock()


@dataclass(frozen=True)
class TileAddress:
    """Zoom, column and row of a tile; ValueError where there is none."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not 0 <= self.z <= MOST_ZOOM or not (0 <= self.x < 1 << self.z and 0 <= self.y < 1 << self.z):
            raise ValueError(f"tile {self.z}/{self.x}/{self.y} is not there: zooms are 0 to {MOST_ZOOM}")

    @property
    def corner_m(self) -> tuple[float, float]:
        """Left and top in EPSG:3857."""
        return self.x * self.side_m - EQUATOR_M / 2, EQUATOR_M / 2 - self.y * self.side_m

    @property
    def side_m(self) -> float:
        """In EPSG:3857, which is longer than on the ground."""
        return EQUATOR_M / (1 << self.z)


def tile(stored: StoredMap, layer: str, address: TileAddress) -> bytes | None:
    """The PNG of classes or probabilities, or None where the map has no ground there."""
    _, outside = _rio_tiler()
    file = stored.pixels()
    band = file.classes if layer == CLASS else file.probability
    reader = _reader(band, stored.version)
    try:
        image = reader.tile(
            address.x, address.y, address.z, tilesize=SIDE_PX, indexes=band.number, resampling_method="nearest"
        )
    except outside:
        return None
    values_HW = np.where(np.ma.getmaskarray(image.array[0]), UNKNOWN, image.array.data[0]).astype(np.uint8)
    if (values_HW == UNKNOWN).all():
        return None
    return png(values_HW, palette(stored, layer))


def palette(stored: StoredMap, layer: str) -> np.ndarray:
    """Colours of the values 0 to 255, uint8 (256, 4) red, green, blue, alpha; unknown is transparent."""
    colours = np.zeros((256, 4), np.uint8)
    if layer == CLASS:
        for value, colour in enumerate(stored.file.legend.colours):
            colours[value] = (*bytes.fromhex(colour), 255)
        return colours
    share = (np.arange(PROB_STEPS + 1) / PROB_STEPS)[:, None]
    colours[: PROB_STEPS + 1, :3] = np.rint((1 - share) * WHITE + share * np.array(RED))
    colours[: PROB_STEPS + 1, 3] = 255
    return colours


def png(values_HW: np.ndarray, colours: np.ndarray) -> bytes:
    """A PNG of one byte a pixel with a palette: small, and made in a millisecond."""
    from PIL import Image

    picture = Image.fromarray(values_HW, mode="P")
    picture.putpalette(colours[:, :3].tobytes())
    target = io.BytesIO()
    picture.save(target, "PNG", transparency=colours[:, 3].tobytes(), compress_level=3)
    return target.getvalue()


def zooms(stored: StoredMap) -> tuple[int, int]:
    """Two zooms: where the whole map is a small part of a tile, and where pixels are as fine as the map's."""
    west, south, east, north = stored.bbox
    ground = np.cos(np.radians((south + north) / 2))
    finest = int(np.ceil(np.log2(EQUATOR_M * ground / (SIDE_PX * stored.step_m))))
    coarsest = int(np.floor(np.log2(360 / max(east - west, (north - south) / ground, 1e-6))))
    most = min(max(finest, 0), MOST_ZOOM)
    return min(max(coarsest - FARTHER, 0), most), most


def tilejson(stored: StoredMap, layer: str, base: str) -> dict[str, Any]:
    """TileJSON 3.0.0 of a layer (https://github.com/mapbox/tilejson-spec); base: the service's address."""
    west, south, east, north = stored.bbox
    least, most = zooms(stored)
    simulated = "SIMULATED, says nothing about the real place. " if stored.is_simulated else ""
    return {
        "tilejson": "3.0.0",
        "name": f"{stored.record.get('name') or stored.id}: {layer}",
        "description": f"{simulated}{stored.period}",
        "version": "1.0.0",
        "attribution": "isamap; " + stored.file.tags.get("licence", "licence unknown"),
        "scheme": "xyz",
        "tiles": [f"{base}/maps/{stored.id}/tiles/{layer}/{{z}}/{{x}}/{{y}}.png"],
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, least],
        "minzoom": least,
        "maxzoom": most,
    }


def _reader(band: MapBand, version: str) -> Any:
    """A reader of the band's file, of this thread alone: GDAL's datasets are not for several at once."""
    reader_type, _ = _rio_tiler()
    readers: OrderedDict[Sequence[str], Any] = _files.__dict__.setdefault("readers", OrderedDict())
    key = (str(band.path), version)
    if key not in readers:
        readers[key] = reader_type(None, dataset=open_raster(band.path))
        if len(readers) > OPEN_FILES:
            _, oldest = readers.popitem(last=False)
            oldest.dataset.close()
    readers.move_to_end(key)
    return readers[key]


def _rio_tiler() -> tuple[Any, type[Exception]]:
    """Its reader, and what it raises off a map; loaded by one thread, because its modules import each other."""
    with _loading:
        from rio_tiler.errors import TileOutsideBounds
        from rio_tiler.io import Reader
    return Reader, TileOutsideBounds
