"""Real imagery for the local engine: a folder of GeoTIFFs under Earth Engine ids (docs/reference/formats.md, "Folder
catalog").

    FOLDER/COPERNICUS/S2_SR_HARMONIZED/20190602T025551_20190602T030602_T50RKU.tif     an image of a collection
    FOLDER/COPERNICUS/S2_SR_HARMONIZED/20190602T025551_20190602T030602_T50RKU.json    its notes (catalog/sidecar.py)
    FOLDER/Tsinghua/FROM-GLC/GAIA/v10/v10.tif                                         an Image: named like its folder
    FOLDER/FAO/GAUL_SIMPLIFIED_500m/2015/level1.geojson                               a table (catalog/table.py)

Bands of different resolution lie in files of their own, `INDEX.PART.tif`: one band whose name is PART
(20190602....B11.tif), or several that the file or its notes name (20190602....20m.tif). A STAC item beside the files
(`NAME.json`) makes one image, NAME, of the assets it links to. Names that begin with a dot are not looked at.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from odc.geo.geobox import GeoBox

from local_ee.catalog import AssetInfo, BoundsWSEN, SourceImage, cloud_classes, geotiff, sidecar
from local_ee.catalog.boxes import touches
from local_ee.catalog.entry import Entry, build, read_notes, scan
from local_ee.catalog.table import ENDINGS, SourceFeature, read_table
from local_ee.vector_file import SHAPEFILE_PARTS

Kept = TypeVar("Kept")
_MOST_KNOWN = 200
UNDATED = float("-inf")  # sorts before every date


class FolderCatalog:
    """The Catalog of a folder. Files may change while it is in use: what changed is read again, nothing else is."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._folders: dict[Path, tuple[Any, dict[str, Entry]]] = {}
        self._notes: dict[Entry, tuple[Any, sidecar.Notes]] = {}
        self._images: dict[Entry, tuple[Any, SourceImage]] = {}
        self._tables: dict[Path, tuple[Any, tuple[SourceFeature, ...]]] = {}
        self._lock = threading.Lock()

    def describe(self, asset_id: str) -> AssetInfo | None:
        """What an id is, or None where the folder does not hold it."""
        image = self.image(asset_id)
        if image is not None:
            return AssetInfo(asset_id, "IMAGE", image.properties)
        if self._table_file(asset_id) is not None:
            return AssetInfo(asset_id, "TABLE", {})
        if asset_id == cloud_classes.COLLECTION:
            return AssetInfo(asset_id, "IMAGE_COLLECTION", {})
        if self._folder(asset_id) is None:
            return None
        return AssetInfo(asset_id, "IMAGE_COLLECTION" if self._entries(asset_id) else "FOLDER", {})

    def image(self, image_id: str) -> SourceImage | None:
        """One image, or None; ValueError naming the file where its files cannot be made sense of."""
        if cloud_classes.holds(image_id):
            return cloud_classes.image_of(self.image(cloud_classes.scene_id(image_id)))
        entry = self._entry(image_id)
        return None if entry is None else self._image(entry)

    def images(
        self, collection_id: str, start_ms: int | None, end_ms: int | None, bounds_wsen: BoundsWSEN | None
    ) -> Sequence[SourceImage]:
        """The collection's images that begin in [start_ms, end_ms) and touch the bounds, in order of time then index.

        Only images of the period are opened, and each once. An undated image is in no period; ValueError where a
        period is asked of a collection that is undated as a whole. An id that is no collection gives none.
        """
        if collection_id == cloud_classes.COLLECTION:
            return cloud_classes.images(self.images, start_ms, end_ms, bounds_wsen)
        entries = [] if self._single(collection_id) else list(self._entries(collection_id).values())
        dated = sorted(((self._time(entry), entry) for entry in entries), key=lambda pair: (pair[0], pair[1].index))
        if start_ms is not None or end_ms is not None:
            _check_dated(dated, collection_id)
            dated = [pair for pair in dated if _within(pair[0], start_ms, end_ms)]
        images = (self._image(entry) for _, entry in dated)
        return tuple(image for image in images if touches(image.footprint, bounds_wsen))

    def table(self, asset_id: str) -> Sequence[SourceFeature] | None:
        """The features of a table (catalog/table.py), None where there is no such file."""
        path = self._table_file(asset_id)
        if path is None:
            return None
        sidecars = (path.with_suffix(end) for end in SHAPEFILE_PARTS[1:] if path.suffix == ".shp")
        files = (path, *(file for file in sidecars if file.is_file()))
        return self._kept(self._tables, path, files, lambda: read_table(path))

    def contents(self, asset_id: str) -> Sequence[AssetInfo]:
        """The folders, collections and tables directly in a folder, by id; none of an id that is no folder."""
        folder = self._folder(asset_id)
        if folder is None or self._entries(asset_id):
            return ()
        items = [item for item in os.scandir(folder) if not item.name.startswith(".")]
        ids = {f"{asset_id}/{item.name if item.is_dir() else Path(item.name).stem}" for item in items}
        return [info for info in map(self.describe, sorted(ids)) if info is not None]

    @property
    def known_ids(self) -> tuple[str, ...]:
        """The folders that hold files, and the files at the top, as ids; at most 200."""
        files = (path for path in sorted(self.path.rglob("*")) if path.suffix.lower() in (".tif", ".tiff", *ENDINGS))
        parts = (path.relative_to(self.path) for path in islice(files, _MOST_KNOWN))
        ids = (below.parent if len(below.parts) > 1 else below.with_suffix("") for below in parts)
        return tuple(dict.fromkeys(path.as_posix() for path in ids))

    def _table_file(self, asset_id: str) -> Path | None:
        collection, _, name = asset_id.rpartition("/")
        folder = self._folder(collection) if re.fullmatch(r"\w[\w-]*", name) else None
        candidates = () if folder is None else (folder / f"{name}{ending}" for ending in ENDINGS)
        files = [path for path in candidates if path.is_file()]
        if len(files) > 1:
            raise ValueError(f"table {asset_id} is in both {files[0]} and {files[1].name}: keep one of them")
        return files[0] if files else None

    def _folder(self, asset_id: str) -> Path | None:
        if not self.path.is_dir():
            raise ValueError(f"catalog folder {self.path} is missing or is no folder: give the path of an existing one")
        parts = asset_id.split("/")
        if not all(re.fullmatch(r"\w[\w .-]*", name) for name in parts):  # refuses "..", a way out of the folder
            return None
        folder = self.path.joinpath(*parts)
        return folder if folder.is_dir() else None

    def _entries(self, asset_id: str) -> dict[str, Entry]:
        """The images of an asset's folder by index; listed again only when names in the folder have changed."""
        folder = self._folder(asset_id)
        return {} if folder is None else self._kept(self._folders, folder, (folder,), lambda: scan(asset_id, folder))

    def _single(self, asset_id: str) -> Entry | None:
        """The entry of an Image: the only one of its folder, named like it."""
        entries, name = self._entries(asset_id), asset_id.rpartition("/")[2]
        return entries[name] if set(entries) == {name} else None

    def _entry(self, image_id: str) -> Entry | None:
        collection, _, index = image_id.rpartition("/")
        single = self._single(image_id)
        if single is not None or not collection or self._single(collection) is not None:
            return single
        return self._entries(collection).get(index)

    def _time(self, entry: Entry) -> float:
        properties = sidecar.with_defaults(self._noted(entry).properties, entry.index, ())
        time_ms: float = properties.get("system:time_start", UNDATED)
        return time_ms

    def _noted(self, entry: Entry) -> sidecar.Notes:
        return self._kept(self._notes, entry, (entry.json,) if entry.json else (), lambda: read_notes(entry))

    def _image(self, entry: Entry) -> SourceImage:
        return self._kept(self._images, entry, entry.files, lambda: build(entry, self._noted(entry)))

    def _kept(self, store: dict[Any, Any], key: Any, files: Sequence[Path], make: Callable[[], Kept]) -> Kept:
        """What `make` gave for these files, made again when one of them has changed."""
        # Before the files are read: one that changes meanwhile is read again the next time.
        current = tuple(geotiff.signature(file) for file in files)
        with self._lock:
            cached = store.get(key)
        if cached is None or cached[0] != current:
            # Outside the lock: two threads may both read the same file, but none waits for another's.
            cached = (current, make())
            with self._lock:
                store[key] = cached
        return cached[1]


