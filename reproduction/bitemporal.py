"""Real tiles of two dates as a patch dataset: Sentinel-2 before and after, a 2.5-m image, and changed buildings.

The layout is that of a sample of MS-HS-BCD (Fan et al. 2023, Remote Sensing 15(9) 2351, section 2), whose 10- and 20-m
bands are no longer enlarged: tiles.csv (tile, row, col, split, kept), s2_native.npz (TILE_DATE_10m and _20m, dates A
before and B after), labels_all_600.npz (bits of 256 x 256, 1 changed), TILE_gf1_B.webp.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from affine import Affine
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import Raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.coregistration.coregister import coregister, warped
from isamap.gee_export.coregistration.polynomial import Polynomial
from isamap.gee_export.datasets.dataset import Band, DatasetManifest, Grid, Sample, write
from isamap.gee_export.datasets.manifest import StoredLayer

TILES, IMAGES, LABELS = "tiles.csv", "s2_native.npz", "labels_all_600.npz"
BANDS = {"10m": ("B2", "B3", "B4", "B8"), "20m": ("B5", "B6", "B7", "B8A", "B11", "B12")}
AFTER = tuple(band for bands in BANDS.values() for band in bands)
BEFORE = tuple(f"{band}_before" for band in AFTER)
RGB, MATCHED = ("R", "G", "B"), ("B4", "B3", "B2")
SIDE, STEP_M, RATIO, SEARCH_PX = 64, 10.0, 4, 4
NUMBER, CLASS, PERIOD, REGION = "number", "class", "undated", "tiles"
# Any corner of any zone would do: the sample says no place, and the manifest says that the grid is invented.
_CORNER, _CRS = (500_000.0, 3_400_000.0), "EPSG:32650"


@dataclass(frozen=True)
class GridTile:
    """A tile: its name, its place on the common grid of tiles, its split."""

    name: str
    row: int
    col: int
    split: str

    def geobox(self, side: int = SIDE) -> GeoBox:
        """Its pixels on the invented grid that all tiles share, `side` of them along an edge."""
        west, north = (at + step * SIDE * STEP_M for at, step in zip(_CORNER, (self.col, -self.row), strict=True))
        step = SIDE * STEP_M / side
        return GeoBox((side, side), Affine(step, 0, west, 0, -step, north), _CRS)


@dataclass(frozen=True)
class TileFolder:
    """The files of a sample. Fault: one of them is missing or damaged."""

    path: Path

    @cached_property
    def tiles(self) -> tuple[GridTile, ...]:
        """The tiles whose images are in the folder."""
        try:
            with (self.path / TILES).open(newline="") as file:
                rows = [row for row in csv.DictReader(file) if row["kept"] == "1"]
            return tuple(GridTile(row["tile"], int(row["row"]), int(row["col"]), row["split"]) for row in rows)
        except (OSError, KeyError, ValueError) as error:
            raise Fault(f"{self.path / TILES} cannot be read ({error}): copy it again") from error

    def bands(self, tile: GridTile, date: str, step: str) -> np.ndarray:
        """Bands of BANDS[step] of date A or B, float32 (bands, rows, columns) of the step's own pixels."""
        return self._array(IMAGES, f"{tile.name}_{date}_{step}").astype(np.float32)

    def changed(self, tile: GridTile) -> np.ndarray:
        """Which pixels of 2.5 m belong to a building that was built or demolished, uint8."""
        side = SIDE * RATIO
        return np.unpackbits(self._array(LABELS, tile.name)).reshape(side, side)

    def fine(self, tile: GridTile) -> np.ndarray:
        """Red, green and blue at 2.5 m of date B, float32 (3, rows, columns)."""
        from PIL import Image

        path = self.path / f"{tile.name}_gf1_B.webp"
        try:
            # Named, so that Pillow tries none of its other readers on a file from outside.
            with Image.open(path, formats=("WEBP", "PNG")) as picture:
                return np.moveaxis(np.asarray(picture.convert("RGB"), np.float32), -1, 0)
        except OSError as error:
            raise Fault(f"{path} cannot be read ({error}): copy it again") from error

    def _array(self, name: str, key: str) -> np.ndarray:
        try:
            return np.asarray(self._archives[name][key])
        except (OSError, KeyError, ValueError) as error:
            raise Fault(f"{self.path / name} cannot be read ({error}): copy it again") from error

    @cached_property
    def _archives(self) -> Mapping[str, Mapping[str, np.ndarray]]:
        # Without pickles, which run code when they are read.
        return {name: np.load(self.path / name, allow_pickle=False) for name in (IMAGES, LABELS)}


def moved(folder: Path, target: Path) -> None:
    """The dataset with date A moved onto date B by co-registration of all tiles together."""
    files = TileFolder(folder)
    _write(files, target, shift_of(files))


