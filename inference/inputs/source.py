"""What is mapped: pixels in physical units, read by windows; here from a GeoTIFF (composite.py has the other)."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from isamap.gee_export.base.errors import Fault, notice
from isamap.gee_export.base.fill import Fill
from isamap.gee_export.base.grid import Raster, Window, crop
from isamap.gee_export.base.named_raster import open_named
from isamap.gee_export.base.regions import Period
from isamap.gee_export.sentinel.level import L1C, L2A
from isamap.inference.cutting.lattice import offset_from_crs_origin
from isamap.inference.inputs.block_rows import BlockRows
from isamap.inference.inputs.ground import Ground

# Names of Sentinel-2's bands in other archives: the eo extension's (https://github.com/stac-extensions/eo, 1.1 and
# 2.0), with the numbers by which Earth Search tells the three red edges apart, and the short-wave ones of many tools.
COMMON_NAMES = {
    "coastal": "B1", "blue": "B2", "green": "B3", "red": "B4", "rededge1": "B5", "rededge2": "B6", "rededge3": "B7",
    "rededge071": "B5", "rededge075": "B6", "rededge078": "B7", "nir": "B8", "nir08": "B8A", "nir09": "B9",
    "swir16": "B11", "swir22": "B12", "swir1": "B11", "swir2": "B12",
}  # fmt: skip


class InputSource(Protocol):
    """Pixels to map. `origin` is the row and column of the first pixel on the lattice that windows are fixed to.

    `identity` names the pixels (equal identities have equal pixels); `tags` go into the map's metadata.
    """

    @property
    def bands(self) -> tuple[str, ...]: ...

    @property
    def geobox(self) -> GeoBox: ...

    @property
    def origin(self) -> tuple[int, int]: ...

    @property
    def ground(self) -> Ground:
        """What the network maps and what can be read, which is more than the grid where there is more ground."""
        ...

    @property
    def identity(self) -> str: ...

    @property
    def tags(self) -> Mapping[str, str]: ...

    @property
    def cache_bytes(self) -> int: ...

    @property
    def block_rows(self) -> int | None:
        """Rows that are decoded together, where any columns can be read alone from top to bottom again; else None."""
        ...

    @property
    def foreign(self) -> bool:
        """Whether its units are somebody else's word, to be checked against training's range."""
        ...

    def keep_in(self, folder: Path) -> None:
        """Called once before the first read: a folder for pixels that would cost time to get again."""
        ...

    def read(self, window: Window) -> Raster:
        """The window's pixels in physical units; the window lies on the ground that is seen."""
        ...

    def wanted(self, window: Window) -> np.ndarray:
        """Which pixels of a window get a class where all their bands are valid, bool (rows, columns)."""
        ...

    def release(self, row: int) -> None:
        """Rows above `row` will not be read again, also not by a later call of an interrupted map."""
        ...

    def close(self) -> None: ...


