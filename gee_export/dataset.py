"""The patch dataset (formats.md section 1): write, read, verify. A folder without manifest.json is not a dataset."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import Polygon

from gee_export import geotiff, index, manifest
from gee_export.console import Fault
from gee_export.index import SPLITS, Patch, patch_id
from gee_export.manifest import NODATA, UNKNOWN, Band, BandStatistics, DatasetManifest, Grid
from gee_export.storage import Storage, crc32c, open_storage

__all__ = ["SPLITS", "Band", "BandStatistics", "Dataset", "DatasetManifest", "Grid", "Patch", "Sample", "write"]

MANIFEST, INDEX = "manifest.json", "patches.parquet"


@dataclass(frozen=True)
class Sample:
    """Pixels of a patch on their way into a dataset: image int16 (bands, rows, columns), label uint8 or None."""

    region: str
    period: str
    row: int
    col: int
    split: str
    image_BHW: np.ndarray
    label_HW: np.ndarray | None

    def __post_init__(self) -> None:
        if self.image_BHW.ndim != 3 or self.image_BHW.dtype != np.int16:
            found = f"{self.image_BHW.dtype} {self.image_BHW.shape}"
            raise ValueError(f"{self.id}: image {found}, expected int16 (bands, rows, columns)")
        label = self.label_HW
        if label is not None and (label.dtype != np.uint8 or label.shape != self.image_BHW.shape[1:]):
            raise ValueError(f"{self.id}: label {label.dtype} {label.shape}, expected uint8 {self.image_BHW.shape[1:]}")

    @property
    def id(self) -> str:
        return patch_id(self.region, self.period, self.row, self.col)


@dataclass(frozen=True)
class Entry:
    """A stored patch and the exact integer sums from which statistics are made (per band, of stored values)."""

    patch: Patch
    count: tuple[int, ...]
    total: tuple[int, ...]
    squares: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Entry:
        sums = {key: tuple(document[key]) for key in ("count", "total", "squares", "low", "high")}
        return cls(Patch(**document["patch"]), **sums)


class Dataset:
    """A finished dataset, opened for reading; files are read when asked for."""

    def __init__(self, storage: Storage, head: DatasetManifest, patches: tuple[Patch, ...]) -> None:
        self.storage, self.manifest, self.patches = storage, head, patches
        self._by_id = {patch.id: patch for patch in patches}

    @classmethod
    def open(cls, place: str | Path | Storage, session: Any = None) -> Dataset:
        """The dataset of a folder, gs:// prefix or storage; ValueError where there is none, Fault where damaged."""
        storage = open_storage(place, session) if isinstance(place, str | Path) else place
        if not storage.exists(MANIFEST):
            raise ValueError(f"{storage.url} holds no finished dataset ({MANIFEST} is missing): {_remedy(storage)}")
        head = manifest.decode(storage.read(MANIFEST), f"{storage.url}/{MANIFEST}")
        patches = index.decode(storage.read(INDEX), f"{storage.url}/{INDEX}")
        if len(patches) != head.counts.get("patches"):
            raise Fault(
                f"{storage.url} is damaged: {INDEX} lists {len(patches)} patches, {MANIFEST} counts "
                f"{head.counts.get('patches')}; run the same export again"
            )
        return cls(storage, head, patches)

    def __len__(self) -> int:
        return len(self.patches)

    def __repr__(self) -> str:
        return f"Dataset({self.storage.url!r}, {len(self)} patches, bands {', '.join(self.manifest.band_names)})"

    def in_split(self, split: str) -> tuple[Patch, ...]:
        """The patches of train, val or test, in id order."""
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
        return tuple(patch for patch in self.patches if patch.split == split)

    def read_image(self, patch: str | Patch) -> np.ndarray:
        """Stored values int16 (bands, rows, columns); -32768 is missing, physical = value * scale + offset.

        Fault where the file is not the one that the index names by its checksum.
        """
        found = self._patch(patch)
        values, names = self._decoded(found.image_name, found.image_crc32c)
        if names != self.manifest.band_names:
            raise Fault(
                f"{self.storage.url}/{found.image_name} holds bands {names}, expected {self.manifest.band_names}"
            )
        return values

    def read_label(self, patch: str | Patch) -> np.ndarray:
        """Classes uint8 (rows, columns): 0 pervious, 1 impervious, 255 unknown; ValueError in datasets without."""
        found = self._patch(patch)
        if found.label_name is None:
            raise ValueError(f"{self.storage.url} holds no labels: export it again with --label worldcover")
        return self._decoded(found.label_name, found.label_crc32c)[0][0]

    def geobox(self, patch: str | Patch) -> GeoBox:
        """The patch's pixels."""
        found = self._patch(patch)
        return self.manifest.grids[found.region].patch_geobox(found.row, found.col, self.manifest.size)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the manifest and of every patch's place and checksums."""
        digest = hashlib.sha256(manifest.encode(self.manifest))
        digest.update(json.dumps([asdict(patch) for patch in self.patches]).encode())
        return digest.hexdigest()[:16]

    def damaged(self) -> list[str]:
        """Names of files that are missing or whose crc32c differs from the index, in id order."""
        present = set(self.storage.list())

        def is_whole(name: str, crc: int) -> bool:
            return name in present and crc32c(self.storage.read(name)) == crc

        return [name for name, crc in files_of(*self.patches) if not is_whole(name, crc)]

    def verify(self) -> None:
        """Fault naming the damaged files, unless every file is there with its checksum and the counts agree."""
        damaged = self.damaged()
        if damaged:
            names = ", ".join(damaged[:5]) + (f" and {len(damaged) - 5} more" if len(damaged) > 5 else "")
            raise Fault(
                f"{self.storage.url}: {len(damaged)} files are missing or corrupt: {names}; run the same export again"
            )
        counted = count_patches(self.patches)
        if counted != {key: self.manifest.counts.get(key) for key in counted}:
            raise Fault(f"{self.storage.url}: {MANIFEST} and {INDEX} disagree; run the same export again")

    def _decoded(self, name: str, crc: int) -> tuple[np.ndarray, tuple[str, ...]]:
        data, where = self.storage.read(name), f"{self.storage.url}/{name}"
        if crc32c(data) != crc:
            raise Fault(
                f"{where} is damaged or of another export (its checksum is not that of {INDEX}): "
                "run the same export again"
            )
        return geotiff.decode(data, where)

    def _patch(self, patch: str | Patch) -> Patch:
        if isinstance(patch, Patch):
            return patch
        if patch not in self._by_id:
            raise ValueError(f"{self.storage.url} holds no patch {patch!r}")
        return self._by_id[patch]


