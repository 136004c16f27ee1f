"""Batches of patches, gathered from the training cache in an order that the seed and the epoch fix."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, Subset
from torch.utils.data import Dataset as TorchDataset

from isamap.gee_export.base.scheme import CLASSES, UNKNOWN
from isamap.training.samples.answers import ANSWERED, AnsweredLabels

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Batch:
    """Stored values int16 (B, bands, rows, columns), or with dates (B, dates, bands, rows, columns), and the target.

    label: uint8 classes, on `Source.ratio` times as many pixels along a side; of shares percents; 255 unknown.
    patch: the patches' numbers in their split. sharp: the finer image's stored values, where they are asked for.
    """

    image_BCHW: Tensor
    label_BHW: Tensor
    patch_B: np.ndarray
    sharp_BCHW: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch on a device."""
        sharp = None if self.sharp_BCHW is None else self.sharp_BCHW.to(device)
        return Batch(self.image_BCHW.to(device), self.label_BHW.to(device), self.patch_B, sharp)


@dataclass(frozen=True, eq=False)
class Part:
    """One dataset's share of a split: its layers over all its patches, and which rows of them are the split's.

    channels, sharp_channels: the bands wanted, in their order. class_of: the class of each stored number 0..255.
    mapped: whether labels are given as classes (of shares the percents are).
    """

    images: np.ndarray
    labels: np.ndarray | AnsweredLabels
    rows: np.ndarray
    channels: tuple[int, ...]
    class_of: np.ndarray
    mapped: bool = True
    sharp: np.ndarray | None = None
    sharp_channels: tuple[int, ...] = ()

    def gather(self, at: np.ndarray) -> tuple[np.ndarray, ...]:
        """Image, label and, where there is one, finer image of the rows' patches."""
        arrays = [_taken(self.images, at, self.channels), self._labels(at)]
        return (*arrays, _taken(self.sharp, at, self.sharp_channels)) if self.sharp is not None else tuple(arrays)

    def _labels(self, at: np.ndarray) -> np.ndarray:
        stored = self.labels.take(at, axis=0)
        as_they_are = not self.mapped or (self.class_of == np.arange(256)).all()
        return stored if as_they_are else np.take(self.class_of, stored)


def _taken(values: np.ndarray, at: np.ndarray, channels: Sequence[int]) -> np.ndarray:
    """Rows of an array (..., bands, rows, columns) with only the requested bands, contiguous."""
    taken = np.take(values, at, axis=0)
    if list(channels) != list(range(values.shape[-3])):
        taken = taken[..., list(channels), :, :]
    return np.ascontiguousarray(taken)


