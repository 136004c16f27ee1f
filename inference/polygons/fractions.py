"""`isamap area --grid`: the share of each class in the cells of a coarser grid, by ground, exact at every edge.

In each cell the shares of the classes sum to one; beside them stands how much of the cell's ground the map knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from rasterio.errors import RasterioError

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.grid import Window, crop, crs_of, tiles
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.labelling.coverage import covered
from isamap.inference.assessment.class_map import Paths, open_class_map
from isamap.inference.assessment.pixel_area import pixel_areas_m2
from isamap.inference.map_files.legend import PROB_STEPS
from isamap.inference.polygons.grid_files import FORMATS, GridFacts, grid_file
from isamap.inference.polygons.mosaic import PolygonMosaic
from isamap.inference.polygons.polygons import tiles_of

BLOCK_PX = 1024  # of the map, read at once
LARGEST_STEP_M = 100_000.0  # cells reach beyond the map, and must not leave its coordinate system
# Ours: a straight edge of one system bends in another, by less with each part.
EDGE_PARTS = 8  # into which a cell's edge is cut before it is moved into the map's system
KNOWN, EXPECTED = "known", "impervious_expected"
_STEP = re.compile(r"(\d+(?:\.\d+)?)\s*(m|km)")


@dataclass(frozen=True)
class FractionReport:
    """Where the shares are, of how many cells, and the mean of each over the ground that the map knows."""

    path: Path
    cells: int
    known_cells: int
    means: tuple[tuple[str, float], ...]
    known_km2: float
    simulated: bool

    def __str__(self) -> str:
        lines = [
            f"{self.path}: {self.cells:,} cells, {self.known_cells:,} with known ground, {self.known_km2:,.3f} km2",
            *(f"  {name}: {100 * mean:.3f} % of the known ground" for name, mean in self.means),
        ]
        return "\n".join([*lines, *(["simulated: the map shows no real place"] if self.simulated else [])])


def class_fractions(maps: Paths, grid: str, out: str | Path, *, names: tuple[str, ...] = ()) -> FractionReport:
    """Writes the shares of a map's classes in cells of a grid: .tif, .nc (CF), .parquet or .gpkg (a polygon a cell).

    grid: a step such as 100m or 1km on the map's system, cells beginning at its whole multiples; or a raster whose grid
    is taken, in any system. maps: as of `isamap area`, of one system. Bands: each class (share of the known ground, NaN
    where none is known), `known` (share of the cell), and `impervious_expected` (mean of the map's shares or
    probabilities) where the map has them. ValueError: another ending, a grid that is finer than the map or lies off it.
    """
    target = local_path(out)
    if target.suffix.lower() not in FORMATS:
        raise ValueError(f"--out {target}: expected a name that ends in {', '.join(FORMATS)}")
    check_writable(target)
    mosaic = PolygonMosaic(open_class_map(tiles_of(maps), names))
    cells = _grid(grid, mosaic)
    classes = mosaic.class_map.classes
    has_shares = mosaic.class_map.share_sheets is not None
    bands = (*classes, KNOWN, *((EXPECTED,) if has_shares else ()))
    tags = dict(mosaic.class_map.tags)
    facts = GridFacts(cells, bands, tags.get("period_start", ""), mosaic.class_map.name, mosaic.class_map.simulated)
    tally = _Tally(np.zeros(len(classes)))
    with grid_file(target, facts) as file:
        height, width = cells.shape
        for window in tiles(height, width, _block_cells(cells, mosaic)):
            ground = _ground(mosaic, crop(cells, window))
            tally.add(ground)
            file.add(window, ground.bands(has_shares=has_shares))
        if not tally.known_cells:
            raise ValueError(
                f"--grid {grid}: no cell holds ground that {mosaic.class_map.name} knows: give a grid over the map"
            )
    means = tuple(zip(classes, (tally.class_m2 / tally.class_m2.sum()).tolist(), strict=True))
    count, km2 = int(np.prod(cells.shape)), float(tally.class_m2.sum()) / 1e6
    return FractionReport(target, count, tally.known_cells, means, km2, mosaic.class_map.simulated)


@dataclass(frozen=True, eq=False)
class _Ground:
    """m2 of each class (K, rows, columns), m2 x share and of ground with a share (2, ...), and of each cell."""

    class_m2_KHW: np.ndarray
    share_m2_2HW: np.ndarray
    cell_m2_HW: np.ndarray

    def bands(self, *, has_shares: bool) -> np.ndarray:
        """What is written, float32."""
        known_HW = self.class_m2_KHW.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            # Of the known ground: shares of the whole cell would fall under clouds.
            shares = [*(self.class_m2_KHW / known_HW), np.clip(known_HW / self.cell_m2_HW, 0, 1)]
            expected = [self.share_m2_2HW[0] / self.share_m2_2HW[1]] if has_shares else []
        return np.stack([*shares, *expected]).astype(np.float32)


@dataclass
class _Tally:
    """Sums over blocks of cells."""

    class_m2: np.ndarray
    known_cells: int = 0

    def add(self, ground: _Ground) -> None:
        self.class_m2 += ground.class_m2_KHW.sum(axis=(1, 2))
        self.known_cells += int((ground.class_m2_KHW.sum(axis=0) > 0).sum())


def _grid(text: str, mosaic: PolygonMosaic) -> GeoBox:
    match = _STEP.fullmatch(text.strip())
    if match is None:
        return _grid_of(text, mosaic)
    crs = crs_of(mosaic.class_map.sheets[0].geobox)
    if not crs.projected:
        raise ValueError(f"--grid {text}: the map's grid is in degrees: give a raster whose grid is to be taken")
    step_m = float(match[1]) * (1000 if match[2] == "km" else 1)
    if step_m > LARGEST_STEP_M:
        raise ValueError(f"--grid {text}: one cell would be larger than a map can be: give a step of 100km at most")
    _check_step(step_m, mosaic, text)
    left, bottom, right, top = _extent(mosaic)
    first_col, first_row = np.floor(left / step_m), np.ceil(top / step_m)
    shape = int(first_row - np.floor(bottom / step_m)), int(np.ceil(right / step_m) - first_col)
    return GeoBox(shape, Affine(step_m, 0, first_col * step_m, 0, -step_m, first_row * step_m), crs)


def _grid_of(text: str, mosaic: PolygonMosaic) -> GeoBox:
    if not Path(text).is_file():
        raise ValueError(f"--grid {text!r}: expected a step such as 100m or 1km, or a raster that is there")
    try:
        raster = open_named(text)
    except RasterioError:
        raise ValueError(
            f"--grid {text} is no raster that can be read: give a GeoTIFF, or a step such as 100m"
        ) from None
    with raster as file:
        if file.crs is None:
            raise ValueError(f"--grid {text} has no coordinate system: add one (gdal_edit.py -a_srs)")
        cells = GeoBox(file.shape, file.transform, file.crs.to_wkt())
    if cells.affine.b or cells.affine.d:
        raise ValueError(f"--grid {text} is rotated: reproject it (gdalwarp)")
    _check_step(float(np.sqrt(pixel_areas_m2(cells[:1, :1])[0, 0])), mosaic, text)
    return cells


def _check_step(step_m: float, mosaic: PolygonMosaic, text: str) -> None:
    own_m = float(np.sqrt(pixel_areas_m2(mosaic.class_map.sheets[0].geobox[:1, :1])[0, 0]))
    # A hundredth of play: a grid in degrees has no exact step in metres.
    if step_m < 0.99 * own_m:
        raise ValueError(
            f"--grid {text}: its cells are smaller than the map's pixels ({own_m:.3g} m): give a larger step"
        )


def _extent(mosaic: PolygonMosaic) -> tuple[float, float, float, float]:
    boxes = np.array([sheet.geobox.boundingbox.bbox for sheet in mosaic.class_map.sheets])
    return (*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


def _block_cells(cells: GeoBox, mosaic: PolygonMosaic) -> int:
    """Cells a side whose ground is about BLOCK_PX pixels of the map wide."""
    areas = [pixel_areas_m2(each[:1, :1])[0, 0] for each in (cells, mosaic.class_map.sheets[0].geobox)]
    return max(1, int(BLOCK_PX / np.sqrt(areas[0] / areas[1])))


def _ground(mosaic: PolygonMosaic, cells: GeoBox) -> _Ground:
    """Ground by class in a block of cells."""
    edges = _edges(mosaic, cells)
    count, shape = len(mosaic.class_map.classes), cells.shape
    cell_m2_HW = np.broadcast_to(pixel_areas_m2(cells), tuple(shape))
    window = _window(edges, mosaic)
    if window is None:
        return _Ground(np.zeros((count, *shape)), np.zeros((2, *shape)), cell_m2_HW)
    class_HW, share_HW = mosaic.read(window), mosaic.shares(window)
    area_HW = np.broadcast_to(pixel_areas_m2(mosaic.geobox(window)), class_HW.shape)
    layers = [np.where(class_HW == value, area_HW, 0.0) for value in range(count)]
    if share_HW is not None:
        known_HW = np.where((share_HW != UNKNOWN) & (class_HW != UNKNOWN), area_HW, 0.0)
        layers += [known_HW * share_HW / PROB_STEPS, known_HW]
    sums = np.stack(list(edges.sums(layers, window)))
    shares = sums[count:] if share_HW is not None else np.zeros((2, *shape))
    return _Ground(sums[:count], shares, cell_m2_HW)


class _Edges:
    """A block of cells in columns and rows of the map's lattice, of its own system: rows and columns are apart."""

    def __init__(self, mosaic: PolygonMosaic, cells: GeoBox) -> None:
        to_lattice = ~mosaic.affine * cells.affine
        height, width = cells.shape
        self.col_N = to_lattice.c + to_lattice.a * np.arange(width + 1)
        self.row_N = to_lattice.f + to_lattice.e * np.arange(height + 1)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """First and last column and row."""
        return self.col_N.min(), self.row_N.min(), self.col_N.max(), self.row_N.max()

    def sums(self, layers: list[np.ndarray], window: Window) -> Iterator[np.ndarray]:
        """Of each layer what lies in each cell, pixels cut exactly at the cells' edges."""
        rows, cols = _overlaps(self.row_N - window.row, window.height), _overlaps(self.col_N - window.col, window.width)
        for layer_HW in layers:
            # Cells of one system are separable: two thin matrices do what a mask a cell would.
            yield rows @ layer_HW @ cols.T


