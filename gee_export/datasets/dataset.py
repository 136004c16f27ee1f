"""The patch dataset (docs/reference/formats.md, "Patch dataset"): write, read, verify. A folder without manifest.json
is not a dataset.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from shapely.geometry import Polygon

from isamap.gee_export.base.errors import Fault
from isamap.gee_export.base.storage import Storage, crc32c, open_storage
from isamap.gee_export.datasets import digests, geotiff, index, manifest
from isamap.gee_export.datasets.index import SPLITS, Patch, layer_file
from isamap.gee_export.datasets.manifest import Band, BandStatistics, DatasetManifest, Grid, StoredLayer
from isamap.gee_export.datasets.sample import IMAGE, Entry, Sample, encode
from isamap.gee_export.datasets.sums import statistics

__all__ = [
    "SPLITS", "Band", "BandStatistics", "Dataset", "DatasetManifest", "Entry", "Grid", "Patch", "Sample", "StoredLayer",
    "encode", "finish", "write",
]  # fmt: skip

MANIFEST, INDEX = digests.MANIFEST, digests.INDEX
_LAYER_REMEDIES = {
    "shares": "export it again with --share",
    "frames": "export it again with --frames",
    "fine": "export it again with --fine",
    "fine_labels": "export it again with --fine and a label",
}


class Dataset:
    """A finished dataset, opened for reading; files are read when asked for."""

    def __init__(self, storage: Storage, head: DatasetManifest, patches: tuple[Patch, ...]) -> None:
        self.storage, self.manifest, self.patches = storage, head, patches
        self._by_id = {patch.id: patch for patch in patches}

    @classmethod
    def open(cls, location: str | os.PathLike[str] | Storage, session: Any = None) -> Dataset:
        """The dataset of a folder, gs:// prefix or storage; ValueError where there is none, Fault where damaged."""
        storage = open_storage(location, session) if isinstance(location, str | os.PathLike) else location
        if not storage.exists(MANIFEST):
            raise ValueError(f"{storage.url} holds no finished dataset ({MANIFEST} is missing): {_remedy(storage)}")
        head, digest = manifest.decode_sealed(storage.read(MANIFEST), f"{storage.url}/{MANIFEST}")
        rows = storage.read(INDEX)
        digests.check_index(rows, digest, f"{storage.url}/{INDEX}")
        patches = index.decode(rows, f"{storage.url}/{INDEX}")
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
        entry = self._patch(patch)
        values, names = self._decoded(entry.image_name, entry.image_crc32c)
        if names != self.manifest.band_names:
            raise Fault(
                f"{self.storage.url}/{entry.image_name} holds bands {names}, expected {self.manifest.band_names}"
            )
        return values

    def read_label(self, patch: str | Patch) -> np.ndarray:
        """Classes uint8 (rows, columns): 0 pervious, 1 impervious, 255 unknown; ValueError in datasets without."""
        entry = self._patch(patch)
        if entry.label_name is None or entry.label_crc32c is None:
            raise ValueError(f"{self.storage.url} holds no labels: export it again with --label worldcover")
        label: np.ndarray = self._decoded(entry.label_name, entry.label_crc32c)[0][0]
        return label

    def read_share(self, patch: str | Patch) -> np.ndarray:
        """Impervious share of each pixel in percent, uint8 (rows, columns), 255 unknown; ValueError where without."""
        shares: np.ndarray = self._layer(patch, "shares")[0]
        return shares

    def read_fine(self, patch: str | Patch) -> np.ndarray:
        """The finer image, uint8 or int16 (bands, rows, columns) as `manifest.layers["fine"]` says; ValueError without.

        Its pixels are `ratio` times as many along each side, and nest exactly in those of `read_image`.
        """
        return self._layer(patch, "fine")

    def read_fine_label(self, patch: str | Patch) -> np.ndarray:
        """Classes on the finer image's pixels, uint8 (rows, columns), 255 unknown; ValueError in datasets without."""
        labels: np.ndarray = self._layer(patch, "fine_labels")[0]
        return labels

    def read_frames(self, patch: str | Patch) -> tuple[tuple[date, ...], np.ndarray]:
        """Days in order and their stored values int16 (days, bands, rows, columns); ValueError in datasets without.

        Bands, scales and no-data are the image's. A day of `manifest.layers["frames"].dates` of which the patch has
        too few clear pixels has no file and is left out; so a patch may have none.
        """
        entry, stored = self._patch(patch), self.stored("frames")
        days = tuple(date.fromisoformat(day) for day in entry.dates)
        frames = [self._layer(entry, f"frames/{day}") for day in entry.dates]
        side = self.manifest.size
        return days, np.stack(frames) if frames else np.empty((0, len(stored.bands), side, side), np.int16)

    def geobox(self, patch: str | Patch, layer: str = "image") -> GeoBox:
        """The patch's pixels, of the image or of a further layer (`fine`, `fine_labels`: the finer ones)."""
        entry = self._patch(patch)
        ratio = 1 if layer == "image" else self.stored(layer).ratio
        return self.manifest.grids[entry.region].patch_geobox(entry.row, entry.col, self.manifest.size, ratio)

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the SHA-256 of the manifest and of every patch's place and checksums."""
        digest = hashlib.sha256(manifest.encode(self.manifest))
        # By checksums and not by bytes: a fingerprint must not read the dataset.
        digest.update(json.dumps([_facts(patch) for patch in self.patches]).encode())
        return digest.hexdigest()[:16]

    def damaged(self) -> list[str]:
        """Names of files that are missing or whose crc32c differs from the index, in id order."""
        present = set(self.storage.list())

        def is_whole(name: str, crc: int) -> bool:
            return name in present and crc32c(self.storage.read(name)) == crc

        return [name for patch in self.patches for name, crc in patch.files if not is_whole(name, crc)]

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

    def _layer(self, patch: str | Patch, key: str) -> np.ndarray:
        """The file of a further layer, checked against what the manifest says of it."""
        entry, stored = self._patch(patch), self.stored(key.partition("/")[0])
        name = layer_file(key, entry.id)
        if key not in (crc_of := dict(entry.layers)):
            raise Fault(f"{self.storage.url}/{name} is not listed in {INDEX}: run the same export again")
        values, names = self._decoded(name, crc_of[key])
        if names != stored.band_names or values.dtype.name != stored.dtype:
            raise Fault(f"{self.storage.url}/{name} holds bands {names}, expected {stored.band_names}")
        return values

    def stored(self, layer: str) -> StoredLayer:
        """What the manifest says of a further layer (`shares`, `frames`, `fine`, `fine_labels`); ValueError without."""
        if layer not in self.manifest.layers:
            raise ValueError(f"{self.storage.url} holds no {layer}: {_LAYER_REMEDIES[layer]}")
        return self.manifest.layers[layer]

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


