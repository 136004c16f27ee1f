"""Masks over a map: where a raster that the user gives is above 0, the map says what the user asks.

Water and shadow are not in a network's two classes, and it errs there most: dark water looks like asphalt in one
image, a mountain's shadow like a lake in another. isamap does not guess where they are; any raster says it, such as the
JRC's surface water, a scene classification, or a shadow that was computed from a terrain model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.validity import valid_pixels
from isamap.gee_export.base.warp import warped
from isamap.inference.map_files.cog import RowsFile
from isamap.inference.map_files.legend import PROB_STEPS, Legend

NOT_KNOWN = "unknown"


@dataclass(frozen=True)
class Mask:
    """A raster, and the class that is mapped where its first band is above 0 (`unknown`: none)."""

    path: Path
    meaning: str

    @classmethod
    def of(cls, text: str, legend: Legend) -> Mask:
        """`water.tif=pervious`; ValueError for another form, a class that the map lacks, and a missing file."""
        name, equals, meaning = text.rpartition("=")
        if not (name and equals):
            raise ValueError(f"mask {text!r}: expected FILE=CLASS, such as water.tif={legend.names[0]}")
        if meaning not in (*legend.names, NOT_KNOWN):
            raise ValueError(f"mask {text}: choose one of {', '.join((*legend.names, NOT_KNOWN))} after =")
        if not Path(name).is_file():
            raise ValueError(f"mask {name}: no such file")
        try:
            with open_named(name) as file:
                placed = file.crs is not None
        except RasterioError as error:
            raise ValueError(f"mask {name} is no raster that can be read ({error})") from error
        if not placed:
            raise ValueError(f"mask {name} has no CRS: nobody knows where it lies; give it one")
        return cls(Path(name), meaning)

    def __str__(self) -> str:
        return f"{self.path.name}={self.meaning}"

    @cached_property
    def digest(self) -> str:
        """The first 32 hexadecimal digits of the file's SHA-256."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def masked(rows: RowsFile, out: RowsFile, masks: Sequence[Mask], geobox: GeoBox, legend: Legend) -> RowsFile:
    """`out`: the rows with each mask laid over them, the last one on top.

    A mask of another grid or CRS is read by its nearest pixels; beyond its edges and where it has no data nothing is
    masked. A masked pixel's probability of impervious is 0, 1 for a mask that says impervious, and not known for
    `unknown`; pixels that are not known stay so. Fault: a file cannot be read.
    """
    out.path.unlink(missing_ok=True)
    row = 0
    for values_NHW in rows.read():
        # The rows may be a view of a file that is open for reading only.
        values_NHW = values_NHW.copy()
        for mask in masks:
            inside_HW = _inside(mask.path, geobox, row, values_NHW.shape[1]) & (values_NHW[0] != UNKNOWN)
            for index, value in enumerate(_values(mask.meaning, legend)):
                values_NHW[index][inside_HW] = value
        out.append(values_NHW)
        row += values_NHW.shape[1]
    return out


def _values(meaning: str, legend: Legend) -> tuple[int, int]:
    """Class and stored probability of a masked pixel."""
    if meaning == NOT_KNOWN:
        return UNKNOWN, UNKNOWN
    value = legend.names.index(meaning)
    return value, PROB_STEPS if value == legend.impervious else 0


def _inside(path: Path, geobox: GeoBox, row: int, count: int) -> np.ndarray:
    """Where the mask is above 0, of `count` rows of the map from `row` on."""
    try:
        # Exact coordinates: GDAL's own eighth of a pixel would make masks depend on how rows are cut.
        with open_named(path) as file, warped(file, geobox, Resampling.nearest) as laid:
            window = Window(0, row, geobox.shape[1], count)
            values_HW = laid.read(1, window=window)
            valid_HW = valid_pixels(laid, [1], values_HW[None], window=window)[0]
    except RasterioError as error:
        raise Fault(f"mask {path} cannot be read ({error}); copy it again") from error
    return valid_HW & (np.nan_to_num(values_HW) > 0)