class _Polygons:
    """The same of another system: each cell is a polygon on the lattice, its edges followed by EDGE_PARTS lines."""

    def __init__(self, mosaic: PolygonMosaic, cells: GeoBox) -> None:
        height, width = self.shape = tuple(cells.shape)
        rows, cols = np.indices((height, width))
        boxes = shapely.segmentize(shapely.box(cols, rows, cols + 1, rows + 1), 1 / EDGE_PARTS)
        own, lattice = cells.affine, ~mosaic.affine
        source, target = (CRS.from_wkt(crs_of(each).to_wkt()) for each in (cells, mosaic.class_map.sheets[0].geobox))
        change = Transformer.from_crs(source, target, always_xy=True)

        def moved(points: np.ndarray) -> np.ndarray:
            x, y = change.transform(*(own * points.T))
            return np.column_stack(lattice * (x, y))

        self.shapes = shapely.transform(boxes, moved)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """First and last column and row; nothing where a cell has no place in the map's system."""
        return tuple(shapely.total_bounds(self.shapes).tolist())

    def sums(self, layers: list[np.ndarray], window: Window) -> Iterator[np.ndarray]:
        """Of each layer what lies in each cell, pixels cut exactly at the cells' edges."""
        sums = np.zeros((len(layers), *self.shape))
        for index, shape in np.ndenumerate(self.shapes):
            window_part = _part(shape.bounds, window)
            if window_part is None:
                continue
            grid = GeoBox(
                (window_part.height, window_part.width), Affine.translation(window_part.col, window_part.row), None
            )
            share_HW = covered(np.array([shape]), grid)
            within = window_part.within(window)
            for at, layer_HW in enumerate(layers):
                sums[(at, *index)] = float((layer_HW[within] * share_HW).sum())
        yield from sums


