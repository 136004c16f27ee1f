"""Patches for training: several datasets as one, read in batches from their caches, in an order fixed by the seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler
from torch.utils.data import Dataset as TorchDataset

from gee_export.datasets.dataset import Band, Dataset
from training.augment import Augmented
from training.cache import Cache, open_cache
from training.checkpoint import BandNorm, standardise
from training.losses import UNKNOWN

CLASSES = ("pervious", "impervious")
REFLECTANCE_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class Batch:
    """Stored values int16 (B, bands, rows, columns), labels uint8 and the patches' numbers in their split."""

    image_BCHW: Tensor
    label_BHW: Tensor
    patch_B: np.ndarray

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        return Batch(self.image_BCHW.to(device), self.label_BHW.to(device), self.patch_B)


class Patches(TorchDataset):
    """One split of one or more datasets with equal bands; reads a whole batch at once."""

    def __init__(self, parts: Sequence[tuple[Cache, np.ndarray, Sequence[int]]]) -> None:
        """parts: per dataset its cache, the rows of the split in it, and the channels in the order wanted."""
        self.parts = [part for part in parts if len(part[1])]
        self.ends = np.cumsum([len(rows) for _, rows, _ in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The patches as one batch: one gather per dataset from its memory map."""
        wanted = np.asarray(indices, dtype=np.int64)
        owner = np.searchsorted(self.ends, wanted, side="right")
        gathered = [self._gather(part, wanted[owner == part]) for part in np.unique(owner)]
        images, labels = (
            arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for arrays in zip(*gathered, strict=True)
        )
        if len(gathered) > 1:
            back = np.argsort(np.argsort(owner, kind="stable"), kind="stable")
            images, labels = images[back], labels[back]
        return Batch(torch.from_numpy(images), torch.from_numpy(labels), wanted)

    def _gather(self, part: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        cache, rows, channels = self.parts[part]
        at = rows[wanted - (self.ends[part - 1] if part else 0)]
        images = np.take(cache.images_NBHW, at, axis=0)
        if list(channels) != list(range(cache.images_NBHW.shape[1])):
            images = images[:, list(channels)]
        return np.ascontiguousarray(images), np.take(cache.labels_NHW, at, axis=0)


class EpochOrder(Sampler[int]):
    """A permutation of the patches that depends on the seed and the epoch alone."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return iter(np.random.default_rng((self.seed, self.epoch)).permutation(self.count).tolist())


@dataclass(frozen=True)
class Source:
    """Datasets opened for a network: bands in its order, standardisation, splits, provenance."""

    datasets: tuple[Dataset, ...]
    bands: tuple[BandNorm, ...]
    stored: tuple[Band, ...]
    home: Path | None = None

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    @property
    def simulated(self) -> bool:
        return any(dataset.manifest.simulated for dataset in self.datasets)

    @property
    def fingerprint(self) -> str:
        """The datasets' fingerprints, joined."""
        return "+".join(dataset.fingerprint for dataset in self.datasets)

    def split(self, name: str) -> Patches:
        """The patches of train, val or test, in the datasets' order."""
        parts = []
        for dataset in self.datasets:
            names = dataset.manifest.band_names
            rows = np.flatnonzero([patch.split == name for patch in dataset.patches])
            parts.append((open_cache(dataset, self.home), rows, [names.index(band) for band in self.band_names]))
        return Patches(parts)

    def prepare(self, batch: Batch) -> Augmented:
        """Standardised image, validity and label, on the batch's device."""
        return prepare(batch, self.stored, self.bands)


def prepare(batch: Batch, stored: Sequence[Band], bands: Sequence[BandNorm]) -> Augmented:
    """Stored values to physical units to standardised ones; missing pixels 0 and not valid."""

    def column(name: str, kind: torch.dtype) -> Tensor:
        numbers = [getattr(band, name) for band in stored]
        return torch.tensor(numbers, dtype=kind, device=batch.image_BCHW.device)[:, None, None]

    valid = batch.image_BCHW != column("nodata", torch.int16)
    values = batch.image_BCHW * column("scale", torch.float32) + column("offset", torch.float32)
    return Augmented(standardise(values, valid, bands), valid, batch.label_BHW)


def loader(patches: Patches, batch: int, order: EpochOrder | None = None) -> DataLoader:
    """Batches of a split: in `order` and only whole ones for training, else all in the split's order.

    No worker processes: gathering from the memory map is faster than sending tensors between processes
    (performance.md section 5).
    """
    return DataLoader(patches, batch, sampler=order, drop_last=order is not None, collate_fn=_as_is, num_workers=0)


def _as_is(batch: Batch) -> Batch:
    return batch


def open_source(
    data: Sequence[str | Path], bands: Sequence[str] = (), *, session: Any = None, home: Path | None = None
) -> Source:
    """The datasets as one source for the bands named (all of the first dataset's if none is named).

    ValueError: none given, a band missing or stored differently, sizes or composite settings that differ.
    """
    if not data:
        raise ValueError("no dataset given: name at least one with --data")
    datasets = tuple(Dataset.open(path, session) for path in data)
    names = tuple(bands) or datasets[0].manifest.band_names
    stored = tuple(_stored(datasets, name) for name in names)
    _check_equal(datasets)
    norms = tuple(_norm(datasets, band) for band in stored)
    return Source(datasets, norms, stored, home)


def _stored(datasets: Sequence[Dataset], name: str) -> Band:
    """How the band is stored, the same in all datasets."""
    found = []
    for dataset in datasets:
        held = {band.name: band for band in dataset.manifest.bands}
        if name not in held:
            raise ValueError(
                f"dataset {dataset.manifest.name} lacks band {name} (it holds {', '.join(held)}): "
                "export it with that band or choose others with --set bands=..."
            )
        found.append(held[name])
    if any(band != found[0] for band in found):
        raise ValueError(f"band {name} has not the same unit, scale and no-data in all datasets: train them one by one")
    return found[0]


def _check_equal(datasets: Sequence[Dataset]) -> None:
    first = datasets[0].manifest
    for dataset in datasets[1:]:
        other = dataset.manifest
        for what in ("size", "backscatter", "level"):
            if getattr(first, what) != getattr(other, what):
                raise ValueError(
                    f"datasets {first.name} and {other.name} differ in {what}: {getattr(first, what)} and "
                    f"{getattr(other, what)}; export them with the same"
                )
        if differing := _differing(first.settings, other.settings):
            raise ValueError(
                f"datasets {first.name} and {other.name} differ in composite setting {differing}; "
                "export them with the same"
            )


def _differing(left: Mapping[str, Any], right: Mapping[str, Any]) -> str:
    """The first key whose value differs, with both values, or an empty text."""
    for key in sorted({*left, *right}):
        if left.get(key) != right.get(key):
            return f"{key}: {left.get(key)} and {right.get(key)}"
    return ""


def _norm(datasets: Sequence[Dataset], band: Band) -> BandNorm:
    """Mean and standard deviation over all datasets' valid training pixels, from their manifests' statistics."""
    count = total = squares = 0.0
    for dataset in datasets:
        if (found := dataset.manifest.statistics.get(band.name)) is None:
            continue
        pixels = found.valid_share * dataset.manifest.counts["train"]
        count, total = count + pixels, total + pixels * found.mean
        squares += pixels * (found.std**2 + found.mean**2)
    if not count:
        raise ValueError(f"band {band.name} has no valid pixel in any training patch: export another month or region")
    mean = total / count
    std = math.sqrt(max(0.0, squares / count - mean * mean))
    if std < abs(band.scale) * 1e-3:
        raise ValueError(
            f"band {band.name} is {mean:g} everywhere in the training patches: leave it out with --set bands=..."
        )
    low, high = REFLECTANCE_RANGE if band.unit == "reflectance" else (None, None)
    return BandNorm(band.name, band.unit, mean, std, low, high)


def label_shares(patches: Patches, rows_at_once: int = 256) -> tuple[float, ...]:
    """Share of every class of CLASSES among all label pixels of a split, then that of unknown pixels."""
    counts = np.zeros(256, dtype=np.int64)
    for cache, rows, _ in patches.parts:
        for start in range(0, len(rows), rows_at_once):
            counts += np.bincount(cache.labels_NHW[rows[start : start + rows_at_once]].ravel(), minlength=256)
    total = max(1, int(counts.sum()))
    return (*(counts[: len(CLASSES)] / total).tolist(), float(counts[UNKNOWN] / total))
