"""Maps of several years on one grid: what `isamap map` wrote of the same ground, in order, read in rows."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.windows import Window as RioWindow

from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.rasters import open_raster
from isamap.inference.map_files.class_raster import read_classes
from isamap.inference.map_files.legend import Legend
from isamap.inference.map_files.map_file import MapFile, holds_shares, open_map, together

LEAST_MAPS, MOST_MAPS = 2, 100
PIXELS = 1 << 20  # of each year at once; with what becomes of them they take about 40 bytes a year
ROWS_PX = 256
MOST_VALUES = 80_000  # pixels x years of a sample: so EM takes seconds and about 300 MB
GRID_TOLERANCE_PX = 1e-3


@dataclass(frozen=True)
class MapSeries:
    """Maps of rising years, all on the grid of the first; notes: what a reader of their changes should know."""

    maps: tuple[MapFile, ...]
    years: tuple[int, ...]
    notes: tuple[str, ...] = ()

    @property
    def geobox(self) -> GeoBox:
        """The one grid."""
        return self.maps[0].geobox

    @property
    def legend(self) -> Legend:
        """The maps' own classes."""
        return self.maps[0].legend

    @property
    def simulated_parts(self) -> tuple[str, ...]:
        """What of any of the maps is simulated: input, training, both or none."""
        parts = {source for each in self.maps for source in _parts(each)}
        return tuple(sorted(parts))

    def rows(self, most_px: int | None = None) -> Iterator[YearRows]:
        """All years' values from the top, in whole rows, at most most_px pixels of each year at once."""
        height, width = self.geobox.shape
        step = max(1, min(ROWS_PX, (most_px or PIXELS) // width))
        with ExitStack() as stack:
            files = {path: stack.enter_context(open_raster(path)) for each in self.maps for path in each.files}
            for row in range(0, height, step):
                window = RioWindow(0, row, width, min(step, height - row))
                pairs = [
                    together(*(read_classes(files[band.path], band.band_number, window=window) for band in bands))
                    for bands in ((each.classes, each.probability) for each in self.maps)
                ]
                class_THW, share_THW = np.stack(pairs, axis=1)
                yield YearRows(row, class_THW, share_THW)


@dataclass(frozen=True)
class YearRows:
    """Some rows of all years: classes and stored probabilities of impervious, uint8 (years, rows, columns)."""

    row: int
    class_THW: np.ndarray
    share_THW: np.ndarray


def _parts(each: MapFile) -> list[str]:
    listed = [source for source in each.tags.get("simulated_parts", "").split(", ") if source in ("input", "training")]
    return listed or (["input"] if each.tags.get("simulated") == "true" else [])


def open_series(paths: Sequence[str | os.PathLike[str]]) -> MapSeries:
    """The maps in order of their years; ValueError where they are not of one grid, one legend and different years."""
    if not LEAST_MAPS <= len(paths) <= MOST_MAPS:
        raise ValueError(f"{len(paths)} maps: give {LEAST_MAPS} to {MOST_MAPS} maps of different years")
    maps = sorted((open_map(Path(path)) for path in paths), key=year_of)
    for each in maps:
        if holds_shares(each.tags):
            raise ValueError(
                f"map {each.path} holds percents, and a series of years follows probabilities: map each year with a "
                "network of classes, or compare the percents' areas with `isamap area`"
            )
    years = tuple(year_of(each) for each in maps)
    for former, later in itertools.pairwise(maps):
        _check_pair(maps[0], former, later)
    return MapSeries(tuple(maps), years, tuple(_notes(maps)))


def year_of(each: MapFile) -> int:
    """The calendar year that holds the middle of the map's period; ValueError where it does not name its period."""
    try:
        first, after = (date.fromisoformat(each.tags[name]) for name in ("period_start", "period_end"))
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"map {each.path} does not say of which time it is: make it again with `isamap map --period YEAR`"
        ) from error
    return date.fromordinal((first.toordinal() + after.toordinal()) // 2).year


def _check_pair(first: MapFile, former: MapFile, later: MapFile) -> None:
    if year_of(former) == year_of(later):
        raise ValueError(
            f"{former.path} and {later.path} are both of {year_of(later)}: give one map of each year, or map a longer "
            "--period"
        )
    if first.legend.names != later.legend.names:
        raise ValueError(
            f"{first.path} has the classes {', '.join(first.legend.names)}, {later.path} has "
            f"{', '.join(later.legend.names)}: give maps of one legend"
        )
    difference = _difference(first.geobox, later.geobox)
    if difference:
        raise ValueError(
            f"{first.path} and {later.path} lie on different grids ({difference}): map each year with the same "
            "--region and --bbox, or the same --geometry"
        )


def _difference(first: GeoBox, second: GeoBox) -> str:
    """In what two grids differ, '' where they are one."""
    if crs_of(first) != crs_of(second):
        return f"{crs_of(first)} and {crs_of(second)}"
    if tuple(first.shape) != tuple(second.shape):
        sizes = [" x ".join(str(length) for length in grid.shape) for grid in (first, second)]
        return f"{sizes[0]} and {sizes[1]} pixels"
    step = abs(first.affine.a)
    corners = [np.array(grid.affine)[:6].reshape(2, 3) for grid in (first, second)]
    reach = np.abs(corners[0] - corners[1]) @ [first.shape[1], first.shape[0], 1]
    if reach.max() > GRID_TOLERANCE_PX * step:
        return f"{reach.max() / step:.3g} pixels apart"
    return ""


def _notes(maps: Sequence[MapFile]) -> Iterator[str]:
    checkpoints = {each.tags.get("checkpoint", "not named") for each in maps}
    if len(checkpoints) > 1:
        yield (
            f"the maps are of {len(checkpoints)} checkpoints: where they differ, it may be the networks and not the "
            "ground"
        )
    months = {each.tags["period_start"][5:] + each.tags["period_end"][5:] for each in maps}
    if len(months) > 1:
        yield "the maps are of different times of the year: plants, water and shadows differ between them"
    yield from _calibration_notes(maps)


def _calibration_notes(maps: Sequence[MapFile]) -> Iterator[str]:
    """The chain takes probabilities for calibrated: which years' maps are not known to be (their tag `calibration`)."""
    plain = [str(year_of(each)) for each in maps if "calibration" not in each.tags]
    if plain:
        yield (
            f"the maps of {', '.join(plain)} were made without a calibration curve, and the filter takes probabilities "
            "for calibrated: `isamap calibrate --curve beta` writes a checkpoint that has one"
        )
    curves = {each.tags["calibration"] for each in maps if "calibration" in each.tags}
    if len(curves) > 1:
        yield f"the maps were calibrated by different curves ({', '.join(sorted(curves))}): calibrate all years alike"


def sampled(series: MapSeries, most: int | None = None) -> np.ndarray:
    """The pixels from which parameters are estimated: stored probabilities (years, N) uint8.

    They are those of every n-th row and column, counted from the origin of the projection: a lattice fixed to the
    ground. n is a power of two and as small as gives at most `most` pixels (MOST_VALUES of all years), so that two maps
    of one place share most pixels of their samples. A part of a map is another sample all the same: parameters that are
    to be equal are kept and given.
    """
    affine, (height, width) = series.geobox.affine, series.geobox.shape
    step, most = 1, most or MOST_VALUES // len(series.years)
    while (height // step) * (width // step) > most:
        # Doubled and not fitted: lattices of powers of two hold one another, so that samples share pixels.
        step *= 2
    row0, col0 = round(affine.f / affine.e), round(affine.c / affine.a)
    cols = slice(-col0 % step, None, step)
    taken = [rows.share_THW[:, -(row0 + rows.row) % step :: step, cols] for rows in series.rows()]
    return np.concatenate([share_THW.reshape(len(share_THW), -1) for share_THW in taken], axis=1)