def finish(storage: Storage, head: DatasetManifest, entries: Sequence[Entry]) -> Dataset:
    """Writes the index and, last of all, the manifest: from then on the dataset is whole."""
    # By id and not as they came, so that killed and continued exports give the same bytes.
    ordered = sorted(entries, key=lambda entry: entry.patch.id)
    patches = tuple(entry.patch for entry in ordered)
    if len({patch.id for patch in patches}) != len(patches):
        raise ValueError(f"{storage.url}: two patches have one id")
    train = [entry for entry in ordered if entry.patch.split == "train"]
    complete = replace(
        head,
        statistics=statistics([entry.sums[IMAGE] for entry in train], head.bands),
        layers={name: _with_statistics(name, layer, train) for name, layer in head.layers.items()},
        counts=dict(head.counts) | count_patches(patches),
    )
    rows = index.encode(patches, list(_footprints(patches, head)))
    storage.write(INDEX, rows)
    storage.write(MANIFEST, manifest.encode(complete, rows))
    return Dataset(storage, complete, patches)


def count_patches(patches: Sequence[Patch]) -> dict[str, int]:
    """Patches in all and per split."""
    return {"patches": len(patches)} | {split: sum(p.split == split for p in patches) for split in SPLITS}


def _with_statistics(name: str, layer: StoredLayer, train: Sequence[Entry]) -> StoredLayer:
    return replace(layer, statistics=statistics([e.sums[name] for e in train if name in e.sums], layer.bands))


def _facts(patch: Patch) -> dict[str, Any]:
    """What the fingerprint holds of a patch; without further layers the same as before there were any."""
    facts = asdict(patch)
    if not patch.layers:
        del facts["layers"]
    return facts


def _footprints(patches: Sequence[Patch], head: DatasetManifest) -> Iterator[Polygon]:
    to_degrees = {name: Transformer.from_crs(grid.crs, 4326, always_xy=True) for name, grid in head.grids.items()}
    for patch in patches:
        box = head.grids[patch.region].patch_geobox(patch.row, patch.col, head.size).boundingbox
        x, y = (box.left, box.right, box.right, box.left), (box.top, box.top, box.bottom, box.bottom)
        yield Polygon(np.column_stack(to_degrees[patch.region].transform(x, y)))


def _remedy(storage: Storage) -> str:
    unfinished = bool(storage.list("images/"))
    return "its export was interrupted; run the same export again, it goes on" if unfinished else "export one first"
