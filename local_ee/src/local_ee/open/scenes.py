"""A scene: what Earth Engine would call one image, and the files of an archive that hold its bands."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from local_ee import budget
from local_ee.budget import Budget
from local_ee.catalog import Overviews, Reader, SourceBand, SourceImage
from local_ee.catalog.geotiff import LATTICE_TOLERANCE_PX, lattice_offset
from local_ee.open.cog import Cogs, FileAt, Head
from local_ee.open.conversions import Conversion, Harmonised
from local_ee.open.errors import ArchiveFault, Missing
from local_ee.open.flights import apart
from local_ee.raster.window import Window

LEAST_FACTOR = 8  # finer views are made of the pixels themselves, as Earth Engine's are
_ENOUGH_PIXELS = 4_096  # of a window that says something about its file

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SceneBand:
    """A band of a file: its place among the file's (from 0), the grid that the archive says, and what it means."""

    name: str
    file: FileAt
    grid: GeoBox
    convert: Conversion
    nodata: float | None
    index: int = 0
    pyramid: str = "MEAN"


@dataclass(frozen=True)
class Scene:
    """An image under its id. stamp: what its twins in other archives share; rank: the larger, the better.

    usable: a band of its archive that is 1 where the pixels of the others can be used, None where it has no such.
    """

    id: str
    provider: str
    properties: Mapping[str, Any]
    footprint: BaseGeometry
    bands: tuple[SceneBand, ...]
    stamp: tuple[Any, ...] = ()
    rank: tuple[Any, ...] = ()
    usable: SceneBand | None = None

    @property
    def start_ms(self) -> int:
        """When it begins, ms since 1970."""
        start: int = self.properties["system:time_start"]
        return start

    @property
    def files(self) -> tuple[SceneBand, ...]:
        """Everything that is read of it."""
        return self.bands if self.usable is None else (*self.bands, self.usable)

    @property
    def index(self) -> str:
        """Its system:index."""
        index: str = self.properties["system:index"]
        return index


def with_property(scene: Scene, name: str, value: str) -> Scene:
    """The scene with one more property."""
    return replace(scene, properties={**scene.properties, name: value})


def image_of(scene: Scene, cogs: Cogs) -> SourceImage:
    """The scene as an image of the engine; its files are opened when they are read."""
    bands = tuple(SourceBand(band.name, band.convert.dtype, band.grid, band.pyramid) for band in scene.bands)
    named = {band.name: band for band in scene.files}
    read, prefetch, coarser = reader(named, cogs), prefetcher(named, cogs), None
    if scene.usable is None:
        coarser = overviews(named, cogs)
    else:
        read, prefetch = _where_usable(read, scene.usable.name), _with_band(prefetch, scene.usable.name)
    return SourceImage(scene.id, bands, scene.properties, scene.footprint, read, prefetch=prefetch, overviews=coarser)