def write_image(
    root: str | Path,
    image_id: str,
    bands: Mapping[str, np.ndarray],
    grid: GeoBox,
    *,
    properties: Mapping[str, Any] | None = None,
    nodata: float | None = None,
) -> tuple[Path, ...]:
    """Writes an image (bands in Earth Engine's units, by name) where a FolderCatalog finds it; returns its GeoTIFFs.

    Masked arrays need `nodata`, a value that stands for masked. A band of another shape than `grid` covers the same
    ground with its own pixel size; bands of unlike shape or type lie in one file each. The id of an Image that is in
    no collection ends with its last name twice: `Tsinghua/FROM-GLC/GAIA/v10/v10`.
    """
    collection, _, index = image_id.rpartition("/")
    if not collection or "." in index:
        raise ValueError(f"image id {image_id!r}: expected COLLECTION/INDEX with no dot in the index")
    filled = {name: _filled(name, band, nodata) for name, band in bands.items()}
    folder = Path(root, *collection.split("/"))
    folder.mkdir(parents=True, exist_ok=True)
    sidecar.save(folder / f"{index}.json", {"properties": dict(properties or {})})
    if len({(band.shape, band.dtype) for band in filled.values()}) == 1:
        files = {folder / f"{index}.tif": filled}
    else:
        files = {folder / f"{index}.{name}.tif": {name: band} for name, band in filled.items()}
    for path, group in files.items():
        geotiff.write(path, group, _same_ground(grid, next(iter(group.values())).shape), nodata=nodata)
    return tuple(files)


def _check_dated(dated: Sequence[tuple[float, Entry]], collection_id: str) -> None:
    if dated and all(time == UNDATED for time, _ in dated):
        entry = dated[0][1]
        missing = entry.json or entry.tiffs[0].with_name(f"{entry.index}.json")
        raise ValueError(
            f"{collection_id}: none of its {len(dated)} images has a date, so no period holds any: give "
            f"properties.system:time_start (milliseconds since 1970) in {missing}"
        )


def _within(time_ms: float, start_ms: int | None, end_ms: int | None) -> bool:
    """True for a time in [start, end); an undated image is in no period, as under Earth Engine's filterDate."""
    after = start_ms is None or time_ms >= start_ms
    return time_ms != UNDATED and after and (end_ms is None or time_ms < end_ms)


def _filled(name: str, band: np.ndarray, nodata: float | None) -> np.ndarray:
    if not (isinstance(band, np.ma.MaskedArray) and np.ma.is_masked(band)):
        return np.asarray(band)
    if nodata is None:
        raise ValueError(f"band {name!r} has masked pixels: give nodata, a value that none of its pixels has")
    if (band.compressed() == nodata).any():
        raise ValueError(f"band {name!r}: the no-data value {nodata} also stands in valid pixels; give another")
    return band.filled(nodata)


def _same_ground(grid: GeoBox, shape: tuple[int, int]) -> GeoBox:
    return grid if tuple(grid.shape) == tuple(shape) else grid.zoom_to(shape)
