"""Bands of a coarse grid as a file: GeoTIFF, NetCDF by the CF conventions, or a polygon a cell."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from pyproj import CRS

from isamap.gee_export.base.atomic import put_in_place
from isamap.gee_export.base.feature_sink import FeatureSink
from isamap.gee_export.base.feature_table import FeatureTable
from isamap.gee_export.base.grid import Window, crs_of
from isamap.gee_export.base.storage import disk_fault

TITLE = "share of each class in the known ground of a cell"


@dataclass(frozen=True)
class GridFacts:
    """The grid, the names of the bands (shares of 0 to 1), and what the file says of where they come from."""

    cells: GeoBox
    bands: tuple[str, ...]
    period_start: str
    source: str
    simulated: bool

    @property
    def tags(self) -> dict[str, str]:
        """For files that hold text."""
        facts = {"title": TITLE, "source": self.source, "simulated": str(self.simulated).lower()}
        return facts | ({"period_start": self.period_start} if self.period_start else {})


class GridFile(Protocol):
    """A file that takes blocks of cells."""

    def add(self, window: Window, values_BHW: np.ndarray) -> None:
        """Bands of a block, float32, NaN where nothing is known."""
        ...

    def close(self) -> None:
        """Completes the file."""
        ...


@contextmanager
def grid_file(path: Path, facts: GridFacts) -> Iterator[GridFile]:
    """The file while it is filled; in its place when the block ends without error, and nothing otherwise."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        made = Path(folder) / path.name
        try:
            file = FORMATS[path.suffix.lower()](made, facts)
            try:
                yield file
            finally:
                file.close()
            put_in_place(made, path)
        except OSError as error:
            raise disk_fault(path, error) from error


class _GeoTiff:
    """A tiled GeoTIFF of float32 bands."""

    def __init__(self, path: Path, facts: GridFacts) -> None:
        from rasterio.io import DatasetWriter

        height, width = facts.cells.shape
        self.file = DatasetWriter(
            os.fspath(path), "w", driver="GTiff", width=width, height=height, count=len(facts.bands), dtype="float32",
            crs=crs_of(facts.cells).to_wkt(), transform=facts.cells.affine, nodata=float("nan"), tiled=True,
            # Predictor 3 is that of floats: neighbouring shares differ in their last bytes.
            compress="deflate", predictor=3, BIGTIFF="IF_SAFER",
        )  # fmt: skip
        self.file.update_tags(**facts.tags)
        for band_index, name in enumerate(facts.bands, 1):
            self.file.set_band_description(band_index, name)
            self.file.set_band_unit(band_index, "1")

    def add(self, window: Window, values_BHW: np.ndarray) -> None:
        from rasterio.windows import Window as RioWindow

        self.file.write(values_BHW, window=RioWindow(window.col, window.row, window.width, window.height))

    def close(self) -> None:
        self.file.close()


class _NetCdf:
    """A NetCDF-3 file after CF 1.8 (https://cfconventions.org/); all cells are held in memory until it is closed."""

    def __init__(self, path: Path, facts: GridFacts) -> None:
        from scipy.io import netcdf_file

        self.file, self.facts = netcdf_file(os.fspath(path), "w", version=2), facts
        self.file.Conventions = "CF-1.8"
        for name, text in facts.tags.items():
            setattr(self.file, name, text)
        self._axes()
        crs = CRS.from_wkt(crs_of(facts.cells).to_wkt())
        mapping = self.file.createVariable("crs", "i4", ())
        for name, value in crs.to_cf().items():
            setattr(mapping, name, value)
        self.variables = {name: self._variable(name) for name in facts.bands}

    def _axes(self) -> None:
        affine, crs = self.facts.cells.affine, crs_of(self.facts.cells)
        height, width = self.facts.cells.shape
        pattern = "projection_{}_coordinate" if crs.projected else None
        self.names = ("y", "x") if crs.projected else ("lat", "lon")
        units = ("m", "m") if crs.projected else ("degrees_north", "degrees_east")
        standard = [pattern.format(axis) for axis in "yx"] if pattern else ["latitude", "longitude"]
        centres = affine.f + affine.e * (np.arange(height) + 0.5), affine.c + affine.a * (np.arange(width) + 0.5)
        for name, unit, standard_name, values in zip(self.names, units, standard, centres, strict=True):
            self.file.createDimension(name, len(values))
            axis = self.file.createVariable(name, "f8", (name,))
            axis[:] = values
            axis.units, axis.standard_name = unit, standard_name

    def _variable(self, name: str) -> Any:
        variable = self.file.createVariable(name.replace(" ", "_"), "f4", self.names)
        variable.units, variable.grid_mapping = "1", "crs"
        variable.long_name = f"{TITLE}: {name}"
        variable._FillValue = np.float32(np.nan)
        return variable

    def add(self, window: Window, values_BHW: np.ndarray) -> None:
        for variable, values_HW in zip(self.variables.values(), values_BHW, strict=True):
            variable[window.slices] = values_HW

    def close(self) -> None:
        self.file.close()


class _Cells:
    """A polygon for each cell that holds known ground, with the bands as columns."""

    def __init__(self, path: Path, facts: GridFacts) -> None:
        self.facts, self.crs = facts, CRS.from_wkt(crs_of(facts.cells).to_wkt())
        self.sink = FeatureSink(path, "cells", metadata=facts.tags).__enter__()
        self.is_empty = True

    def add(self, window: Window, values_BHW: np.ndarray) -> None:
        known_band = self.facts.bands.index("known")
        rows, cols = np.nonzero(values_BHW[known_band] > 0)
        if not len(rows):
            return
        affine = self.facts.cells.affine
        left, top = affine * (cols + window.col, rows + window.row)
        right, bottom = affine * (cols + window.col + 1, rows + window.row + 1)
        shapes = shapely.box(np.minimum(left, right), np.minimum(top, bottom), np.maximum(left, right),
                             np.maximum(top, bottom))  # fmt: skip
        columns = {
            name.replace(" ", "_"): values_HW[rows, cols].astype(np.float64)
            for name, values_HW in zip(self.facts.bands, values_BHW, strict=True)
        }
        self.sink.add(FeatureTable(shapes, self.crs, columns))
        self.is_empty = False

    def close(self) -> None:
        error = ValueError("no cell") if self.is_empty else None
        self.sink.__exit__(type(error) if error else None, error, None)


FORMATS: Mapping[str, Callable[[Path, GridFacts], GridFile]] = {
    ".tif": _GeoTiff,
    ".nc": _NetCdf,
    ".parquet": _Cells,
    ".gpkg": _Cells,
}