def as_it_came(folder: Path, target: Path) -> None:
    """The dataset with date A where it lies."""
    _write(TileFolder(folder), target, None)


def shift_of(files: TileFolder) -> Polynomial:
    """How far date A lies from date B, in metres of the tiles' grid; the identity where nothing can be told."""
    pairs = [
        tuple(_raster(tile, BANDS["10m"], files.bands(tile, date, "10m")) for date in "BA") for tile in files.tiles
    ]
    return coregister([(after, before) for after, before in pairs], search_px=SEARCH_PX).polynomial


def matched(fine_CHW: np.ndarray, coarse_CHW: np.ndarray) -> np.ndarray:
    """The finer image with the coarser one's mean and deviation in each band: both were stretched tile by tile."""
    times = fine_CHW.shape[1] // coarse_CHW.shape[1]
    seen = fine_CHW.reshape(len(fine_CHW), coarse_CHW.shape[1], times, coarse_CHW.shape[2], times).mean(axis=(2, 4))
    mean, spread = (measure(seen, axis=(1, 2), keepdims=True) for measure in (np.mean, np.std))
    coarse_mean, wide = (measure(coarse_CHW, axis=(1, 2), keepdims=True) for measure in (np.mean, np.std))
    return (fine_CHW - mean) * np.divide(wide, spread, out=np.ones_like(wide), where=spread > 0) + coarse_mean


def _write(files: TileFolder, target: Path, shift: Polynomial | None) -> None:
    write(target, _manifest(files.tiles, shift), _samples(files, shift))


def _manifest(tiles: Sequence[GridTile], shift: Polynomial | None) -> DatasetManifest:
    rows, cols = (1 + max(getattr(tile, name) for tile in tiles) for name in ("row", "col"))
    grid = GeoBox((rows * SIDE, cols * SIDE), GridTile("", 0, 0, "").geobox().affine, _CRS)
    label = Band("label", CLASS, 1.0, nodata=UNKNOWN)
    return DatasetManifest(
        name="bitemporal-tiles",
        simulated=False,
        source={"server": "files", "catalog": "MS-HS-BCD", "assumed": ["tiles lie on an invented grid"]},
        image={},
        bands=tuple(Band(name, NUMBER, 1.0) for name in (*AFTER, *BEFORE)),
        label={"product": "changed buildings (1)", "classes": {"0": "pervious", "1": "impervious"}},
        periods=({"label": PERIOD, "start": "", "end": ""},),
        settings={"bands": [*AFTER, *BEFORE], "shift": None if shift is None else shift.to_json()},
        backscatter=None,
        grids={REGION: Grid.of(grid)},
        size=SIDE,
        stride=SIDE,
        split={"kind": "blocks", "by": "the authors, by place"},
        layers={
            "fine": StoredLayer(tuple(Band(name, NUMBER, 1.0) for name in RGB), "int16", RATIO),
            "fine_labels": StoredLayer((label,), "uint8", RATIO),
        },
    )


def _samples(files: TileFolder, shift: Polynomial | None) -> Iterator[Sample]:
    for tile in files.tiles:
        after = np.concatenate([_at_10m(files.bands(tile, "B", step)) for step in BANDS])
        before = np.concatenate([_at_10m(_moved(tile, files.bands(tile, "A", step), shift)) for step in BANDS])
        changed = files.changed(tile)
        share = changed.reshape(SIDE, RATIO, SIDE, RATIO).mean(axis=(1, 3))
        fine = matched(files.fine(tile), after[[AFTER.index(name) for name in MATCHED]])
        layers = {"fine": np.rint(fine).astype(np.int16), "fine_labels": changed[None]}
        image = np.rint(np.concatenate([after, before])).astype(np.int16)
        label = (share > 0.5).astype(np.uint8)
        yield Sample(REGION, PERIOD, tile.row * SIDE, tile.col * SIDE, tile.split, image, label, layers)


def _moved(tile: GridTile, values_BHW: np.ndarray, shift: Polynomial | None) -> np.ndarray:
    """The bands where date B lies; the tile's own edge where nothing of date A lies there."""
    if shift is None:
        return values_BHW
    names = tuple(map(str, range(len(values_BHW))))
    raster = warped(_raster(tile, names, values_BHW), shift)
    return np.where(raster.valid_BHW, raster.values_BHW, values_BHW)


def _raster(tile: GridTile, bands: tuple[str, ...], values_BHW: np.ndarray) -> Raster:
    return Raster(tile.geobox(values_BHW.shape[1]), bands, values_BHW, np.ones(values_BHW.shape, bool))


def _at_10m(values_BHW: np.ndarray) -> np.ndarray:
    times = SIDE // values_BHW.shape[1]
    return values_BHW.repeat(times, axis=1).repeat(times, axis=2)
