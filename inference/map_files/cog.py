"""The map's files: rows kept as they are finished, then a cloud-optimised GeoTIFF of classes and one of probabilities
(docs/reference/formats.md, "Map").
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as xml
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio._err import CPLE_BaseError  # what rasterio.shutil raises; it has no public name
from rasterio.errors import RasterioError

from isamap.gee_export.base.atomic import put_in_place, sync
from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.grid import crs_of
from isamap.gee_export.base.rasters import open_raster
from isamap.gee_export.base.scheme import UNKNOWN
from isamap.gee_export.base.storage import disk_fault, write_whole
from isamap.inference.map_files import sidecar
from isamap.inference.map_files.class_raster import read_classes
from isamap.inference.map_files.legend import PROB_STEPS, PROBABILITY, Legend, Palette
from isamap.inference.map_files.map_file import probability_of, sidecar_of

BLOCK_PX = 512
BANDS = 2
CONVERSION_CACHE_BYTES = (4 << 20, 64 << 20)  # least and most, for the rows under two rows of blocks
CHUNK_PX = 1 << 19
LEVEL = 6  # of DEFLATE
MAP_LEVEL = 5  # takes a third of the time, for files 3 to 5 % larger (docs/inference-speed.md)
CLASS, SHARE = 1, 2  # the numbers of a pixel in the rows, as GDAL counts bands


@dataclass(frozen=True)
class RowsFile:
    """Finished rows on disk, one after another (class, then probability of each): what an interrupted map keeps.

    bands: numbers of a pixel; a map's rows have two.
    """

    path: Path
    width: int
    bands: int = BANDS

    @property
    def rows(self) -> int:
        """Whole rows that are there."""
        return self.path.stat().st_size // self._row_bytes if self.path.exists() else 0

    def keep(self, rows: int) -> None:
        """Cuts off what lies beyond `rows` rows, such as one written by half."""
        if self.path.exists():
            os.truncate(self.path, rows * self._row_bytes)

    @property
    def settled(self) -> int:
        """Whole rows that are there and were synced: after a power cut the file may be longer than what it holds."""
        try:
            return min(self.rows, int(self._count.read_bytes()))
        except (FileNotFoundError, ValueError):
            return 0

    def settle(self) -> None:
        """Makes the rows that are there outlive a power cut, then notes their number."""
        # The rows before their number: after a power cut a number must not count rows that are not there.
        sync(self.path)
        write_whole(self._count, str(self.rows).encode())

    def append(self, values_NHW: np.ndarray) -> None:
        """Adds rows below; Fault where the disk is full."""
        try:
            with self.path.open("ab") as file:
                file.write(values_NHW.transpose(1, 0, 2).tobytes())
        except OSError as error:
            raise disk_fault(self.path, error) from error

    def read(self, chunk_px: int = CHUNK_PX) -> Iterator[np.ndarray]:
        """The rows from the top, uint8 (2, rows, width) each: an even number of them, but for the last."""
        chunk_rows = max(2, chunk_px // self.width // 2 * 2)
        with self.path.open("rb") as file:
            while chunk := file.read(chunk_rows * self._row_bytes):
                yield np.frombuffer(chunk, np.uint8).reshape(-1, self.bands, self.width).transpose(1, 0, 2)

    def remove(self) -> None:
        """Removes the rows and the note of their number."""
        self._count.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    @property
    def is_unknown(self) -> bool:
        """Whether no pixel of any row has a class."""
        return all((chunk[0] == UNKNOWN).all() for chunk in self.read())

    @property
    def _count(self) -> Path:
        return self.path.with_suffix(".count")

    @property
    def _row_bytes(self) -> int:
        return self.bands * self.width


@dataclass(frozen=True)
class LayerInfo:
    """What goes into a file beside the pixels. unit: of the values, where they are numbers."""

    geobox: GeoBox
    legend: Palette
    tags: Mapping[str, str]
    unit: str = ""


@dataclass(frozen=True)
class MapInfo(LayerInfo):
    """What goes into a map's files beside the pixels."""

    legend: Legend


def write(
    rows: RowsFile, info: MapInfo, out: Path, keep: Callable[[], None] = lambda: None, *, level: int = LEVEL
) -> np.ndarray:
    """Writes the map as `out`, its probabilities and its sidecar; the number of pixels of each value 0..255.

    level: of DEFLATE. keep: writes what else belongs to the map. `out` is there only once all others are, and they are
    of the same map.
    The rows' folder takes the intermediate files and lies on the same disk as `out`.
    Overviews hold the most frequent known class and the mean known probability. Fault: disk full, out not writable.
    """
    counts, shares = _value_counts(rows)
    levels = _levels(rows)
    try:
        with ThreadPoolExecutor(BANDS) as pool:  # GDAL compresses on one thread
            numbers = (SHARE, shares), (CLASS, counts)
            probability, classes = pool.map(lambda number: _converted(levels, info, *number, level=level), numbers)
        if out.exists():  # else a kill would leave the former classes beside the new probabilities
            out.unlink()
            sync(out.parent)
        put_in_place(probability, probability_of(out))
        write_sidecar(info.legend, counts, out)
        keep()
        put_in_place(classes, out)
    except OSError as error:
        raise disk_fault(out, error) from error
    return counts


