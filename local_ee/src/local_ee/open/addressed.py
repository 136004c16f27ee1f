"""Products whose files have computed addresses, so that none is searched for: WorldCover, GLO-30, Esri's land cover."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry import box

from local_ee.catalog import BoundsWSEN, SourceBand, SourceImage
from local_ee.catalog.geotiff import lattice_offset
from local_ee.open import items
from local_ee.open.cog import Cogs, FileAt, Head
from local_ee.open.conversions import Plain
from local_ee.open.errors import ArchiveFault, Missing
from local_ee.open.hosts import Address
from local_ee.open.providers import DEM_BUCKET, LULC_BUCKET, WORLDCOVER_BUCKET
from local_ee.open.scenes import Scene, SceneBand, image_of, reader
from local_ee.raster.window import Window, crop

MOST_TILES = 600  # of one question


class Addressed(Protocol):
    """A product of computed addresses."""

    @property
    def id(self) -> str: ...

    def images(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN, cogs: Cogs) -> Sequence[SourceImage]:
        """The images that begin in [start, end) and touch the bounds."""
        ...

    def image(self, index: str, cogs: Cogs) -> SourceImage | None:
        """The image of an index, or None."""
        ...


@dataclass(frozen=True)
class WorldCover:
    """One edition: one image of the globe, as on Earth Engine, whose files of 3 degrees are read where it is read.

    Source: https://registry.opendata.aws/esa-worldcover-vito/. Where there is no file (sea), the image is masked.
    """

    id: str
    edition: str
    year: int

    _PER_DEGREE = 12_000
    _TILE_DEG = 3
    _NORTH, _SOUTH = 84, -60

    @property
    def grid(self) -> GeoBox:
        """The lattice of all files, around the globe."""
        step = 1 / self._PER_DEGREE
        shape = ((self._NORTH - self._SOUTH) * self._PER_DEGREE, 360 * self._PER_DEGREE)
        return GeoBox(shape, Affine(step, 0, -180, 0, -step, self._NORTH), "EPSG:4326")

    def images(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN, cogs: Cogs) -> Sequence[SourceImage]:
        """The edition's image where its year begins in the period."""
        return [self._image(cogs)] if start_ms <= year_ms(self.year) < end_ms else []

    def image(self, index: str, cogs: Cogs) -> SourceImage | None:
        """The edition's image, or None."""
        return self._image(cogs) if index == str(self.year) else None

    def band(self, lon: int, lat: int) -> SceneBand:
        """The band of the file whose south-west corner is there."""
        size = self._TILE_DEG * self._PER_DEGREE
        step = 1 / self._PER_DEGREE
        grid = GeoBox((size, size), Affine(step, 0, lon, 0, -step, lat + self._TILE_DEG), "EPSG:4326")
        path = (
            f"/{self.edition}/{self.year}/map/ESA_WorldCover_10m_{self.year}_{self.edition}_{_corner(lon, lat)}_Map.tif"
        )
        return SceneBand("Map", FileAt(Address(WORLDCOVER_BUCKET, path)), grid, Plain("uint8"), 0.0, pyramid="MODE")

    def _image(self, cogs: Cogs) -> SourceImage:
        grid = self.grid
        size = self._TILE_DEG * self._PER_DEGREE

        def read(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
            window = lattice_offset(grid, geobox, self.id)
            values, valid = np.zeros((1, *geobox.shape), np.uint8), np.zeros((1, *geobox.shape), bool)
            for tile in _tiles(window, grid, size):
                shared = tile.overlap(window)
                if shared is None:
                    continue
                band = self.band(-180 + tile.col // self._PER_DEGREE, self._NORTH - tile.row_end // self._PER_DEGREE)
                try:
                    at = (slice(None), *shared.within(window))
                    values[at], valid[at] = reader({"Map": band}, cogs)(("Map",), crop(grid, shared))
                except Missing:
                    pass
            return values, valid

        properties = of_year(self.year, str(self.year), "esa-worldcover")
        return SourceImage(
            f"{self.id}/{self.year}",
            (SourceBand("Map", "uint8", grid, "MODE"),),
            properties,
            box(-180, self._SOUTH, 180, self._NORTH),
            read,
        )


@dataclass(frozen=True)
class Glo30:
    """Copernicus GLO-30: one image a degree; sea has none.

    Rows of 1 arc second, columns wider towards the poles, pixel centres on whole seconds of arc.
    Source: Copernicus DEM Product Handbook, "Spacing"; items of Earth Search (docs/open-archives.md).
    """

    id: str

    def images(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN, cogs: Cogs) -> Sequence[SourceImage]:
        """The degrees that touch the bounds and have a file."""
        corners = [
            (lon, lat) for lat in _degrees(bounds_wsen[1], bounds_wsen[3], -90, 90)
            for lon in _around(_degrees(bounds_wsen[0], bounds_wsen[2], -181, 181))
        ]  # fmt: skip
        if not start_ms <= year_ms(2021) < end_ms:
            return []
        check_count(self.id, corners)
        scenes = [self.scene(*corner) for corner in corners]
        heads = cogs.heads([scene.bands[0].file for scene in scenes])
        return [image_of(s, cogs) for s, head in zip(scenes, heads, strict=True) if not isinstance(head, Missing)]

    def image(self, index: str, cogs: Cogs) -> SourceImage | None:
        """The image of a file's name, or None where there is no such file."""
        for lat in range(-90, 90):
            for lon in range(-180, 180) if f"_{_hemisphere(lat, 'NS', 2)}_00_" in index else ():
                scene = self.scene(lon, lat)
                if scene.index == index:
                    missing = isinstance(cogs.heads([scene.bands[0].file])[0], Missing)
                    return None if missing else image_of(scene, cogs)
        return None

    def scene(self, lon: int, lat: int) -> Scene:
        """The file of a degree, by its south-west corner."""
        name = f"Copernicus_DSM_COG_10_{_hemisphere(lat, 'NS', 2)}_00_{_hemisphere(lon, 'EW', 3)}_00_DEM"
        equatorward = min(abs(lat), abs(lat + 1))
        columns = round(3600 / next(seconds for since, seconds in _WIDER_FROM if equatorward >= since))
        dx, dy = 1 / columns, 1 / 3600
        grid = GeoBox((3600, columns), Affine(dx, 0, lon - dx / 2, 0, -dy, lat + 1 + dy / 2), "EPSG:4326")
        band = SceneBand("DEM", FileAt(Address(DEM_BUCKET, f"/{name}/{name}.tif")), grid, Plain("float32"), None)
        # W180's first half column lies west of 180 degrees, where its turned copy is.
        copies = [box(west - dx / 2, lat + dy / 2, west + 1 - dx / 2, lat + 1 + dy / 2) for west in (lon, lon + 360)]
        outline = shapely.intersection(shapely.MultiPolygon(copies), _WORLD)
        return Scene(f"{self.id}/{name}", "copernicus-dem", of_year(2021, name, "copernicus-dem"), outline, (band,))


@dataclass(frozen=True)
class EsriLandCover:
    """Esri's and Impact Observatory's yearly land cover: one image a year and MGRS zone, band b1 with the raw codes.

    Source: https://registry.opendata.aws/io-lulc/.
    """

    id: str
    years: range = range(2017, 2025)

    def images(self, start_ms: float, end_ms: float, bounds_wsen: BoundsWSEN, cogs: Cogs) -> Sequence[SourceImage]:
        """The images of years that begin in the period, of the zones that touch the bounds."""
        years = [year for year in self.years if start_ms <= year_ms(year) < end_ms]
        names = [f"{zone}_{year}" for year in years for zone in zones_of(bounds_wsen)]
        check_count(self.id, names)
        heads = cogs.heads([self._file(name) for name in names])
        pairs = zip(names, heads, strict=True)
        return [self._image(name, head, cogs) for name, head in pairs if not isinstance(head, Missing)]

    def image(self, index: str, cogs: Cogs) -> SourceImage | None:
        """The image of a file's name, or None where there is no such file."""
        zone, _, year = index.partition("_")
        if zone not in _ZONES or not year.isdigit() or int(year) not in self.years:
            return None
        head = cogs.heads([self._file(index)])[0]
        return None if isinstance(head, Missing) else self._image(index, head, cogs)

    def _file(self, name: str) -> FileAt:
        return FileAt(Address(LULC_BUCKET, f"/{name}.tif"))

    def _image(self, name: str, head: Head, cogs: Cogs) -> SourceImage:
        grid = grid_of_head(head)
        band = SceneBand("b1", head.file, grid, Plain("uint8"), 0.0, pyramid="MODE")
        properties = of_year(int(name[-4:]), name, "impact-observatory")
        return image_of(Scene(f"{self.id}/{name}", "impact-observatory", properties, outline_of(grid), (band,)), cogs)


def grid_of_head(head: Head) -> GeoBox:
    """The pixels of a file by its own word; ArchiveFault where it says no place."""
    table = head.table
    if table.affine is None or table.epsg is None or table.affine[1] or table.affine[3]:
        raise ArchiveFault(f"{head.file.address} does not say where its pixels lie")
    return GeoBox((table.levels[0].height, table.levels[0].width), Affine(*table.affine), f"EPSG:{table.epsg}")


def outline_of(grid: GeoBox) -> Any:
    """Where a grid's pixels are, in degrees; across the antimeridian, the parts of either side."""
    outline = grid.footprint("EPSG:4326", npoints=32).geom
    return items.footprint({"geometry": shapely.geometry.mapping(outline)})


def year_ms(year: int) -> int:
    """1 January of a year, ms since 1970."""
    return items.milliseconds(datetime(year, 1, 1, tzinfo=UTC))


def zones_of(bounds_wsen: BoundsWSEN) -> list[str]:
    """The MGRS zones, such as 50R, that touch a box."""
    return [name for name, zone in _ZONES.items() if zone.intersects(box(*bounds_wsen))]


def _zones() -> dict[str, Any]:
    """Outlines of all zones, Norway's and Spitsbergen's as wide as the widest rule makes them (MGRS, NGA 2014)."""
    wider = {"32V": (3, 12), "31X": (0, 9), "33X": (9, 21), "35X": (21, 33), "37X": (33, 42)}
    zones = {}
    for band, letter in enumerate("CDEFGHJKLMNPQRSTUVWX"):
        south = -80 + 8 * band
        for zone in range(1, 61):
            name, west = f"{zone:02d}{letter}", -180 + 6 * (zone - 1)
            west, east = wider.get(name, (west, west + 6))
            zones[name] = box(west, south, east, 84 if letter == "X" else south + 8)
    return zones


def _tiles(window: Window, grid: GeoBox, size: int) -> Iterator[Window]:
    """The files that a window touches, as windows of the globe's lattice."""
    inside = window.overlap(Window(0, 0, *grid.shape))
    if inside is None:
        return
    for row in range(inside.row // size * size, inside.row_end, size):
        for col in range(inside.col // size * size, inside.col_end, size):
            yield Window(row, col, size, size)


def of_year(year: int, index: str, provider: str) -> dict[str, Any]:
    """Properties of an image of a whole year."""
    return {
        "system:index": index,
        "system:time_start": year_ms(year),
        "system:time_end": year_ms(year + 1),
        "open:provider": provider,
    }


def _degrees(least: float, most: float, first: int, end: int) -> range:
    """Whole degrees whose pixels, half a second beside them, may touch a span."""
    margin = 1 / 360
    return range(max(math.floor(least - margin), first), min(math.floor(most + margin) + 1, end))


def _around(degrees: range) -> list[int]:
    """Degrees of longitude from -180 to 179, each once: beyond 180 comes -180."""
    return sorted({(degree + 180) % 360 - 180 for degree in degrees})


def check_count(product: str, files: Sequence[object]) -> None:
    """ValueError where a question needs too many files."""
    if len(files) > MOST_TILES:
        raise ValueError(
            f"{product}: {len(files):,} files are asked at once; at most {MOST_TILES}: filter by smaller bounds"
        )


def _corner(lon: int, lat: int) -> str:
    return f"{_hemisphere(lat, 'NS', 2)}{_hemisphere(lon, 'EW', 3)}"


def _hemisphere(degree: int, letters: str, digits: int) -> str:
    return f"{letters[degree < 0]}{abs(degree):0{digits}d}"


_WORLD = box(-180, -90, 180, 90)
_WIDER_FROM = ((85, 10.0), (80, 5.0), (70, 3.0), (60, 2.0), (50, 1.5), (0, 1.0))  # latitude, seconds of arc a column
_ZONES = _zones()
PRODUCTS: tuple[Addressed, ...] = (
    WorldCover("ESA/WorldCover/v100", "v100", 2020),
    WorldCover("ESA/WorldCover/v200", "v200", 2021),
    Glo30("COPERNICUS/DEM/GLO30"),
    EsriLandCover("projects/sat-io/open-datasets/landcover/ESRI_Global-LULC_10m_TS"),
)