def write(url_or_path: str | Path, head: DatasetManifest, samples: Iterable[Sample], session: Any = None) -> Dataset:
    """Writes a whole dataset from samples; statistics and counts of `head` are filled in here."""
    storage = open_storage(url_or_path, session)
    entries = []
    for sample in samples:
        entry, files = encode(sample, head)
        storage.write_many(files)
        entries.append(entry)
    return finish(storage, head, entries)


def encode(sample: Sample, head: DatasetManifest) -> tuple[Entry, list[tuple[str, bytes]]]:
    """A sample's index entry and its files (name, bytes)."""
    expected = (len(head.bands), head.size, head.size)
    if sample.image_BHW.shape != expected:
        raise ValueError(f"{sample.id}: image {sample.image_BHW.shape}, expected {expected}")
    geobox = head.grids[sample.region].patch_geobox(sample.row, sample.col, head.size)
    scales = [band.scale for band in head.bands]
    image = geotiff.encode(
        sample.image_BHW, geobox, names=head.band_names, nodata=NODATA, scales=scales, tags=_tags(head)
    )
    label = _label_bytes(sample.label_HW, geobox)
    valid_BHW = sample.image_BHW != NODATA
    patch = Patch(
        id=sample.id,
        region=sample.region,
        period=sample.period,
        row=sample.row,
        col=sample.col,
        split=sample.split,
        impervious_share=_impervious_share(sample.label_HW),
        valid_share=float(valid_BHW.all(axis=0).mean()),
        image_crc32c=crc32c(image),
        label_crc32c=None if label is None else crc32c(label),
    )
    files = [(patch.image_name, image)]
    return Entry(patch, *_sums(sample.image_BHW, valid_BHW)), files + ([(patch.label_name, label)] if label else [])