def write_layer(rows: RowsFile, info: LayerInfo, out: Path) -> np.ndarray:
    """Writes the rows' first number and its sidecar; the number of pixels of each value.

    Overviews as of `write`; of values with a unit they are means.
    """
    counts, _ = _value_counts(rows)
    layer = _converted(_levels(rows, halved_means if info.unit else halved), info, CLASS, counts)
    try:
        write_sidecar(info.legend, counts, out)
        put_in_place(layer, out)
    except OSError as error:
        raise disk_fault(out, error) from error
    return counts


def _value_counts(rows: RowsFile) -> np.ndarray:
    """Number of pixels of each value 0..255 of both numbers, int64 (2, 256)."""
    counts_2V = np.zeros((BANDS, 256), np.int64)
    for chunk_2HW in rows.read():
        counts_2V += [np.bincount(values_HW.ravel(), minlength=256) for values_HW in chunk_2HW]
    return counts_2V


def write_sidecar(legend: Palette, counts: np.ndarray, out: Path) -> None:
    """Writes what GDAL and QGIS show of the classes beside the map: names, colours and numbers of pixels."""
    write_whole(sidecar_of(out), sidecar.content(legend, counts))


def counts_of(path: Path) -> np.ndarray:
    """The number of pixels of each value 0..255 in a file's first band; hidden ones count as 255."""
    counts = np.zeros(256, np.int64)
    with open_raster(path) as raster:
        for _, window in raster.block_windows(1):
            counts += np.bincount(read_classes(raster, window=window).ravel(), minlength=256)
    return counts


