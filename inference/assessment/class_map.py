"""A map of classes however it lies on disk: one GeoTIFF, a VRT, or a folder of tiles in one or several UTM zones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.errors import RasterioError

from isamap.gee_export.base.grid import Window, crop, crs_of, tiles
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.inference.map_files.class_raster import read_window
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend
from isamap.inference.map_files.map_file import holds_shares, probability_of
from isamap.inference.map_files.simulation import shows_no_real_place

if TYPE_CHECKING:
    from rasterio import DatasetReader

BLOCK_PX = 1024  # a side; a block's arrays take about 20 MB
ELSEWHERE = 254  # in a block: ground that another sheet counts; no class has this value
RASTERS = (".tif", ".tiff", ".vrt")

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Sheet:
    """One raster of a map: its file and its grid."""

    path: Path
    geobox: GeoBox

    def read(self, window: Window, *, greatest: int = ELSEWHERE - 1) -> np.ndarray:
        """Stored classes (steps up to `greatest`) of a window, uint8, UNKNOWN where the file hides them or ends."""
        with open_named(self.path) as file:
            return _read(file, window, greatest=greatest)

    @cached_property
    def to_degrees(self) -> Transformer:
        """From the grid's coordinates to longitude and latitude."""
        return Transformer.from_crs(crs_of(self.geobox).to_wkt(), 4326, always_xy=True)

    @cached_property
    def from_degrees(self) -> Transformer:
        """From longitude and latitude to the grid's coordinates."""
        return Transformer.from_crs(4326, crs_of(self.geobox).to_wkt(), always_xy=True)

    @cached_property
    def bounds_wsen(self) -> tuple[float, float, float, float]:
        """Limits in degrees."""
        return self.to_degrees.transform_bounds(*self.geobox.boundingbox.bbox, densify_pts=21)

    def rows_cols(self, lon: np.ndarray, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and column of the pixel that each point lies in; outside the sheet they leave its range."""
        x, y = self.from_degrees.transform(lon, lat)
        col, row = ~self.geobox.affine * (np.asarray(x), np.asarray(y))
        finite = np.isfinite(col) & np.isfinite(row)
        whole_row, whole_col = (np.floor(np.where(finite, value, -1)).astype(np.int64) for value in (row, col))
        return whole_row, whole_col

    def lonlat(self, row: np.ndarray, col: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Longitude and latitude of pixels' centres."""
        x, y = self.geobox.affine * (np.asarray(col) + 0.5, np.asarray(row) + 0.5)
        return self.to_degrees.transform(x, y)


@dataclass(frozen=True, eq=False)
class SheetBlock:
    """Part of a sheet: its number in the map, the sheet's, the window, its grid, its classes (ELSEWHERE: ground of
    another sheet).
    """

    index: int
    sheet: int
    window: Window
    geobox: GeoBox
    class_HW: np.ndarray


@dataclass(frozen=True)
class ClassMap:
    """Sheets that are one map, and the names of its classes by value; where sheets overlap, the first one counts."""

    sheets: tuple[Sheet, ...]
    classes: tuple[str, ...]
    tags: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """The file, or the folder and the number of its tiles."""
        first = self.sheets[0].path
        return str(first) if len(self.sheets) == 1 else f"{first.parent} ({len(self.sheets)} tiles)"

    @property
    def simulated(self) -> bool:
        """Whether the map says of itself that it shows no real place."""
        return shows_no_real_place(dict(self.tags))

    def shares_ground(self, other: ClassMap) -> bool:
        """Whether the maps' rectangles in degrees meet; those of neighbours on a grid may by a sliver."""
        import shapely

        boxes = [
            shapely.union_all([shapely.box(*sheet.bounds_wsen) for sheet in each.sheets]) for each in (self, other)
        ]
        return bool(shapely.intersection(*boxes).area > 0)

    @property
    def holds_shares(self) -> bool:
        """Whether the numbers beside the classes are shares of impervious ground, not probabilities."""
        return holds_shares(dict(self.tags))

    def blocks(self, side: int = BLOCK_PX, only: Container[int] | None = None) -> Iterator[SheetBlock]:
        """The whole map, block by block; pixels that an earlier sheet knows are ELSEWHERE in a later one.

        only: numbers of blocks, where others are not even read.
        """
        first = 0
        for at, sheet in enumerate(self.sheets):
            height, width = sheet.geobox.shape
            windows = list(enumerate(tiles(height, width, side), first))
            first += len(windows)
            windows = [(index, window) for index, window in windows if only is None or index in only]
            if not windows:
                continue
            with open_named(sheet.path) as file:
                for index, window in windows:
                    class_HW = self._once(at, window, _read(file, window))
                    yield SheetBlock(index, at, window, crop(sheet.geobox, window), class_HW)

    def at(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
        """Class of the pixel that each point lies in, uint8, of the first sheet that knows one; UNKNOWN elsewhere."""
        return _sampled(self.sheets, lon, lat, greatest=ELSEWHERE - 1)

    def probability_at(self, lon: np.ndarray, lat: np.ndarray) -> np.ndarray | None:
        """Probability of impervious at points, NaN where none is; None where the map has no file of probabilities."""
        sheets = self.share_sheets
        if sheets is None:
            return None
        steps = _sampled(sheets, lon, lat, greatest=PROB_STEPS)
        # A mask in the file of classes hides what lies in the other file, too.
        known = (steps != UNKNOWN) & (self.at(lon, lat) != UNKNOWN)
        return np.where(known, steps / PROB_STEPS, np.nan)

    @property
    def share_sheets(self) -> tuple[Sheet, ...] | None:
        """The sheets of shares (probabilities) beside those of classes; None where any lacks."""
        sheets = tuple(Sheet(probability_of(sheet.path), sheet.geobox) for sheet in self.sheets)
        return sheets if all(sheet.path.is_file() for sheet in sheets) else None

    def fingerprint(self) -> str:
        """16 hexadecimal digits of the names of the classes, the grids and every pixel; one pass over the map.

        It ties a sample to the map that it was drawn from, however the files are named.
        """
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        for sheet in self.sheets:
            height, width = sheet.geobox.shape
            grid = [crs_of(sheet.geobox).to_wkt(), list(sheet.geobox.affine)[:6], height, width]
            # The grid as well: the same classes moved by a pixel are another map.
            digest.update(json.dumps(grid).encode())
            for window in tiles(height, width, BLOCK_PX):
                digest.update(sheet.read(window).tobytes())
        return digest.hexdigest()[:16]

    def on_grid(self, geobox: GeoBox) -> np.ndarray:
        """Classes at the centres of a grid's pixels, nearest; read directly where the grids are the same."""
        own = self._same_grid(geobox)
        if own is not None:
            return own
        rows, cols = np.mgrid[: geobox.shape[0], : geobox.shape[1]]
        x, y = geobox.affine * (cols.ravel() + 0.5, rows.ravel() + 0.5)
        lon, lat = Transformer.from_crs(crs_of(geobox).to_wkt(), 4326, always_xy=True).transform(x, y)
        return self.at(np.asarray(lon), np.asarray(lat)).reshape(geobox.shape)

    def _same_grid(self, geobox: GeoBox) -> np.ndarray | None:
        if len(self.sheets) != 1:
            return None
        own = self.sheets[0].geobox
        if crs_of(own) != crs_of(geobox):
            return None
        col, row = ~own.affine * (geobox.affine.c, geobox.affine.f)
        # A millionth of a pixel: corners that two programs wrote differ in their last digits.
        if max(abs(row - round(row)), abs(col - round(col))) > 1e-6 or not _same_step(own, geobox):
            return None
        return self.sheets[0].read(Window(round(row), round(col), *geobox.shape))

    def _once(self, index: int, window: Window, class_HW: np.ndarray) -> np.ndarray:
        """The block's classes, ELSEWHERE on the ground of an earlier sheet that knows it or where this one does not."""
        for earlier in self._overlaps[index]:
            sheet = self.sheets[earlier]
            rows, cols = np.nonzero(class_HW != ELSEWHERE)
            row, col = sheet.rows_cols(*self.sheets[index].lonlat(rows + window.row, cols + window.col))
            height, width = sheet.geobox.shape
            inside = np.flatnonzero((row >= 0) & (row < height) & (col >= 0) & (col < width))
            is_known = read_points(sheet, row[inside], col[inside]) != UNKNOWN
            counted = inside[is_known | (class_HW[rows[inside], cols[inside]] == UNKNOWN)]
            class_HW[rows[counted], cols[counted]] = ELSEWHERE
        return class_HW

    @cached_property
    def _overlaps(self) -> list[list[int]]:
        """Of each sheet, the earlier ones whose rectangle shares ground with it."""
        import shapely

        boxes = [shapely.box(*sheet.bounds_wsen) for sheet in self.sheets]
        # By a tree: ten thousand tiles have fifty million pairs, of which neighbours alone can meet.
        near = [np.sort(shapely.STRtree(boxes).query(box)) for box in boxes]
        return [
            [int(j) for j in near[i] if j < i and _share_ground(self.sheets[j], self.sheets[i])]
            for i in range(len(boxes))
        ]


def open_class_map(paths: Paths, classes: Sequence[str] = ()) -> ClassMap:
    """The map of a GeoTIFF, a VRT, a folder of tiles, or several of them.

    classes: names by value, of a map that does not name its own. ValueError: no raster, no classes, tiles of different
    classes, a grid without a coordinate system.
    """
    files = [file for path in _listed(paths) for file in _files(Path(path).expanduser())]
    with ExitStack() as stack:
        heads = [_head(stack, file) for file in files]
    names = _class_names(files[0], {head.classes or tuple(classes) for head in heads}, classes)
    return ClassMap(tuple(head.sheet for head in heads), names, heads[0].tags)


def _class_names(file: Path, named: set[tuple[str, ...]], classes: Sequence[str]) -> tuple[str, ...]:
    """The names of all tiles; ValueError where they differ, or some are named by the file and the user, or by nobody.

    file: the first of them; named: the tiles' names; classes: the user's.
    """
    if classes and named != {tuple(classes)}:
        own = max(named, key=len)
        raise ValueError(f"{file} names its classes itself ({', '.join(own)}): leave --classes out")
    if len(named) > 1:
        shown = "; ".join(", ".join(each) or "none named" for each in sorted(named))
        raise ValueError(f"the tiles of {file.parent} have different classes ({shown}): give tiles of one map")
    (names,) = named
    if not names:
        raise ValueError(
            f"{file} does not name its classes: give --classes with the names of the values 0, 1, ... in order"
        )
    if twice := sorted(name for name in set(names) if names.count(name) > 1):
        # Areas and answers are told apart by the name.
        raise ValueError(f"several values of {file} are called {twice[0]!r}: give each a name of its own (--classes)")
    return names


def check_one_place(first: ClassMap, second: ClassMap) -> None:
    """ValueError where two maps that are compared share no ground."""
    if not first.shares_ground(second):
        raise ValueError(f"{second.name} lies beside {first.name} and shares no ground with it: give maps of one place")


@dataclass(frozen=True)
class _Head:
    sheet: Sheet
    classes: tuple[str, ...]
    tags: tuple[tuple[str, str], ...]


def _head(stack: ExitStack, path: Path) -> _Head:
    try:
        file = stack.enter_context(open_named(path))
    except RasterioError:
        raise ValueError(
            f"{path} is no raster that can be read: give the GeoTIFF of a map, a VRT of such files or a folder of tiles"
        ) from None
    if file.crs is None:
        raise ValueError(f"{path} has no coordinate system, so its pixels have no area: add one (gdal_edit.py -a_srs)")
    if file.dtypes[0] != "uint8":
        raise ValueError(f"{path} holds {file.dtypes[0]}, classes are uint8 values 0 to 254 (255 unknown): convert it")
    if file.descriptions[0] == PROBABILITY:
        raise ValueError(f"{path} holds only the probabilities of a map: give the file of its classes")
    tags = file.tags()
    classes = Legend(tuple(tags["classes"].split(","))).names if "classes" in tags else ()
    if "changes" in tags:  # a map of changes, which has no class impervious (change_map.py)
        classes = tuple(tags["changes"].split(","))
    geobox = GeoBox(file.shape, file.transform, file.crs.to_wkt())
    return _Head(Sheet(path, geobox), classes, tuple(sorted(tags.items())))


def _listed(paths: Paths) -> Sequence[str | Path]:
    listed = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not listed:
        raise ValueError("no map was named: give MAP.tif, a VRT, or a folder of tiles")
    return listed


def _files(path: Path) -> list[Path]:
    """The map's rasters: the file itself, or those of a folder but for probabilities."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ValueError(f"map {path}: no such file or folder")
    tifs = _tifs(path.iterdir()) or _tifs(path.glob("*/*"))  # tiles of a run lie in sub-folders
    names = {file.name for file in tifs}
    beside = {neighbour for file in tifs for neighbour in _beside(file)} & names
    map_files = [file for file in tifs if file.name not in beside]
    if not map_files:
        raise ValueError(f"folder {path} holds no GeoTIFF: give a folder of a map's tiles")
    return map_files


def _tifs(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in RASTERS and path.suffix.lower() != ".vrt")


def _beside(path: Path) -> tuple[str, ...]:
    """Names of the files that lie beside a map's classes and are no map of their own."""
    sets, shares = (f"{path.stem}_{layer}{path.suffix}" for layer in ("set", "share"))
    return probability_of(path).name, sets, shares


def _sampled(sheets: Sequence[Sheet], lon: np.ndarray, lat: np.ndarray, *, greatest: int) -> np.ndarray:
    """Stored value at each point, of the first sheet that knows one."""
    value = np.full(len(lon), UNKNOWN, np.uint8)
    for sheet in sheets:
        west, south, east, north = sheet.bounds_wsen
        in_box = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
        near = np.flatnonzero(in_box & (value == UNKNOWN))
        if len(near):
            value[near] = read_points(sheet, *sheet.rows_cols(lon[near], lat[near]), greatest=greatest)
    return value


def read_points(sheet: Sheet, row: np.ndarray, col: np.ndarray, *, greatest: int = ELSEWHERE - 1) -> np.ndarray:
    """Stored values of pixels by row and column, uint8, UNKNOWN outside; read in windows, one file opened once."""
    height, width = sheet.geobox.shape
    values = np.full(len(row), UNKNOWN, np.uint8)
    inside = np.flatnonzero((row >= 0) & (row < height) & (col >= 0) & (col < width))
    if not len(inside):
        return values
    tile = (row[inside] // BLOCK_PX) * (width // BLOCK_PX + 1) + col[inside] // BLOCK_PX
    order = inside[np.argsort(tile, kind="stable")]
    with open_named(sheet.path) as file:
        for group in np.split(order, np.flatnonzero(np.diff(np.sort(tile))) + 1):
            top, left = int(row[group].min()), int(col[group].min())
            window = Window(top, left, int(row[group].max()) - top + 1, int(col[group].max()) - left + 1)
            values[group] = _read(file, window, greatest=greatest)[row[group] - top, col[group] - left]
    return values


def _read(file: DatasetReader, window: Window, *, greatest: int = ELSEWHERE - 1) -> np.ndarray:
    value_HW = read_window(file, window)
    if ((value_HW > greatest) & (value_HW != UNKNOWN)).any():
        raise ValueError(f"{file.name} holds value {ELSEWHERE}, which is no class: classes are 0 to 253 (255 unknown)")
    return value_HW


def _same_step(first: GeoBox, second: GeoBox) -> bool:
    return all(abs(getattr(first.affine, key) - getattr(second.affine, key)) < 1e-9 for key in "abde")


def _share_ground(first: Sheet, second: Sheet) -> bool:
    """Whether sheets whose rectangles in degrees meet overlap by more than the rounding of an edge."""
    if crs_of(first.geobox) != crs_of(second.geobox):
        return True
    a, b = first.geobox.boundingbox.bbox, second.geobox.boundingbox.bbox
    reach = 1e-6 * abs(first.geobox.affine.a)
    return min(a[2], b[2]) - max(a[0], b[0]) > reach and min(a[3], b[3]) - max(a[1], b[1]) > reach
