"""One image of a catalog folder: which files and notes make it up, and how its pixels are read."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from odc.geo.geobox import GeoBox

from local_ee.catalog import SourceBand, SourceImage, geotiff, sidecar, stac
from local_ee.raster.geometry import on_globe

SUFFIXES = (".tif", ".tiff")


@dataclass(frozen=True)
class Entry:
    """The files of one image and the JSON that describes it, none of them opened yet."""

    id: str
    index: str
    tiffs: tuple[Path, ...]
    json: Path | None

    @property
    def files(self) -> tuple[Path, ...]:
        return (*self.tiffs, self.json) if self.json else self.tiffs


@dataclass(frozen=True)
class StoredBand:
    """A band in its file, with the conversion to Earth Engine's units and the type that holds the result."""

    name: str
    info: geotiff.FileInfo
    number: int
    stored_dtype: str
    scale: float
    offset: float
    nodata: float | None
    cut_to: str | None = None

    @property
    def dtype(self) -> str:
        """The type of the product's values where it is known, else one that holds every converted value.

        The file's own type without conversion; integers stay integers under whole scales and offsets.
        """
        if self.cut_to is not None:
            return self.cut_to
        stored = np.dtype(self.stored_dtype)
        if (self.scale, self.offset) == (1, 0):
            return stored.name
        if stored.kind in "iu" and self.scale.is_integer() and self.offset.is_integer():
            limits = np.iinfo(stored)
            ends = [int(limit * int(self.scale) + int(self.offset)) for limit in (limits.min, limits.max)]
            return np.result_type(np.min_scalar_type(min(ends)), np.min_scalar_type(max(ends))).name
        return "float32" if np.can_cast(stored, "float32") else "float64"

    def converted(self, stored: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values in Earth Engine's units (0 where masked) and which are valid."""
        if self.nodata is not None:
            valid = valid & (stored != self.nodata)
        if (self.scale, self.offset) != (1, 0):
            stored = stored.astype(np.float64) * self.scale + self.offset
        if self.cut_to is not None:
            limits = np.iinfo(self.cut_to)
            stored = np.clip(stored, limits.min, limits.max)
        return np.where(valid, stored, 0).astype(self.dtype), valid


def scan(asset_id: str, folder: Path) -> dict[str, Entry]:
    """The images of a folder by index, from its names and STAC items; no GeoTIFF is opened."""
    names = sorted(item.name for item in os.scandir(folder) if not item.name.startswith(".") and item.is_file())
    tiffs: dict[str, list[Path]] = defaultdict(list)
    for name in names:
        if name.lower().endswith(SUFFIXES):
            tiffs[name.split(".", 1)[0]].append(folder / name)
    notes: dict[str, Path] = {}
    items, linked = set[str](), set[Path]()
    for path in (folder / name for name in names if name.lower().endswith(".json")):
        document = sidecar.load(path)
        if stac.is_item(document):
            tiffs[path.stem] = list(stac.files_of(document, path).values())
            items.add(path.stem)
            linked.update(stac.linked_files(document, path).values())
        if path.stem in tiffs and not stac.is_container(document):
            notes[path.stem] = path
    own = {index: files if index in items else [f for f in files if f not in linked] for index, files in tiffs.items()}
    images = {index: tuple(sorted(files, key=_natural)) for index, files in own.items() if files}
    single = set(images) == {folder.name}
    return {
        index: Entry(asset_id if single else f"{asset_id}/{index}", index, files, notes.get(index))
        for index, files in images.items()
    }


def read_notes(entry: Entry) -> sidecar.Notes:
    """What the JSON says, a sidecar or a STAC item; nothing where there is none."""
    if entry.json is None:
        return sidecar.Notes()
    document = sidecar.load(entry.json)
    if stac.is_item(document):
        return stac.notes_of(document, entry.json, entry.id)
    return sidecar.notes_of(document, entry.json, entry.tiffs)


def build(entry: Entry, notes: sidecar.Notes) -> SourceImage:
    """The image, its files opened for their grids and bands; ValueError naming the file that cannot be used."""
    stored = _stored_bands(entry, notes)
    _check_band_names(stored, entry, notes)
    bands = tuple(SourceBand(band.name, band.dtype, band.info.grid) for band in stored.values())
    properties = sidecar.with_defaults(notes.properties, entry.index, tuple(stored))
    return SourceImage(entry.id, bands, properties, _footprint([band.grid for band in bands]), _reader(stored))


def _stored_bands(entry: Entry, notes: sidecar.Notes) -> dict[str, StoredBand]:
    by_name: dict[str, StoredBand] = {}
    for path in entry.tiffs:
        crs, transform = notes.grids.get(path, (None, None))
        info = geotiff.describe(path, crs=crs, transform=transform)
        for name, band in zip(_names(info, entry, notes), info.bands, strict=True):
            if name in by_name:
                raise ValueError(f"image {entry.id}: band {name!r} is in both {by_name[name].info.path} and {path}")
            scale, offset = sidecar.of_band(notes.scale, name, 1.0), sidecar.of_band(notes.offset, name, 0.0)
            nodata = sidecar.of_band(notes.nodata, name, None)
            cut_to = notes.types.get(name)
            by_name[name] = StoredBand(name, info, band.number, band.dtype, scale, offset, nodata, cut_to)
    return by_name


def _names(info: geotiff.FileInfo, entry: Entry, notes: sidecar.Notes) -> tuple[str, ...]:
    """Names from the notes, else the file's descriptions, else the part of a one-band file's name."""
    names = notes.names.get(info.path)
    if names is not None:
        if len(names) != len(info.bands):
            raise ValueError(
                f"{notes.source} names {len(names)} bands of {info.path.name}, which holds {len(info.bands)}"
            )
        return names
    described = tuple(band.description or "" for band in info.bands)
    if len(set(described)) == len(described) and all(described):
        return described
    suffix = sidecar.part_of(info.path)
    if suffix and len(info.bands) == 1:
        return (suffix,)
    raise ValueError(
        f"{info.path}: its {len(info.bands)} bands are not all named (descriptions {described}): list their Earth "
        f'Engine names in {notes.source or info.path.with_name(entry.index + ".json")} as "bands": [...]'
    )


def _check_band_names(stored: dict[str, StoredBand], entry: Entry, notes: sidecar.Notes) -> None:
    named = {*notes.scale, *notes.offset, *notes.nodata} - {sidecar.EVERY}
    unknown = sorted(named - set(stored))
    if unknown:
        raise ValueError(f"{notes.source}: band {unknown[0]!r} is none of image {entry.id}: {', '.join(stored)}")


def _footprint(grids: Sequence[GeoBox]) -> shapely.Geometry:
    """Where the pixels are, EPSG:4326."""
    different = {grid.boundingbox: grid for grid in grids}.values()
    return shapely.union_all([on_globe(grid.footprint("EPSG:4326", npoints=16).geom, grid) for grid in different])


def _reader(stored: dict[str, StoredBand]) -> Callable[[tuple[str, ...], GeoBox], tuple[np.ndarray, np.ndarray]]:
    """Reads bands over a window of their lattice; one pass over each file."""

    def read(names: tuple[str, ...], geobox: GeoBox) -> tuple[np.ndarray, np.ndarray]:
        by_file: dict[Path, list[StoredBand]] = defaultdict(list)
        for name in names:
            by_file[stored[name].info.path].append(stored[name])
        arrays = {}
        for bands in by_file.values():
            values, valid = geotiff.read(bands[0].info, [band.number for band in bands], geobox)
            for band, value, ok in zip(bands, values, valid, strict=True):
                arrays[band.name] = band.converted(value, ok)
        values, masks = zip(*(arrays[name] for name in names), strict=True)
        return np.stack(values), np.stack(masks)

    return read


def _natural(path: Path) -> list[int | str]:
    """Sorts B2 before B11, and B8A after B8."""
    return [int(text) if text.isdigit() else text for text in re.split(r"(\d+)", path.name.replace(".", "\0"))]