def halved(values_2HW: np.ndarray) -> np.ndarray:
    """Every 2 x 2 pixels as one: the most frequent known class (the first of equals), the mean known probability."""
    height, width = (side + side % 2 for side in values_2HW.shape[1:])
    # An odd row or column is completed by unknown pixels, which count for nothing.
    even = np.full((BANDS, height, width), UNKNOWN, np.uint8)
    even[:, : values_2HW.shape[1], : values_2HW.shape[2]] = values_2HW
    corners_2CHW = even.reshape(BANDS, height // 2, 2, width // 2, 2).transpose(0, 2, 4, 1, 3)
    corners_2CHW = corners_2CHW.reshape(BANDS, 4, height // 2, width // 2)
    return np.stack([_mode(corners_2CHW[0]), _mean(corners_2CHW[1])])


def halved_means(values_2HW: np.ndarray) -> np.ndarray:
    """Every 2 x 2 pixels as one: the mean of what is known of the first number, twice."""
    return np.repeat(halved(np.repeat(values_2HW[:1], BANDS, axis=0))[SHARE - 1 :], BANDS, axis=0)


def _mode(class_CHW: np.ndarray) -> np.ndarray:
    votes_CHW = np.stack([(class_CHW == corner_HW).sum(axis=0, dtype=np.uint8) for corner_HW in class_CHW])
    # Unknown has no vote: three pixels without an image must not hide the one that is known.
    votes_CHW[class_CHW == UNKNOWN] = 0
    return np.take_along_axis(class_CHW, votes_CHW.argmax(axis=0)[None], axis=0)[0]


def _mean(share_CHW: np.ndarray) -> np.ndarray:
    known_CHW = share_CHW != UNKNOWN
    count_HW = known_CHW.sum(axis=0)
    # Four times 254 does not fit into a byte.
    total_HW = share_CHW.sum(axis=0, where=known_CHW, dtype=np.uint16)
    mean_HW = np.rint(total_HW / np.maximum(count_HW, 1)).astype(np.uint8)
    return np.where(count_HW > 0, mean_HW, UNKNOWN).astype(np.uint8)


def _converted(
    levels: Sequence[RowsFile], info: LayerInfo, number: int, counts: np.ndarray, *, level: int = LEVEL
) -> Path:
    """One of the two files, beside the rows, so that a killed conversion leaves nothing elsewhere."""
    target = levels[0].path.with_name(f"{_name(info, number)}.tif")
    _convert(_described(levels, info, number), target, cache_bytes=_cache_bytes(levels[0].width), level=level)
    _check_whole(target, counts)
    return target


def _name(info: LayerInfo, number: int) -> str:
    return info.legend.band if number == CLASS else PROBABILITY


def _levels(rows: RowsFile, halve: Callable[[np.ndarray], np.ndarray] = halved) -> list[RowsFile]:
    """The rows and their overviews, each half as high and wide as the one before it."""
    levels = [rows]
    while max(levels[-1].rows, levels[-1].width) > BLOCK_PX:
        levels.append(_overview(levels[-1], rows.path.with_name(f"overview-{len(levels)}.u8"), halve))
    return levels


def _described(levels: Sequence[RowsFile], info: LayerInfo, band_number: int) -> Path:
    """A GDAL virtual file over raw rows and their overviews, which carries all that the map's file shall carry."""
    names = [f"{_name(info, band_number)}-{depth}.vrt" for depth in range(len(levels))]
    trees = [_vrt(level, info, band_number) for level in levels]
    band = next(trees[0].iter("VRTRasterBand"))
    if band_number == CLASS:  # here alone: 256 entries an overview would take as long as a hundredth of a small map
        _add_palette(band, info.legend)
    for name in names[1:]:
        overview = xml.SubElement(band, "Overview")
        _add(overview, "SourceFilename", name, relativeToVRT="1")
        _add(overview, "SourceBand", "1")
    for name, tree in zip(names, trees, strict=True):
        levels[0].path.with_name(name).write_bytes(xml.tostring(tree))
    return levels[0].path.with_name(names[0])


def _overview(level: RowsFile, path: Path, halve: Callable[[np.ndarray], np.ndarray]) -> RowsFile:
    path.unlink(missing_ok=True)
    smaller = RowsFile(path, (level.width + 1) // 2)
    for chunk in level.read():
        smaller.append(halve(chunk))
    return smaller


def _vrt(rows: RowsFile, info: LayerInfo, coefficient: int) -> xml.Element:
    affine = info.geobox.affine
    tree = xml.Element("VRTDataset", rasterXSize=str(rows.width), rasterYSize=str(rows.rows))
    _add(tree, "SRS", crs_of(info.geobox).to_wkt())
    coefficients = (affine.c, affine.a, affine.b, affine.f, affine.d, affine.e)
    _add(tree, "GeoTransform", ", ".join(repr(float(coefficient)) for coefficient in coefficients))
    metadata = xml.SubElement(tree, "Metadata")
    for key, text in info.tags.items():
        _add(metadata, "MDI", text, key=key)
    band = _raw_band(tree, rows, coefficient, _name(info, coefficient))
    if info.unit and coefficient == CLASS:
        _add(band, "UnitType", info.unit)
    if coefficient != CLASS:
        _add(band, "Scale", repr(1 / PROB_STEPS))
    return tree


def _add_palette(band: xml.Element, legend: Palette) -> None:
    """The classes' colours; a TIFF's palette has 256 entries, and of the others the sidecar says that they are none."""
    _add(band, "ColorInterp", "Palette")
    table = xml.SubElement(band, "ColorTable")
    for value in range(256):
        has_colour = value < len(legend.colours)
        red, green, blue = bytes.fromhex(legend.colours[value]) if has_colour else (0, 0, 0)
        xml.SubElement(table, "Entry", c1=str(red), c2=str(green), c3=str(blue), c4="255" if has_colour else "0")


def _raw_band(tree: xml.Element, rows: RowsFile, band_number: int, name: str) -> xml.Element:
    band = xml.SubElement(tree, "VRTRasterBand", dataType="Byte", band="1", subClass="VRTRawRasterBand")
    _add(band, "Description", name)
    _add(band, "NoDataValue", str(UNKNOWN))
    _add(band, "SourceFilename", rows.path.name, relativetoVRT="1")
    _add(band, "ImageOffset", str((band_number - 1) * rows.width))
    _add(band, "PixelOffset", "1")
    _add(band, "LineOffset", str(BANDS * rows.width))
    return band


def _add(parent: xml.Element, name: str, text: str, **attributes: str) -> None:
    xml.SubElement(parent, name, attributes).text = text


def _cache_bytes(width: int) -> int:
    """GDAL's cache size: each row is read once for all blocks beside each other, however high the map is."""
    least, most = CONVERSION_CACHE_BYTES
    return min(max(2 * BLOCK_PX * BANDS * width, least), most)


def _convert(described: Path, target: Path, *, cache_bytes: int, level: int) -> None:
    # AUTO takes the overviews that are there, which are ours: the most frequent known class, the mean of what is known.
    options = {"compress": "DEFLATE", "level": level, "blocksize": BLOCK_PX, "bigtiff": "IF_SAFER", "overviews": "AUTO"}
    try:
        with rasterio.Env(GDAL_CACHEMAX=cache_bytes):
            rasterio.shutil.copy(str(described), str(target), driver="COG", **options)
    except (RasterioError, CPLE_BaseError) as error:
        raise Fault(f"{target} could not be written ({error}): is the disk full or the folder not writable?") from error


def _check_whole(path: Path, counts: np.ndarray) -> None:
    """Fault where the file cannot be read back as it was written: GDAL may tell of a full disk only in its log."""
    try:
        intact = np.array_equal(counts_of(path), counts)
    except RasterioError:
        intact = False
    if not intact:
        raise Fault(f"{path} could not be written whole: free some space and run the same command again, it goes on")