class Patches(TorchDataset):
    """One split of one or more datasets with equal bands; reads a whole batch at once."""

    def __init__(self, parts: Sequence[Part], classes: int = len(CLASSES)) -> None:
        self.parts = [dataset_part for dataset_part in parts if len(dataset_part.rows)]
        self.classes = classes
        self.ends = np.cumsum([len(dataset_part.rows) for dataset_part in self.parts], dtype=np.int64)

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The patches as one batch: one gather per dataset from its memory maps."""
        indices_B = np.asarray(indices, dtype=np.int64)
        # A whole batch at once: 20,682 patches a second against 14,826 one by one (docs/reference/performance.md).
        owner = np.searchsorted(self.ends, indices_B, side="right")
        gathered = [self._gather(part_index, indices_B[owner == part_index]) for part_index in np.unique(owner)]
        arrays = [
            arrays_of_parts[0] if len(arrays_of_parts) == 1 else np.concatenate(arrays_of_parts)
            for arrays_of_parts in zip(*gathered, strict=True)
        ]
        if len(gathered) > 1:
            # Parts come one dataset after another: this permutation restores the order in which patches were asked for.
            back = np.argsort(np.argsort(owner, kind="stable"), kind="stable")
            arrays = [array[back] for array in arrays]
        image, label, *sharp = (torch.from_numpy(array) for array in arrays)
        return Batch(image, label, indices_B, *sharp)

    def _gather(self, part_index: int, indices_N: np.ndarray) -> tuple[np.ndarray, ...]:
        dataset_part = self.parts[part_index]
        return dataset_part.gather(dataset_part.rows[indices_N - (self.ends[part_index - 1] if part_index else 0)])


class EpochOrder(Sampler[int]):
    """A permutation of the patches that depends on the seed and the epoch alone.

    Of `ranks` processes each takes every ranks-th place from its own on, all equally many: together the batches of
    all are those of one process.
    """

    def __init__(self, count: int, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        self.count, self.seed, self.epoch, self.rank, self.ranks = count, seed, 0, rank, ranks

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.ranks

    def __iter__(self) -> Iterator[int]:
        order = self._drawn(np.random.default_rng((self.seed, self.epoch)))
        return iter(order[: len(self) * self.ranks][self.rank :: self.ranks].tolist())

    def _drawn(self, random: np.random.Generator) -> np.ndarray:
        return random.permutation(self.count)


class BalancedOrder(EpochOrder):
    """As many patches as there are, each drawn with its weight: some come several times in an epoch, others never."""

    def __init__(self, weights_N: np.ndarray, seed: int, *, rank: int = 0, ranks: int = 1) -> None:
        super().__init__(len(weights_N), seed, rank=rank, ranks=ranks)
        self.weights_N = weights_N

    def _drawn(self, random: np.random.Generator) -> np.ndarray:
        return random.choice(self.count, self.count, p=self.weights_N)


def balanced_weights(patches: Patches) -> np.ndarray:
    """The chance of each patch when first a class is drawn, all as likely, then a patch by its pixels of that class.

    A patch without a known pixel has none.
    """
    counts_NK = np.concatenate([*(_counted(dataset_part, patches.classes) for dataset_part in patches.parts)])
    present = counts_NK.sum(axis=0) > 0
    return (counts_NK[:, present] / counts_NK[:, present].sum(axis=0)).mean(axis=1)


def _counted(dataset_part: Part, classes: int) -> np.ndarray:
    """Label pixels of each class in each patch of a part, float64 (patches, classes)."""
    rows = [np.bincount(dataset_part.labels[row].ravel(), minlength=256) for row in dataset_part.rows]
    counts_NK = np.zeros((len(rows), 256))
    # Several stored numbers can be one class: `+=` with repeated indices would keep the last of them only.
    np.add.at(counts_NK.T, dataset_part.class_of, np.asarray(rows, dtype=np.float64).T)
    return counts_NK[:, :classes] + counts_NK[:, ANSWERED : ANSWERED + classes]


def loader(patches: Patches | Subset[Any], batch: int, order: EpochOrder | range | None = None) -> DataLoader:
    """Batches of a split: in an `EpochOrder` and only whole ones for training, else all of a range or of the split.

    No worker processes: gathering from the memory map is faster than sending tensors between processes
    (docs/reference/performance.md, "Training reads").
    """
    # Only whole batches are trained on, so that an epoch's steps follow from counts; scores need every patch.
    return DataLoader(
        patches, batch, sampler=order, drop_last=isinstance(order, EpochOrder), collate_fn=_as_is, num_workers=0
    )


def _as_is(batch: Any) -> Any:  # Patches gives whole batches, for which torch has no type
    return batch


def label_shares(patches: Patches) -> tuple[float, ...]:
    """Share of every class among all label pixels of a split, then that of unknown pixels."""
    counts = np.zeros(256, dtype=np.int64)
    for dataset_part in patches.parts:
        for start in range(0, len(dataset_part.rows), _ROWS_AT_ONCE):
            value_counts = np.bincount(
                dataset_part.labels[dataset_part.rows[start : start + _ROWS_AT_ONCE]].ravel(), minlength=256
            )
            np.add.at(counts, dataset_part.class_of, value_counts)
    counts[: patches.classes] += counts[ANSWERED : ANSWERED + patches.classes]
    total = max(1, int(counts[: patches.classes].sum() + counts[UNKNOWN]))
    return (*(counts[: patches.classes] / total).tolist(), float(counts[UNKNOWN] / total))


def classes_of(label_BHW: Tensor) -> Tensor:
    """Labels as they are; of impervious shares 1 from a half on, 255 where unknown."""
    if not label_BHW.is_floating_point():
        return label_BHW
    # From a half on, as `class_numbers` and maps decide.
    return torch.where(label_BHW == UNKNOWN, float(UNKNOWN), (label_BHW >= 0.5).float()).byte()
