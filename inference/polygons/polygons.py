"""`isamap polygons`: the areas of a map as polygons, joined over its tiles, with what is known of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Geod

from isamap.gee_export.base.atomic import check_writable, local_path
from isamap.gee_export.base.feature_sink import DRIVERS, FeatureSink, qml
from isamap.gee_export.base.feature_table import FeatureTable
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.storage import disk_fault
from isamap.inference.assessment.class_map import ClassMap, Paths, open_class_map
from isamap.inference.assessment.pixel_area import cell_area_m2
from isamap.inference.map_files.legend import COLOURS, PROB_STEPS
from isamap.inference.polygons.joining import Joined, Joiner
from isamap.inference.polygons.mosaic import PIECE_PX, PolygonMosaic
from isamap.inference.polygons.parts import parts_of
from isamap.inference.postprocessing import sieve
from isamap.inference.postprocessing.sieve import SievePiece

LAYER, GREY = "polygons", "999999"
# Ours: bounds the memory of a country's polygons; a batch is one transaction of the GeoPackage.
BATCH = 5_000  # features written at once
WANTED = "impervious"
CARRIED = ("period_start", "period_end", "simulated", "licence", "checkpoint")


@dataclass(frozen=True)
class PolygonOptions:
    """classes: those that become polygons (impervious, or all of a map without it). least: smaller components become
    part of what is around them, such as 0.1ha. tolerance_m: by which borders are simplified; 0 keeps pixels' edges.
    """

    classes: tuple[str, ...] = ()
    least: str | None = None
    tolerance_m: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance_m < 10_000:
            raise ValueError(f"--simplify {self.tolerance_m:g}: expected metres of 0 (pixels' edges) to 10,000")


@dataclass(frozen=True)
class PolygonReport:
    """Where the polygons are, how many, and their area by class."""

    path: Path
    polygons: int
    km2: tuple[tuple[str, float], ...]
    simulated: bool

    def __str__(self) -> str:
        lines = [f"{self.path}: {self.polygons:,} polygons"]
        lines += [f"  {name}: {km2:,.4f} km2" for name, km2 in self.km2]
        return "\n".join([*lines, *(["simulated: the map shows no real place"] if self.simulated else [])])


def map_polygons(
    maps: Paths, out: str | Path, options: PolygonOptions | None = None, *, names: Sequence[str] = (),
    piece_px: int = PIECE_PX,
) -> PolygonReport:  # fmt: skip
    """Writes the components of a map's classes as polygons into a .gpkg, .fgb or .parquet (GeoParquet) file.

    Pixels of one class that touch at their sides are one polygon, over all tiles of the map. Neighbours share their
    borders: no gap and no overlap, simplified or not. Each has class, area on the ellipsoid (m2), pixels, mean
    probability of impervious, source and period. maps: as of `isamap area`, or a folder of `isamap run`. names: of the
    values of a map that has none. ValueError: another ending, unknown classes, tiles in several systems.
    """
    options, target = options or PolygonOptions(), local_path(out)
    if target.suffix.lower() not in DRIVERS:
        raise ValueError(f"--out {target}: expected a name that ends in {', '.join(DRIVERS)}")
    check_writable(target)
    class_map = open_class_map(tiles_of(maps), names)
    mosaic, values = PolygonMosaic(class_map, piece_px), _values(class_map, options.classes)
    step_m = float(np.sqrt(cell_area_m2(class_map.sheets[0].geobox)))
    least_px = 1 if options.least is None else sieve.unit_px(options.least, step_m, option="--min")
    polygons = joined(mosaic, values, least_px, options.tolerance_m / step_m)
    return _written(mosaic, target, polygons)


def tiles_of(maps: Paths) -> Paths:
    """The tiles of a folder of `isamap run`, or the maps as they are; ValueError for runs of several maps."""
    if not isinstance(maps, (str, Path)):
        return tiles_of(maps[0]) if len(maps) == 1 else maps
    folder = Path(maps).expanduser()
    if not (folder / "tiles").is_dir():
        return maps
    indexes = sorted(path.stem for path in folder.glob("*.vrt") if not path.stem.endswith("_prob"))
    if len(indexes) > 1:
        raise ValueError(
            f"{folder} holds {len(indexes)} maps ({', '.join(indexes[:5])}): give the tiles of one, such as "
            f"{folder / 'tiles'}/NAME*.tif"
        )
    return folder / "tiles"


def joined(mosaic: PolygonMosaic, values: frozenset[int], least_px: int, tolerance_px: float) -> Iterator[Joined]:
    """Whole polygons of the wanted values in columns and rows of the lattice, those that end first first."""
    joiner, rows = Joiner(), groupby(_pieces(mosaic, least_px), key=lambda piece: piece.row)
    current = next(rows, None)
    while current is not None:
        row, pieces = current
        left: tuple[int, np.ndarray] | None = None
        for piece in pieces:
            window = mosaic.window(piece.row, piece.col)
            shares = mosaic.shares(window)
            parts = parts_of(piece.class_HW, shares, (window.col, window.row), values, tolerance_px)
            touching = left[1] if left is not None and left[0] == piece.col - 1 else None
            left = piece.col, joiner.add(piece.col, parts, touching)
        current = next(rows, None)
        # Polygons that end in a row are given at once, so that memory holds those alone that go on below.
        yield from joiner.end_row(touches_next=current is not None and current[0] == row + 1)


def _pieces(mosaic: PolygonMosaic, least_px: int) -> Iterator[SievePiece]:
    return sieve.sieved_pieces(mosaic.pieces, least_px) if least_px > 1 else mosaic.pieces()


def _values(class_map: ClassMap, classes: Sequence[str]) -> frozenset[int]:
    if unknown := sorted(set(classes) - set(class_map.classes)):
        raise ValueError(f"--class {unknown[0]}: the map's classes are {', '.join(class_map.classes)}")
    names = classes or ((WANTED,) if WANTED in class_map.classes else class_map.classes)
    return frozenset(class_map.classes.index(name) for name in names)


def _written(mosaic: PolygonMosaic, target: Path, polygons: Iterator[Joined]) -> PolygonReport:
    class_map, km2, count = mosaic.class_map, dict.fromkeys(mosaic.class_map.classes, 0.0), 0
    tags = dict(class_map.tags)
    style = qml("class", class_map.classes, [COLOURS.get(name, GREY) for name in class_map.classes])
    metadata = {name: tags[name] for name in CARRIED if tags.get(name)}
    try:
        with FeatureSink(target, LAYER, style, metadata) as sink:
            for batch in iter(lambda: list(islice(polygons, BATCH)), []):
                table = _table(mosaic, batch)
                sink.add(table)
                count += len(batch)
                for name, area_m2 in zip(table.columns["class"], table.columns["area_m2"], strict=True):
                    km2[name] += float(area_m2) / 1e6
            if not count:
                raise ValueError(f"{class_map.name} holds no ground of these classes: choose others with --class")
    except OSError as error:
        raise disk_fault(target, error) from error
    return PolygonReport(target, count, tuple((name, area) for name, area in km2.items() if area), class_map.simulated)


def _table(mosaic: PolygonMosaic, batch: Sequence[Joined]) -> FeatureTable:
    class_map, crs = mosaic.class_map, CRS.from_wkt(crs_of(mosaic.class_map.sheets[0].geobox).to_wkt())
    tags, size = dict(class_map.tags), len(batch)
    lattice = mosaic.affine
    shapes = shapely.transform(
        np.array([each.shape for each in batch], dtype=object),
        lambda points: points * (lattice.a, lattice.e) + (lattice.c, lattice.f),
    )

    def repeated(text: str) -> np.ndarray:
        return np.full(size, text, dtype=object)

    means = [np.nan if each.mean_share is None else each.mean_share / PROB_STEPS for each in batch]
    columns: dict[str, Any] = {
        "class": np.array([class_map.classes[each.value] for each in batch], dtype=object),
        "area_m2": ground_m2(FeatureTable(shapes, crs, {})),
        "pixels": np.array([each.pixels for each in batch], dtype=np.int64),
        "share" if class_map.holds_shares else "probability": np.round(means, 4),
        "source": repeated(class_map.sheets[0].path.name if len(class_map.sheets) == 1 else class_map.name),
        "period_start": repeated(tags.get("period_start", "")),
        "period_end": repeated(tags.get("period_end", "")),
        "simulated": np.full(size, class_map.simulated),
    }
    return FeatureTable(shapes, crs, columns)


def ground_m2(table: FeatureTable) -> np.ndarray:
    """Area of each polygon on the WGS 84 ellipsoid, m2, rounded to a square decimetre."""
    geod, degrees = Geod(ellps="WGS84"), table.in_system(CRS.from_epsg(4326))
    oriented = shapely.orient_polygons(degrees)
    return np.array([round(abs(geod.geometry_area_perimeter(shape)[0]), 2) for shape in oriented])
