"""Tiles of a map for web maps: 256-pixel PNGs in Web Mercator, read through the map's own overviews."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.rasters import open_overview, open_raster
from isamap.gee_export.base.regions import BoundsWSEN
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.warp import stored_grid, warped
from isamap.inference.map_files.class_raster import read_classes, tells_by_value
from isamap.inference.map_files.legend import PROB_STEPS, ShareLegend
from isamap.inference.map_files.map_file import MapBand
from isamap.inference.map_files.simulation import preface
from isamap.inference.serve.map_store import StoredMap

if TYPE_CHECKING:
    from rasterio import DatasetReader

CLASS, PROBABILITY, SHARE, IMAGERY = "class", "probability", "share", "imagery"
LAYERS = (CLASS, PROBABILITY, SHARE, IMAGERY)
SIDE_PX = 256
MOST_ZOOM = 24
EQUATOR_M = 40_075_016.686  # of Web Mercator, EPSG:3857
FARTHER = 4  # zooms out from the one at which the whole map is one tile
OPEN_FILES = 16  # of each thread: a map is open at several overviews
DIGITS = 8  # of a word of a tile's path
WHITE, RED = (255, 255, 255), (227, 26, 28)
_files = threading.local()


@dataclass(frozen=True)
class TileAddress:
    """Zoom, column and row of a tile; ValueError where there is none."""

    z: int
    x: int
    y: int

    def __post_init__(self) -> None:
        if not 0 <= self.z <= MOST_ZOOM or not (0 <= self.x < 1 << self.z and 0 <= self.y < 1 << self.z):
            raise ValueError(f"tile {self.z}/{self.x}/{self.y} is not there: zooms are 0 to {MOST_ZOOM}")

    @classmethod
    def of(cls, z: str, x: str, y: str) -> TileAddress:
        """From the words of a path; ValueError as the address."""
        if not all(word.isascii() and word.isdecimal() and len(word) <= DIGITS for word in (z, x, y)):
            raise ValueError(f"tile {z[:20]}/{x[:20]}/{y[:20]} is not there: expected zoom, column and row")
        return cls(int(z), int(x), int(y))

    @property
    def corner_m(self) -> tuple[float, float]:
        """Left and top in EPSG:3857."""
        return self.x * self.side_m - EQUATOR_M / 2, EQUATOR_M / 2 - self.y * self.side_m

    @property
    def side_m(self) -> float:
        """In EPSG:3857, which is longer than on the ground."""
        return EQUATOR_M / (1 << self.z)

    @property
    def step_m(self) -> float:
        """Side of a pixel in EPSG:3857."""
        return self.side_m / SIDE_PX

    def shown_part(self, bbox: BoundsWSEN) -> Window | None:
        """The pixels of the tile that a box in degrees touches, or None where there are none."""
        west, south, east, north = _to_metres().transform_bounds(*bbox)
        left, top = self.corner_m
        first_col, end_col = _inside((west - left) / self.step_m, (east - left) / self.step_m)
        first_row, end_row = _inside((top - north) / self.step_m, (top - south) / self.step_m)
        if first_col >= end_col or first_row >= end_row:
            return None
        return Window(first_row, first_col, end_row - first_row, end_col - first_col)


def layers_of(stored: StoredMap) -> tuple[str, ...]:
    """The layers that a map has: of a network that learned shares percents in the place of probabilities."""
    return CLASS, stored.numbers, IMAGERY


def tile(stored: StoredMap, layer: str, address: TileAddress, hidden: Collection[int] = ()) -> bytes | None:
    """The PNG of classes, probabilities or percents, or None where the map has no ground there.

    hidden: values of classes that are drawn clear.
    """
    shown = address.shown_part(stored.bbox)
    if shown is None:
        return None
    file = stored.pixels()
    band = file.classes if layer == CLASS else file.probability
    values_HW = np.full((SIDE_PX, SIDE_PX), UNKNOWN, np.uint8)
    rows, cols = slice(shown.row, shown.row + shown.height), slice(shown.col, shown.col + shown.width)
    values_HW[rows, cols] = _warped(_source(band, stored, address), band.band_number, address, shown)
    if (values_HW == UNKNOWN).all():
        return None
    colours = palette(stored, layer)
    if layer == CLASS:
        colours[list(hidden), 3] = 0
    return png(values_HW, colours)


def _warped(source: DatasetReader, band: int, address: TileAddress, part: Window) -> np.ndarray:
    """The nearest pixels of a part of a tile, uint8 (rows, columns), UNKNOWN off the map.

    The grid of the tile is given: rasterio 1.4's calculate_default_transform loses 790 bytes at each call.
    """
    left, top = address.corner_m
    step = address.step_m
    corner = Affine(step, 0, left + part.col * step, 0, -step, top - part.row * step)
    grid = {"crs": "EPSG:3857", "transform": corner, "width": part.width, "height": part.height}
    # Nearest, as classes have no means; probabilities too, so that both layers show the same pixels.
    if not (tells_by_value(source, band) and source.nodatavals[band - 1] in (None, UNKNOWN)):
        with warped(source, GeoBox((part.height, part.width), corner, "EPSG:3857"), Resampling.nearest) as laid:
            return read_classes(laid, band)
    grid |= stored_grid(source)
    with WarpedVRT(source, **grid, resampling=Resampling.nearest, src_nodata=UNKNOWN, nodata=UNKNOWN) as laid:
        values_HW: np.ndarray = laid.read(band)
    return values_HW


def palette(stored: StoredMap, layer: str) -> np.ndarray:
    """Colours of the values 0 to 255, uint8 (256, 4) red, green, blue, alpha; unknown is transparent."""
    colours = np.zeros((256, 4), np.uint8)
    if layer == SHARE:  # stored in steps of a probability, drawn as NAME_share.tif is
        percent = np.rint(np.arange(PROB_STEPS + 1) * 100 / PROB_STEPS).astype(int)
        of_percents = np.array([[*bytes.fromhex(colour), 255] for colour in ShareLegend().colours], np.uint8)
        colours[: PROB_STEPS + 1] = of_percents[percent]
        return colours
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
    # Level 3: classes compress well at any level, and somebody waits for the tile.
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
    return {
        "tilejson": "3.0.0",
        "name": f"{stored.record.get('name') or stored.id}: {layer}",
        "description": f"{preface(stored.file.tags)}{stored.period}",
        "version": "1.0.0",
        "attribution": "isamap; " + stored.file.tags.get("licence", "licence unknown"),
        "scheme": "xyz",
        "tiles": [f"{base}/maps/{stored.id}/tiles/{layer}/{{z}}/{{x}}/{{y}}.png"],
        "bounds": [west, south, east, north],
        "center": [(west + east) / 2, (south + north) / 2, least],
        "minzoom": least,
        "maxzoom": most,
    }


def _source(band: MapBand, stored: StoredMap, address: TileAddress) -> DatasetReader:
    """The band's file, or the overview of it that is just fine enough for a tile, open in this thread alone.

    GDAL's datasets are not for several threads at once.
    """
    ground_m = address.step_m * np.cos(np.radians((stored.bbox[1] + stored.bbox[3]) / 2))
    return _opened(band, stored.version, _level(_opened(band, stored.version, None), ground_m / stored.step_m))


def _level(file: DatasetReader, shrink: float) -> int | None:
    """The coarsest overview that has no fewer pixels than are shown, or None for the file itself."""
    levels = [level for level, factor in enumerate(file.overviews(1)) if factor <= shrink]
    return levels[-1] if levels else None


def _opened(band: MapBand, version: str, level: int | None) -> DatasetReader:
    files: OrderedDict[tuple[str, str, int | None], DatasetReader] = _files.__dict__.setdefault("open", OrderedDict())
    key = (str(band.path), version, level)
    if key not in files:
        files[key] = open_raster(band.path) if level is None else open_overview(band.path, level)
        if len(files) > OPEN_FILES:
            _, oldest = files.popitem(last=False)
            oldest.close()
    files.move_to_end(key)
    return files[key]


def _inside(first: float, end: float) -> tuple[int, int]:
    """Whole pixels of a tile around two places on its side."""
    return max(0, floor(first)), min(SIDE_PX, ceil(end))


@cache
def _to_metres() -> Transformer:
    return Transformer.from_crs(4326, 3857, always_xy=True)