class GeoTiffSource:
    """A GeoTIFF's bands by name, in physical units: pixel x scale + offset, by the file's own tags.

    Not safe for two threads at once. Made by `open_geotiff`, which checks the file. fill: what counts as missing
    without a word of the file. lacking: bands that the file has not, by their places among all, with training's means.
    """

    foreign = True

    def __init__(
        self,
        dataset: DatasetReader,
        bands: Mapping[str, int],
        path: Path,
        fill: Fill,
        lacking: Mapping[int, Any] = MappingProxyType({}),
    ) -> None:
        numbers = list(bands.values())
        self._dataset = dataset
        self._reading = threading.Lock()  # GDAL must not lose a file that a thread still reads
        self._rows = BlockRows(dataset, numbers)
        self._scales = _column([dataset.scales[n - 1] for n in numbers])
        self._offsets = _column([dataset.offsets[n - 1] for n in numbers])
        self.path, self.fill = path, fill
        self._lacking = dict(sorted(lacking.items()))
        names = list(bands)
        for at, band in self._lacking.items():
            names.insert(at, band.name)
        self.bands = tuple(names)
        self.geobox = GeoBox((dataset.height, dataset.width), dataset.transform, dataset.crs.to_wkt())
        self.origin = offset_from_crs_origin(dataset.transform)
        self.ground = Ground.of_file(dataset.height, dataset.width)
        # By size and time, as a hash of a scene of gigabytes would be a second reading of it.
        stat = os.stat(path)
        self.identity = f"{path.name} ({stat.st_size} bytes, changed {stat.st_mtime_ns})"
        carried = {name: text for name, text in dataset.tags().items() if name in CARRIED_TAGS}
        lacks = {"lacks": ",".join(band.name for band in self._lacking.values())} if self._lacking else {}
        self.tags = {"input": path.name, **carried, **lacks}

    def read(self, window: Window) -> Raster:
        """The window in physical units; no-data, masks and values that are not finite are marked, never numbers."""
        stored_BHW, valid_BHW = self.stored(window)
        valid_BHW = self.fill.without(stored_BHW, valid_BHW)
        values_BHW = self._physical(stored_BHW)
        # Only floats can be NaN: for integers the check would be a pass over all pixels.
        if stored_BHW.dtype.kind == "f":
            valid_BHW = valid_BHW & np.isfinite(stored_BHW)
            # NaN must not reach the network, in which one pixel would spread to all that see it.
            values_BHW[~valid_BHW] = 0
        return Raster(crop(self.geobox, window), self.bands, *self._completed(values_BHW, valid_BHW))

    def _completed(self, values_BHW: np.ndarray, valid_BHW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """With the bands that the file lacks: training's mean, which is the 0 of a missing band to the network."""
        for at, band in self._lacking.items():
            is_known_HW = valid_BHW.all(axis=0)
            values_BHW = np.insert(values_BHW, at, np.where(is_known_HW, np.float32(band.mean), 0), axis=0)
            valid_BHW = np.insert(valid_BHW, at, is_known_HW, axis=0)
        return values_BHW, valid_BHW

    def stored(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the file's own bands as it holds them, and which it calls valid; Fault: damaged."""
        try:
            with self._reading:
                return self._rows.read(window)
        except RasterioError as error:
            rows = f"rows {window.row} to {window.row_end}"
            raise Fault(f"{self.path} is damaged at {rows} ({error}): copy it again") from error

    def wanted(self, window: Window) -> np.ndarray:
        """All pixels."""
        return np.ones((window.height, window.width), bool)

    def keep_in(self, folder: Path) -> None:
        """Nothing: the file itself is near enough."""

    def release(self, row: int) -> None:
        """Nothing to release."""

    def close(self) -> None:
        with self._reading:
            self._dataset.close()

    @property
    def block_rows(self) -> int:
        """Rows of a block."""
        return self._rows.block_rows

    @property
    def cache_bytes(self) -> int:
        """What GDAL's block cache must hold so that rows read one after another decode each block once."""
        return self._rows.cache_bytes

    def _physical(self, stored_BHW: np.ndarray) -> np.ndarray:
        """float64 in between, so that 1234 x 1e-4 is the float32 nearest to 0.1234, as a dataset's reader gives it."""
        values_BHW = np.empty(stored_BHW.shape, np.float32)
        for values_HW, stored_HW, scale, offset in zip(
            values_BHW, stored_BHW, self._scales, self._offsets, strict=True
        ):
            if scale == 1 and offset == 0:
                values_HW[:] = stored_HW
            elif offset == 0:  # without an array of float64 in between
                np.multiply(stored_HW, scale, out=values_HW, dtype=np.float64, casting="unsafe")
            else:
                values_HW[:] = stored_HW * scale + offset
        return values_BHW


LEVEL_TAGS = ("level", "processing_level", "product_type")  # isamap's, GDAL's and ESA's names
CARRIED_TAGS = ("period", "period_start", "period_end", "scenes", "simulated", "licence", "backscatter")


def open_geotiff(
    path: str | os.PathLike[str],
    bands: Sequence[Any],
    backscatter: str | None = None,
    levels: Sequence[str] = (),
    *,
    may_lack: Callable[[Collection[str]], bool] = lambda _: False,
) -> GeoTiffSource:
    """The file as a source of `bands` (name and unit each, as a checkpoint has them), in that order.

    Bands are found by their descriptions; those that `may_lack` allows may be missing, which a notice tells.
    ValueError: no such file, no CRS, bands missing or named twice, integers without a scale tag, or tags that tell
    another backscatter (sigma0 or gamma0) or none of these levels of Sentinel-2.
    """
    path = Path(path)
    dataset = _open(path)
    try:
        _check_place(dataset, path)
        numbers = _numbers(dataset, path, [band.name for band in bands], may_lack)
        present = [band for band in bands if band.name in numbers]
        for band in present:
            _check_unit(dataset, path, band, numbers[band.name])
        _check_backscatter(dataset, path, backscatter)
        _check_level(dataset, path, levels)
        fill = Fill.of_file(dataset, list(numbers.values()), [band.unit for band in present])
        lacking = {at: band for at, band in enumerate(bands) if band.name not in numbers}
        return GeoTiffSource(dataset, numbers, path, fill, lacking)
    except BaseException:
        dataset.close()
        raise


def period_tags(period: Period) -> dict[str, str]:
    """When the pixels were taken, in words and as the first day and the day after the last."""
    return {"period": str(period), "period_start": period.start.isoformat(), "period_end": period.end.isoformat()}


def same_band(name: str) -> str:
    """The spelling that band names are compared by: B02, b2 and B2 are one band."""
    text = name.strip().upper()
    return f"B{text[2:]}" if len(text) > 2 and text.startswith("B0") else text


def _open(path: Path) -> DatasetReader:
    if not path.is_file():
        raise ValueError(f"input {path}: no such file")
    try:
        return open_named(path)
    except RasterioError as error:
        raise ValueError(f"input {path} is not a raster that GDAL can read ({error}); give a GeoTIFF") from error


def _check_place(dataset: DatasetReader, path: Path) -> None:
    if gcps := dataset.gcps[0]:
        raise ValueError(
            f"input {path} has {len(gcps)} control points instead of a grid: lay it on one first "
            "(gdalwarp FILE NEW.tif)"
        )
    if dataset.crs is None or dataset.transform.is_identity:
        lacks = "coordinate reference system (CRS)" if dataset.crs is None else "geotransform"
        raise ValueError(
            f"input {path} has no {lacks}, so its map would lie nowhere: assign it, for example with "
            "`gdal_edit.py -a_srs EPSG:32650 -a_ullr ULX ULY LRX LRY FILE`"
        )


def _numbers(
    dataset: DatasetReader, path: Path, names: Sequence[str], may_lack: Callable[[Collection[str]], bool]
) -> dict[str, int]:
    """Band numbers (from 1) of the named bands that are there, by name."""
    own: dict[str, int] = {}
    common: dict[str, int] = {}
    for band_number, text in enumerate(dataset.descriptions, start=1):
        for numbers, name in ((own, same_band(text or "")), (common, COMMON_NAMES.get((text or "").strip().lower()))):
            if name and numbers.setdefault(name, band_number) != band_number:
                raise ValueError(f"input {path} has two bands named {text}: rename one, bands are found by name")
    number_of = common | own  # a band's own name goes before another's common one
    missing = [name for name in names if same_band(name) not in number_of]
    if missing and may_lack(missing):
        notice(
            f"input {path} lacks {_bands(missing)}: the network has learned without {_bands(missing)} too, but a "
            "threshold may not fit any more; choose one from points (isamap calibrate --points)"
        )
    elif missing:
        present = ", ".join(text or "(unnamed)" for text in dataset.descriptions)
        raise ValueError(
            f"input {path} lacks {_bands(missing)} that the checkpoint needs ({', '.join(names)}); it has {present}: "
            "add them, or name its bands by description (rasterio: dataset.descriptions = (...))"
        )
    return {name: number_of[same_band(name)] for name in names if name not in missing}


def _check_unit(dataset: DatasetReader, path: Path, band: Any, band_number: int) -> None:
    """Integers carry reflectance and dB only with a scale; without one, x 10,000 and x 100 could only be guessed."""
    if dataset.dtypes[band_number - 1].startswith("complex"):
        raise ValueError(
            f"input {path}: band {band.name} holds complex numbers, of which a network knows nothing: give {band.unit} "
            "(for radar 10 log10 of the power)"
        )
    is_integer = np.dtype(dataset.dtypes[band_number - 1]).kind in "iu"
    if is_integer and dataset.scales[band_number - 1] == 1 and band.unit.lower() in ("reflectance", "db"):
        example = "1e-4 for reflectance stored x 10,000" if band.unit.lower() == "reflectance" else "0.01 for dB x 100"
        raise ValueError(
            f"input {path}: band {band.name} holds integers without a scale tag, the checkpoint wants {band.unit}: "
            f"set the scale ({example}; `gdal_edit.py -scale ...`, and -offset where the product has one)"
        )


def _check_backscatter(dataset: DatasetReader, path: Path, trained: str | None) -> None:
    stored = {name.lower(): text for name, text in dataset.tags().items()}.get("backscatter", "").strip().lower()
    if stored and trained and stored != trained:
        raise ValueError(
            f"input {path} holds {stored} backscatter, the checkpoint was trained on {trained}; they differ by about "
            "0.6 to 1.5 dB on flat ground: convert the file or take a checkpoint of its kind"
        )


def _check_level(dataset: DatasetReader, path: Path, learned: Sequence[str]) -> None:
    stated = [text.upper() for key, text in dataset.tags().items() if key.lower() in LEVEL_TAGS]
    levels = {level for level in (L1C, L2A) for text in stated if level[1:] in text}
    if learned and levels and levels.isdisjoint(learned):
        raise ValueError(
            f"input {path.name} holds Sentinel-2 {levels.pop()} by its tags, the checkpoint was trained on "
            f"{learned[0]}: give {learned[0]}, or a checkpoint of the other level"
        )


def _bands(names: Sequence[str]) -> str:
    return f"band {names[0]}" if len(names) == 1 else f"bands {', '.join(names)}"


def _column(numbers: Sequence[float]) -> np.ndarray:
    return np.asarray(numbers, dtype=np.float64)[:, None, None]
