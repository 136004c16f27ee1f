"""A finished map on disk: which files belong to it, what its bands mean, and its pixels made smaller."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.validity import alpha_bands
from isamap.inference.map_files.class_raster import read_classes
from isamap.inference.map_files.legend import PROBABILITY, Legend

SETTINGS_TAG = "settings"  # a fingerprint of all that decides a map: equal in its two files

TARGET_TAG, SHARE = "target", "share"  # of a map whose network learned shares, not classes


@dataclass(frozen=True)
class MapBand:
    """Where a band of a map is stored: a file and the band's number in it."""

    path: Path
    band_number: int = 1

    def read(self, **how) -> np.ndarray:
        """The band's stored values, uint8 (rows, columns), 255 where the file hides them; `how` as for rasterio."""
        with open_raster(self.path) as source:
            return read_classes(source, self.band_number, **how)


@dataclass(frozen=True)
class MapFile:
    """A finished map: its tags, what its classes mean, its grid, and where its probabilities are stored.

    shares: the percents, of a map whose network learned shares and whose file of them is there.
    """

    path: Path
    tags: Mapping[str, str]
    legend: Legend
    geobox: GeoBox
    probability: MapBand
    shares: MapBand | None = None

    @property
    def classes(self) -> MapBand:
        """The band of classes."""
        return MapBand(self.path)

    @property
    def bands(self) -> Mapping[str, MapBand]:
        """The map's bands by name, the classes first."""
        return {self.legend.band: self.classes, PROBABILITY: self.probability}

    @property
    def files(self) -> tuple[Path, ...]:
        """The two GeoTIFFs, the classes' first."""
        return self.path, self.probability.path

    def shrunk(self, longest_px: int) -> tuple[np.ndarray, GeoBox]:
        """Classes and probabilities, uint8 (2, rows, columns) of at most longest_px a side, and their grid.

        Read from the overview that is just large enough.
        """
        shape = self.geobox.shape
        shrink = max(1.0, max(shape) / longest_px)
        small = max(1, round(shape[0] / shrink)), max(1, round(shape[1] / shrink))
        values_2HW = together(*(band.read(out_shape=small) for band in self.bands.values()))
        affine = self.geobox.affine
        coarser = affine * affine.scale(shape[1] / small[1], shape[0] / small[0])
        return values_2HW, GeoBox(small, coarser, self.geobox.crs)


def together(class_HW: np.ndarray, step_HW: np.ndarray) -> np.ndarray:
    """Classes and the numbers beside them, uint8 (2, ...): what hides a class hides its number in the other file."""
    return np.stack([class_HW, np.where(class_HW == UNKNOWN, np.uint8(UNKNOWN), step_HW)])


def holds_shares(tags: Mapping[str, str]) -> bool:
    """Whether the numbers beside a map's classes are shares of impervious ground, not probabilities."""
    return tags.get(TARGET_TAG) == SHARE


def numbers_words(tags: Mapping[str, str]) -> str:
    """What the numbers beside a map's classes are, for titles and legends."""
    return "impervious share of a pixel" if holds_shares(tags) else "probability of impervious"


def probability_of(path: Path) -> Path:
    """NAME_prob.tif of NAME.tif, the file of a map's probabilities."""
    return path.with_name(f"{path.stem}_{PROBABILITY}{path.suffix}")


def share_of(path: Path) -> Path:
    """NAME_share.tif of NAME.tif, the file of percents of a network that learned shares."""
    return path.with_name(f"{path.stem}_{SHARE}{path.suffix}")


def sidecar_of(path: Path) -> Path:
    """NAME.tif.aux.xml of NAME.tif, in which GDAL and QGIS find the names of classes."""
    return path.with_name(f"{path.name}.aux.xml")


def files_of(out: Path, *, with_shares: bool = True) -> tuple[Path, ...]:
    """The files of a map: classes, probabilities and the names of the classes; shares and their colours where its
    network learned them.
    """
    shares = (share_of(out), sidecar_of(share_of(out))) if with_shares else ()
    return out, probability_of(out), sidecar_of(out), *shares


def open_map(path: str | os.PathLike[str]) -> MapFile:
    """The map at `path`; ValueError for what `isamap map` did not write, or with the probabilities of another map."""
    path = Path(path)
    head = _head(path)
    if head.names == (PROBABILITY,) and SETTINGS_TAG in head.tags:
        raise ValueError(f"{path} holds only the probabilities of a map: give the file of its classes")
    if not head.is_map or len(head.names) != 1:
        raise ValueError(f"{path} is no map of isamap (bands {head.names}): give a file that `isamap map` wrote")
    legend = Legend.of_tags(head.tags)
    shares = MapBand(share_of(path)) if holds_shares(head.tags) and share_of(path).is_file() else None
    return MapFile(path, head.tags, legend, head.geobox, _beside(path, head), shares)


@dataclass(frozen=True)
class _Head:
    """What a GeoTIFF says of itself; an alpha band is no band of the map."""

    names: tuple[str | None, ...]
    types: tuple[str, ...]
    tags: Mapping[str, str]
    geobox: GeoBox

    @classmethod
    def of(cls, file: DatasetReader) -> _Head:
        crs = file.crs.to_wkt() if file.crs else None
        plain = [number - 1 for number in file.indexes if number not in alpha_bands(file)]
        names, types = (tuple(each[at] for at in plain) for each in (file.descriptions, file.dtypes))
        return cls(names, types, file.tags(), GeoBox(file.shape, file.transform, crs))

    @property
    def is_map(self) -> bool:
        return SETTINGS_TAG in self.tags and "classes" in self.tags and set(self.types) == {"uint8"}


def _head(path: Path) -> _Head:
    if not path.is_file():
        raise ValueError(f"map {path}: no such file; make it with `isamap map`")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # what is no map is refused in words by open_map
            file = open_raster(path)
        with file:
            return _Head.of(file)
    except RasterioError as error:
        raise ValueError(
            f"map {path} is not a GeoTIFF ({error}); make it again with `isamap map --overwrite`"
        ) from error


def _beside(path: Path, head: _Head) -> MapBand:
    """The probabilities of a map in the file beside it; ValueError where they are missing or of another map."""
    file = probability_of(path)
    if not file.is_file():
        raise ValueError(
            f"map {path}: its probabilities, {file.name}, are missing: copy that file beside it, or run the same "
            "`isamap map` command again"
        )
    beside = _head(file)
    if beside.names != (PROBABILITY,) or not beside.is_map:
        raise ValueError(f"{file} holds no probabilities of a map: remove it and run the same `isamap map` again")
    # Names are not enough: a copy of one file alone leaves the other of a former map beside it.
    if beside.tags[SETTINGS_TAG] != head.tags[SETTINGS_TAG] or beside.geobox != head.geobox:
        raise ValueError(
            f"{path} and {file.name} are of two maps (other settings): copy both of one map, or make it again with "
            "`isamap map --overwrite`"
        )
    return MapBand(file)
