"""An image in a raster file of this machine, read by windows: on its own pixels, or resampled onto another grid."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from odc.geo.geobox import GeoBox

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.fill import NO_FILL, Fill, warp_marks
from isamap.gee_export.base.grid import Window
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.regions import BoundsWSEN, bounds_in
from isamap.gee_export.base.validity import alpha_bands, valid_pixels
from isamap.gee_export.base.warp import warped
from isamap.gee_export.datasets.packing import Numbers, Packing, Unit
from isamap.gee_export.images.imagery import COARSER, Imagery, is_aligned, step_ratio, window_in
from isamap.gee_export.labelling import local_file

if TYPE_CHECKING:
    from rasterio import DatasetReader


# Nine small windows show a wrong unit; reading a whole scene for that would take minutes.
SAMPLE_PX = 64


@dataclass(frozen=True)
class ImageFile:
    """A raster's bands. grid: None where its pixels are rotated; wsen: where it lies in degrees.

    bounded: there is nothing outside the grid. fill: what is missing without a word of the file.
    """

    path: Path
    numbers: tuple[int, ...]  # of the bands in the file, from 1
    bands: tuple[str, ...]
    packing: Packing
    info: Mapping[str, Any]
    grid: GeoBox | None
    wsen: BoundsWSEN
    simulated: bool = False
    bounded: bool = True
    fill: Fill = NO_FILL

    def onto(self, grid: GeoBox) -> FileOnGrid:
        """The image on a grid: its own pixels where the grids agree, else bilinear, or their mean on a coarser grid."""
        with _opened(self.path) as file:
            if self.grid is not None and is_aligned(self.grid, grid):
                return FileOnGrid(self, grid, "none")
            placed = GeoBox(file.shape, file.transform, str(file.crs))
            return FileOnGrid(self, grid, "mean" if step_ratio(placed, grid) >= COARSER else "bilinear")


@dataclass(frozen=True)
class FileOnGrid:
    """A raster on a grid; resampling: none, bilinear or mean. image: none on the server."""

    source: ImageFile
    grid: GeoBox
    resampling: str
    image: None = None

    def read(self, geobox: GeoBox) -> np.ndarray:
        """Stored numbers (bands, rows, columns) of a window of the grid, wherever the window lies in it.

        Fault where the file cannot be read.
        """
        read = _read_aligned if self.resampling == "none" else self._read_resampled
        with _opened(self.source.path) as file:
            values, valid = read(file, self.source.numbers, geobox)
        if self.resampling == "none":  # a warp knows it already: it must not blend fill with its neighbours
            valid = self.source.fill.without(values, valid)
        return self.source.packing.stored(values, valid)

    def _read_resampled(self, file: DatasetReader, numbers: Sequence[int], geobox: GeoBox):
        """A window of the whole grid's warp: resampling blocks lie the same whatever window is requested."""
        from rasterio.enums import Resampling

        method = {"bilinear": Resampling.bilinear, "mean": Resampling.average}[self.resampling]
        marks = warp_marks(file) if self.source.fill.missing else {}
        with warped(file, self.grid, method, marks) as laid:
            return _read_window(laid, numbers, window_in(self.grid, geobox))


def open_file(imagery: Imagery, *, small: bool) -> ImageFile:
    """A raster file's image; ValueError for files that are missing, no raster, nowhere on Earth or of mixed types."""
    path = Path(imagery.source).expanduser()
    if not path.is_file():
        raise ValueError(f"image file {imagery.source} was not found: check the path")
    try:
        with _opened(path) as file:
            _check_placed(imagery, file)
            numbers, names = _bands(imagery, file)
            grid = GeoBox(file.shape, file.transform, str(file.crs))
            packing = Packing.of(_numbers(imagery, file, numbers), _unit(imagery, file, numbers), small=small)
            fill = Fill.of_file(file, numbers, [packing.unit] * len(numbers))
            _check_fit(file, numbers, packing)
            if told := fill.sentence(f"image file {imagery.name}", (each for each, _ in _samples(file, numbers))):
                _tell(told)
            simulated = file.tags().get("simulated") == "true"
            wsen = bounds_in(grid.extent.boundingbox.bbox, file.crs, 4326)
    except Fault as error:
        raise ValueError(f"image file {imagery.source} is no raster that can be read: {error}") from error
    info = {
        "name": imagery.name,
        **local_file.fingerprint(path),
        "crs": str(grid.crs),
        "step": abs(grid.affine.a),
    }
    straight = grid if not (grid.affine.b or grid.affine.d) else None
    return ImageFile(path, numbers, names, packing, info, straight, wsen, simulated, fill=fill)


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    from rasterio.errors import RasterioError

    try:
        with open_named(path) as file:
            yield file
    except RasterioError as error:
        raise Fault(f"{path} cannot be read: {error}") from error


def _check_fit(file: DatasetReader, numbers: Sequence[int], packing: Packing) -> None:
    """ValueError where most pixels of windows spread over a file do not fit its packing; reads nine of them at most."""
    for values, valid in _samples(file, numbers):
        packing.stored(values, valid)