def _edges(mosaic: PolygonMosaic, cells: GeoBox) -> _Edges | _Polygons:
    same = crs_of(cells) == crs_of(mosaic.class_map.sheets[0].geobox)
    return _Edges(mosaic, cells) if same else _Polygons(mosaic, cells)


def _window(edges: _Edges | _Polygons, mosaic: PolygonMosaic) -> Window | None:
    """The pixels under cells that some sheet holds."""
    places = mosaic.windows
    first_row, first_col = min(each.row for each in places), min(each.col for each in places)
    last_row, last_col = max(each.row_end for each in places), max(each.col_end for each in places)
    return _part(edges.bounds, Window(first_row, first_col, last_row - first_row, last_col - first_col))


def _part(bounds: tuple[float, float, float, float], window: Window) -> Window | None:
    """The whole pixels of a window that a rectangle (columns, rows) touches."""
    if not np.isfinite(bounds).all():
        return None
    # Rounded: a cell's edge on a pixel's edge must not touch the next pixel by 10^-12.
    left, top, right, bottom = (round(value, 6) for value in bounds)
    row, col = int(np.floor(top)), int(np.floor(left))
    return Window(row, col, int(np.ceil(bottom)) - row, int(np.ceil(right)) - col).overlap(window)


def _overlaps(edge_N: np.ndarray, length: int) -> np.ndarray:
    """Share of each of `length` pixels that lies between an edge and the next, (cells, pixels)."""
    low, high = np.minimum(edge_N[:-1], edge_N[1:])[:, None], np.maximum(edge_N[:-1], edge_N[1:])[:, None]
    pixel = np.arange(length)
    return np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, 1)