def finish(storage: Storage, head: DatasetManifest, entries: Sequence[Entry]) -> Dataset:
    """Writes the index and, last of all, the manifest: from then on the dataset is whole."""
    ordered = sorted(entries, key=lambda entry: entry.patch.id)
    patches = tuple(entry.patch for entry in ordered)
    if len({patch.id for patch in patches}) != len(patches):
        raise ValueError(f"{storage.url}: two patches have one id")
    train = [entry for entry in ordered if entry.patch.split == "train"]
    whole = replace(head, statistics=statistics(train, head), counts=dict(head.counts) | count_patches(patches))
    storage.write(INDEX, index.encode(patches, list(_footprints(patches, head))))
    storage.write(MANIFEST, manifest.encode(whole))
    return Dataset(storage, whole, patches)


def statistics(entries: Sequence[Entry], head: DatasetManifest) -> dict[str, BandStatistics]:
    """Per band over the entries in their order, in float64 and physical units; none for bands without valid pixels."""
    found = {}
    for i, band in enumerate(head.bands):
        count = sum(entry.count[i] for entry in entries)
        if not count:
            continue
        mean = sum(float(entry.total[i]) for entry in entries) / count
        variance = sum(float(entry.squares[i]) for entry in entries) / count - mean * mean
        seen = [entry for entry in entries if entry.count[i]]
        found[band.name] = BandStatistics(
            mean=mean * band.scale + band.offset,
            std=max(variance, 0.0) ** 0.5 * band.scale,
            min=min(entry.low[i] for entry in seen) * band.scale + band.offset,
            max=max(entry.high[i] for entry in seen) * band.scale + band.offset,
            valid_share=count / (len(entries) * head.size**2),
        )
    return found


def count_patches(patches: Sequence[Patch]) -> dict[str, int]:
    """Patches in all and per split."""
    return {"patches": len(patches)} | {split: sum(p.split == split for p in patches) for split in SPLITS}


def _sums(image_BHW: np.ndarray, valid_BHW: np.ndarray) -> tuple[tuple[int, ...], ...]:
    wide = np.where(valid_BHW, image_BHW, 0).astype(np.int64)
    axes = (1, 2)
    rows = (
        valid_BHW.sum(axis=axes),
        wide.sum(axis=axes),
        (wide * wide).sum(axis=axes),
        np.where(valid_BHW, image_BHW, np.int16(32767)).min(axis=axes),
        image_BHW.max(axis=axes),
    )
    return tuple(tuple(int(value) for value in row) for row in rows)


def _impervious_share(label_HW: np.ndarray | None) -> float | None:
    if label_HW is None:
        return None
    known = int((label_HW != UNKNOWN).sum())
    return int((label_HW == 1).sum()) / known if known else None


def _tags(head: DatasetManifest) -> dict[str, str]:
    """What a patch says of itself where it is mapped or looked at without its dataset."""
    return {"simulated": str(head.simulated).lower()} | ({"backscatter": head.backscatter} if head.backscatter else {})


def _label_bytes(label_HW: np.ndarray | None, geobox: GeoBox) -> bytes | None:
    return None if label_HW is None else geotiff.encode(label_HW[None], geobox, names=("label",), nodata=UNKNOWN)


def files_of(*patches: Patch) -> Iterator[tuple[str, int]]:
    """Name and crc32c of every file of the patches."""
    for patch in patches:
        yield patch.image_name, patch.image_crc32c
        if patch.label_name is not None:
            yield patch.label_name, patch.label_crc32c


def _footprints(patches: Sequence[Patch], head: DatasetManifest) -> Iterator[Polygon]:
    to_degrees = {name: Transformer.from_crs(grid.crs, 4326, always_xy=True) for name, grid in head.grids.items()}
    for patch in patches:
        box = head.grids[patch.region].patch_geobox(patch.row, patch.col, head.size).boundingbox
        x, y = (box.left, box.right, box.right, box.left), (box.top, box.top, box.bottom, box.bottom)
        yield Polygon(np.column_stack(to_degrees[patch.region].transform(x, y)))


def _remedy(storage: Storage) -> str:
    unfinished = bool(storage.list("images/"))
    return "its export was interrupted; run the same export again, it goes on" if unfinished else "export one first"