def _samples(file: DatasetReader, numbers: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Values and validity of nine windows spread over a file."""
    whole = Window(0, 0, *file.shape)
    for row, col in product(_starts(file.height), _starts(file.width)):
        if (inside := Window(row, col, SAMPLE_PX, SAMPLE_PX).overlap(whole)) is not None:
            yield _read_window(file, numbers, inside)


@lru_cache
def _tell(sentence: str) -> None:
    """A line on the standard error, once however many regions and periods open the file."""
    notice(f"note: {sentence}")


def _starts(length: int) -> list[int]:
    """First pixels of three windows along an axis."""
    return sorted({max(0, (2 * at + 1) * length // 6 - SAMPLE_PX // 2) for at in range(3)})


def _check_placed(imagery: Imagery, file: DatasetReader) -> None:
    if file.crs is None or file.transform.is_identity:
        raise ValueError(
            f"image file {imagery.source} does not say where it lies: give it a coordinate system and a transform "
            "(gdal_translate -a_srs -a_ullr, or gdalwarp where it has control points)"
        )


def _bands(imagery: Imagery, file: DatasetReader) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Numbers and names of the requested bands: by description, by number, or all under the requested names."""
    alpha = alpha_bands(file)
    plain = tuple(band_number for band_number in file.indexes if band_number not in alpha)
    described = [file.descriptions[band_number - 1] for band_number in plain]
    if not imagery.bands:
        return plain, tuple(name or f"b{band_number}" for name, band_number in zip(described, plain, strict=True))
    if not any(described) and not all(name.isdigit() for name in imagery.asked):
        return plain, _all_called(imagery, len(plain))
    return _asked_bands(imagery, plain, described)


def _all_called(imagery: Imagery, count: int) -> tuple[str, ...]:
    """The requested names of all bands of a file that names none; ValueError for another number of names."""
    if len(imagery.asked) != count:
        raise ValueError(
            f"image file {imagery.source} has {count} bands without names and {len(imagery.asked)} names were "
            f"given ({' '.join(imagery.asked)}): give one for each"
        )
    return imagery.called(imagery.asked)


def _asked_bands(
    imagery: Imagery, plain: Sequence[int], described: Sequence[str | None]
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Numbers and names of the bands that were asked for by description or number; ValueError where one is missing."""
    requested = imagery.asked
    number_of = {str(band_number): band_number for band_number in plain}
    number_of |= {name: band_number for name, band_number in zip(described, plain, strict=True) if name}
    if missing := [name for name in requested if name not in number_of]:
        raise ValueError(
            f"image file {imagery.source} has no band {', '.join(missing)}: expected some of {', '.join(number_of)}"
        )
    names = tuple(
        f"b{name}" if name.isdigit() and name == new else new
        for name, new in zip(requested, imagery.called(requested), strict=True)
    )
    return tuple(number_of[name] for name in requested), names


def _numbers(imagery: Imagery, file: DatasetReader, numbers: Sequence[int]) -> Numbers:
    kinds = sorted({file.dtypes[band_number - 1] for band_number in numbers})
    if len(kinds) > 1:
        raise ValueError(
            f"image file {imagery.source} mixes pixel types {', '.join(kinds)}: choose --bands of one type"
        )
    return Numbers.of_dtype(kinds[0])


def _unit(imagery: Imagery, file: DatasetReader, numbers: Sequence[int]) -> Unit | None:
    """The requested unit, completed from the file's tags, which must be the same for all bands."""
    tagged = {(file.units[n - 1] or "", file.scales[n - 1], file.offsets[n - 1]) for n in numbers}
    stated = imagery.told
    if stated is not None and (stated.scale is not None or tagged == {("", 1.0, 0.0)}):
        return stated
    if len(tagged) > 1:
        raise ValueError(
            f"image file {imagery.source} has bands of several units or scales: choose --bands of one, or say --unit"
        )
    ((name, scale, offset),) = tagged
    if (name, scale, offset) == ("", 1.0, 0.0):
        return stated
    tagged_unit = Unit(name or "dn", None if scale == 1 else scale, offset)
    return tagged_unit if stated is None else replace(tagged_unit, name=stated.name)


def _read_aligned(file: DatasetReader, numbers: Sequence[int], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
    return _read_window(file, numbers, window_in(GeoBox(file.shape, file.transform, str(file.crs)), geobox))


def _read_window(file: DatasetReader, numbers: Sequence[int], window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Values and validity of the file's pixels in a window that may reach outside it."""
    values = np.zeros((len(numbers), window.height, window.width), file.dtypes[numbers[0] - 1])
    valid = np.zeros(values.shape, bool)
    if (covered := window.overlap(Window(0, 0, *file.shape))) is not None:
        file_window = ((covered.row, covered.row_end), (covered.col, covered.col_end))
        rows, cols = covered.within(window)
        values[:, rows, cols] = file.read(list(numbers), window=file_window)
        valid[:, rows, cols] = valid_pixels(file, numbers, values[:, rows, cols], window=file_window)
    return values, valid
