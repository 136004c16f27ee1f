"""Label collections of tiles in degrees: FROM-GLC10, GLC_FCS30D, GISA and WSF 2019, under their Earth Engine ids."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.world import labels
from local_ee.world.globes import inside, nearest
from local_ee.world.labels import Errors, Products
from local_ee.world.lattice import Cut
from local_ee.world.passes import milliseconds

_COMMUNITY = "projects/sat-io/open-datasets"
STEP_10_DEG, STEP_30_DEG = 8.983152841195215e-05, 0.00026949458523585647
Reader = Callable[[Products, Cut, str], np.ndarray]


@dataclass(frozen=True)
class TileGrid:
    """A collection's tiles: side, margin on each side and step in degrees; index with {lon}, {lat} of the south-west
    corner, or {we} and {ns} of the north-west one; bands; the year that dates them; value that is masked, or None."""

    side_deg: int
    step_deg: float
    index: str
    bands: tuple[str, ...]
    year: int
    read: Reader
    masked: int | None = None
    margin_deg: float = 0.0

    def name(self, west: int, south: int) -> str:
        north = south + self.side_deg
        corner = {"we": f"{'E' if west >= 0 else 'W'}{abs(west)}", "ns": f"{'N' if north >= 0 else 'S'}{abs(north)}"}
        return self.index.format(lon=west, lat=south, **corner)

    def corner(self, index: str) -> tuple[int, int] | None:
        """West and south of the tile of an index, or None."""
        places = {
            "lon": r"(?P<lon>-?\d+)",
            "lat": r"(?P<lat>-?\d+)",
            "we": r"(?P<we>[EW]\d+)",
            "ns": r"(?P<ns>[NS]\d+)",
        }
        match = re.fullmatch(self.index.format(**places), index)
        if match is None:
            return None
        words = match.groupdict()
        if "lon" in words:
            west, south = int(words["lon"]), int(words["lat"])
        else:
            west = int(words["we"][1:]) * (1 if words["we"][0] == "E" else -1)
            south = int(words["ns"][1:]) * (1 if words["ns"][0] == "N" else -1) - self.side_deg
        good = west % self.side_deg == 0 and south % self.side_deg == 0 and -180 <= west < 180 and -90 <= south < 90
        return (west, south) if good and self.name(west, south) == index else None

    def corners(self, bounds_wsen: BoundsWSEN) -> Iterator[tuple[int, int]]:
        """West and south of the tiles that touch a box."""
        side, margin = self.side_deg, self.margin_deg
        west, south, east, north = bounds_wsen
        for lat in range(math.floor((south - margin) / side), math.floor((north + margin) / side) + 1):
            for lon in range(math.floor((west - margin) / side), math.floor((east + margin) / side) + 1):
                yield lon * side, lat * side


@dataclass(frozen=True)
class TiledMaps:
    """The collections, one image a tile."""

    products: Products

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(SHEETS)

    def images(self, collection_id: str, first: date, last: date, bounds_wsen: BoundsWSEN) -> Sequence[SourceImage]:
        """Tiles that touch the box, where their year begins on one of the days."""
        sheet = SHEETS[collection_id]
        if not first <= date(sheet.year, 1, 1) <= last:
            return []
        return [self._image(collection_id, *corner) for corner in sheet.corners(bounds_wsen)]

    def image(self, collection_id: str, index: str) -> SourceImage | None:
        """One tile, or None."""
        corner = SHEETS[collection_id].corner(index)
        return None if corner is None else self._image(collection_id, *corner)

    def _image(self, collection_id: str, west: int, south: int) -> SourceImage:
        sheet = SHEETS[collection_id]
        grid = _grid(sheet, west, south)

        def band(name: str, window: GeoBox) -> np.ndarray:
            return nearest(window, lambda cut: sheet.read(self.products, cut, name))

        def read(names: tuple[str, ...], window: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            values = np.stack([band(name, window) for name in names])
            return values, inside(grid, window)[None] & (True if sheet.masked is None else values != sheet.masked)

        index = sheet.name(west, south)
        properties = {
            "system:index": index,
            "system:time_start": milliseconds(datetime(sheet.year, 1, 1, tzinfo=UTC)),
            "simulated": 1,
        }
        bands = tuple(SourceBand(name, "uint8", grid, "MODE") for name in sheet.bands)
        outline = box(*_bounds(sheet, west, south))
        return SourceImage(f"{collection_id}/{index}", bands, properties, outline, read)


def _bounds(sheet: TileGrid, west: int, south: int) -> BoundsWSEN:
    margin, side = sheet.margin_deg, sheet.side_deg
    return west - margin, south - margin, west + side + margin, south + side + margin


def _grid(sheet: TileGrid, west: int, south: int) -> GeoBox:
    left, bottom, right, top = _bounds(sheet, west, south)
    shape = (math.ceil((top - bottom) / sheet.step_deg), math.ceil((right - left) / sheet.step_deg))
    return GeoBox(shape, Affine(sheet.step_deg, 0, left, 0, -sheet.step_deg, top), "EPSG:4326")


def classes(errors: Errors, codes: dict[int, int], year_of: Callable[[str], int]) -> Reader:
    """Reads the code of each group of land in the year of a band."""
    lookup = np.array([codes[group] for group in range(labels.GROUPS)], np.uint8)
    return lambda products, cut, band: lookup[products.groups(cut, year_of(band), errors)]


def settlement(errors: Errors, year: int) -> Reader:
    """Reads 255 where built, else 0."""
    return lambda products, cut, band: np.where(
        products.groups(cut, year, errors) == labels.BUILT, np.uint8(255), np.uint8(0)
    )


def _gisa(products: Products, cut: Cut, band: str) -> np.ndarray:
    """1 is 1972, 2 is 1978, from 3 on 1982 + code; 0 is not built (community catalog, gisa.md)."""
    seen = products.since(cut, 2019, labels.GISA).astype(np.int64)
    code = np.where(seen >= 1985, seen - 1982, np.where(seen > 1972, 2, 1))
    return np.where(seen > 0, code, 0).astype(np.uint8)


_FROM_GLC = {labels.BUILT: 80, labels.WATER: 60, labels.TREES: 20, labels.GRASS: 30, labels.CROPS: 10, labels.BARE: 90}
_FCS = {labels.BUILT: 190, labels.WATER: 210, labels.TREES: 52, labels.GRASS: 130, labels.CROPS: 10, labels.BARE: 200}
_FCS_BANDS = tuple(f"b{band}" for band in range(1, 24))

SHEETS: dict[str, TileGrid] = {
    f"{_COMMUNITY}/FROM-GLC10": TileGrid(
        side_deg=2,
        step_deg=STEP_10_DEG,
        index="fromglc10v01_{lat}_{lon}",
        bands=("b1",),
        year=2017,
        # The page lists no wetland: reeds are read as grass.
        read=classes(labels.FROM_GLC10, _FROM_GLC | {labels.WET: 30}, lambda band: 2017),
        masked=0,
    ),
    f"{_COMMUNITY}/GLC-FCS30D/annual": TileGrid(
        side_deg=5,
        step_deg=STEP_30_DEG,
        index="GLC_FCS30D_20002022_{we}{ns}_Annual",
        bands=_FCS_BANDS,
        year=2000,
        read=classes(labels.GLC_FCS30D, _FCS | {labels.WET: 182}, lambda band: 1999 + int(band[1:])),
        masked=0,
    ),
    f"{_COMMUNITY}/GISA_1972_2019": TileGrid(
        side_deg=5, step_deg=STEP_30_DEG, index="GISA_{we}{ns}", bands=("b1",), year=2019, read=_gisa
    ),
    f"{_COMMUNITY}/WSF/WSF_2019": TileGrid(
        side_deg=2,
        step_deg=STEP_10_DEG,
        index="WSF2019_v1_{lon}_{lat}",
        bands=("b1",),
        year=2019,
        read=settlement(labels.WSF2019, 2019),
        masked=0,
        margin_deg=0.1,
    ),
}