def _where_usable(read: Reader, usable: str) -> Reader:
    def masked(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        values, masks = read((*names, usable), geobox)
        return values[:-1], masks[:-1] & masks[-1] & (values[-1] == 1)

    return masked


def _with_band(begin: Callable[[tuple[str, ...], GeoBox], object], name: str) -> Callable[..., object]:
    return lambda names, geobox: begin((*names, name), geobox)


def reader(bands: Mapping[str, SceneBand], cogs: Cogs, factor: int = 1) -> Reader:
    """Reads bands over a window of their lattice, each file once; of an overview's, where there is a factor."""

    def read(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        parts = _parts([bands[name] for name in names], geobox, cogs, factor)
        # What all files lack is asked for before the first is decoded.
        cogs.prefetch(
            (piece.head, piece.inside, piece.places, piece.level) for piece in parts if piece.head and piece.inside
        )
        arrays = {}
        for piece in parts:
            for band, pair in zip(piece.bands, _pixels(piece, geobox.shape.yx, cogs), strict=True):
                arrays[band.name] = pair
        values, masks = zip(*(arrays[name] for name in names), strict=True)
        return np.stack(values), np.stack(masks)

    return read


def overviews(bands: Mapping[str, SceneBand], cogs: Cogs) -> Overviews:
    """Coarse views by the files' own overviews, which the archive has made, from LEAST_FACTOR on.

    Values are off by their rounding, places by up to one of the overview's pixels at a file's far edge.
    Bands that are no means (classes) have none: by which rule a file's overviews of them were made is not known.
    """

    def coarser(names: tuple[str, ...], factor: int) -> tuple[int, Reader] | None:
        requested = [bands[name] for name in names]
        if factor < LEAST_FACTOR or any(band.pyramid != "MEAN" for band in requested):
            return None
        cogs.heads([group[0].file for group in by_file(requested)])  # all at once
        shared = set.intersection(*(set(checked_head(band, cogs).table.overviews) for band in requested))
        best = max((each for each in shared if LEAST_FACTOR <= each <= factor), default=None)
        return None if best is None else (best, reader(bands, cogs, best))

    return coarser


def prefetcher(bands: Mapping[str, SceneBand], cogs: Cogs) -> Callable[[tuple[str, ...], GeoBox], object]:
    """Begins to fetch what `reader` would need, and waits for nothing; what fails is told when it is read.

    What the computation's end leaves undone is not fetched.
    """

    def begin(names: tuple[str, ...], geobox: GeoBox) -> None:
        asker = budget.computation()
        for group in by_file([bands[name] for name in names]):
            inside = _inside(group[0], geobox, cogs)[1]
            if inside is not None:
                apart(_begin, group, inside, cogs, asker)

    return begin


def _begin(group: Sequence[SceneBand], inside: Window, cogs: Cogs, asker: Budget | None) -> None:
    if asker is None or asker.is_running:
        cogs.begin(checked_head(group[0], cogs), inside, [band.index for band in group], asker)


def by_file(bands: Sequence[SceneBand]) -> list[list[SceneBand]]:
    """The bands grouped by the file that holds them."""
    groups: dict[FileAt, list[SceneBand]] = defaultdict(list)
    for band in bands:
        groups[band.file].append(band)
    return list(groups.values())


def checked_head(band: SceneBand, cogs: Cogs) -> Head:
    """The head of a band's file; Missing without one, ArchiveFault where its pixels lie elsewhere than was said."""
    try:
        head = cogs.head(band.file)
    except Missing as missing:
        remedy = "run the same command again, which leaves its scene out"
        raise Missing(f"{band.file.address} is not there (answer {missing.status}): {remedy}", missing.status) from None
    level = head.table.levels[0]
    if not _same_grid(head, band.grid):
        raise ArchiveFault(
            f"{band.file.address} holds {level.height} x {level.width} pixels at {head.table.affine}, not the grid of "
            "its description: this scene cannot be used"
        )
    if band.index >= level.bands:
        raise ArchiveFault(f"{band.file.address} holds {level.bands} bands, not band {band.index + 1}")
    return head


def _same_grid(head: Head, grid: GeoBox) -> bool:
    level, affine = head.table.levels[0], head.table.affine
    if (level.height, level.width) != tuple(grid.shape) or affine is None:
        return False
    if head.table.epsg is not None and (grid.crs is None or head.table.epsg != grid.crs.epsg):
        return False
    step = ~grid.affine @ type(grid.affine)(*affine)
    # Opposite corners tell a shift, and another size of pixel too.
    corners = [step @ (x, y) for x, y in ((0, 0), (level.width, level.height))]
    off = max(abs(corners[0][0]), abs(corners[0][1]))
    off = max(off, abs(corners[1][0] - level.width), abs(corners[1][1] - level.height))
    return off <= LATTICE_TOLERANCE_PX * 10


def _inside(band: SceneBand, geobox: GeoBox, cogs: Cogs, factor: int = 1) -> tuple[Window, Window | None]:
    """The window in the file's pixels, or in an overview's, and its part that the file has."""
    grid = band.grid
    if factor > 1:
        table = checked_head(band, cogs).table
        level = table.levels[table.overviews[factor]]
        grid = GeoBox((level.height, level.width), grid.affine * Affine.scale(factor), grid.crs)
    window = lattice_offset(grid, geobox, band.file.address)
    return window, window.overlap(Window(0, 0, *grid.shape))


@dataclass(frozen=True)
class _Part:
    """What one file holds of a window: its bands, the window in its pixels (or an overview's), what of that it has."""

    bands: Sequence[SceneBand]
    window: Window
    inside: Window | None
    head: Head | None  # None where nothing is inside
    level: int = 0

    @property
    def places(self) -> list[int]:
        """The bands' places among the file's."""
        return [band.index for band in self.bands]


def _parts(bands: Sequence[SceneBand], geobox: GeoBox, cogs: Cogs, factor: int) -> list[_Part]:
    """The window by files; heads that are not here are asked for all at once."""
    windows = [(group, *_inside(group[0], geobox, cogs, factor)) for group in by_file(bands)]
    cogs.heads([group[0].file for group, _, inside in windows if inside is not None])
    parts = []
    for group, window, inside in windows:
        head = None if inside is None else checked_head(group[0], cogs)
        level = 0 if head is None or factor == 1 else head.table.overviews[factor]
        parts.append(_Part(group, window, inside, head, level))
    return parts


def _pixels(part: _Part, shape: tuple[int, int], cogs: Cogs) -> list[tuple[np.ndarray, np.ndarray]]:
    """Values and masks of the bands of one file."""
    if part.inside is None or part.head is None:
        return [(np.zeros(shape, band.convert.dtype), np.zeros(shape, bool)) for band in part.bands]
    stored, is_there_HW = cogs.window(part.head, part.inside, part.places, part.level)
    here = part.inside.within(part.window)
    pairs = []
    for band, numbers in zip(part.bands, stored, strict=True):
        values, valid = np.zeros(shape, band.convert.dtype), np.zeros(shape, bool)
        ok = is_there_HW & _holds(numbers, band.nodata)
        valid[here], is_whole = ok, bool(ok.all())
        converted = band.convert(numbers)
        values[here] = converted if is_whole else np.where(ok, converted, 0)
        if band.name == "B2":
            _warn_if_shifted_twice(band, converted if is_whole else converted[ok])
        pairs.append((values, valid))
    return pairs


def _warn_if_shifted_twice(band: SceneBand, values: np.ndarray) -> None:
    """Says so where blue is 0 in more than a hundredth of a large window: its file may hold shifted numbers already."""
    if (
        not isinstance(band.convert, Harmonised)
        or not band.convert.offset
        or values.size < _ENOUGH_PIXELS
        or np.count_nonzero(values) * 100 >= values.size * 99
    ):
        return
    if is_news(str(band.file.address)):
        log.warning(
            "%s: a hundredth of its blue pixels are 0 after the shift by %d: is it shifted already?",
            band.file.address,
            band.convert.offset,
        )


@lru_cache(maxsize=10_000)
def _first_time(address: str) -> list[bool]:
    return [True]


def is_news(address: str) -> bool:
    """True once for each address."""
    # The cache gives the same list each time: once popped, the address is no news.
    left = _first_time(address)
    return bool(left and left.pop())


def _holds(stored: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where stored values are values."""
    valid = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    return valid if nodata is None else valid & (stored != nodata)
